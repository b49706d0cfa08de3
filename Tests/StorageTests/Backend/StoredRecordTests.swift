import API
import Testing

@testable import Storage

@Suite("A record with its checksum")
struct StoredRecordTests {
    private func stored(_ table: Table, _ key: [UInt8], _ value: [UInt8]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: value.count + StoredRecord.checksumBytes)
        key.withUnsafeBytes { key in
            value.withUnsafeBytes { value in
                bytes.withUnsafeMutableBytes {
                    guard let place = $0.baseAddress else { return }
                    StoredRecord.write(table, key, value, to: place)
                }
            }
        }
        return bytes
    }

    private func value(_ table: Table, _ key: [UInt8], _ stored: [UInt8]) -> [UInt8]? {
        key.withUnsafeBytes { key in
            stored.withUnsafeBytes { StoredRecord.value(table, key, $0).map { [UInt8]($0) } }
        }
    }

    @Test("is the value that was written", arguments: [0, 1, 7, 8, 9, 255, 5000])
    func roundTrip(_ count: Int) {
        let written = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        for table in Table.allCases {
            #expect(value(table, [1, 2], stored(table, [1, 2], written)) == written)
        }
    }

    @Test("is none with any bit of key, value or checksum flipped, nor in another table")
    func everyBit() {
        let key = Array("consistent_index".utf8)
        let whole = stored(.meta, key, [0, 0, 0, 0, 0, 0, 3, 9])
        for place in whole.indices {
            for bit in 0..<8 {
                var flipped = whole
                flipped[place] ^= 1 << bit
                #expect(value(.meta, key, flipped) == nil, "byte \(place), bit \(bit)")
            }
        }
        for place in key.indices {
            for bit in 0..<8 {
                var flipped = key
                flipped[place] ^= 1 << bit
                #expect(value(.meta, flipped, whole) == nil, "byte \(place), bit \(bit)")
            }
        }
        for table in Table.allCases where table != .meta {
            #expect(value(table, key, whole) == nil)
        }
    }

    @Test("is none when bytes are missing, or all are zero")
    func shortOrEmpty() {
        let whole = stored(.key, [1], [2, 3])
        for count in 0..<whole.count {
            #expect(value(.key, [1], Array(whole[..<count])) == nil)
        }
        for count in 0..<20 {
            #expect(value(.key, [0], [UInt8](repeating: 0, count: count)) == nil)
        }
    }
}

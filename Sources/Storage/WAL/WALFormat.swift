// The outline of etcd's write-ahead log: names, sizes, kinds (reference: ondisk.md, WAL segment).

import API

/// What a record holds; raw values as on disk.
enum WALRecordKind: UInt8, CaseIterable, Sendable {
    case metadata = 1
    case entry = 2
    case state = 3
    case checksum = 4
    case snapshot = 5
}

enum WALFormat {
    /// The length field before each record.
    static let lengthFieldSize = 8
    /// Frames begin at multiples of this.
    static let alignment = 8
    /// What a disk writes whole: the unit in which a write is torn.
    static let sectorSize = 512
    /// A segment is preallocated to this size, and the log goes on in a new one behind it.
    static let segmentSize = 64_000_000
    /// 08 kind 10 crc(5) 1a length(10): what stands before a record's data, at most.
    static let recordHeaderLimit = 2 + 6 + 11
    /// 08 kind 10 crc(1).
    static let smallestRecord = 4
}

/// The file name of a segment: its sequence, and the index of the first entry it was begun for.
struct WALSegmentName: Hashable, Comparable, Sendable, CustomStringConvertible {
    let sequence: UInt64
    let firstIndex: LogIndex

    init(sequence: UInt64, firstIndex: LogIndex) {
        self.sequence = sequence
        self.firstIndex = firstIndex
    }

    /// - Returns: nil when `text` is not `<16 hex digits>-<16 hex digits>.wal`.
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == 37, bytes[16] == UInt8(ascii: "-"), text.hasSuffix(".wal"),
            let sequence = Self.number(bytes[0..<16]), let index = Self.number(bytes[17..<33])
        else { return nil }
        self.init(sequence: sequence, firstIndex: LogIndex(index))
    }

    static func < (a: Self, b: Self) -> Bool { a.sequence < b.sequence }

    var description: String {
        "\(Self.hex(sequence))-\(Self.hex(firstIndex.rawValue)).wal"
    }

    private static func hex(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
        guard digits.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }) else {
            return nil
        }
        return UInt64(String(decoding: digits, as: UTF8.self), radix: 16)
    }
}

/// The 8 bytes before a record, little endian: its size in the low 56 bits; in the top byte 0x80
/// and how many zero bytes follow the record up to a multiple of 8, or 0 when none do.
struct WALFrameLength: Hashable, Sendable {
    let record: Int
    let padding: Int

    init(record: Int) {
        self.record = record
        padding = (WALFormat.alignment - record % WALFormat.alignment) % WALFormat.alignment
    }

    /// - Returns: nil for what no writer writes: sizes and paddings that do not go together.
    init?(field: UInt64) {
        let size = field & 0x00ff_ffff_ffff_ffff
        self.init(record: Int(size))
        guard size >= WALFormat.smallestRecord, self.field == field else { return nil }
    }

    var field: UInt64 {
        UInt64(record) | (padding == 0 ? 0 : UInt64(0x80 | padding) << 56)
    }

    /// The length field, the record and the padding.
    var frame: Int { WALFormat.lengthFieldSize + record + padding }
}

// A request encoded once; only its key changes from call to call.
//
// The generator shares the machine with the server it measures, so it encodes nothing per call: it
// copies the template to where the message goes and writes the key's digits over the zeros.

import API

/// An encoded request about a single key.
struct RequestTemplate {
    private let bytes: [UInt8]
    /// Where the key ends, each time that it occurs.
    private let keyEnds: [Int]
    /// Where a revision stands, in `revisionBytes`.
    private let revisionPlace: Int?

    /// Revisions have room up to 2^35. Smaller ones get a varint with leading zeros, which every
    /// reader takes.
    private static let revisionBytes = 5

    /// Of an encoded message.
    var size: Int { bytes.count }

    static func put(keySize: Int, valueSize: Int) -> RequestTemplate {
        value(valueSize).withUnsafeBytes { value in
            RequestTemplate(keySize: keySize) { buffer, key, _ in
                buffer.appendPutRequest(key: key, value: value)
            }
        }
    }

    static func range(keySize: Int, isSerializable: Bool) -> RequestTemplate {
        RequestTemplate(keySize: keySize) { buffer, key, _ in
            buffer.appendRangeRequest(key: key, isSerializable: isSerializable)
        }
    }

    /// A put if the key was not changed since a revision, else a get.
    static func txn(keySize: Int, valueSize: Int) -> RequestTemplate {
        value(valueSize).withUnsafeBytes { value in
            RequestTemplate(keySize: keySize) { buffer, key, revision in
                buffer.appendTxnCompare(key: key, .mod, .equal, .modRevision(revision))
                let put = buffer.beginTxnOperation(.put, in: .success)
                buffer.appendPutRequest(key: key, value: value)
                buffer.endTxnOperation(put)
                let get = buffer.beginTxnOperation(.range, in: .failure)
                buffer.appendRangeRequest(key: key)
                buffer.endTxnOperation(get)
            }
        }
    }

    /// Bytes that no compression makes small.
    private static func value(_ size: Int) -> [UInt8] {
        var chance = SplitMix64(state: 1)
        return (0..<size).map { _ in UInt8(truncatingIfNeeded: chance.next()) }
    }

    /// Finds the places by what differs between two messages that differ in nothing else.
    private init(
        keySize: Int, _ write: (inout ByteBuffer, UnsafeRawBufferPointer, Revision) -> Void
    ) {
        func message(_ digit: UInt8, _ revision: Int64) -> [UInt8] {
            var buffer = ByteBuffer()
            [UInt8](repeating: digit, count: keySize).withUnsafeBytes {
                write(&buffer, $0, Revision(revision))
            }
            return buffer.array
        }
        let longest: Int64 = 1 << 34
        let (zero, one) = (UInt8(ascii: "0"), UInt8(ascii: "1"))
        bytes = message(zero, longest)
        let otherKey = message(one, longest)
        let otherRevision = message(zero, longest + 1)
        let bytes = bytes
        let places = bytes.indices.filter { bytes[$0] != otherKey[$0] }
        precondition(places.count % keySize == 0 && otherKey.count == bytes.count)
        keyEnds = stride(from: keySize, through: places.count, by: keySize).map {
            places[$0 - 1] + 1
        }
        revisionPlace = bytes.indices.first { bytes[$0] != otherRevision[$0] }
    }

    /// Writes the message about key `number`: decimal digits behind zeros.
    /// - Parameter revision: what a transaction compares with.
    /// - Parameter buffer: of `size` bytes at least.
    /// - Returns: the bytes written.
    func write(
        key number: Int, revision: Revision, to buffer: UnsafeMutableRawBufferPointer
    ) -> Int {
        buffer.copyBytes(from: bytes)
        for end in keyEnds {
            var rest = number
            var place = end
            while rest > 0 {
                place -= 1
                buffer[place] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            }
        }
        if let revisionPlace {
            var rest = UInt64(bitPattern: revision.rawValue)
            for place in revisionPlace..<(revisionPlace + Self.revisionBytes) {
                let isLast = place == revisionPlace + Self.revisionBytes - 1
                buffer[place] = UInt8(rest & 0x7f) | (isLast ? 0 : 0x80)
                rest >>= 7
            }
        }
        return bytes.count
    }
}

/// Steele, Lea, Flood, "Fast splittable pseudorandom number generators".
private struct SplitMix64 {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

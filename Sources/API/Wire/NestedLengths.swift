// The lengths of messages that lie in each other, perhaps a hundred deep.
//
// A length stands before its message and is known after it. Moving each message up when it ends
// would move what is innermost once for every level. So room for the longest is kept, and when all
// of them have ended, everything is moved to its place in one pass.

/// Messages within messages that are being written to one buffer. The last begun ends first.
public struct NestedLengths: Sendable {
    private struct Length {
        /// Of the first of the bytes that are kept.
        let place: Int
        var size = 0
    }
    /// In the order of their places.
    private var lengths: [Length] = []
    /// Bytes that are kept and that the lengths known so far do not need.
    private var excess = 0

    /// Five groups of seven bits hold any length that gRPC can carry.
    private static let keptBytes = 5

    /// A message that was begun.
    public struct Open {
        fileprivate let number: Int
        fileprivate let excessBefore: Int
    }

    public init() {}

    /// Begins a nested message as field `number` of what `buffer` holds the beginning of.
    public mutating func begin(_ number: Int, in buffer: inout ByteBuffer) -> Open {
        buffer.appendTag(number, .lengthDelimited)
        lengths.append(Length(place: buffer.count))
        for _ in 0..<Self.keptBytes { buffer.append(0) }
        return Open(number: lengths.count - 1, excessBefore: excess)
    }

    /// What was appended since `begin` is the message.
    public mutating func end(_ open: Open, in buffer: borrowing ByteBuffer) {
        let body = buffer.count - lengths[open.number].place - Self.keptBytes
        precondition(body >= 0, "this message was not begun in this buffer")
        let size = body - (excess - open.excessBefore)
        lengths[open.number].size = size
        excess += Self.keptBytes - WireSize.varint(UInt64(size))
    }

    /// All have ended: writes the lengths and closes the gaps. Ready for the next buffer.
    public mutating func settle(in buffer: inout ByteBuffer) {
        guard let first = lengths.first else { return }
        buffer.withUnsafeMutableBytes { bytes in
            var target = first.place
            for (number, length) in lengths.enumerated() {
                target = Self.write(length.size, to: bytes, at: target)
                let source = length.place + Self.keptBytes
                let end = number + 1 < lengths.count ? lengths[number + 1].place : bytes.count
                UnsafeMutableRawBufferPointer(rebasing: bytes[target...]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: bytes[source..<end]))
                target += end - source
            }
        }
        buffer.truncate(to: buffer.count - excess)
        lengths.removeAll(keepingCapacity: true)
        excess = 0
    }

    /// - Returns: where the varint ends.
    private static func write(
        _ size: Int, to bytes: UnsafeMutableRawBufferPointer, at place: Int
    ) -> Int {
        var (rest, place) = (size, place)
        while rest >= 0x80 {
            bytes[place] = UInt8(rest & 0x7f) | 0x80
            rest >>= 7
            place += 1
        }
        bytes[place] = UInt8(rest)
        return place + 1
    }
}

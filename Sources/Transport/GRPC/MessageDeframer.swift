// Cuts the body of a call into messages: one byte of flag, four of length, then the message.
//
// Pure: bytes in, messages out. A message that lies whole in one piece of input is handed over in
// place; only one that is spread is held, and the limit is checked on the length, before any byte
// is. Memory grows with what has come, not with what was announced: a length is cheap to send.

import API

struct MessageDeframer: ~Copyable {
    enum Step {
        /// A whole message, valid until the next call.
        case message(UnsafeRawBufferPointer, isCompressed: Bool)
        /// All input was taken; more is needed for the next message.
        case needsMore
        /// The call has failed; the deframer is not used any more.
        case failed(Status)
    }

    /// In bytes, without the prefix.
    let maxMessageBytes: Int
    private static let prefixBytes = 5
    private var prefix: UInt64 = 0
    private var prefixCount = 0
    /// The length of the message whose prefix has come.
    private var expected: Int?
    private var isCompressed = false
    private var held = ByteQueue()
    private var isHandedOver = false

    init(maxMessageBytes: Int) { self.maxMessageBytes = maxMessageBytes }

    /// Bytes kept until their message is whole.
    var heldBytes: Int { isHandedOver ? 0 : held.count }
    /// Part of a message has come: an end of the stream here cuts it off.
    var isInsideMessage: Bool { prefixCount > 0 || expected != nil }

    mutating func reset() {
        prefix = 0
        prefixCount = 0
        expected = nil
        isHandedOver = false
        held.reset(keepingCapacity: 4 << 10)
    }

    /// The next message of `input`, whose taken bytes are removed from its front.
    mutating func next(_ input: inout UnsafeRawBufferPointer) -> Step {
        if isHandedOver {
            isHandedOver = false
            held.reset(keepingCapacity: 64 << 10)
        }
        if expected == nil {
            guard takePrefix(&input) else { return .needsMore }
            let flag = UInt8(truncatingIfNeeded: prefix >> 32)
            let length = Int(prefix & 0xFFFF_FFFF)
            prefix = 0
            prefixCount = 0
            if length > maxMessageBytes {
                return .failed(
                    Status(
                        .resourceExhausted,
                        "grpc: received message larger than max (\(length) vs. \(maxMessageBytes))"
                    ))
            }
            guard flag <= 1 else {
                return .failed(
                    Status(.internal, "grpc: received unexpected payload format \(flag)"))
            }
            isCompressed = flag == 1
            expected = length
        }
        return takeBody(&input)
    }

    private mutating func takePrefix(_ input: inout UnsafeRawBufferPointer) -> Bool {
        let size = min(Self.prefixBytes - prefixCount, input.count)
        for byte in input.prefix(size) { prefix = prefix << 8 | UInt64(byte) }
        prefixCount += size
        input = UnsafeRawBufferPointer(rebasing: input.dropFirst(size))
        return prefixCount == Self.prefixBytes
    }

    private mutating func takeBody(_ input: inout UnsafeRawBufferPointer) -> Step {
        guard let length = expected else { return .needsMore }
        if held.isEmpty && input.count >= length {
            let message = UnsafeRawBufferPointer(rebasing: input.prefix(length))
            input = UnsafeRawBufferPointer(rebasing: input.dropFirst(length))
            expected = nil
            return .message(message, isCompressed: isCompressed)
        }
        let size = min(length - held.count, input.count)
        held.append(UnsafeRawBufferPointer(rebasing: input.prefix(size)))
        input = UnsafeRawBufferPointer(rebasing: input.dropFirst(size))
        guard held.count == length else { return .needsMore }
        expected = nil
        isHandedOver = true
        return .message(held.bytes, isCompressed: isCompressed)
    }
}

/// What stands before every message: a flag that it is not compressed, and its length.
struct MessagePrefix {
    static let size = 5
    private let length: UInt32

    /// - Parameter length: at most `Limits.sendBytes`.
    init(length: Int) { self.length = UInt32(length).bigEndian }

    @inline(__always)
    func store(to place: UnsafeMutableRawPointer) {
        place.storeBytes(of: 0, as: UInt8.self)
        place.storeBytes(of: length, toByteOffset: 1, as: UInt32.self)
    }

    func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
        withUnsafeTemporaryAllocation(byteCount: Self.size, alignment: 1) { place in
            guard let base = place.baseAddress else { return }
            store(to: base)
            body(UnsafeRawBufferPointer(place))
        }
    }
}

extension ByteQueue {
    /// Appends a message of at most `capacity` bytes with its prefix, encoded in place by `write`.
    /// - Returns: the bytes added.
    mutating func appendMessage(
        capacity: Int, _ write: (UnsafeMutableRawBufferPointer) -> Int
    ) -> Int {
        let prefix = MessagePrefix.size
        let room = reserve(capacity + prefix)
        let length = write(UnsafeMutableRawBufferPointer(start: room + prefix, count: capacity))
        precondition(length >= 0 && length <= capacity, "encoded past the end of its buffer")
        MessagePrefix(length: length).store(to: room)
        commit(prefix + length)
        return prefix + length
    }
}

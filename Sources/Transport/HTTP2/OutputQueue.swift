// What a stream has to send: small messages in one queue, large ones in the blocks they were
// written in.

import API

/// The output of one stream, first in, first out.
struct OutputQueue: ~Copyable {
    private var queue = ByteQueue()
    /// Follow the queue. While there are any, all that is added goes behind them.
    private var blocks: ByteBlocks?

    /// Bytes of it that lie in blocks.
    var blockBytes: Int { blocks?.count ?? 0 }
    var count: Int { queue.count + blockBytes }

    /// Appends a copy of `bytes`.
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let blocks else { return queue.append(bytes) }
        var block = ByteBuffer(capacity: bytes.count)
        block.append(bytes)
        blocks.append(block)
    }

    /// Appends a gRPC message of at most `capacity` bytes, encoded in place by `write`.
    /// - Returns: the bytes added, prefix included.
    mutating func appendMessage(
        capacity: Int, _ write: (UnsafeMutableRawBufferPointer) -> Int
    ) -> Int {
        guard blocks != nil else { return queue.appendMessage(capacity: capacity, write) }
        var message = ByteQueue()
        let added = message.appendMessage(capacity: capacity, write)
        append(message.bytes)
        return added
    }

    /// Appends a gRPC message, taking over its blocks.
    /// - Returns: the bytes added, prefix included.
    mutating func appendMessage(_ message: ByteBlocks) -> Int {
        let added = MessagePrefix.size + message.count
        MessagePrefix(length: message.count).withBytes { append($0) }
        if let blocks {
            blocks.append(message)
        } else if !message.isEmpty {
            blocks = message
        }
        return added
    }

    /// Takes `size` bytes from the front and appends them to `sink`.
    mutating func move(_ size: Int, to sink: inout ByteQueue) {
        precondition(size <= count, "took \(size) of \(count) bytes")
        let small = min(size, queue.count)
        if small > 0 {
            sink.append(UnsafeRawBufferPointer(rebasing: queue.bytes.prefix(small)))
            queue.consume(small)
        }
        if small < size { moveBlocks(size - small, to: &sink) }
    }

    private mutating func moveBlocks(_ size: Int, to sink: inout ByteQueue) {
        guard let blocks else { return }
        var left = size
        while left > 0 {
            let moved = blocks.withFront { front in
                let part = UnsafeRawBufferPointer(rebasing: front.prefix(left))
                sink.append(part)
                return part.count
            }
            blocks.consume(moved)
            left -= moved
        }
        if blocks.isEmpty { self.blocks = nil }
    }

    /// Forgets all. Memory beyond `limit` is given back.
    mutating func reset(keepingCapacity limit: Int = .max) {
        queue.reset(keepingCapacity: limit)
        blocks = nil
    }
}

// A call with many messages in one or both directions, as its handler sees it.

import API

/// Who answers a streaming call. Called on the connection's executor; held until the call is over.
public protocol StreamingHandler: AnyObject {
    /// A message has come, valid during the call only. Not called for server-streaming methods,
    /// whose only message begins the call.
    func received(_ message: sending UnsafeRawBufferPointer)
    /// The client sends no more. The call goes on until `finish`.
    func halfClosed()
    /// Room for more: `isWritable` was false and is true again.
    func writable()
    /// The client cancelled, its connection was lost or the deadline has passed. Nothing can be
    /// sent, nothing is called after this.
    func cancelled()
}

/// The sending side of a streaming call. On the connection's executor only.
///
/// `@unchecked Sendable` so that a call can be carried along; it is used on its executor only.
public struct StreamingCall: @unchecked Sendable {
    let stream: GRPCServerStream
    let generation: UInt64

    /// What the client sent along.
    public var context: CallContext { CallContext(stream: stream, generation: generation) }

    /// The connection's executor. From any thread.
    public var executor: any ActorExecutor { stream.completions.executor }

    /// Whether the call still goes on.
    public var isOpen: Bool { stream.generation == generation && stream.isOpen }

    /// Whether `send` takes a message: what waits to be sent is below
    /// a limit (`limitBuffer`). `StreamingHandler.writable` says when it
    /// becomes true again.
    public var isWritable: Bool { isOpen && stream.isWritable }

    /// `send` takes messages until `bytes` wait to be sent, instead of the server's
    /// `GRPCServerConfiguration.streamBufferBytes`.
    public func limitBuffer(to bytes: Int) {
        if isOpen { stream.bufferBytes = bytes }
    }

    /// Sends a message of at most `capacity` bytes that `write` encodes in place. False, and
    /// nothing is sent, when `isWritable` is false.
    /// - Parameter write: returns how many bytes it has written.
    @discardableResult
    public func send(capacity: Int, _ write: (UnsafeMutableRawBufferPointer) -> Int) -> Bool {
        guard isWritable else { return false }
        stream.send(capacity: capacity, write)
        return true
    }

    /// Sends `message`. False, and nothing is sent, when `isWritable` is false.
    @discardableResult
    public func send(_ message: UnsafeRawBufferPointer) -> Bool {
        send(capacity: message.count) { buffer in
            buffer.copyMemory(from: message)
            return message.count
        }
    }

    /// Sends `message`. False, and nothing is sent, when `isWritable` is false.
    @discardableResult
    public func send(_ message: [UInt8]) -> Bool { message.withUnsafeBytes { send($0) } }

    /// Sends `message`, which is handed over in its blocks. False, and nothing is sent, when
    /// `isWritable` is false.
    @discardableResult
    public func send(_ message: ByteBlocks) -> Bool {
        guard isWritable else { return false }
        stream.send(message)
        return true
    }

    /// Ends the call: after what was sent, with OK or an error. The handler is let go.
    public func finish(_ status: Status? = nil) {
        if isOpen { stream.finish(status) }
    }

    /// No `received` until `resumeReceiving`: the client is pushed back by its window.
    public func pauseReceiving() {
        if isOpen { stream.pauseReceiving() }
    }

    public func resumeReceiving() {
        if isOpen { stream.resumeReceiving() }
    }
}

// A call with one request and one response, as its handler sees it.

import API

/// A unary call that waits for its answer. Cheap to copy and to keep.
///
/// It must be answered once; later answers, and answers to a call whose client or connection is
/// gone, are ignored. From any thread: on the connection's executor the answer costs no hop, from
/// elsewhere answers travel in batches, one wake per batch.
///
/// `@unchecked Sendable`: the stream object belongs to the connection's executor and is touched
/// there only; other threads use `completions` alone, which is a Sendable constant of it.
public struct UnaryCall: @unchecked Sendable {
    let stream: GRPCServerStream
    /// Streams are reused: a call is over when its stream has gone on to another.
    let generation: UInt64

    /// What the client sent along. On the connection's executor only.
    public var context: CallContext { CallContext(stream: stream, generation: generation) }

    /// The connection's executor. From any thread.
    public var executor: any ActorExecutor { stream.completions.executor }

    /// Answers with a message of at most `capacity` bytes that `write` encodes in place.
    /// - Parameter write: returns how many bytes it has written. Called once, at once.
    public func respond(capacity: Int, _ write: (UnsafeMutableRawBufferPointer) -> Int) {
        if stream.completions.executor.isCurrent {
            if isOpen { stream.respond(capacity: capacity, write) }
        } else {
            let message = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
                count = write(UnsafeMutableRawBufferPointer(buffer))
            }
            stream.completions.add(self, .message(message))
        }
    }

    /// Answers with `message`, an encoded response.
    public func respond(_ message: UnsafeRawBufferPointer) {
        respond(capacity: message.count) { buffer in
            buffer.copyMemory(from: message)
            return message.count
        }
    }

    /// Answers with `message`, an encoded response.
    public func respond(_ message: [UInt8]) {
        if stream.completions.executor.isCurrent {
            message.withUnsafeBytes { respond($0) }
        } else {
            stream.completions.add(self, .message(message))
        }
    }

    /// Answers with `message`, an encoded response in blocks, which is handed over.
    public func respond(_ message: ByteBlocks) {
        if stream.completions.executor.isCurrent {
            if isOpen { stream.respond(message) }
        } else {
            stream.completions.add(self, .blocks(message))
        }
    }

    /// Whether nobody waits for the answer any more, as far as can be told from this thread.
    public var isAbandoned: Bool { stream.completions.executor.isCurrent && !isOpen }

    /// Ends the call with an error.
    public func fail(_ status: Status) {
        if stream.completions.executor.isCurrent {
            if isOpen { stream.finish(status) }
        } else {
            stream.completions.add(self, .failure(status))
        }
    }

    var isOpen: Bool { stream.generation == generation && stream.isOpen }
}

/// Answers given on other threads, on their way to the executor of their connections.
final class CompletionQueue: Sendable {
    enum Answer: Sendable {
        case message([UInt8])
        case blocks(ByteBlocks)
        case failure(Status)
    }

    let executor: any ActorExecutor
    private let waiting = Locked<[(UnaryCall, Answer)]>([])

    init(_ executor: any ActorExecutor) { self.executor = executor }

    /// Bounded by the number of open calls: each is answered once.
    func add(_ call: UnaryCall, _ answer: Answer) {
        let isFirst = waiting.withLock { waiting in
            waiting.append((call, answer))
            return waiting.count == 1
        }
        if isFirst { executor.post { [self] in deliver() } }
    }

    private func deliver() {
        let batch = waiting.withLock { waiting in
            let batch = waiting
            waiting = []
            return batch
        }
        for (call, answer) in batch {
            switch answer {
            case .message(let bytes): call.respond(bytes)
            case .blocks(let message): call.respond(message)
            case .failure(let status): call.fail(status)
            }
        }
    }
}

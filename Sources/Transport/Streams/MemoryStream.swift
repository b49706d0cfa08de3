// Two streams wired to each other in memory, behaving as a socket does: for benchmarks that leave
// the kernel out, for tests and for a member that talks to itself.
//
// The ends may live on different executors, so they share nothing and send each other messages,
// a batch per turn. A window stands for the kernel's buffers: an end has at most `window` bytes
// on the way that the other has not consumed; more stays with the writer and shows in
// `bufferedBytes`. Consumed bytes are reported back by halves of the window.

import API

/// One end of a connection in memory. `@unchecked Sendable`: an end refers to the other only to
/// post to that one's executor, and everything else happens on its own.
public final class MemoryStream: ByteStream, @unchecked Sendable {
    private enum State { case open, closing, closed }

    /// The end of the connection, as it is told to the handler.
    private struct End { let error: TransportError? }

    private enum Message: Sendable {
        case bytes([UInt8])
        /// So many bytes have been consumed over there.
        case consumed(Int)
        case end
        case reset
    }

    public let executor: any ActorExecutor
    public weak var handler: (any ByteStreamHandler)? { didSet { tellEndAtTurnEnd() } }
    public let localAddress: String
    public let remoteAddress: String
    /// How long `close` may take to deliver what is buffered; then the connection is reset.
    public var lingerNanoseconds: UInt64 = 5_000_000_000

    /// Set once by `pair`. The ends hold each other until one has closed.
    private var peer: MemoryStream?
    private let window: Int

    private var state = State.open
    private var linger: (any TimerHandle)?
    /// What is still to be told: it may come before there is anybody to tell.
    private var untoldEnd: End?

    private static let readSize = 64 << 10

    // What goes out.
    private var outgoing: [UInt8] = []
    private var credit: Int
    private var isFlushing = false
    private var hadBacklog = false

    // What comes in.
    private var incoming: [[UInt8]] = []
    /// The piece that is read next, and how much of it has been.
    private var incomingStart = 0
    private var pieceStart = 0
    private var isReading = false
    private var isDelivering = false
    private var receivedAll = false
    private var toldEnd = false
    private var unreported = 0

    /// Two ends of one connection.
    /// - Parameter a: the executor of the first; `b` that of the second, which may be the same.
    /// - Parameter window: bytes that may be on the way in one direction.
    public static func pair(
        a: any ActorExecutor, b: any ActorExecutor, window: Int = 1 << 20,
        name: String = "memory"
    ) -> (MemoryStream, MemoryStream) {
        let first = MemoryStream(a, window, local: "\(name):a", remote: "\(name):b")
        let second = MemoryStream(b, window, local: "\(name):b", remote: "\(name):a")
        (first.peer, second.peer) = (second, first)
        return (first, second)
    }

    private init(_ executor: any ActorExecutor, _ window: Int, local: String, remote: String) {
        precondition(window > 1, "a window of nothing lets nothing through")
        self.executor = executor
        self.window = window
        credit = window
        (localAddress, remoteAddress) = (local, remote)
    }

    // MARK: Out

    public var bufferedBytes: Int { max(0, outgoing.count - credit) }

    public func write(_ bytes: UnsafeRawBufferPointer) {
        guard state == .open, bytes.count > 0 else { return }
        outgoing.append(contentsOf: bytes)
        // The writer may have seen it, and waits now: though credit may come before the flush.
        if bufferedBytes > 0 { hadBacklog = true }
        flushAtTurnEnd()
    }

    private func flushAtTurnEnd() {
        guard !isFlushing else { return }
        isFlushing = true
        executor.atTurnEnd(.transmit) { [self] in
            isFlushing = false
            flush()
        }
    }

    private func flush() {
        guard state != .closed else { return }
        let count = min(outgoing.count, credit)
        if count > 0 {
            credit -= count
            if count == outgoing.count {
                send(.bytes(outgoing))
                outgoing = []
            } else {
                send(.bytes(Array(outgoing[..<count])))
                outgoing.removeFirst(count)
            }
        }
        if !outgoing.isEmpty {
            hadBacklog = true
        } else if state == .closing {
            finishClosing()
        } else if hadBacklog {
            hadBacklog = false
            handler?.drained()
        }
    }

    private func send(_ message: Message) {
        if let peer { send(message, to: peer) }
    }

    private func send(_ message: Message, to peer: MemoryStream) {
        if peer.executor === executor {
            // Later in this turn or the next, never inside the caller's own call.
            executor.atTurnEnd(.gather) { [self] in peer.receive(message, from: self) }
        } else {
            peer.executor.post { [self] in peer.receive(message, from: self) }
        }
    }

    // MARK: In

    public func resumeReading() {
        guard state == .open, !isReading else { return }
        isReading = true
        // As with a socket, not before the caller returns.
        executor.atTurnEnd(.gather) { [self] in deliver() }
    }

    public func pauseReading() { isReading = false }

    private func receive(_ message: Message, from peer: MemoryStream) {
        guard state != .closed else {
            // As the kernel answers what comes for a socket that is closed.
            if case .bytes = message { send(.reset, to: peer) }
            return
        }
        switch message {
        case .bytes(let bytes):
            incoming.append(bytes)
            deliver()
        case .consumed(let count):
            credit += count
            flush()
        case .end:
            receivedAll = true
            deliver()
        case .reset:
            finish(
                TransportError(
                    operation: "read from \(remoteAddress)", name: "ECONNRESET",
                    reason: "connection reset by peer"))
        }
    }

    private func deliver() {
        guard !isDelivering else { return }
        isDelivering = true
        defer { isDelivering = false }
        while incomingStart < incoming.count, isReading || state == .closing {
            // A reader gets as much at a time as from a socket, and may pause after each.
            let bytes = incoming[incomingStart]
            let end = min(pieceStart + Self.readSize, bytes.count)
            let piece = pieceStart..<end
            pieceStart = end
            if end == bytes.count {
                incomingStart += 1
                pieceStart = 0
            }
            consumed(piece.count)
            // After `close`, what comes is thrown away.
            if state == .open {
                bytes.withUnsafeBytes {
                    handler?.received(UnsafeRawBufferPointer(rebasing: $0[piece]))
                }
            }
            if state == .closed { return }
        }
        if incomingStart == incoming.count {
            incoming.removeAll(keepingCapacity: true)
            incomingStart = 0
            if receivedAll, isReading, !toldEnd, state == .open {
                toldEnd = true
                handler?.receivedEnd()
            }
        }
    }

    private func consumed(_ count: Int) {
        unreported += count
        guard unreported >= window / 2 else { return }
        send(.consumed(unreported))
        unreported = 0
    }

    // MARK: Closing

    public func close() {
        guard state == .open else { return }
        state = .closing
        linger = executor.schedule(afterNanoseconds: lingerNanoseconds) { [weak self] in
            self?.linger = nil
            self?.abort()
        }
        flushAtTurnEnd()
        deliver()
    }

    private func finishClosing() {
        send(.end)
        finish(nil)
    }

    public func abort() {
        guard state != .closed else { return }
        send(.reset)
        finish(nil)
    }

    private func finish(_ error: TransportError?) {
        state = .closed
        isReading = false
        linger?.cancel()
        linger = nil
        outgoing = []
        incoming = []
        incomingStart = 0
        untoldEnd = End(error: error)
        tellEndAtTurnEnd()
        executor.atTurnEnd(.gather) { [self] in peer = nil }
    }

    private func tellEndAtTurnEnd() {
        guard untoldEnd != nil, let told = handler else { return }
        executor.atTurnEnd(.gather) { [self] in
            guard let end = untoldEnd else { return }
            untoldEnd = nil
            told.closed(end.error)
        }
    }
}

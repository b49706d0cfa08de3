// An HTTP/2 session on a byte stream: received bytes go in at once, frames go out in one write per
// turn, and no more than the other side takes.

import API

class HTTP2Connection: HTTP2SessionOwner {
    /// Frames that are gathered for one write. A turn has one: more of a large answer waits for
    /// the next, lest others wait for all of it.
    static let writeBytes = 128 << 10
    /// When the stream holds more than this, gathering waits for `drained`, and so does reading: a
    /// side that does not read its answers is not given more of them to come.
    static let bufferedBytesLimit = 1 << 20

    final let stream: any ByteStream
    final let executor: any ActorExecutor
    final let session: HTTP2Session
    private let sink: OutputSink
    private let events = StreamEvents()
    private var isFlushScheduled = false
    private var isReadingPaused = false
    /// Nothing more is received; what is gathered goes out and the stream is closed.
    private var isClosing = false
    private(set) final var isClosed = false
    /// Bytes given to the stream since the beginning.
    private(set) final var writtenBytes = 0

    init(_ stream: any ByteStream, session: HTTP2Session, sink: OutputSink) {
        self.stream = stream
        self.session = session
        self.sink = sink
        executor = stream.executor
        session.owner = self
        events.connection = self
        stream.handler = events
        outputPending()
    }

    deinit {
        events.connection = nil
        guard !isClosed else { return }
        session.detach(.cancel)
        // The last reference may go elsewhere. Sound: nobody else has the stream now.
        nonisolated(unsafe) let stream = stream
        if executor.isCurrent { stream.abort() } else { executor.post { stream.abort() } }
    }

    // MARK: For subclasses

    func openStream() -> HTTP2Stream? { nil }
    func receivedPing(isAck: Bool, payload: UInt64) {}
    func receivedGoAway(_ code: HTTP2ErrorCode, debugData: UnsafeRawBufferPointer) {}
    func receivedSettings() {}
    func streamClosed() {}
    /// The byte stream is gone or given up; the HTTP/2 streams are told next.
    func streamsWillClose(_ error: TransportError?) {}
    /// The byte stream is gone; all HTTP/2 streams have been told.
    func connectionClosed(_ error: TransportError?) {}

    // MARK: In

    func received(_ bytes: UnsafeRawBufferPointer) {
        guard !isClosing, !isClosed else { return }
        if !session.receive(bytes) { closeAfterFlush() } else { outputPending() }
    }

    func receivedEnd() { closeAfterFlush() }

    func closed(_ error: TransportError?) {
        detach(error)
        connectionClosed(error)
    }

    private func detach(_ error: TransportError? = nil) {
        guard !isClosed else { return }
        isClosed = true
        isClosing = true
        streamsWillClose(error)
        session.detach(.cancel)
    }

    // MARK: Out

    final func outputPending() {
        guard !isFlushScheduled, !isClosed else { return }
        isFlushScheduled = true
        executor.atTurnEnd(.transmit) { [self] in
            isFlushScheduled = false
            flush()
        }
    }

    func drained() {
        if isReadingPaused && !isClosing {
            isReadingPaused = false
            stream.resumeReading()
        }
        flush()
    }

    /// What is to be sent, such as a GOAWAY, goes out, then the connection is closed.
    final func closeAfterFlush() {
        guard !isClosing else { return }
        isClosing = true
        outputPending()
    }

    final func abort() {
        guard !isClosed else { return }
        detach()
        stream.abort()
    }

    private func flush() {
        guard !isClosed else { return }
        var isMore = true
        repeat {
            guard stream.bufferedBytes <= Self.bufferedBytesLimit else { break }
            let isSound = session.gather(into: sink, limit: Self.writeBytes)
            isMore = sink.bytes.count >= Self.writeBytes && isSound
            if !sink.bytes.isEmpty {
                writtenBytes += sink.bytes.count
                stream.write(sink.bytes.bytes)
                sink.bytes.reset(keepingCapacity: 2 * Self.writeBytes)
            }
            guard !isClosed else { return }
            if !isSound { isClosing = true }
        } while isMore && isClosing
        if isClosing || session.isFinished {
            finish()
        } else if stream.bufferedBytes > Self.bufferedBytesLimit {
            guard !isReadingPaused else { return }
            isReadingPaused = true
            stream.pauseReading()
        } else if isMore {
            flushInNextTurn()
        }
    }

    private func flushInNextTurn() {
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        // Sound: the slice runs on this executor, where the connection lives.
        nonisolated(unsafe) let connection = self
        executor.postSlice {
            connection.isFlushScheduled = false
            connection.flush()
        }
    }

    private func finish() {
        detach()
        stream.close()
    }
}

/// Passes a stream's events on to its connection.
///
/// A stream refers to its handler weakly, and an object that was once referred to weakly counts
/// all its references the slow way, in a side table. A connection is touched for every call, hence
/// this object between them.
private final class StreamEvents: ByteStreamHandler {
    /// Unsafe: the connection owns this object, and a stream calls nothing once it is gone.
    unowned(unsafe) var connection: HTTP2Connection?

    func received(_ bytes: UnsafeRawBufferPointer) { connection?.received(bytes) }
    func drained() { connection?.drained() }
    func receivedEnd() { connection?.receivedEnd() }
    func closed(_ error: TransportError?) { connection?.closed(error) }
}

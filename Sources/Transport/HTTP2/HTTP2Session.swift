// One HTTP/2 session of nghttp2: bytes in, bytes out, no I/O.
//
// nghttp2 keeps raw pointers: to this object as its user data, and to one HTTP2Stream per stream.
// The first is sound because the session frees nghttp2's state in its own deinit. For the second
// the session holds one reference to each stream from opening to closing.
//
// All methods run on the executor of the connection. Methods of nghttp2 that send or receive must
// not be entered again from its callbacks; submitting is allowed there.

import API
import CNghttp2

/// What a session tells the connection it belongs to.
protocol HTTP2SessionOwner: AnyObject {
    /// The other side opens a stream. Nil refuses it with REFUSED_STREAM.
    func openStream() -> HTTP2Stream?
    /// There are frames to send: gather them before long.
    func outputPending()
    func receivedPing(isAck: Bool, payload: UInt64)
    func receivedGoAway(_ code: HTTP2ErrorCode, debugData: UnsafeRawBufferPointer)
    func receivedSettings()
    /// A stream was closed; `openStreamCount` has been lowered.
    func streamClosed()
}

/// Where a session's frames are gathered; shared by the connections of an executor.
final class OutputSink {
    var bytes = ByteQueue()
    init() {}
}

final class HTTP2Session {
    let settings: HTTP2Settings
    let isServer: Bool
    /// Unsafe: the owner owns the session, and calls `detach` before it goes.
    unowned(unsafe) var owner: (any HTTP2SessionOwner)?
    private(set) var openStreamCount = 0
    /// Bytes in the outputs of all streams.
    private(set) var queuedBytes = 0
    /// Those of them in blocks, and how many streams have such.
    private var blockBytes = 0
    private var streamsWithBlocks = 0
    /// DATA or HEADERS have gone out since this was last cleared (see PingPolicy).
    var hasSent = false

    private let raw: OpaquePointer
    private var sink: OutputSink?
    private var limit = 0
    private unowned(unsafe) var firstOpen: HTTP2Stream?
    /// The stream the last callback was for; the next one often is for the same.
    private var current: Unmanaged<HTTP2Stream>?
    private var currentID: Int32 = 0
    private var drained: [HTTP2Stream] = []
    /// Streams closed by `detach`, kept as they may have methods running.
    private var retired: [HTTP2Stream] = []

    /// - Returns: nil when nghttp2 finds no memory.
    init?(isServer: Bool, settings: HTTP2Settings) {
        self.settings = settings
        self.isServer = isServer
        guard let callbacks = HTTP2Callbacks.make() else { return nil }
        defer { nghttp2_session_callbacks_del(callbacks) }
        guard let option = settings.makeOptions() else { return nil }
        defer { nghttp2_option_del(option) }
        var created: OpaquePointer?
        let code =
            isServer
            ? nghttp2_session_server_new2(&created, callbacks, nil, option)
            : nghttp2_session_client_new2(&created, callbacks, nil, option)
        guard code == 0, let created else { return nil }
        raw = created
        nghttp2_session_set_user_data(raw, Unmanaged.passUnretained(self).toOpaque())
        let entries = settings.entries(isServer: isServer)
        nghttp2_submit_settings(raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count)
        nghttp2_session_set_local_window_size(
            raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, settings.connectionWindowBytes)
    }

    deinit {
        precondition(firstOpen == nil, "a session went with streams open")
        nghttp2_session_del(raw)
    }

    // MARK: Bytes

    /// Takes what has come. False when the session cannot go on: send what is gathered and close.
    func receive(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let base = bytes.baseAddress else { return true }
        let taken = nghttp2_session_mem_recv(
            raw, base.assumingMemoryBound(to: UInt8.self), bytes.count)
        return taken == bytes.count
    }

    /// Gathers frames into `sink` until it holds `limit` bytes or nothing is left. Streams that
    /// have fallen to their mark are told, and may add more. False when the session has failed.
    func gather(into sink: OutputSink, limit: Int) -> Bool {
        self.sink = sink
        self.limit = limit
        defer { self.sink = nil }
        repeat {
            while sink.bytes.count < limit {
                var chunk: UnsafePointer<UInt8>?
                let size = nghttp2_session_mem_send(raw, &chunk)
                guard size >= 0 else { return false }
                guard size > 0 else { break }
                sink.bytes.append(UnsafeRawBufferPointer(start: chunk, count: size))
            }
        } while tellDrained() && sink.bytes.count < limit
        return true
    }

    private func tellDrained() -> Bool {
        guard !drained.isEmpty else { return false }
        let streams = drained
        drained.removeAll(keepingCapacity: true)
        for stream in streams where stream.isDrainListed {
            stream.isDrainListed = false
            if stream.session === self { stream.outputDrained() }
        }
        return true
    }

    var wantsToSend: Bool { nghttp2_session_want_write(raw) != 0 }
    /// Both sides are done: the connection can be closed.
    var isFinished: Bool {
        nghttp2_session_want_read(raw) == 0 && nghttp2_session_want_write(raw) == 0
    }

    // MARK: Streams

    /// Answers with `fields`, then with the stream's output if `hasBody`, else with nothing.
    func submitResponse(
        _ stream: HTTP2Stream, _ fields: UnsafeMutableBufferPointer<nghttp2_nv>, hasBody: Bool
    ) {
        hasSent = true
        if hasBody {
            var provider = dataProvider(stream)
            nghttp2_submit_response(raw, stream.id, fields.baseAddress, fields.count, &provider)
        } else {
            nghttp2_submit_response(raw, stream.id, fields.baseAddress, fields.count, nil)
        }
        owner?.outputPending()
    }

    /// Opens a stream with `fields`; its output follows. False when no more streams can be opened
    /// on this connection.
    func submitRequest(
        _ stream: HTTP2Stream, _ fields: UnsafeMutableBufferPointer<nghttp2_nv>
    ) -> Bool {
        hasSent = true
        var provider = dataProvider(stream)
        let pointer = Unmanaged.passUnretained(stream).toOpaque()
        let id = nghttp2_submit_request(
            raw, nil, fields.baseAddress, fields.count, &provider, pointer)
        guard id > 0 else { return false }
        attach(stream, id: id)
        owner?.outputPending()
        return true
    }

    /// The trailers after a body. Called from `HTTP2Stream.submitTrailers`.
    func submitTrailers(
        _ stream: HTTP2Stream, _ fields: UnsafeMutableBufferPointer<nghttp2_nv>
    ) {
        hasSent = true
        nghttp2_submit_trailer(raw, stream.id, fields.baseAddress, fields.count)
    }

    /// The stream's output, or its end, has changed: send on.
    func resume(_ stream: HTTP2Stream) {
        if stream.isDeferred {
            stream.isDeferred = false
            nghttp2_session_resume_data(raw, stream.id)
        }
        owner?.outputPending()
    }

    /// `size` bytes have been written to `stream.output`.
    func queued(_ size: Int, on stream: HTTP2Stream) { queuedBytes += size }

    /// A message was appended to `stream.output` in blocks. `size` is that of message and prefix.
    func queued(_ size: Int, inBlocks old: Int, on stream: HTTP2Stream) {
        queuedBytes += size
        blocksChanged(from: old, on: stream)
    }

    /// Drops what the stream still had to send.
    func forgetOutput(of stream: HTTP2Stream) {
        let blockBytes = stream.output.blockBytes
        queuedBytes -= stream.output.count
        stream.output.reset()
        blocksChanged(from: blockBytes, on: stream)
    }

    private func blocksChanged(from old: Int, on stream: HTTP2Stream) {
        let new = stream.output.blockBytes
        blockBytes += new - old
        if old == 0 && new > 0 { streamsWithBlocks += 1 }
        if old > 0 && new == 0 { streamsWithBlocks -= 1 }
    }

    /// Bytes in the outputs of all streams, but for one large answer if it is the only one: a
    /// client that takes its time over that may make other calls meanwhile.
    var refusalBytes: Int { queuedBytes - (streamsWithBlocks == 1 ? blockBytes : 0) }

    func reset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
        nghttp2_submit_rst_stream(
            raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.id, code.rawValue)
        owner?.outputPending()
    }

    /// Hands the window of `size` received bytes back to the sender.
    func consume(_ size: Int, on stream: HTTP2Stream) {
        nghttp2_session_consume(raw, stream.id, size)
    }
    /// Hands back the connection's window only: other streams go on, this one is held up.
    func consumeConnection(_ size: Int) { nghttp2_session_consume_connection(raw, size) }
    /// Hands back the stream's window, after `consumeConnection`.
    func consumeStream(_ size: Int, on stream: HTTP2Stream) {
        nghttp2_session_consume_stream(raw, stream.id, size)
        owner?.outputPending()
    }

    /// Whether the other side has ended its half of the stream.
    func isRemoteEnded(_ stream: HTTP2Stream) -> Bool {
        nghttp2_session_get_stream_remote_close(raw, stream.id) == 1
    }

    // MARK: Connection

    func submitPing(_ payload: UInt64) {
        withUnsafeBytes(of: payload.bigEndian) { bytes in
            _ = nghttp2_submit_ping(
                raw, UInt8(NGHTTP2_FLAG_NONE.rawValue),
                bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
        }
        owner?.outputPending()
    }

    /// GOAWAY with the highest id: "no new streams soon", while those under way still arrive.
    func submitShutdownNotice() {
        nghttp2_submit_shutdown_notice(raw)
        owner?.outputPending()
    }

    /// GOAWAY with the last stream that was taken; later ones are ignored.
    func submitGoAway(_ code: HTTP2ErrorCode, debugData: StaticString = "") {
        nghttp2_submit_goaway(
            raw, UInt8(NGHTTP2_FLAG_NONE.rawValue),
            nghttp2_session_get_last_proc_stream_id(raw), code.rawValue, debugData.utf8Start,
            debugData.utf8CodeUnitCount)
        owner?.outputPending()
    }

    /// Closes every stream that is open, with `code`. Nothing is received or gathered after this.
    func detach(_ code: HTTP2ErrorCode) {
        owner = nil
        drained.removeAll()
        current = nil
        while let stream = firstOpen {
            retired.append(stream)
            close(stream, code)
        }
    }

    /// The streams that are open now, the newest first.
    var openStreams: [HTTP2Stream] {
        var streams: [HTTP2Stream] = []
        streams.reserveCapacity(openStreamCount)
        var next = firstOpen
        while let stream = next {
            streams.append(stream)
            next = stream.nextOpen
        }
        return streams
    }

    // MARK: Called by the callbacks

    func beginStream(id: Int32) -> Bool {
        guard let stream = owner?.openStream() else { return false }
        attach(stream, id: id)
        nghttp2_session_set_stream_user_data(
            raw, id, Unmanaged.passUnretained(stream).toOpaque())
        if settings.usesExtensiblePriorities {
            var turn = nghttp2_extpri(
                urgency: UInt32(NGHTTP2_EXTPRI_DEFAULT_URGENCY), inc: 1)
            nghttp2_session_change_extpri_stream_priority(raw, id, &turn, 1)
        }
        current = Unmanaged.passUnretained(stream)
        currentID = id
        return true
    }

    /// Calls `body` with the stream of that id, if it is open.
    ///
    /// Without counting references, which would cost more than most of the work. Sound: the session
    /// holds a stream from opening to closing; nghttp2 closes none while a callback of that stream
    /// runs, and `detach`, which may be called from one, keeps those it closes.
    @inline(__always)
    func withStream(_ id: Int32, _ body: (HTTP2Stream) -> Void) -> Bool {
        if current == nil || currentID != id {
            guard let pointer = nghttp2_session_get_stream_user_data(raw, id) else { return false }
            current = Unmanaged.fromOpaque(pointer)
            currentID = id
        }
        guard let current else { return false }
        current._withUnsafeGuaranteedRef(body)
        return true
    }

    /// The stream has ended: by both sides, by a reset or with the connection.
    func close(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
        nghttp2_session_set_stream_user_data(raw, stream.id, nil)
        if currentID == stream.id { current = nil }
        stream.previousOpen?.nextOpen = stream.nextOpen
        stream.nextOpen?.previousOpen = stream.previousOpen
        if firstOpen === stream { firstOpen = stream.nextOpen }
        stream.previousOpen = nil
        stream.nextOpen = nil
        openStreamCount -= 1
        forgetOutput(of: stream)
        stream.isDrainListed = false
        stream.session = nil
        stream.closed(code)
        Unmanaged.passUnretained(stream).release()
        owner?.streamClosed()
    }

    /// Writes one DATA frame: nghttp2's 9 bytes of header, then `size` bytes of output. False, and
    /// nothing is written, when enough has been gathered; nghttp2 asks again.
    func sendData(_ stream: HTTP2Stream, header: UnsafePointer<UInt8>, size: Int) -> Bool {
        guard let sink else { preconditionFailure("nghttp2 sends outside gather") }
        guard sink.bytes.count < limit else { return false }
        sink.bytes.append(UnsafeRawBufferPointer(start: header, count: 9))
        let blockBytes = stream.output.blockBytes
        stream.output.move(size, to: &sink.bytes)
        queuedBytes -= size
        if blockBytes > 0 { blocksChanged(from: blockBytes, on: stream) }
        hasSent = true
        if stream.output.count <= stream.drainMark && !stream.isDrainListed {
            stream.isDrainListed = true
            drained.append(stream)
        }
        return true
    }

    private func attach(_ stream: HTTP2Stream, id: Int32) {
        precondition(stream.session == nil, "stream \(stream.id) is in use")
        _ = Unmanaged.passRetained(stream)
        stream.id = id
        stream.session = self
        stream.nextOpen = firstOpen
        firstOpen?.previousOpen = stream
        firstOpen = stream
        openStreamCount += 1
        queuedBytes += stream.output.count
    }

    private func dataProvider(_ stream: HTTP2Stream) -> nghttp2_data_provider {
        var provider = nghttp2_data_provider()
        provider.source.ptr = Unmanaged.passUnretained(stream).toOpaque()
        provider.read_callback = HTTP2Callbacks.readOutput
        return provider
    }
}

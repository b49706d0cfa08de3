// nghttp2's callbacks: C functions that find the session and the stream again.
//
// A pointer that nghttp2 hands over is valid during the callback only. The session is found by
// `user_data`, which is sound because it frees nghttp2's state in its own deinit.

import CNghttp2

enum HTTP2Callbacks {
    /// A new set of callbacks; freed by the caller.
    static func make() -> OpaquePointer? {
        var callbacks: OpaquePointer?
        guard nghttp2_session_callbacks_new(&callbacks) == 0, let callbacks else { return nil }
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, beginHeaders)
        nghttp2_session_callbacks_set_on_header_callback(callbacks, header)
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, dataChunk)
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frameReceived)
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, frameSent)
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, streamClosed)
        nghttp2_session_callbacks_set_send_data_callback(callbacks, sendData)
        return callbacks
    }

    private static let failed = NGHTTP2_ERR_CALLBACK_FAILURE.rawValue

    /// Calls `body` with the session that nghttp2 has as its user data, without counting
    /// references. Sound: whoever calls into nghttp2 holds the session.
    @inline(__always)
    private static func with(
        _ userData: UnsafeMutableRawPointer?, _ body: (HTTP2Session) -> Int32
    ) -> Int32 {
        guard let userData else { return failed }
        return Unmanaged<HTTP2Session>.fromOpaque(userData)._withUnsafeGuaranteedRef(body)
    }

    private static let beginHeaders: nghttp2_on_begin_headers_callback = { _, frame, userData in
        guard let frame, frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST else { return 0 }
        return with(userData) { session in
            if !session.isServer || session.beginStream(id: frame.pointee.hd.stream_id) { return 0 }
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
        }
    }

    private static let header: nghttp2_on_header_callback = {
        _, frame, name, nameSize, value, valueSize, _, userData in
        guard let frame else { return failed }
        return with(userData) { session in
            _ = session.withStream(frame.pointee.hd.stream_id) { stream in
                stream.receivedHeader(
                    UnsafeRawBufferPointer(start: name, count: nameSize),
                    UnsafeRawBufferPointer(start: value, count: valueSize))
            }
            return 0
        }
    }

    private static let dataChunk: nghttp2_on_data_chunk_recv_callback = {
        _, _, id, bytes, size, userData in
        with(userData) { session in
            let isOpen = session.withStream(id) {
                $0.receivedData(UnsafeRawBufferPointer(start: bytes, count: size))
            }
            if !isOpen { session.consumeConnection(size) }
            return 0
        }
    }

    private static let frameReceived: nghttp2_on_frame_recv_callback = { _, frame, userData in
        guard let frame else { return failed }
        return with(userData) { session in
            received(frame, session)
            return 0
        }
    }

    @inline(__always)
    private static func received(_ frame: UnsafePointer<nghttp2_frame>, _ session: HTTP2Session) {
        let id = frame.pointee.hd.stream_id
        let endsStream = frame.pointee.hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        switch nghttp2_frame_type(UInt32(frame.pointee.hd.type)) {
        case NGHTTP2_HEADERS:
            _ = session.withStream(id) { stream in
                stream.receivedHeaderBlock(endsStream: endsStream)
                if endsStream { stream.receivedEnd() }
            }
        case NGHTTP2_DATA:
            if endsStream { _ = session.withStream(id) { $0.receivedEnd() } }
        case NGHTTP2_PING:
            let isAck = frame.pointee.hd.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0
            let payload = withUnsafeBytes(of: frame.pointee.ping.opaque_data) {
                UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self))
            }
            session.owner?.receivedPing(isAck: isAck, payload: payload)
        case NGHTTP2_GOAWAY:
            let goAway = frame.pointee.goaway
            session.owner?.receivedGoAway(
                HTTP2ErrorCode(rawValue: goAway.error_code),
                debugData: UnsafeRawBufferPointer(
                    start: goAway.opaque_data, count: goAway.opaque_data_len))
        case NGHTTP2_SETTINGS:
            session.owner?.receivedSettings()
        default:
            break  // Windows, resets and priorities are nghttp2's own business.
        }
    }

    /// After our END_STREAM a request that is still being sent is of no use: RFC 9113, section
    /// 8.1, lets a server say so by RST_STREAM with NO_ERROR. Without it a client that never ends
    /// its half would keep the stream for ever.
    private static let frameSent: nghttp2_on_frame_send_callback = { _, frame, userData in
        guard let frame else { return failed }
        let type = nghttp2_frame_type(UInt32(frame.pointee.hd.type))
        let isEnd = frame.pointee.hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        guard isEnd, type == NGHTTP2_HEADERS else { return 0 }
        return with(userData) { session in
            guard session.isServer else { return 0 }
            _ = session.withStream(frame.pointee.hd.stream_id) { stream in
                if !session.isRemoteEnded(stream) { session.reset(stream, .none) }
            }
            return 0
        }
    }

    private static let streamClosed: nghttp2_on_stream_close_callback = {
        _, id, code, userData in
        with(userData) { session in
            _ = session.withStream(id) { session.close($0, HTTP2ErrorCode(rawValue: code)) }
            return 0
        }
    }

    private static let sendData: nghttp2_send_data_callback = {
        _, _, frameHeader, size, source, userData in
        guard let frameHeader, let pointer = source?.pointee.ptr else { return failed }
        // Sound: nghttp2 drops a stream's data source when it closes the stream, and until then
        // the session holds the stream.
        return with(userData) { session in
            Unmanaged<HTTP2Stream>.fromOpaque(pointer)._withUnsafeGuaranteedRef { stream in
                session.sendData(stream, header: frameHeader, size: size)
                    ? 0 : NGHTTP2_ERR_WOULDBLOCK.rawValue
            }
        }
    }

    /// Says how much of a stream's output the next DATA frame takes; `sendData` writes it.
    static let readOutput: nghttp2_data_source_read_callback = {
        _, _, _, size, flags, source, _ in
        guard let flags, let pointer = source?.pointee.ptr else { return Int(failed) }
        return Unmanaged<HTTP2Stream>.fromOpaque(pointer)._withUnsafeGuaranteedRef {
            readOutput(of: $0, size, flags)
        }
    }

    @inline(__always)
    private static func readOutput(
        of stream: HTTP2Stream, _ size: Int, _ flags: UnsafeMutablePointer<UInt32>
    ) -> Int {
        let taken = min(size, stream.output.count)
        let isLast = taken == stream.output.count && stream.outputEnd != .open
        if taken == 0 && !isLast {
            stream.isDeferred = true
            return Int(NGHTTP2_ERR_DEFERRED.rawValue)
        }
        flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
        if isLast {
            flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
            if stream.outputEnd == .trailers {
                flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
                stream.submitTrailers()
            }
        }
        return taken
    }
}

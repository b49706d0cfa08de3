// A TCP connection or Unix socket behind ByteStream, on libuv.
//
// Reads go through the loop's one buffer and are handed on at once. A write is tried at once too;
// only what the kernel refuses is copied and left to libuv.
//
// Life: open -> lingering (close: send what is buffered, then FIN, then wait for the other side's
// end, since a socket closed with unread input resets the connection and may take our last bytes
// with it) -> closed (libuv is asked to close) -> gone (`closed` is called). abort and errors go
// from any state straight to closed.

import API
import CLibuv
import Glibc

final class SocketStream: LoopHandle, ByteStream {
    private enum State { case open, lingering, closed }

    /// Both a `uv_tcp_t` and a `uv_pipe_t` begin with a `uv_stream_t`.
    private let raw: UnsafeMutablePointer<uv_stream_t>
    private let isTCP: Bool
    private var state = State.open
    private var isReading = false
    private var receivedAll = false
    private var backlog: WriteBacklog?
    private var lingerTimer: (any TimerHandle)?
    private var failure: TransportError?

    weak var handler: (any ByteStreamHandler)?
    let remoteAddress: String
    private(set) lazy var localAddress: String = currentLocalAddress()

    /// How long `close` may take to deliver what is buffered; then the connection is reset.
    var lingerNanoseconds: UInt64 = 5_000_000_000

    var executor: any ActorExecutor { loop }

    /// Wraps a connected socket. On `loop`.
    init(_ socket: consuming Socket, remote: Endpoint, on loop: EventLoop) throws(TransportError) {
        remoteAddress = remote.description
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: max(MemoryLayout<uv_tcp_t>.size, MemoryLayout<uv_pipe_t>.size), alignment: 16
        )
        raw = memory.assumingMemoryBound(to: uv_stream_t.self)
        switch remote {
        case .tcp: isTCP = true
        case .unix: isTCP = false
        }
        super.init(loop: loop)
        let descriptor = socket.release()
        let code: Int32
        if isTCP {
            let tcp = memory.assumingMemoryBound(to: uv_tcp_t.self)
            uv_tcp_init(loop.uv, tcp)
            code = uv_tcp_open(tcp, descriptor)
        } else {
            let pipe = memory.assumingMemoryBound(to: uv_pipe_t.self)
            uv_pipe_init(loop.uv, pipe, 0)
            code = uv_pipe_open(pipe, descriptor)
        }
        adopt(raw)
        guard code == 0 else {
            _ = Glibc.close(descriptor)  // libuv has not taken it
            closeHandle(raw)
            throw TransportError(code: code, "open stream to \(remoteAddress)")
        }
    }

    // MARK: Reading

    func resumeReading() {
        guard state == .open, !isReading, !receivedAll else { return }
        isReading = true
        startReading()
    }

    func pauseReading() {
        guard state == .open, isReading else { return }
        isReading = false
        uv_read_stop(raw)
    }

    private func startReading() {
        let code = uv_read_start(
            raw,
            { handle, _, buffer in
                guard let stream = SocketStream.of(handle?.pointee.data), let buffer else { return }
                let room = stream.loop.lendReadBuffer()
                buffer.pointee = uv_buf_t(
                    base: room.baseAddress?.assumingMemoryBound(to: CChar.self), len: room.count)
            },
            { handle, count, buffer in
                guard let stream = SocketStream.of(handle?.pointee.data) else { return }
                stream.hasRead(
                    count, UnsafeRawPointer(buffer?.pointee.base))
            })
        if code < 0 { fail(code, "read from") }
    }

    private func hasRead(_ count: Int, _ base: UnsafeRawPointer?) {
        switch count {
        case 0: break  // libuv's EAGAIN
        case Int(UV_EOF.rawValue):
            receivedAll = true
            isReading = false
            uv_read_stop(raw)
            if state == .lingering { endLinger() } else { handler?.receivedEnd() }
        case ..<0: fail(Int32(count), "read from")
        default:
            guard state == .open else { return }  // lingering: what comes now is thrown away
            // Nobody owns this stream any more, and nobody will close it.
            guard let handler else { return abort() }
            handler.received(UnsafeRawBufferPointer(start: base, count: count))
        }
    }

    // MARK: Writing

    var bufferedBytes: Int {
        guard let backlog else { return 0 }
        return backlog.waitingBytes + uv_stream_get_write_queue_size(raw)
    }

    func write(_ bytes: UnsafeRawBufferPointer) {
        guard state == .open, bytes.count > 0 else { return }
        if let backlog { return backlog.append(bytes) }
        var buffer = uv_buf_t(
            base: UnsafeMutablePointer(mutating: bytes.bindMemory(to: CChar.self).baseAddress),
            len: bytes.count)
        let taken = uv_try_write(raw, &buffer, 1)
        switch taken {
        case Int32(bytes.count): return
        case 0..., Int32(UV_EAGAIN.rawValue):
            let backlog = WriteBacklog()
            self.backlog = backlog
            backlog.append(UnsafeRawBufferPointer(rebasing: bytes[max(0, Int(taken))...]))
            sendBacklog(backlog)
        default: fail(taken, "write to")
        }
    }

    private func sendBacklog(_ backlog: WriteBacklog) {
        guard var buffer = backlog.takeOff() else { return backlogIsGone() }
        let code = uv_write(backlog.request, raw, &buffer, 1) { request, status in
            SocketStream.of(request?.pointee.handle?.pointee.data)?.hasWritten(status)
        }
        if code < 0 { fail(code, "write to") }
    }

    private func hasWritten(_ status: Int32) {
        guard let backlog else { return }
        backlog.landed()
        guard state != .closed else { return }
        if status < 0 { fail(status, "write to") } else { sendBacklog(backlog) }
    }

    private func backlogIsGone() {
        backlog = nil
        switch state {
        case .open: handler?.drained()
        case .lingering: sendEnd()
        case .closed: break
        }
    }

    // MARK: Closing

    func close() {
        guard state == .open else { return }
        state = .lingering
        lingerTimer = loop.schedule(afterNanoseconds: lingerNanoseconds) { [weak self] in
            guard let self else { return }
            lingerTimer = nil
            abort()
        }
        if backlog == nil { sendEnd() }
        // To see the other side's end, and not to be closed with input unread.
        if state == .lingering && !receivedAll && !isReading { startReading() }
    }

    private func sendEnd() {
        withDescriptor { _ = shutdown($0, Int32(SHUT_WR)) }
        if receivedAll { endLinger() }
    }

    private func endLinger() {
        // Without the backlog gone, our end is still to be sent.
        guard backlog == nil else { return }
        closeNow()
    }

    func abort() {
        guard state != .closed else { return }
        if isTCP { withDescriptor(resetOnClose) }
        closeNow()
    }

    override func loopStops() {
        guard state != .closed else { return }
        failure = TransportError(code: UV_ECANCELED.rawValue, "stream to \(remoteAddress)")
        abort()
    }

    private func fail(_ code: Int32, _ what: String) {
        guard state != .closed else { return }
        failure = TransportError(code: code, "\(what) \(remoteAddress)")
        closeNow()
    }

    private func closeNow() {
        state = .closed
        isReading = false
        lingerTimer?.cancel()
        lingerTimer = nil
        closeHandle(raw)
    }

    override func released() {
        UnsafeMutableRawPointer(raw).deallocate()
        backlog = nil
        handler?.closed(failure)
    }

    // MARK: The handle

    private static func of(_ data: UnsafeMutableRawPointer?) -> SocketStream? {
        LoopHandle.owner(data).map { unsafeDowncast($0, to: SocketStream.self) }
    }

    func withDescriptor(_ body: (Int32) -> Void) {
        var descriptor: Int32 = -1
        let generic = UnsafeMutableRawPointer(raw).assumingMemoryBound(to: uv_handle_t.self)
        if uv_fileno(generic, &descriptor) == 0 { body(descriptor) }
    }

    private func currentLocalAddress() -> String {
        var text = ""
        guard state != .closed else { return text }
        withDescriptor { descriptor in
            let (result, address) = SocketAddress.filled { getsockname(descriptor, $0, $1) }
            if result == 0, let endpoint = address.endpoint { text = endpoint.description }
        }
        return text
    }
}

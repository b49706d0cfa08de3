// One connection's cryptography: OpenSSL's SSL, fed with bytes and drained of them. It knows no
// stream; TLSStream moves the bytes.

import CSSL
import Glibc

/// OpenSSL's SSL object. On one executor.
final class TLSSession {
    enum Step {
        /// The handshake is done.
        case done
        case needsInput
        case failed(TLSError)
    }

    enum Read {
        case bytes(Int)
        case needsInput
        /// The other side has said that it sends no more.
        case end
        case failed(TLSError)
    }

    private let ssl: OpaquePointer
    private let pipe: UnsafeMutablePointer<TLSPipe>
    /// Holds what `ssl` refers to.
    private let context: TLSContext
    private let sink: OutputSink

    /// - Parameter host: whom we dial: a name or an address, which its certificate must be good
    ///   for. Nil when accepting, and for a Unix socket, which has no name.
    /// - Parameter sink: where records go that are to be sent; emptied by the caller after each call.
    init(
        _ context: TLSContext, application: TLSApplication, host: String? = nil, sink: OutputSink
    ) throws(TLSError) {
        guard let ssl = SSL_new(context.raw) else { throw OpenSSLErrors.take("SSL_new") }
        self.ssl = ssl
        self.context = context
        self.sink = sink
        pipe = .allocate(capacity: 1)
        pipe.initialize(to: TLSPipe(output: sink, application: application))
        // Sound: the pipe is freed after the SSL, in deinit.
        SSL_set_ex_data(ssl, 0, pipe)
        // All stored properties are set: a throw from here on runs deinit.
        guard let bio = TLSPipe.makeBIO(pipe) else { throw OpenSSLErrors.take("BIO_new") }
        SSL_set_bio(ssl, bio, bio)  // takes the one reference for both
        switch context.side {
        case .accepting: SSL_set_accept_state(ssl)
        case .dialing:
            SSL_set_connect_state(ssl)
            offer(application)
            if let host { try expect(host) }
        }
    }

    deinit {
        SSL_free(ssl)
        pipe.deinitialize(count: 1)
        pipe.deallocate()
    }

    private func offer(_ application: TLSApplication) {
        let list = application.names.flatMap { name in
            [UInt8(name.utf8CodeUnitCount)]
                + UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        }
        SSL_set_alpn_protos(ssl, list, UInt32(list.count))
    }

    /// Source: RFC 6125; an address matches an address only, and no common name counts, as in Go.
    private func expect(_ host: String) throws(TLSError) {
        if !isAddress(host) { cssl_set_server_name(ssl, host) }
        guard context.verifies else { return }
        let parameters = SSL_get0_param(ssl)
        X509_VERIFY_PARAM_set_hostflags(
            parameters, UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
        let isSet =
            isAddress(host)
            ? X509_VERIFY_PARAM_set1_ip_asc(parameters, host)
            : X509_VERIFY_PARAM_set1_host(parameters, host, host.utf8.count)
        guard isSet == 1 else { throw OpenSSLErrors.take("host name \(host)") }
    }

    /// Lends `input` to OpenSSL for as long as `body` runs.
    /// - Returns: how much of it was read.
    func withInput(_ input: UnsafeRawBufferPointer, _ body: () -> Void) -> Int {
        pipe.pointee.input = input
        body()
        let rest = pipe.pointee.input.count
        pipe.pointee.input = UnsafeRawBufferPointer(start: nil, count: 0)
        return input.count - rest
    }

    /// Goes on with the handshake.
    func handshake() -> Step {
        ERR_clear_error()
        let result = SSL_do_handshake(ssl)
        if result == 1 { return finish() }
        guard SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ else {
            return .failed(OpenSSLErrors.takeFailure(of: ssl))
        }
        return .needsInput
    }

    /// A ticket stands for a certificate that was verified when the ticket was made: whether it is
    /// still good, OpenSSL does not ask.
    private func finish() -> Step {
        guard SSL_session_reused(ssl) == 1, let certificate = SSL_get0_peer_certificate(ssl) else {
            return .done
        }
        let isGood =
            X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0
            && context.rules.refusal(of: certificate, isLeaf: true) == nil
        if isGood { return .done }
        return .failed(
            TLSError("tls: failed to verify certificate: the one of a resumed session has expired"))
    }

    /// Decrypts into `room`, which has place for a record.
    func read(into room: UnsafeMutableRawBufferPointer) -> Read {
        ERR_clear_error()
        let count = SSL_read(ssl, room.baseAddress, Int32(clamping: room.count))
        if count > 0 { return .bytes(Int(count)) }
        switch SSL_get_error(ssl, count) {
        case SSL_ERROR_WANT_READ: return .needsInput
        case SSL_ERROR_ZERO_RETURN: return .end
        default: return .failed(OpenSSLErrors.takeFailure(of: ssl))
        }
    }

    /// Decrypted bytes that wait for `read`, or whole records that wait to be decrypted.
    var hasPending: Bool { SSL_has_pending(ssl) == 1 }

    /// Encrypts into the sink, in records of at most 16 KiB.
    func write(_ bytes: UnsafeRawBufferPointer) throws(TLSError) {
        ERR_clear_error()
        var written = 0
        guard SSL_write_ex(ssl, bytes.baseAddress, bytes.count, &written) == 1 else {
            throw OpenSSLErrors.takeFailure(of: ssl)
        }
        precondition(written == bytes.count, "the sink takes whatever comes")
    }

    /// Says that no more is sent (close_notify).
    func sayEnd() {
        ERR_clear_error()
        SSL_shutdown(ssl)
        ERR_clear_error()
    }

    // MARK: Who is there

    /// Of a client whose certificate was verified, and only where that is asked for.
    var commonName: String? {
        guard context.authenticatesClients, SSL_get_verify_result(ssl) == Int(X509_V_OK) else {
            return nil
        }
        return SSL_get0_peer_certificate(ssl).flatMap { certificateCommonName($0) }
    }

    /// The alternative names of the other side's certificate, if it has shown one.
    var names: CertificateNames? { SSL_get0_peer_certificate(ssl).map { CertificateNames($0) } }

    /// The name that the client asked for (SNI).
    var serverName: String {
        SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) } ?? ""
    }

    /// What was agreed on by ALPN.
    var applicationProtocol: String? {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &count)
        guard let name else { return nil }
        return String(decoding: UnsafeBufferPointer(start: name, count: Int(count)), as: UTF8.self)
    }

    /// Whether an earlier handshake was taken up again.
    var isResumed: Bool { SSL_session_reused(ssl) == 1 }
}

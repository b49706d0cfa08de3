// What all connections of one side of a port share: one SSL_CTX, made once and never changed.
//
// Files that change make a new context, and with it new keys for session tickets: nobody resumes
// past a revocation or a CA that was taken away. Connections that are there keep the context that
// they began with.

import CSSL
import Glibc

/// OpenSSL's SSL_CTX and the rules for the other side's certificate.
///
/// `@unchecked Sendable`: nothing in it changes after `init`; OpenSSL locks what it changes itself
/// (its count of references, its store of certificates).
final class TLSContext: @unchecked Sendable {
    enum Side: Sendable {
        /// Of those who connect here.
        case accepting
        /// Of those we connect to.
        case dialing
    }

    let raw: OpaquePointer
    let side: Side
    /// Whether the common name of the other side says who it is.
    let authenticatesClients: Bool
    let checksClientAddress: Bool
    /// Whether the other side's certificate is verified at all.
    let verifies: Bool
    let rules: CertificateRules
    /// Lives as long as certificates refer to it.
    private let identity: TLSMaterial.Identity

    init(_ settings: TLSSettings, _ material: TLSMaterial, _ side: Side) throws(TLSError) {
        let method = side == .accepting ? TLS_server_method() : TLS_client_method()
        guard let raw = SSL_CTX_new(method) else { throw OpenSSLErrors.take("SSL_CTX_new") }
        self.raw = raw
        self.side = side
        authenticatesClients = settings.authenticatesClients
        checksClientAddress = settings.checksClientAddress && side == .accepting
        verifies = side == .accepting ? settings.requiresClientCertificate : !settings.isSelfSigned
        identity = side == .accepting ? material.server : material.client
        rules = CertificateRules(
            commonNames: settings.allowedCommonNames, hostNames: settings.allowedHostNames,
            revocations: side == .accepting ? material.revocations : [])
        // From here on a throw runs no deinit of its own, but all is initialized: it does.
        setModes()
        try setProtocol(settings)
        try show(identity)
        try trust(material.trusted)
        // Sound: whoever has an SSL of this SSL_CTX holds this object (TLSSession).
        SSL_CTX_set_ex_data(raw, 0, Unmanaged.passUnretained(self).toOpaque())
        if side == .accepting { SSL_CTX_set_alpn_select_cb(raw, selectApplication, nil) }
    }

    deinit { SSL_CTX_free(raw) }

    /// That of a connection. Sound: see `init`.
    static func of(_ ssl: OpaquePointer?) -> TLSContext? {
        SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0).map {
            Unmanaged<TLSContext>.fromOpaque($0).takeUnretainedValue()
        }
    }

    private func setModes() {
        // An idle connection holds no buffers.
        cssl_ctx_set_mode(raw, Int(SSL_MODE_RELEASE_BUFFERS))
        SSL_CTX_set_options(raw, Self.options)
        // Resumption is by tickets, which cost no memory here. A ticket stands for a certificate:
        // it is good for an hour, and no longer than the certificate (TLSSession.finish).
        let cache = side == .accepting ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF
        cssl_ctx_set_session_cache_mode(
            raw, Int(cache) | Int(SSL_SESS_CACHE_NO_INTERNAL))
        SSL_CTX_set_timeout(raw, 3600)
        SSL_CTX_set_num_tickets(raw, 1)
        let name: StaticString = "cairn"
        SSL_CTX_set_session_id_context(raw, name.utf8Start, UInt32(name.utf8CodeUnitCount))
    }

    /// No handshakes over and over (CVE-2011-1473), no guessing at what is compressed (CRIME); our
    /// order of cipher suites, but for one who lacks instructions for AES.
    private static let options =
        cssl_op_no_renegotiation | cssl_op_no_compression | cssl_op_server_preference
        | cssl_op_prioritize_chacha

    private func setProtocol(_ settings: TLSSettings) throws(TLSError) {
        let suites = settings.cipherSuites
        let names = suites.compactMap(\.openSSLName)
        // Only suites of TLS 1.3 were asked for: nothing is left for TLS 1.2 to agree on.
        let lowest = !suites.isEmpty && names.isEmpty ? .v1_3 : settings.versions.lowerBound
        guard cssl_ctx_set_min_version(raw, lowest.openSSLCode) == 1,
            cssl_ctx_set_max_version(raw, settings.versions.upperBound.openSSLCode) == 1
        else { throw OpenSSLErrors.take("TLS versions") }
        // Without forward secrecy only who asks for it, as in Go.
        let standard = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES"
        let list = names.isEmpty ? standard : names.joined(separator: ":")
        guard SSL_CTX_set_cipher_list(raw, list) == 1 else {
            throw OpenSSLErrors.take("cipher suites \(list)")
        }
        // Go's order: 128 bits are enough, and cheaper.
        let newest = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
        guard SSL_CTX_set_ciphersuites(raw, newest) == 1 else {
            throw OpenSSLErrors.take("cipher suites \(newest)")
        }
    }

    private func show(_ identity: TLSMaterial.Identity) throws(TLSError) {
        guard SSL_CTX_use_certificate(raw, identity.leaf.raw) == 1,
            SSL_CTX_use_PrivateKey(raw, identity.key.raw) == 1
        else { throw OpenSSLErrors.take("certificate") }
        for certificate in identity.chain.dropFirst()
        where cssl_ctx_add_chain_certificate(raw, certificate.raw) != 1 {
            throw OpenSSLErrors.take("certificate chain")
        }
    }

    private func trust(_ certificates: [Certificate]?) throws(TLSError) {
        guard verifies else { return SSL_CTX_set_verify(raw, SSL_VERIFY_NONE, nil) }
        SSL_CTX_set_verify(
            raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, verifyCertificate)
        guard let certificates else {
            guard SSL_CTX_set_default_verify_paths(raw) == 1 else {
                throw OpenSSLErrors.take("the system's certificates")
            }
            return
        }
        let store = SSL_CTX_get_cert_store(raw)
        for certificate in certificates {
            X509_STORE_add_cert(store, certificate.raw)
            if side == .accepting { SSL_CTX_add_client_CA(raw, certificate.raw) }
        }
        // As in Go, whatever is in the file is trusted, whether it signed itself or not.
        X509_STORE_set_flags(store, UInt(X509_V_FLAG_PARTIAL_CHAIN))
        ERR_clear_error()  // a certificate that is there twice
    }
}

extension TLSVersion {
    fileprivate var openSSLCode: Int32 {
        switch self {
        case .v1_2: TLS1_2_VERSION
        case .v1_3: TLS1_3_VERSION
        }
    }
}

/// ALPN: the first of ours that the client knows too. One who offers none of them is told so; one
/// who offers nothing is served (RFC 7301, 3.2), as in Go.
private func selectApplication(
    _ ssl: OpaquePointer?, _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ chosenCount: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?, _ count: UInt32,
    _: UnsafeMutableRawPointer?
) -> Int32 {
    guard let offered, let pipe = TLSPipe.of(ssl) else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    let list = UnsafeBufferPointer(start: offered, count: Int(count))
    for name in pipe.pointee.application.names {
        var start = 0
        while start < list.count {
            let length = Int(list[start])
            guard start + 1 + length <= list.count else { break }
            if length == name.utf8CodeUnitCount,
                memcmp(offered + start + 1, name.utf8Start, length) == 0
            {
                // Points into what the client sent, which lives as long as OpenSSL needs it.
                chosen?.pointee = offered + start + 1
                chosenCount?.pointee = UInt8(length)
                return SSL_TLSEXT_ERR_OK
            }
            start += 1 + length
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL
}

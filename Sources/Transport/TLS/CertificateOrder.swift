// Certificates that are made here: for -auto-tls, and for tests and measurements.

import CSSL
import Glibc

/// A certificate and its key, as PEM.
public struct MadeCertificate: Sendable {
    public let certificate: [UInt8]
    public let key: [UInt8]

    public init(certificate: [UInt8], key: [UInt8]) {
        self.certificate = certificate
        self.key = key
    }
}

/// What a certificate shall say.
public struct CertificateOrder: Sendable {
    public enum Usage: String, Sendable {
        case server = "serverAuth"
        case client = "clientAuth"
    }

    public var organization: String?
    public var commonName: String?
    /// Names and addresses it is good for.
    public var hosts: [String] = []
    public var usages: [Usage] = []
    /// May sign others.
    public var isCA = false
    /// Seconds from now, as are those of its end.
    public var begin = 0
    public var end: Int

    /// - Parameter days: how long it is good for.
    public init(days: Int) { end = days * 24 * 3600 }

    /// - Parameter issuer: nil: it is signed by its own key.
    public func make(signedBy issuer: MadeCertificate? = nil) throws(TLSError) -> MadeCertificate {
        guard let rawKey = cssl_make_p256_key() else { throw OpenSSLErrors.take("EVP_EC_gen") }
        let key = PrivateKey(taking: rawKey)
        guard let raw = X509_new() else { throw OpenSSLErrors.take("X509_new") }
        let certificate = Certificate(taking: raw)
        let issuing = try issuer.map { (made) throws(TLSError) in try Self.signer(made) }
        // OpenSSL knows the raw pointers only.
        defer { withExtendedLifetime((key, certificate, issuing)) {} }
        try fill(raw, key, issuing?.certificate.raw ?? raw)
        guard X509_sign(raw, issuing?.key.raw ?? rawKey, EVP_sha256()) > 0 else {
            throw OpenSSLErrors.take("X509_sign")
        }
        return MadeCertificate(
            certificate: try pem { PEM_write_bio_X509($0, raw) },
            key: try pem { PEM_write_bio_PrivateKey($0, rawKey, nil, nil, 0, nil, nil) })
    }

    private static func signer(
        _ made: MadeCertificate
    ) throws(TLSError) -> (certificate: Certificate, key: PrivateKey) {
        guard let certificate = Certificate.all(inPEM: made.certificate).first,
            let key = PrivateKey(pem: made.key)
        else { throw TLSError("the issuer is no certificate with a key") }
        return (certificate, key)
    }

    private func fill(
        _ raw: OpaquePointer, _ key: PrivateKey, _ issuer: OpaquePointer
    ) throws(TLSError) {
        X509_set_version(raw, 2)  // the third one
        var serial: UInt64 = 0
        let isRandom = withUnsafeMutableBytes(of: &serial) {
            RAND_bytes($0.baseAddress?.assumingMemoryBound(to: UInt8.self), Int32($0.count)) == 1
        }
        guard isRandom else { throw OpenSSLErrors.take("RAND_bytes") }
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(raw), serial >> 1)
        X509_gmtime_adj(X509_getm_notBefore(raw), begin)
        X509_gmtime_adj(X509_getm_notAfter(raw), end)
        X509_set_pubkey(raw, key.raw)
        let subject = X509_get_subject_name(raw)
        for (field, value) in [("O", organization), ("CN", commonName)] {
            guard let value else { continue }
            X509_NAME_add_entry_by_txt(
                subject, field, Int32(MBSTRING_FLAG), value, Int32(value.utf8.count), -1, 0)
        }
        X509_set_issuer_name(raw, X509_get_subject_name(issuer))
        try extend(raw, issuer)
    }

    private func extend(_ raw: OpaquePointer, _ issuer: OpaquePointer) throws(TLSError) {
        var extensions: [(Int32, String)] = [
            (NID_basic_constraints, isCA ? "critical,CA:TRUE" : "critical,CA:FALSE"),
            (
                NID_key_usage,
                isCA ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature,keyEncipherment"
            ),
            (NID_subject_key_identifier, "hash"),
        ]
        if !usages.isEmpty {
            extensions.append((NID_ext_key_usage, usages.map(\.rawValue).joined(separator: ",")))
        }
        if !hosts.isEmpty {
            // As text for OpenSSL, where a comma would begin the next name.
            for host in hosts where host.contains(where: { $0 == "," || $0.isWhitespace }) {
                throw TLSError("\(host) is no host name")
            }
            let names = hosts.map { isAddress($0) ? "IP:\($0)" : "DNS:\($0)" }
            extensions.append((NID_subject_alt_name, names.joined(separator: ",")))
        }
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, issuer, raw, nil, nil, 0)
        for (kind, text) in extensions {
            guard let made = X509V3_EXT_conf_nid(nil, &context, kind, text) else {
                throw OpenSSLErrors.take("certificate extension \(text)")
            }
            X509_add_ext(raw, made, -1)
            X509_EXTENSION_free(made)
        }
    }

    private func pem(_ write: (OpaquePointer) -> Int32) throws(TLSError) -> [UInt8] {
        guard let bio = BIO_new(BIO_s_mem()) else { throw OpenSSLErrors.take("BIO_new") }
        defer { BIO_free(bio) }
        guard write(bio) == 1 else { throw OpenSSLErrors.take("PEM") }
        var start: UnsafeMutablePointer<CChar>?
        let count = cssl_bio_memory(bio, &start)
        return [UInt8](UnsafeRawBufferPointer(start: start, count: count))
    }
}

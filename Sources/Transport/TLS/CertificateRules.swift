// What must hold of the other side's certificate besides being signed by a CA that is trusted.

import CSSL
import Glibc

/// etcd's -peer-cert-allowed-cn, -*-cert-allowed-hostname and -*-crl-file.
struct CertificateRules: Sendable {
    enum Refusal: Error { case revoked, notAllowed }

    let commonNames: [String]
    let hostNames: [String]
    let revocations: [RevocationList]

    /// - Parameter leaf: is the other side's own certificate; the others lead from it to its CA.
    func refusal(of certificate: OpaquePointer, isLeaf: Bool) -> Refusal? {
        if revocations.contains(where: { $0.revokes(certificate) }) { return .revoked }
        guard isLeaf, !(commonNames.isEmpty && hostNames.isEmpty) else { return nil }
        if let name = certificateCommonName(certificate), commonNames.contains(name) { return nil }
        return hostNames.contains { isCertificate(certificate, goodFor: $0) } ? nil : .notAllowed
    }
}

/// The last common name of the subject, which is the one that counts in Go (pkix.Name).
func certificateCommonName(_ certificate: OpaquePointer) -> String? {
    guard let subject = X509_get_subject_name(certificate) else { return nil }
    var last: Int32 = -1
    while case let next = X509_NAME_get_index_by_NID(subject, NID_commonName, last), next >= 0 {
        last = next
    }
    guard last >= 0, let entry = X509_NAME_get_entry(subject, last) else { return nil }
    var text: UnsafeMutablePointer<UInt8>?
    let count = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry))
    guard count >= 0, let text else { return nil }
    defer { CRYPTO_free(text, #file, #line) }
    return String(decoding: UnsafeBufferPointer(start: text, count: Int(count)), as: UTF8.self)
}

/// Whether its alternative names say so; its common name does not matter, as in Go's
/// VerifyHostname.
/// - Parameter host: a name, or an address, which only an address matches.
func isCertificate(_ certificate: OpaquePointer, goodFor host: String) -> Bool {
    if isAddress(host) { return X509_check_ip_asc(certificate, host, 0) == 1 }
    let flags = UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)
    return X509_check_host(certificate, host, host.utf8.count, flags, nil) == 1
}

/// Whether `host` is an IP address.
func isAddress(_ host: String) -> Bool {
    var room = in6_addr()
    return inet_pton(AF_INET, host, &room) == 1 || inet_pton(AF_INET6, host, &room) == 1
}

/// The alternative names of a certificate, for logs and for etcd's check of addresses.
struct CertificateNames {
    var addresses: [String] = []
    var hosts: [String] = []

    init(_ certificate: OpaquePointer) {
        guard let raw = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else {
            ERR_clear_error()
            return
        }
        let names = OpaquePointer(raw)
        defer { GENERAL_NAMES_free(names) }
        for index in 0..<cssl_names_count(names) {
            guard let name = cssl_name_at(names, index) else { continue }
            switch name.pointee.type {
            case GEN_DNS: hosts.append(Self.text(name.pointee.d.dNSName))
            case GEN_IPADD: addresses.append(Self.address(name.pointee.d.iPAddress))
            default: break
            }
        }
    }

    private static func text(_ string: UnsafeMutablePointer<ASN1_STRING>?) -> String {
        String(
            decoding: UnsafeBufferPointer(
                start: ASN1_STRING_get0_data(string), count: Int(ASN1_STRING_length(string))),
            as: UTF8.self)
    }

    private static func address(_ string: UnsafeMutablePointer<ASN1_STRING>?) -> String {
        let family = ASN1_STRING_length(string) == 4 ? AF_INET : AF_INET6
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard ASN1_STRING_length(string) == 4 || ASN1_STRING_length(string) == 16,
            inet_ntop(family, ASN1_STRING_get0_data(string), &text, socklen_t(text.count)) != nil
        else { return "" }
        return text.withUnsafeBufferPointer { buffer in
            buffer.baseAddress.map { String(cString: $0) } ?? ""
        }
    }
}

/// OpenSSL asks this for each certificate of a chain it has verified, and of each failure.
func verifyCertificate(_ isSound: Int32, _ store: OpaquePointer?) -> Int32 {
    guard isSound == 1 else { return 0 }
    let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx())
    guard let context = TLSContext.of(ssl.map { OpaquePointer($0) }),
        let certificate = X509_STORE_CTX_get_current_cert(store)
    else { return 0 }
    let isLeaf = X509_STORE_CTX_get_error_depth(store) == 0
    switch context.rules.refusal(of: certificate, isLeaf: isLeaf) {
    case nil: return 1
    case .revoked: X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REVOKED)
    case .notAllowed: X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION)
    }
    return 0
}

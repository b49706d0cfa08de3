// Revocation lists for tests; the product only reads them.

import CSSL
import Transport

/// A list by which `issuer` revokes `revoked`, as PEM.
public func revocationList(
    of revoked: [MadeCertificate], by issuer: MadeCertificate
) -> [UInt8] {
    guard let list = X509_CRL_new(), let signer = certificate(issuer.certificate),
        let key = read(issuer.key, { PEM_read_bio_PrivateKey($0, nil, nil, nil) })
    else { preconditionFailure("what was made can be read") }
    defer {
        X509_CRL_free(list)
        X509_free(signer)
        EVP_PKEY_free(key)
    }
    X509_CRL_set_version(list, 1)
    X509_CRL_set_issuer_name(list, X509_get_subject_name(signer))
    let now = X509_gmtime_adj(nil, 0)
    let later = X509_gmtime_adj(nil, 3600)
    defer {
        ASN1_STRING_free(now)
        ASN1_STRING_free(later)
    }
    X509_CRL_set1_lastUpdate(list, now)
    X509_CRL_set1_nextUpdate(list, later)
    for made in revoked {
        guard let leaf = certificate(made.certificate), let entry = X509_REVOKED_new() else {
            preconditionFailure("what was made can be read")
        }
        defer { X509_free(leaf) }
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(leaf))
        X509_REVOKED_set_revocationDate(entry, now)
        X509_CRL_add0_revoked(list, entry)
    }
    X509_CRL_sort(list)
    X509_CRL_sign(list, key, EVP_sha256())
    let bio = BIO_new(BIO_s_mem())
    defer { BIO_free(bio) }
    PEM_write_bio_X509_CRL(bio, list)
    guard let bio else { return [] }
    var start: UnsafeMutablePointer<CChar>?
    let count = cssl_bio_memory(bio, &start)
    return [UInt8](UnsafeRawBufferPointer(start: start, count: count))
}

private func certificate(_ pem: [UInt8]) -> OpaquePointer? {
    read(pem) { PEM_read_bio_X509($0, nil, nil, nil) }
}

private func read(
    _ pem: [UInt8], _ body: (OpaquePointer?) -> OpaquePointer?
) -> OpaquePointer? {
    pem.withUnsafeBytes { bytes in
        let bio = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count))
        defer { BIO_free(bio) }
        return body(bio)
    }
}

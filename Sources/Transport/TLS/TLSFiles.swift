// Certificates, keys and revocation lists as they lie in files.

import CSSL
import Glibc

/// A file's bytes, at most `limit`.
/// - Throws: with Go's words, which etcd's log has too.
func readTLSFile(_ path: String, limit: Int = 16 << 20) throws(TLSError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw TLSError("open \(path): \(systemText(errno))") }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
        let count = read(descriptor, &chunk, chunk.count)
        if count < 0 {
            if errno == EINTR { continue }
            throw TLSError("read \(path): \(systemText(errno))")
        }
        if count == 0 { return bytes }
        bytes.append(contentsOf: chunk[..<count])
        guard bytes.count <= limit else { throw TLSError("read \(path): file too large") }
    }
}

/// Go begins these texts in lower case.
private func systemText(_ code: Int32) -> String {
    let text = String(cString: strerror(code))
    return text.prefix(1).lowercased() + text.dropFirst()
}

/// What a file is known by: a change of any of these means that it may say something else.
struct FileStamp: Hashable {
    private let numbers: [Int]

    /// Of a file that is not there it is empty.
    init(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else {
            numbers = []
            return
        }
        numbers = [
            Int(status.st_ino), status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
            status.st_ctim.tv_sec, status.st_ctim.tv_nsec,
        ]
    }
}

/// Without a callback OpenSSL would ask whoever sits at the terminal.
private func refusePassword(
    _: UnsafeMutablePointer<CChar>?, _: Int32, _: Int32, _: UnsafeMutableRawPointer?
) -> Int32 { -1 }

/// A certificate. `@unchecked Sendable`: never changed after it was read, and OpenSSL counts
/// references atomically.
final class Certificate: @unchecked Sendable {
    let raw: OpaquePointer
    init(taking raw: OpaquePointer) { self.raw = raw }
    deinit { X509_free(raw) }

    /// All of a PEM file, in its order.
    static func all(inPEM bytes: [UInt8]) -> [Certificate] {
        var found: [Certificate] = []
        withMemoryBIO(bytes) { bio in
            while let raw = PEM_read_bio_X509(bio, nil, refusePassword, nil) {
                found.append(Certificate(taking: raw))
            }
        }
        return found
    }
}

/// A private key. `@unchecked Sendable` as a certificate.
final class PrivateKey: @unchecked Sendable {
    let raw: OpaquePointer
    init(taking raw: OpaquePointer) { self.raw = raw }
    deinit { EVP_PKEY_free(raw) }

    /// The first of a PEM file; nil if there is none, or it asks for a password.
    convenience init?(pem bytes: [UInt8]) {
        var read: OpaquePointer?
        withMemoryBIO(bytes) { bio in
            read = PEM_read_bio_PrivateKey(bio, nil, refusePassword, nil)
        }
        guard let read else { return nil }
        self.init(taking: read)
    }
}

/// A list of revoked certificates. `@unchecked Sendable` as a certificate.
final class RevocationList: @unchecked Sendable {
    private let raw: OpaquePointer
    init(taking raw: OpaquePointer) { self.raw = raw }
    deinit { X509_CRL_free(raw) }

    /// The lists of a file: any number of them in PEM, or one in DER, which is all that etcd 3.7
    /// reads.
    static func all(in bytes: [UInt8]) -> [RevocationList] {
        var found: [RevocationList] = []
        withMemoryBIO(bytes) { bio in
            while let raw = PEM_read_bio_X509_CRL(bio, nil, refusePassword, nil) {
                found.append(RevocationList(taking: raw))
            }
        }
        guard found.isEmpty else { return found }
        withMemoryBIO(bytes) { bio in
            if let raw = d2i_X509_CRL_bio(bio, nil) { found.append(RevocationList(taking: raw)) }
        }
        return found
    }

    /// Whether the list's own issuer has revoked `certificate`. As in etcd, a list counts however
    /// old it is: an operator who is late with the next one shuts nobody out.
    func revokes(_ certificate: OpaquePointer) -> Bool {
        guard
            X509_NAME_cmp(X509_CRL_get_issuer(raw), X509_get_issuer_name(certificate)) == 0
        else { return false }
        var entry: OpaquePointer?
        // 2: "remove from CRL", a certificate that was on hold and is good again.
        return X509_CRL_get0_by_cert(raw, &entry, certificate) == 1
    }
}

/// Calls `body` with a BIO that reads `bytes`, and leaves no error behind.
private func withMemoryBIO(_ bytes: [UInt8], _ body: (OpaquePointer) -> Void) {
    bytes.withUnsafeBytes { buffer in
        defer { ERR_clear_error() }
        guard let bio = BIO_new_mem_buf(buffer.baseAddress, Int32(buffer.count)) else { return }
        defer { BIO_free(bio) }
        body(bio)
    }
}

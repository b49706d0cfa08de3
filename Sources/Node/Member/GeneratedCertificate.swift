// -auto-tls: a certificate that the member makes for itself (etcd's transport.SelfCert).

import Glibc
import Logging
import Transport

extension Configuration.GeneratedCertificate {
    /// Makes the certificate and its key unless both are there, from an earlier start.
    func makeUnlessThere(_ logger: Logger) throws(TLSError) {
        if access(files.certificate, F_OK) == 0, access(files.key, F_OK) == 0 { return }
        guard years > 0 else {
            throw TLSError("selfSignedCertValidity is invalid,it should be greater than 0")
        }
        // 100 years of 365 days are as good as more.
        var order = CertificateOrder(days: Int(min(years, 100)) * 365)
        order.organization = "etcd"
        order.hosts = hosts.map { $0.isEmpty ? "localhost" : $0 }
        order.usages = [.server, .client]
        let made = try order.make()
        logger.warning(
            "automatically generate certificates",
            metadata: .fields(["cert": .string(files.certificate), "years": .uint(years)]))
        try makeDirectory()
        try write(made.key, to: files.key, mode: 0o600)
        try write(made.certificate, to: files.certificate, mode: 0o644)
    }

    private func makeDirectory() throws(TLSError) {
        var path = directory.hasPrefix("/") ? "" : "."
        for part in directory.split(separator: "/") {
            path += "/\(part)"
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
                throw failure("mkdir \(path)")
            }
        }
    }

    /// Whole or not at all: a start that is cut off leaves nothing that the next one would read.
    private func write(_ bytes: [UInt8], to path: String, mode: mode_t) throws(TLSError) {
        let temporary = path + ".tmp"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw failure("open \(temporary)") }
        defer { close(descriptor) }
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0,
            rename(temporary, path) == 0
        else { throw failure("write \(path)") }
    }

    private func failure(_ operation: String) -> TLSError {
        TLSError("\(operation): \(String(cString: strerror(errno)))")
    }
}

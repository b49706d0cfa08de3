// Certificates for servers that are measured over TLS, made for one run.

import Foundation
import Transport

/// A CA, a server's certificate and a client's, as files.
struct BenchCertificates: Sendable {
    let folder: URL

    /// Writes them into a folder inside `parent`. All keys are ECDSA P-256.
    init(in parent: URL) throws {
        folder = parent.appendingPathComponent("certificates")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        var order = CertificateOrder(days: 1)
        order.commonName = "cairn-bench CA"
        order.isCA = true
        let ca = try order.make()
        try write(ca, "ca")
        order.isCA = false
        order.commonName = "cairn-bench"
        order.hosts = ["127.0.0.1"]
        order.usages = [.server, .client]
        try write(try order.make(signedBy: ca), "leaf")
    }

    private func write(_ made: MadeCertificate, _ name: String) throws {
        for (bytes, type) in [(made.certificate, "pem"), (made.key, "key")] {
            try Data(bytes).write(to: folder.appendingPathComponent("\(name).\(type)"))
        }
    }

    private func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    /// Flags of a server, Cairn's and etcd's alike: clients need no certificate.
    var serverArguments: [String] {
        ["--cert-file", path("leaf.pem"), "--key-file", path("leaf.key")]
    }

    /// What a client trusts.
    var clientSettings: TLSSettings {
        var settings = TLSSettings()
        settings.server = TLSSettings.Pair(
            certificate: path("leaf.pem"), key: path("leaf.key"))
        settings.trustedCAs = path("ca.pem")
        return settings
    }
}

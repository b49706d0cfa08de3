// Certificates in files, as a member is given them.

import Foundation
import Transport

/// A folder with a CA's certificates, gone with the value.
public final class CertificateFolder: Sendable {
    public let path: String
    public let ca: MadeCertificate

    /// - Parameter name: of the CA.
    public init(ca name: String = "test CA") throws {
        path =
            FileManager.default.temporaryDirectory
            .appendingPathComponent("cairn-tls-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
        ca = try Self.makeCA(name)
        try write(ca.certificate, "ca.pem")
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    public static func makeCA(_ name: String) throws -> MadeCertificate {
        var order = CertificateOrder(days: 10)
        order.commonName = name
        order.isCA = true
        return try order.make()
    }

    public func file(_ name: String) -> String { path + "/" + name }

    /// In place of what was there, at once.
    public func write(_ bytes: [UInt8], _ name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)), options: .atomic)
    }

    /// Makes a certificate and writes it as `name.pem` and `name.key`, its key first.
    @discardableResult
    public func make(
        _ name: String, commonName: String? = nil, hosts: [String] = ["127.0.0.1", "localhost"],
        signedBy issuer: MadeCertificate? = nil,
        _ change: (inout CertificateOrder) -> Void = { _ in }
    ) throws -> MadeCertificate {
        var order = CertificateOrder(days: 5)
        order.commonName = commonName ?? name
        order.hosts = hosts
        order.usages = [.server, .client]
        change(&order)
        let made = try order.make(signedBy: issuer ?? ca)
        try write(made.key, name + ".key")
        try write(made.certificate, name + ".pem")
        return made
    }

    public func pair(_ name: String) -> TLSSettings.Pair {
        TLSSettings.Pair(certificate: file(name + ".pem"), key: file(name + ".key"))
    }
}

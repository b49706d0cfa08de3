// A member with TLS, and the programs that talk to it.

import Foundation
import TestSupport
import Transport

/// A member whose clients must show a certificate of one CA.
final class SecureMember {
    let folder: CertificateFolder
    let member: MemberProcess

    /// - Parameter arguments: further flags.
    init(_ arguments: [String] = [], _ prepare: (CertificateFolder) throws -> Void = { _ in })
        throws
    {
        let folder = try CertificateFolder()
        self.folder = folder
        try folder.make("server")
        try folder.make("client")
        try prepare(folder)
        member = try MemberProcess(
            scheme: "https",
            arguments: [
                "--cert-file", folder.file("server.pem"), "--key-file", folder.file("server.key"),
                "--trusted-ca-file", folder.file("ca.pem"), "--client-cert-auth",
            ] + arguments.map { $0.replacingOccurrences(of: "FOLDER", with: folder.path) })
    }

    var url: String { "https://\(member.endpoint)" }

    /// - Parameter name: of the client's certificate; nil shows none.
    func etcdctl(
        _ arguments: String..., as name: String? = "client", trusting ca: String = "ca.pem"
    ) throws -> ProgramResult {
        let shown = name.map {
            ["--cert", folder.file($0 + ".pem"), "--key", folder.file($0 + ".key")]
        }
        return try run(
            "/usr/bin/etcdctl",
            [
                "--endpoints", url, "--cacert", folder.file(ca), "--command-timeout", "5s",
                "--dial-timeout", "2s",
            ] + (shown ?? []) + arguments,
            environment: ["ETCDCTL_API": "3"])
    }

    func curl(_ arguments: String..., as name: String? = "client") throws -> ProgramResult {
        let shown = name.map {
            ["--cert", folder.file($0 + ".pem"), "--key", folder.file($0 + ".key")]
        }
        return try run(
            "/usr/bin/curl",
            ["-sS", "-m", "10", "--cacert", folder.file("ca.pem")] + (shown ?? []) + arguments)
    }

    /// Runs OpenSSL's client.
    func openSSL(_ arguments: String..., input: String = "") throws -> ProgramResult {
        try run(
            "/usr/bin/openssl",
            [
                "s_client", "-connect", member.endpoint, "-CAfile", folder.file("ca.pem"), "-cert",
                folder.file("client.pem"), "-key", folder.file("client.key"),
            ] + arguments, input: input)
    }

    /// The reasons why connections were rejected, so far.
    var rejections: [String] {
        member.log.lines.compactMap(LogEntry.init)
            .filter { $0.message == "rejected connection on client endpoint" }
            .map { $0.text("error") }
    }

    /// Waits until the log has a rejection with `reason`.
    func waitForRejection(_ reason: String) throws {
        _ = try member.log.wait(for: reason)
    }
}

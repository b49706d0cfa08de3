// The name in a client's certificate is its user, where certificates are asked for.

import API
import Foundation
import Logging
import TestSupport
import Testing
import Transport

extension EndToEnd {
    @Suite("Users by their certificates", .enabled(if: Rival.isExpected, Rival.absence))
    struct CommonNameTests {
        private let folder: CertificateFolder
        private let ours: MemberProcess
        private let theirs: MemberProcess

        init() throws {
            folder = try CertificateFolder()
            for name in ["server", "root", "alice", "bob", "stranger"] { try folder.make(name) }
            let flags = [
                "--cert-file", folder.file("server.pem"), "--key-file", folder.file("server.key"),
                "--trusted-ca-file", folder.file("ca.pem"), "--client-cert-auth", "--bcrypt-cost",
                "4",
            ]
            ours = try MemberProcess(scheme: "https", arguments: flags)
            let peer = "http://127.0.0.1:\(try MemberProcess.freePort())"
            theirs = try MemberProcess(
                scheme: "https", binary: Rival.etcd,
                arguments: flags + [
                    "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                    "--initial-cluster", "default=\(peer)",
                ])
        }

        private func etcdctl(
            _ server: MemberProcess, as name: String, _ arguments: [String]
        ) throws -> [String] {
            let result = try run(
                "/usr/bin/etcdctl",
                [
                    "--endpoints", "https://\(server.endpoint)", "--cacert", folder.file("ca.pem"),
                    "--cert", folder.file("\(name).pem"), "--key", folder.file("\(name).key"),
                ] + arguments, environment: ["ETCDCTL_API": "3"])
            let complaint = result.status == 0 ? nil : result.errors.split(separator: "\n").last
            return [result.output, String(complaint ?? "")]
        }

        private func setUp() throws {
            for server in [ours, theirs] {
                for command in [
                    "user add root:r", "user grant-role root root",
                    "user add alice --no-password", "user add bob:b", "role add as",
                    "role grant-permission as readwrite a --prefix", "user grant-role alice as",
                    "auth enable",
                ] {
                    let words = command.split(separator: " ").map(String.init)
                    let answer = try etcdctl(server, as: "root", words)
                    try #require(answer[1].isEmpty, "\(command): \(answer)")
                }
            }
        }

        @Test("A certificate's common name is the user, unless there is a token")
        func commonName() throws {
            try setUp()
            let commands: [(String, [String])] = [
                ("alice", ["put", "a1", "x"]), ("alice", ["get", "a1"]), ("alice", ["get", "b"]),
                ("alice", ["user", "get", "alice"]), ("alice", ["user", "list"]),
                ("bob", ["get", "a1"]), ("stranger", ["get", "a1"]), ("root", ["get", "a1"]),
                ("root", ["user", "list"]), ("alice", ["get", "b", "--user", "root:r"]),
                ("root", ["get", "a1", "--user", "bob:b"]),
                ("alice", ["get", "a1", "--user", "alice:x"]),
            ]
            for (name, words) in commands {
                #expect(
                    try etcdctl(ours, as: name, words) == etcdctl(theirs, as: name, words),
                    "\(words) as \(name)")
            }
        }

        @Test("A gateway's certificate is not its clients'")
        func gateway() async throws {
            try setUp()
            var settings = TLSSettings()
            settings.server = folder.pair("alice")
            settings.client = folder.pair("alice")
            settings.trustedCAs = folder.file("ca.pem")
            let request = Range(key: "a1").encoded
            for server in [ours, theirs] {
                let client = try await TestClient(
                    secure: "https://\(server.endpoint)", settings)
                _ = try await client.call("/etcdserverpb.KV/Range", request)
                await #expect(throws: Status.userEmpty) {
                    try await client.call(
                        "/etcdserverpb.KV/Range", request,
                        metadata: [("grpcgateway-accept", Array("application/json".utf8))])
                }
            }
        }
    }
}

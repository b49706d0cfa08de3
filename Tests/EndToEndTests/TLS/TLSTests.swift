import Foundation
import TestSupport
import Testing
import Transport

extension EndToEnd {
    /// The programs people use, against a member that asks for their certificates.
    @Suite("TLS with clients")
    struct TLSTests {
        @Test("etcdctl puts, gets and watches")
        func etcdctl() throws {
            let it = try SecureMember()
            #expect(try it.etcdctl("put", "greeting", "hello").output == "OK\n")
            #expect(try it.etcdctl("get", "greeting").output == "greeting\nhello\n")
            #expect(try it.etcdctl("endpoint", "health").errors.contains("is healthy"))
            #expect(it.rejections.isEmpty)
            #expect(
                it.member.log.lines.contains { $0.contains("serving client traffic securely") })
        }

        @Test("curl asks over HTTP/2 and HTTP/1.1, for metrics too")
        func curl() throws {
            let port = try MemberProcess.freePort()
            let it = try SecureMember(["--listen-metrics-urls", "https://127.0.0.1:\(port)"])
            for version in ["--http2", "--http1.1"] {
                let answer = try it.curl(version, "-w", " %{http_version}", it.url + "/version")
                let spoken = version == "--http2" ? "2" : "1.1"
                #expect(answer.output.contains(#""etcdserver":"3.7.1""#), "\(answer.errors)")
                #expect(answer.output.hasSuffix(" \(spoken)"))
                #expect(try it.curl(version, it.url + "/metrics").output.contains("etcd_server_"))
                let health = try it.curl(version, it.url + "/health").output
                #expect(health.contains(#""health":"true""#))
                let missing = try it.curl(
                    version, "-o", "/dev/null", "-w", "%{http_code}", it.url + "/nothing")
                #expect(missing.output == "404")
                // No way around the certificate.
                let refused = try it.curl(version, it.url + "/version", as: nil)
                #expect(refused.status != 0 && refused.output.isEmpty)
            }
            let metrics = try it.curl("https://127.0.0.1:\(port)/metrics")
            #expect(metrics.output.contains("etcd_server_has_leader 1"), "\(metrics.errors)")
            #expect(try it.curl("https://127.0.0.1:\(port)/metrics", as: nil).status != 0)
        }

        private static let interpreter = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent(".build-venv/run").path

        @Test(
            "Python's etcd3 puts, gets and watches",
            .enabled(
                if: FileManager.default.isExecutableFile(atPath: interpreter),
                "Scripts/python-clients.sh makes the environment it needs"))
        func pythonClient() throws {
            let it = try SecureMember()
            let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .deletingLastPathComponent().appendingPathComponent("Python/etcd3_tls.py").path
            let result = try run(
                Self.interpreter,
                [
                    script, "127.0.0.1", "\(it.member.port)", it.folder.file("ca.pem"),
                    it.folder.file("client.pem"), it.folder.file("client.key"),
                ])
            #expect(result.output == "ok\n", "\(result.errors)")
        }

        @Test("who may not come in is told at the handshake, and the log says why, once")
        func refused() throws {
            let it = try SecureMember([
                "--client-crl-file", "FOLDER/crl.pem", "--client-cert-allowed-hostname",
                "localhost",
            ]) { folder in
                let revoked = try folder.make("revoked")
                try folder.write(revocationList(of: [revoked], by: folder.ca), "crl.pem")
                try folder.make("stranger", signedBy: try CertificateFolder.makeCA("other CA"))
                try folder.make("late") { ($0.begin, $0.end) = (-7200, -3600) }
                try folder.make("early") { ($0.begin, $0.end) = (3600, 7200) }
                try folder.make("other", hosts: ["elsewhere"])
                try folder.make("no client") { $0.usages = [.server] }
            }
            for (name, reason) in [
                (nil, "tls: client didn't provide a certificate"),
                ("revoked", "transport: certificate revoked"),
                ("stranger", "x509: certificate signed by unknown authority"),
                ("late", "x509: certificate has expired or is not yet valid"),
                ("early", "x509: certificate has expired or is not yet valid"),
                ("other", "client certificate authentication failed"),
                ("no client", "x509: certificate specifies an incompatible key usage"),
            ] {
                for version in ["--http2", "--http1.1"] {
                    let before = it.rejections.count
                    let answer = try it.curl(version, it.url + "/version", as: name)
                    #expect(answer.status != 0 && answer.output.isEmpty)
                    try it.waitForRejection(reason)
                    #expect(it.rejections.count == before + 1)
                }
                #expect(try it.etcdctl("get", "a", as: name).status != 0)
                #expect(try python(it, as: name) == "refused\n")
            }
            #expect(try it.etcdctl("put", "a", "b").output == "OK\n")
            #expect(try python(it, as: "client") == "served\n")
        }

        /// What becomes of Python's etcd3; as expected where it is not at hand.
        private func python(_ it: SecureMember, as name: String?) throws -> String {
            guard FileManager.default.isExecutableFile(atPath: Self.interpreter) else {
                return name == "client" ? "served\n" : "refused\n"
            }
            let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .deletingLastPathComponent().appendingPathComponent("Python/etcd3_refused.py").path
            let shown = name.map { [it.folder.file($0 + ".pem"), it.folder.file($0 + ".key")] }
            return try run(
                Self.interpreter,
                [script, "127.0.0.1", "\(it.member.port)", it.folder.file("ca.pem")]
                    + (shown ?? [])
            ).output
        }

        @Test("a client that wants another server, or trusts another CA, does not go on")
        func otherServer() throws {
            let it = try SecureMember { folder in
                try folder.make("server", hosts: ["10.0.0.1"])
                try folder.write(try CertificateFolder.makeCA("other CA").certificate, "other.pem")
            }
            #expect(try it.etcdctl("get", "a").status != 0)
            try it.waitForRejection("remote error: tls: bad certificate")
            #expect(try it.etcdctl("get", "a", trusting: "other.pem").status != 0)
        }

        @Test("what is no TLS costs one line, and nothing is left of it")
        func noTLS() throws {
            let it = try SecureMember()
            // With its first client the loop opens what it keeps in reserve for EMFILE.
            _ = try it.etcdctl("get", "a")
            let before = it.member.descriptorCount
            #expect(try it.curl("http://\(it.member.endpoint)/version").status != 0)
            let http2 = try it.curl(
                "--http2-prior-knowledge", "http://\(it.member.endpoint)/version")
            #expect(http2.status != 0)
            let reason = "tls: first record does not look like a TLS handshake"
            #expect(it.rejections == [reason, reason])
            // It notices that a client has gone while it serves others.
            for _ in 0..<100 where it.member.descriptorCount > before {
                _ = try it.etcdctl("get", "a")
            }
            #expect(it.member.descriptorCount <= before)
        }

        @Test("a handshake is taken up again, and not made over and over in one connection")
        func resumption() throws {
            let it = try SecureMember()
            let reconnected = try it.openSSL("-tls1_2", "-reconnect", "-no_ign_eof", input: "Q\n")
            #expect(reconnected.output.contains("Reused, TLSv1.2"), "\(reconnected.output)")
            let renegotiated = try it.openSSL("-tls1_2", input: "R\n")
            #expect(
                (renegotiated.output + renegotiated.errors).contains("no renegotiation"),
                "\(renegotiated.errors)")
            #expect(try it.etcdctl("put", "a", "b").output == "OK\n")
        }

        @Test("a Unix socket speaks TLS too")
        func unixSocket() throws {
            let directory = try TemporaryDirectory()
            let socket = directory.path + "/client.sock"
            let folder = try CertificateFolder()
            try folder.make("server")
            let member = try MemberProcess(
                arguments: [
                    "--cert-file", folder.file("server.pem"), "--key-file",
                    folder.file("server.key"),
                ],
                environment: [
                    "ETCD_LISTEN_CLIENT_URLS": "unixs://\(socket)",
                    "ETCD_ADVERTISE_CLIENT_URLS": "unixs://\(socket)",
                ])
            let answer = try run(
                "/usr/bin/curl",
                [
                    "-sS", "--cacert", folder.file("ca.pem"), "--unix-socket", socket,
                    "https://localhost/health",
                ])
            #expect(answer.output.contains("true"), "\(answer.errors)")
            _ = member
        }

        @Test("-auto-tls makes a certificate once")
        func automatic() throws {
            let member = try MemberProcess(scheme: "https", arguments: ["--auto-tls"])
            func put() throws -> String {
                try run(
                    "/usr/bin/etcdctl",
                    [
                        "--endpoints", "https://\(member.endpoint)", "--insecure-skip-tls-verify",
                        "--insecure-transport=false", "put", "a", "b",
                    ], environment: ["ETCDCTL_API": "3"]
                ).output
            }
            #expect(try put() == "OK\n")
            let file = member.dataDirectory.appendingPathComponent("fixtures/client/cert.pem")
            let made = try Data(contentsOf: file)
            member.end(by: SIGTERM)
            try member.start()
            #expect(try put() == "OK\n")
            #expect(try Data(contentsOf: file) == made)
        }
    }
}

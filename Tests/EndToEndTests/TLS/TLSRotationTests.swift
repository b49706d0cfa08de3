import Foundation
import TestSupport
import Testing
import Transport

extension EndToEnd {
    /// Certificates change while clients come and go.
    @Suite("TLS files that change")
    struct TLSRotationTests {
        /// Clients that each connect anew, one after the other, until it is ended.
        fileprivate final class Load: @unchecked Sendable {
            private let lock = NSLock()
            private var goesOn = true
            private var failures: [String] = []
            private var puts = 0
            private let done = DispatchSemaphore(value: 0)
            /// Whose certificate and key the next client takes. To replace both files under a client
            /// that reads them would fail it, and say nothing of the server.
            private var pair: String

            init(
                as pair: String = "client",
                _ put: @escaping @Sendable (_ pair: String) throws -> ProgramResult
            ) {
                self.pair = pair
                Thread.detachNewThread { [self] in
                    while lock.withLock({ goesOn }) {
                        let result = try? put(lock.withLock { self.pair })
                        lock.withLock {
                            puts += 1
                            if result?.output != "OK\n" { failures.append(result?.errors ?? "?") }
                        }
                    }
                    done.signal()
                }
            }

            /// Waits for so many more puts: none of them began before now but one.
            func wait(_ count: Int = 4) {
                let goal = lock.withLock { puts } + count
                while lock.withLock({ puts }) < goal { usleep(1000) }
            }

            func become(_ pair: String) { lock.withLock { self.pair = pair } }

            func end() -> [String] {
                lock.withLock { goesOn = false }
                done.wait()
                return failures
            }
        }

        @Test("leaf, CA and revocation list are replaced, and no request fails")
        func rotation() throws {
            let it = try SecureMember(["--client-crl-file", "FOLDER/crl.pem"]) { folder in
                try folder.write(revocationList(of: [], by: folder.ca), "crl.pem")
                try folder.make("eve")
                try folder.write(folder.ca.certificate, "trusted.pem")
            }
            let folder = it.folder
            // Clients trust both CAs, as they must while one replaces the other.
            let newCA = try CertificateFolder.makeCA("new CA")
            try folder.write(folder.ca.certificate + newCA.certificate, "trusted.pem")
            nonisolated(unsafe) let member = it
            let load = Load {
                try member.etcdctl("put", "a", "b", as: $0, trusting: "trusted.pem")
            }
            load.wait()
            #expect(try it.etcdctl("get", "a", as: "eve").status == 0)

            try folder.make("server")
            load.wait()
            let eve = try Data(contentsOf: URL(fileURLWithPath: folder.file("eve.pem")))
            let revoked = MadeCertificate(certificate: [UInt8](eve), key: [])
            try folder.write(revocationList(of: [revoked], by: folder.ca), "crl.pem")
            load.wait(8)
            #expect(try it.etcdctl("get", "a", as: "eve").status != 0)

            try folder.write(folder.ca.certificate + newCA.certificate, "ca.pem")
            load.wait(8)
            try folder.make("new client", signedBy: newCA)
            load.become("new client")
            try folder.make("server", signedBy: newCA)
            load.wait(8)
            try folder.write(newCA.certificate, "ca.pem")
            load.wait(8)
            let failures = load.end()
            #expect(failures.isEmpty, "\(failures)")
            try folder.make("old")
            #expect(try it.etcdctl("get", "a", as: "old", trusting: "trusted.pem").status != 0)
        }
    }

    /// Members that show each other certificates.
    @Suite("TLS between members")
    struct PeerTLSTests {
        @Test("three members with certificates of one CA are a cluster; a stranger gets nothing")
        func mutual() throws {
            let folder = try CertificateFolder()
            try folder.make("peer", commonName: "member")
            try folder.make("other", commonName: "other")
            let cluster = try ClusterProcesses(
                peerScheme: "https",
                arguments: [
                    "--peer-cert-file", folder.file("peer.pem"),
                    "--peer-key-file", folder.file("peer.key"),
                    "--peer-trusted-ca-file", folder.file("ca.pem"), "--peer-client-cert-auth",
                    "--peer-cert-allowed-cn", "member",
                ])
            #expect(try cluster.etcdctl("put", "a", "b", at: [0]) == "OK\n")
            #expect(try cluster.etcdctl("get", "a", at: [2]) == "a\nb\n")
            for member in cluster.members {
                let rejected = member.log.lines.filter { $0.contains("rejected connection") }
                #expect(rejected.isEmpty, "\(rejected)")
            }
            let peer = try #require(cluster.peerURLs.first?.advertised)
            try folder.make("elsewhere", commonName: "member", hosts: ["10.9.9.9"])
            for (name, isLetIn) in [
                (nil, false), ("other", false), ("elsewhere", false), ("peer", true),
            ] {
                let shown = name.map {
                    ["--cert", folder.file($0 + ".pem"), "--key", folder.file($0 + ".key")]
                }
                let answer = try run(
                    "/usr/bin/curl",
                    ["-sS", "-m", "10", "--cacert", folder.file("ca.pem"), peer + "/version"]
                        + (shown ?? []))
                #expect(answer.output.contains("etcdserver") == isLetIn, "\(answer.errors)")
            }
            _ = try cluster.members[0].log.wait(for: "rejected connection on peer endpoint")
            // A member comes back, and its links with it.
            cluster.members[1].end(by: SIGKILL)
            try cluster.members[1].start()
            #expect(try cluster.etcdctl("put", "c", "d", at: [1]) == "OK\n")
        }

        /// Certificates of all members, each with its own, from one folder.
        private func members(_ folder: CertificateFolder) throws -> ClusterProcesses {
            func files(_ name: String) -> [String] {
                [
                    "--peer-cert-file", folder.file("\(name).pem"), "--peer-key-file",
                    folder.file("\(name).key"),
                ]
            }
            return try ClusterProcesses(
                peerScheme: "https",
                arguments: [
                    "--peer-trusted-ca-file", folder.file("ca.pem"), "--peer-client-cert-auth",
                    "--peer-crl-file", folder.file("crl.pem"),
                ],
                // One that knows no newer TLS, and one that takes no older.
                own: [
                    0: files("m1"), 1: files("m2") + ["--tls-max-version", "TLS1.2"],
                    2: files("m3"),
                ])
        }

        @Test("whose certificates and versions differ are a cluster; who may not come in does not")
        func mixed() throws {
            let folder = try CertificateFolder()
            for name in ["m1", "m2", "m3"] { try folder.make(name) }
            let revoked = try folder.make("revoked")
            try folder.make("stranger", signedBy: try CertificateFolder.makeCA("other CA"))
            try folder.make("late") { ($0.begin, $0.end) = (-7200, -3600) }
            try folder.write(revocationList(of: [revoked], by: folder.ca), "crl.pem")
            let cluster = try members(folder)
            #expect(try cluster.etcdctl("put", "a", "b", at: [0]) == "OK\n")
            for number in 0..<3 {
                #expect(try cluster.etcdctl("get", "a", at: [number]) == "a\nb\n")
                let peer = cluster.peerURLs[number].advertised
                for (name, reason) in [
                    (nil, "tls: client didn't provide a certificate"),
                    ("revoked", "transport: certificate revoked"),
                    ("stranger", "x509: certificate signed by unknown authority"),
                    ("late", "x509: certificate has expired or is not yet valid"),
                ] {
                    let shown = name.map {
                        ["--cert", folder.file($0 + ".pem"), "--key", folder.file($0 + ".key")]
                    }
                    for version in ["--http2", "--http1.1"] {
                        let answer = try run(
                            "/usr/bin/curl",
                            [
                                "-sS", "-m", "10", version, "--cacert", folder.file("ca.pem"),
                                peer + "/version",
                            ] + (shown ?? []))
                        #expect(answer.status != 0 && answer.output.isEmpty)
                    }
                    _ = try cluster.members[number].log.wait(for: reason)
                }
            }
        }

        @Test("leaves, CA and revocation list are replaced while clients put, and no put fails")
        func rotation() throws {
            let folder = try CertificateFolder()
            for name in ["m1", "m2", "m3"] { try folder.make(name) }
            try folder.write(revocationList(of: [], by: folder.ca), "crl.pem")
            let cluster = try members(folder)
            let endpoints = cluster.endpoints
            let load = TLSRotationTests.Load { _ in
                try run(
                    "/usr/bin/etcdctl", ["--endpoints", endpoints, "put", "a", "b"],
                    environment: ["ETCDCTL_API": "3"])
            }
            load.wait()
            let newCA = try CertificateFolder.makeCA("new CA")
            func makeAll(_ issuer: MadeCertificate) throws {
                for name in ["m1", "m2", "m3"] { try folder.make(name, signedBy: issuer) }
            }
            try makeAll(folder.ca)
            load.wait()
            try folder.write(folder.ca.certificate + newCA.certificate, "ca.pem")
            try folder.write(
                revocationList(of: [], by: folder.ca) + revocationList(of: [], by: newCA),
                "crl.pem")
            load.wait(8)
            try makeAll(newCA)
            load.wait(8)
            try folder.write(newCA.certificate, "ca.pem")
            try folder.write(revocationList(of: [], by: newCA), "crl.pem")
            load.wait(8)
            let failures = load.end()
            #expect(failures.isEmpty, "\(failures)")
            // Links that are made from now on know the new CA only.
            cluster.members[1].end(by: SIGKILL)
            try cluster.members[1].start()
            #expect(try cluster.etcdctl("put", "c", "d", at: [1]) == "OK\n")
            try folder.make("old")
            let answer = try run(
                "/usr/bin/curl",
                [
                    "-sS", "-m", "10", "-k", "--cert", folder.file("old.pem"), "--key",
                    folder.file("old.key"), cluster.peerURLs[0].advertised + "/version",
                ])
            #expect(answer.status != 0 && answer.output.isEmpty)
        }

        @Test("-peer-auto-tls: each makes its own, and nobody asks whose it is")
        func automatic() throws {
            let cluster = try ClusterProcesses(
                peerScheme: "https", arguments: ["--peer-auto-tls"])
            #expect(try cluster.etcdctl("put", "a", "b", at: [0]) == "OK\n")
            #expect(try cluster.etcdctl("get", "a", at: [1]) == "a\nb\n")
            let url = try cluster.prepareMember()
            _ = try cluster.add("m4", url)
            try cluster.members[3].start()
            #expect(try cluster.etcdctl("get", "a", at: [3]) == "a\nb\n")
        }
    }
}

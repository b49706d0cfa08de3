import API
import TestSupport
import Testing

@testable import Transport

@Suite("Certificates, keys, CAs and revocation lists are read again")
struct TLSReloadTests {
    private static let reloaded = "reloaded TLS certificates, keys and revocation lists"
    private static let failed = "failed to reload TLS files; those read before stay in use"

    private func world() throws -> TLSWorld {
        try TLSWorld { settings, folder in
            settings.trustedCAs = folder.file("ca.pem")
            settings.authenticatesClients = true
            settings.revocations = folder.file("crl.pem")
            try folder.write(revocationList(of: [], by: folder.ca), "crl.pem")
        }
    }

    private func isServed(_ result: Result<TLSEnd, TLSError>) -> Bool {
        if case .success(let end) = result { end.error == nil && !end.isClosed } else { false }
    }

    @Test("when the leaf changes; those who are there stay")
    func leaf() throws {
        let world = try world()
        let before = try world.dial()
        try world.folder.make("server", hosts: ["127.0.0.9"])
        world.executor.advance(seconds: 1)
        #expect(isServed(try world.dial(world.clientSettings(), host: "127.0.0.9")))
        #expect(!isServed(try world.dial(world.clientSettings(), host: "127.0.0.1")))
        #expect(world.log.lines.filter { $0.message == Self.reloaded }.count == 1)
        before.send("still here")
        world.executor.run()
        #expect(world.served.first?.text == "still here")
    }

    @Test("when a client is revoked, and when the CA is replaced")
    func revocationAndCA() throws {
        let world = try world()
        let eve = try world.folder.make("eve")
        #expect(isServed(try world.dial(world.clientSettings("eve"))))
        try world.folder.write(revocationList(of: [eve], by: world.folder.ca), "crl.pem")
        world.executor.advance(seconds: 1)
        #expect(!isServed(try world.dial(world.clientSettings("eve"))))
        #expect(!(try world.dial().isClosed))

        let newCA = try CertificateFolder.makeCA("new CA")
        let own = world.clientSettings()  // goes on trusting the server's CA
        var trusting = own
        trusting.trustedCAs = world.folder.file("old-ca.pem")
        try world.folder.write(world.folder.ca.certificate, "old-ca.pem")
        try world.folder.make("next", signedBy: newCA)
        var next = trusting
        next.server = world.folder.pair("next")
        #expect(!isServed(try world.dial(next)))
        try world.folder.write(newCA.certificate, "ca.pem")
        world.executor.advance(seconds: 1)
        #expect(isServed(try world.dial(next)))
        #expect(!isServed(try world.dial(trusting)))
    }

    @Test("not while they do not fit together: the former stay, and the log says so once")
    func half() throws {
        let world = try world()
        let key = try world.folder.make("other").key
        try world.folder.write(key, "server.key")
        for _ in 0..<5 {
            world.executor.advance(seconds: 1)
            #expect(!(try world.dial().isClosed))
        }
        #expect(world.log.errors(Self.failed) == ["tls: private key does not match public key"])
        try world.folder.make("server", hosts: ["127.0.0.8"])
        world.executor.advance(seconds: 1)
        #expect(isServed(try world.dial(world.clientSettings(), host: "127.0.0.8")))
    }

    @Test("not for each handshake: a look is taken now and then")
    func now() throws {
        let world = try world()
        world.executor.advance(seconds: 1)
        _ = try world.dial()
        try world.folder.make("server", hosts: ["127.0.0.9"])
        _ = try world.dial().stream
        #expect(!world.log.lines.contains { $0.message == Self.reloaded })
        world.executor.advance(seconds: 1)
        _ = try world.dial(world.clientSettings(), host: "127.0.0.9")
        #expect(world.log.lines.contains { $0.message == Self.reloaded })
    }

    @Test("What is wrong at the start is said in etcd's words")
    func start() throws {
        let folder = try CertificateFolder()
        try folder.make("a")
        try folder.make("b")
        func error(_ change: (inout TLSSettings) -> Void) -> String? {
            var settings = TLSSettings()
            settings.server = folder.pair("a")
            change(&settings)
            do {
                _ = try TLSCredentials(
                    settings, on: ManualExecutor(), logger: LogRecorder().logger)
                return nil
            } catch {
                return "\(error)"
            }
        }
        let sound = error { _ in }
        #expect(sound == nil)
        let noKey = error { $0.server.key = "" }
        let certificate = folder.file("a.pem")
        #expect(noKey == "KeyFile and CertFile must both be present[key: , cert: \(certificate)]")
        let otherKey = error { $0.server.key = folder.file("b.key") }
        #expect(otherKey == "tls: private key does not match public key")
        let missing = error { $0.server.certificate = "/nowhere/a.pem" }
        #expect(missing == "open /nowhere/a.pem: no such file or directory")
        let noClientKey = error { $0.client.certificate = "a.pem" }
        let both = "ClientKeyFile and ClientCertFile must both be present or both absent"
        #expect(noClientKey == "\(both): key: , cert: a.pem]")
        let noCA = error { $0.trustedCAs = folder.file("a.key") }
        #expect(noCA == folder.file("a.key") + " has no certificate in it")
        let noList = error { $0.revocations = folder.file("a.key") }
        #expect(noList == folder.file("a.key") + " has no revocation list in it")
    }
}

@Suite("Dialing with TLS")
struct TLSDialerTests {
    private func dial(_ world: TLSWorld, _ settings: TLSSettings?, _ url: String) throws -> String {
        let network = MemoryNetwork(on: world.executor)
        network.listen("http://127.0.0.1:2380") { stream in
            world.acceptor.accept(stream, for: .http1AndHTTP2) { _ in }
        }
        network.listen("unix://peer.sock") { stream in
            world.acceptor.accept(stream, for: .http1AndHTTP2) { _ in }
        }
        let credentials = try settings.map {
            try TLSCredentials($0, on: world.executor, logger: world.log.logger)
        }
        let dialer = TLSDialer(over: network.dialer(), credentials)
        var answer = "nothing"
        let attempt = dialer.dial(url, timeoutNanoseconds: 1_000_000_000) { result in
            switch result {
            case .success(let stream): answer = stream.security == nil ? "plain" : "secure"
            case .failure(let error): answer = error.reason
            }
        }
        world.executor.advance(seconds: 2)
        withExtendedLifetime(attempt) {}
        return answer
    }

    @Test("happens where the URL asks for it, and checks the name there")
    func schemes() throws {
        let world = try TLSWorld()
        let settings = world.clientSettings()
        #expect(try dial(world, settings, "https://127.0.0.1:2380") == "secure")
        #expect(try dial(world, settings, "unixs://peer.sock") == "secure")
        #expect(try dial(world, settings, "http://127.0.0.1:2380") == "plain")
        #expect(
            try dial(world, nil, "https://127.0.0.1:2380")
                == "no TLS certificate is configured for https://127.0.0.1:2380")
        #expect(try dial(world, settings, "https://127.0.0.1:2381") == "connection refused")
    }

    @Test("does not ask who is there when certificates are made by the members themselves")
    func selfSigned() throws {
        let world = try TLSWorld { settings, folder in
            var order = CertificateOrder(days: 365)
            order.organization = "etcd"
            order.hosts = ["10.0.0.1"]
            let made = try order.make()
            try folder.write(made.certificate, "server.pem")
            try folder.write(made.key, "server.key")
        }
        var settings = world.clientSettings()
        #expect(try dial(world, settings, "https://127.0.0.1:2380") != "secure")
        settings.isSelfSigned = true
        #expect(try dial(world, settings, "https://127.0.0.1:2380") == "secure")
    }

    @Test("gives up in time when nobody answers the handshake")
    func timeout() throws {
        let world = try TLSWorld()
        let network = MemoryNetwork(on: world.executor)
        var held: [any ByteStream] = []
        network.listen("http://127.0.0.1:2380") { held.append($0) }
        let dialer = TLSDialer(
            over: network.dialer(),
            try TLSCredentials(
                world.clientSettings(), on: world.executor, logger: world.log.logger))
        var reasons: [String] = []
        let attempt = dialer.dial("https://127.0.0.1:2380", timeoutNanoseconds: 1_000_000_000) {
            if case .failure(let error) = $0 { reasons.append(error.reason) }
        }
        world.executor.advance(seconds: 5)
        #expect(reasons == ["connection timed out"])
        withExtendedLifetime(attempt) {}
        #expect(held.count == 1)
    }
}

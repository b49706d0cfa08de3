import API
import TestSupport
import Testing

@testable import Transport

@Suite("A TLS handshake")
struct TLSHandshakeTests {
    private func requiring(
        _ change: (inout TLSSettings) -> Void = { _ in }
    ) throws -> TLSWorld {
        try TLSWorld { settings, folder in
            settings.trustedCAs = folder.file("ca.pem")
            settings.authenticatesClients = true
            change(&settings)
        }
    }

    private func reason(_ result: Result<TLSEnd, TLSError>) -> String {
        switch result {
        case .success(let end): end.error?.reason ?? "open"
        case .failure(let error): error.description
        }
    }

    @Test("says who the client is")
    func commonName() throws {
        let world = try requiring()
        try world.folder.make("alice", commonName: "alice")
        _ = try world.dial(world.clientSettings("alice")).get()
        #expect(world.served.first?.stream.security?.commonName == "alice")
        #expect(world.rejections.isEmpty)
    }

    @Test("does not say who the client is where its certificate only opens the door")
    func noCommonName() throws {
        let world = try requiring { $0.authenticatesClients = false }
        _ = try world.dial()
        let security = try #require(world.served.first?.stream.security)
        #expect(security.commonName == nil)
    }

    @Test("turns away who has no certificate, one of another CA, or one that has expired")
    func turnsAway() throws {
        let world = try requiring()
        let folder = world.folder
        try folder.make("stranger", signedBy: try CertificateFolder.makeCA("other CA"))
        try folder.make("late") { ($0.begin, $0.end) = (-7200, -3600) }
        try folder.make("early") { $0.begin = 3600 }
        try folder.make("server-only") { $0.usages = [.server] }
        let unknown = "x509: certificate signed by unknown authority"
        let expired = "x509: certificate has expired or is not yet valid"
        for (name, why) in [
            ("stranger", unknown), ("late", expired), ("early", expired),
            ("server-only", "x509: certificate specifies an incompatible key usage"),
        ] {
            _ = try world.dial(world.clientSettings(name))
            #expect(world.rejections.last == "tls: failed to verify certificate: \(why)", "\(name)")
        }
        #expect(world.rejections.count == 4)
        #expect(world.served.isEmpty)
        _ = try world.dial().send("let me in")
        #expect(world.served.count == 1)
    }

    @Test("turns away who was revoked, with the lists of two CAs in one file")
    func revoked() throws {
        let other = try CertificateFolder.makeCA("other CA")
        let world = try TLSWorld { settings, folder in
            try folder.write(folder.ca.certificate + other.certificate, "ca.pem")
            let out = try folder.make("out")
            let otherOut = try folder.make("other-out", signedBy: other)
            try folder.make("other-in", signedBy: other)
            try folder.write(
                revocationList(of: [out], by: folder.ca)
                    + revocationList(of: [otherOut], by: other), "crl.pem")
            settings.trustedCAs = folder.file("ca.pem")
            settings.revocations = folder.file("crl.pem")
        }
        for name in ["out", "other-out"] {
            let end = try world.dial(world.clientSettings(name))
            #expect(reason(end) == "remote error: tls: revoked certificate")
            #expect(world.served.isEmpty)
        }
        let why = "tls: failed to verify certificate: transport: certificate revoked"
        #expect(world.rejections == [why, why])
        for name in ["client", "other-in"] { _ = try world.dial(world.clientSettings(name)).get() }
        #expect(world.served.count == 2)
    }

    @Test("lets only the names in that are allowed")
    func allowed() throws {
        for isName in [true, false] {
            let world = try requiring {
                if isName {
                    $0.allowedCommonNames = ["alice", "bob"]
                } else {
                    $0.allowedHostNames = ["bob.example", "10.1.2.3"]
                }
            }
            try world.folder.make("bob", hosts: ["bob.example"])
            try world.folder.make("carol", hosts: ["carol.example"])
            _ = try world.dial(world.clientSettings("bob")).get()
            #expect(world.served.count == 1)
            _ = try world.dial(world.clientSettings("carol"))
            #expect(world.served.count == 1)
            #expect(
                world.rejections == [
                    "tls: failed to verify certificate: client certificate authentication failed"
                ])
        }
    }

    @Test("is refused by a client that wanted another server")
    func otherServer() throws {
        let world = try TLSWorld()
        let settings = world.clientSettings()
        for (host, isRight) in [
            ("127.0.0.1", true), ("localhost", true), ("127.0.0.2", false), ("server", false),
        ] {
            let result = try world.dial(settings, host: host)
            #expect((reason(result) == "open") == isRight, "\(host): \(reason(result))")
        }
        #expect(world.rejections.count == 2)
        #expect(world.rejections.allSatisfy { $0.hasPrefix("remote error: tls: ") })
        // Its log says whom the client wanted.
        #expect(world.log.lines.last?.fields["server-name"] == "server")
    }

    @Test("happens within the versions and suites that are allowed")
    func versions() throws {
        let world = try TLSWorld { settings, _ in settings.versions = .v1_3 ... .v1_3 }
        var old = world.clientSettings()
        old.versions = .v1_2 ... .v1_2
        #expect(reason(try world.dial(old)) == "remote error: tls: protocol version")
        #expect(world.rejections == ["tls: client offered only unsupported versions"])

        let suite = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
        let narrow = try TLSWorld { settings, _ in
            settings.cipherSuites = [TLSCipherSuite(named: suite)].compactMap(\.self)
        }
        var other = narrow.clientSettings()
        other.versions = .v1_2 ... .v1_2
        #expect(reason(try narrow.dial(other)) == "open")
        other.cipherSuites = [TLSCipherSuite(named: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")]
            .compactMap(\.self)
        _ = try narrow.dial(other)
        #expect(
            narrow.rejections == ["tls: no cipher suite supported by both client and server"])
    }

    @Test(
        "is not what comes: refused and logged once, and nothing is left",
        arguments: [
            "GET /health HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "\u{16}\u{3}\u{1}\u{0}\u{5}hello", "\u{16}garbage that goes on and on and on", "\u{0}",
        ])
    func garbage(text: String) throws {
        let world = try TLSWorld()
        let wire = world.connect()
        Array(text.utf8).withUnsafeBytes { wire.write($0) }
        world.executor.run()
        #expect(world.rejections.count == 1)
        if !text.hasPrefix("\u{16}") {
            #expect(
                world.rejections == ["tls: first record does not look like a TLS handshake"])
        }
        #expect(world.acceptor.handshakeCount == 0)
        #expect(world.served.isEmpty)
    }

    @Test("with a certificate of a hundred thousand bytes is refused")
    func huge() throws {
        let world = try requiring()
        try world.folder.make("huge", hosts: (0..<6000).map { "host-number-\($0).example" })
        _ = try world.dial(world.clientSettings("huge"))
        #expect(world.rejections.count == 1)
        #expect(world.served.isEmpty)
        #expect(world.acceptor.handshakeCount == 0)
    }

    @Test("that is not done in time is given up, one that says nothing too")
    func timeout() throws {
        let world = try TLSWorld()
        let silent = world.connect()
        let slow = world.connect()
        [UInt8]([22, 3, 1]).withUnsafeBytes { slow.write($0) }
        world.executor.advance(seconds: 9)
        #expect(world.acceptor.handshakeCount == 2)
        world.executor.advance(seconds: 2)
        #expect(world.acceptor.handshakeCount == 0)
        #expect(world.rejections == ["i/o timeout", "i/o timeout"])
        #expect(silent.peer == nil && slow.peer == nil)
    }

    @Test("gives way, the oldest first, when there are too many that do not go on")
    func tooMany() throws {
        var limits = TLSAcceptor.Limits()
        limits.handshakes = 10
        let world = try TLSWorld(limits: limits)
        let idlers = (0..<25).map { _ in world.connect() }
        world.executor.run()
        #expect(world.acceptor.handshakeCount == 10)
        _ = try world.dial()
        #expect(world.served.count == 1)
        #expect(world.rejections.count == 16)
        #expect(idlers.filter { $0.peer != nil }.count == 9)
    }

    @Test(
        "is refused before memory is taken for it: what begins too large, or is no ClientHello",
        arguments: [
            [22, 3, 1, 0x40, 0, 1, 0, 0x40, 1], [22, 3, 1, 0x40, 0, 1, 2, 0, 0],
            [22, 3, 1, 0, 3, 1, 0, 0, 1], [22, 3, 1, 0x40, 0, 2, 0, 1, 0],
        ] as [[UInt8]])
    func largeHello(bytes: [UInt8]) throws {
        let world = try TLSWorld()
        let wire = world.connect()
        for byte in bytes {
            withUnsafeBytes(of: byte) { wire.write($0) }
            world.executor.run()
        }
        #expect(world.rejections.count == 1)
        #expect(world.rejections.first?.contains("ClientHello") == true)
        #expect(world.acceptor.handshakeCount == 0)
    }

    @Test("gives way, the oldest first, when they take too much memory together")
    func tooMuch() throws {
        var limits = TLSAcceptor.Limits()
        limits.handshakeBytes = 1 << 20
        let world = try TLSWorld(limits: limits)
        let hello: [UInt8] = [22, 3, 1, 0x20, 0, 1, 0, 0x1F, 0]
        let wires = (0..<50).map { _ in
            let wire = world.connect()
            hello.withUnsafeBytes { wire.write($0) }
            world.executor.run()
            return wire
        }
        // 24 KiB for each.
        #expect(world.acceptor.handshakeCount == 42)
        #expect(wires.filter { $0.peer != nil }.count == 42)
        _ = try world.dial()
        #expect(world.served.count == 1)
        #expect(world.rejections.allSatisfy { $0 == "too many handshakes under way" })
    }

    /// Notes when its stream has ended.
    private final class Noting: ByteStreamHandler {
        let note: () -> Void
        init(_ note: @escaping () -> Void) { self.note = note }
        func received(_: UnsafeRawBufferPointer) {}
        func drained() {}
        func receivedEnd() { note() }
        func closed(_: TransportError?) {}
    }

    @Test("ends with the port's, the oldest first")
    func abort() throws {
        let world = try TLSWorld()
        var ended: [Int] = []
        let clients = (0..<20).map { number in
            let wire = world.connect()
            let handler = Noting { ended.append(number) }
            wire.handler = handler
            return (wire, handler)
        }
        world.acceptor.abort()
        world.executor.run()
        withExtendedLifetime(clients) { #expect(ended == Array(0..<20)) }
    }

    @Test("that ends before it began is logged as such")
    func end() throws {
        let world = try TLSWorld()
        world.connect().close()
        world.executor.run()
        #expect(world.rejections == ["EOF"])
        #expect(world.acceptor.handshakeCount == 0)
    }
}

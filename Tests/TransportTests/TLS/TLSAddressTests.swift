import API
import TestSupport
import Testing

@testable import Transport

@Suite("A member's certificate and where it calls from")
struct TLSAddressTests {
    private func world(checks: Bool = true) throws -> TLSWorld {
        try TLSWorld { settings, folder in
            settings.trustedCAs = folder.file("ca.pem")
            settings.checksClientAddress = checks
            try folder.make("there", hosts: ["10.9.9.9"])
            try folder.make("here", hosts: ["10.9.9.9", "127.0.0.1"])
            try folder.make("v6", hosts: ["fd00::1"])
            try folder.make("named", hosts: ["a.example", "*.b.example"])
            try folder.make("both", hosts: ["10.9.9.9", "a.example"])
        }
    }

    private func dial(_ world: TLSWorld, _ name: String, from address: String) throws -> Bool {
        let before = world.served.count
        _ = try world.dial(
            world.clientSettings(name), over: world.connect(from: address))
        #expect(world.acceptor.handshakeCount == 0)
        return world.served.count == before + 1
    }

    @Test("must agree where they are addresses")
    func addresses() throws {
        let world = try world()
        #expect(try dial(world, "here", from: "127.0.0.1:4711"))
        #expect(try dial(world, "here", from: "[::ffff:127.0.0.1]:4711"))
        #expect(try dial(world, "v6", from: "[fd00:0::1%eth0]:4711"))
        #expect(world.rejections.isEmpty)
        #expect(try !dial(world, "there", from: "127.0.0.1:4711"))
        #expect(try !dial(world, "v6", from: "127.0.0.1:4711"))
        #expect(
            world.rejections == [
                "x509: certificate is valid for 10.9.9.9, not 127.0.0.1",
                "x509: certificate is valid for fd00::1, not 127.0.0.1",
            ])
    }

    @Test("are not compared where that is not asked for")
    func skipped() throws {
        let world = try world(checks: false)
        #expect(try dial(world, "there", from: "127.0.0.1:4711"))
    }

    @Test("agree when one of its names has the address")
    func names() throws {
        let world = try world()
        var asked: [String] = []
        world.acceptor.namesOfAddress = { address, names, executor, answer in
            asked.append("\(address) \(names)")
            let isRight = address == "10.1.1.1"
            executor.post { answer(isRight) }
        }
        #expect(try dial(world, "named", from: "10.1.1.1:1"))
        #expect(try dial(world, "both", from: "10.1.1.1:1"))
        #expect(try dial(world, "both", from: "10.9.9.9:1"))
        #expect(try !dial(world, "both", from: "10.1.1.2:1"))
        #expect(asked.count == 3)
        #expect(asked.first == #"10.1.1.1 ["a.example", "*.b.example"]"#)
        #expect(
            world.rejections == [
                #"tls: "10.1.1.2" does not match any of DNSNames ["a.example"]"#
            ])
    }

    @Test("are given up when name servers do not answer in time")
    func silence() throws {
        let world = try world()
        world.acceptor.namesOfAddress = { _, _, _, _ in }
        _ = try world.dial(
            world.clientSettings("named"), over: world.connect(from: "10.1.1.1:1"))
        #expect(world.acceptor.handshakeCount == 1)
        world.executor.advance(seconds: 11)
        #expect(world.acceptor.handshakeCount == 0)
        #expect(world.rejections == ["i/o timeout"])
    }

    @Test("agree by the system's names", .timeLimit(.minutes(1)))
    func resolver() async {
        for (address, names, isRight) in [
            ("127.0.0.1", ["localhost"], true), ("127.0.0.1", ["nobody.invalid"], false),
        ] {
            let executor = ManualExecutor()
            let found = Locked<Bool?>(nil)
            NameLookup.findNames(address, names, on: executor) { answer in
                found.withLock { $0 = answer }
            }
            while found.withLock({ $0 }) == nil {
                executor.run()
                await Task.yield()
            }
            #expect(found.withLock { $0 } == isRight)
        }
    }
}

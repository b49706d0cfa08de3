import API
import Testing
import Transport

@testable import Services

/// A client connected to a member in memory, on the member's executor.
///
/// Unchecked: confined to the test's thread.
private final class Client: GRPCClientStreamHandler, @unchecked Sendable {
    private let member: PlayedMember
    private let server: GRPCServer
    private let connection: GRPCClientConnection
    private(set) var messages: [[UInt8]] = []
    private(set) var end: GRPCCallEnd?

    init(_ member: PlayedMember) throws {
        self.member = member
        let core = member.life.core
        let methods = member.life.services.methods()
        server = GRPCServer(methods, on: core)
        let (near, far) = MemoryStream.pair(a: core, b: core)
        let server = server
        connection = try #require(
            core.turn {
                server.accept(far)
                return GRPCClientConnection(near)
            })
    }

    /// The ends of a connection hold each other until one has closed.
    deinit { member.life.core.turn { connection.abort() } }

    func call(
        _ path: String, _ request: [UInt8] = [],
        metadata: [(name: String, value: [UInt8])] = []
    ) -> Result<[UInt8], Status>? {
        var outcome: Result<[UInt8], Status>?
        _ = member.life.core.turn {
            connection.unary(
                GRPCClientMethod(path), request, options: GRPCCallOptions(metadata: metadata)
            ) { outcome = $0.map { [UInt8]($0) } }
        }
        return outcome
    }

    func watch(_ path: String, _ request: [UInt8]) -> GRPCClientCall {
        member.life.core.turn {
            let call = connection.streaming(GRPCClientMethod(path), handler: self)
            call.send(request)
            call.halfClose()
            return call
        }
    }

    func cancel(_ call: GRPCClientCall) { member.life.core.turn { call.cancel() } }

    var openCalls: Int { member.life.core.turn { server.callCount } }

    func received(_ message: sending UnsafeRawBufferPointer) { messages.append([UInt8](message)) }
    func writable() {}
    func finished(_ end: GRPCCallEnd) { self.end = end }
}

@Suite("A call is checked before its handler sees it")
struct CallStories {
    private let range = "/etcdserverpb.KV/Range"

    @Test("hasleader=true fails at once without a leader; without it a serializable read is served")
    func hasLeader() throws {
        let member = try PlayedMember(starts: false)
        let client = try Client(member)
        let request = Request.range("a", isSerializable: true)
        let wants = [(name: "hasleader", value: Array("true".utf8))]
        #expect(client.call(range, request, metadata: wants) == .failure(.noLeader))
        let other = [(name: "hasleader", value: Array("false".utf8))]
        #expect(try client.call(range, request, metadata: other)?.get() != nil)
        #expect(try client.call(range, request)?.get() != nil)
        member.start()
        #expect(try client.call(range, request, metadata: wants)?.get() != nil)
    }

    @Test("A client's version is any UTF-8 text")
    func clientVersion() throws {
        let member = try PlayedMember()
        let client = try Client(member)
        for version in ["3.7", "", "grüezi"] {
            let metadata = [(name: "client-api-version", value: Array(version.utf8))]
            #expect(
                try client.call(range, Request.range("a"), metadata: metadata)?.get() != nil)
        }
    }

    @Test("The table has the services of this version; any other is unimplemented")
    func table() throws {
        let member = try PlayedMember()
        let client = try Client(member)
        let put = try #require(client.call("/etcdserverpb.KV/Put", Request.put("a", "1")))
        #expect(try Response.put(put.get()).hasSuffix("revision 2 term 2"))
        let delete = client.call("/etcdserverpb.KV/DeleteRange", Request.delete("a"))
        #expect(try Response.delete(#require(delete).get()).hasSuffix("deleted 1"))
        for path in [
            "/etcdserverpb.KV/Txn", "/etcdserverpb.Cluster/MemberList",
            "/etcdserverpb.Maintenance/Status",
            "/etcdserverpb.Maintenance/Alarm",
        ] {
            #expect(try client.call(path)?.get() != nil)
        }
        #expect(
            client.call("/etcdserverpb.KV/Move")
                == .failure(
                    Status(.unimplemented, "unknown method Move for service etcdserverpb.KV")))
    }

    @Test("A health probe is a read; without a leader a linearizable one does not pass")
    func probe() throws {
        let member = try PlayedMember(starts: false)
        member.disk.isHeld = true
        member.start()
        let caller = Caller()
        func probe(isSerializable: Bool) {
            let services = member.life.services
            member.life.core.turn {
                services.probe(isSerializable: isSerializable) { failure in
                    caller.fail(failure ?? Status(.ok, "served"))
                }
            }
        }
        probe(isSerializable: true)
        #expect(caller.failure == Status(.ok, "served"))
        probe(isSerializable: false)
        #expect(caller.answers.count == 1)
        member.advance(milliseconds: 7300)
        #expect(caller.answers.last == .failure(.requestTimeout))
    }
}

@Suite("gRPC's health service knows the whole server, and nothing else")
struct HealthStories {
    private let serving = encoded { $0.appendHealthCheckResponse(.serving) }
    private func named(_ service: String) -> [UInt8] {
        encoded { $0.appendHealthCheckRequest(service: service) }
    }

    @Test("Check")
    func check() throws {
        let client = try Client(try PlayedMember())
        let path = "/grpc.health.v1.Health/Check"
        #expect(try client.call(path)?.get() == serving)
        #expect(
            client.call(path, named("etcdserverpb.KV"))
                == .failure(Status(.notFound, "unknown service")))
        guard case .failure(let status) = client.call(path, [0xff]) else {
            Issue.record("a malformed request was served")
            return
        }
        #expect(status.code == .internal)
    }

    @Test("List has the one entry")
    func list() throws {
        let client = try Client(try PlayedMember())
        let bytes = try #require(client.call("/grpc.health.v1.Health/List")).get()
        #expect(bytes == [0x0a, 4, 0x12, 2, 0x08, 1])
    }

    @Test("Watch tells the status and goes on until the client leaves")
    func watch() throws {
        let client = try Client(try PlayedMember())
        let call = client.watch("/grpc.health.v1.Health/Watch", named(""))
        #expect(client.messages == [serving])
        #expect(client.end == nil && client.openCalls == 1)
        client.cancel(call)
        #expect(client.end?.status?.code == .cancelled)
        #expect(client.openCalls == 0)
    }

    @Test("Watch of an unknown service says so and goes on")
    func watchUnknown() throws {
        let client = try Client(try PlayedMember())
        let call = client.watch("/grpc.health.v1.Health/Watch", named("x"))
        #expect(client.messages == [encoded { $0.appendHealthCheckResponse(.serviceUnknown) }])
        #expect(client.end == nil)
        client.cancel(call)
    }
}

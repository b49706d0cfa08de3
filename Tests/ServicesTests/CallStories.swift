import API
import Testing
import Transport

@testable import Services

@Suite("A call is checked before its handler sees it")
struct CallStories {
    private let range = "/etcdserverpb.KV/Range"

    @Test("hasleader=true fails at once without a leader; without it a serializable read is served")
    func hasLeader() throws {
        let member = try PlayedMember(starts: false)
        let client = try PlayedClient(member)
        let request = Request.range("a", isSerializable: true)
        let wants = [(name: "hasleader", value: Array("true".utf8))]
        #expect(client.call(range, request, metadata: wants) == .failure(.noLeader))
        let other = [(name: "hasleader", value: Array("false".utf8))]
        #expect(try client.call(range, request, metadata: other)?.get() != nil)
        #expect(try client.call(range, request)?.get() != nil)
        member.start()
        #expect(try client.call(range, request, metadata: wants)?.get() != nil)
    }

    @Test(
        "hasleader=true ends open streams after three election timeouts in a row without a leader",
        arguments: ["/etcdserverpb.Watch/Watch", "/etcdserverpb.Lease/LeaseKeepAlive"])
    func losesLeader(_ path: String) throws {
        let member = try PlayedMember()
        let presence = member.life.applier.presence
        func leads(_ does: Bool) { member.life.core.turn { presence.hasLeader = does } }
        let (caring, other) = (try PlayedClient(member), try PlayedClient(member))
        let monitors = [caring, other].map { $0.monitorLeader(electionMilliseconds: 1000) }
        _ = caring.open(path, metadata: [("hasleader", Array("true".utf8))])
        let idle = other.open(path)
        // An open call holds its handler, which holds the connection.
        defer { other.cancel(idle) }
        member.advance(milliseconds: 2500)
        leads(false)
        member.advance(milliseconds: 2000)
        leads(true)
        member.advance(milliseconds: 1000)
        leads(false)
        // It is looked for every second, so the first of the three may be shorter.
        member.advance(milliseconds: 2499)
        #expect(caring.end == nil)
        member.advance(milliseconds: 1)
        #expect(caring.end?.status == .noLeader)
        #expect(other.end == nil && other.openCalls == 1 && caring.openCalls == 0)
        // The watchers of a stream that was ended are gone with it.
        let left = member.state { applier in
            applier.watches.assumeIsolated { $0.streams.count }
        }
        #expect(left == (path.hasSuffix("Watch") ? 1 : 0))
        withExtendedLifetime(monitors) {}
    }

    @Test("A client's version is any UTF-8 text")
    func clientVersion() throws {
        let member = try PlayedMember()
        let client = try PlayedClient(member)
        for version in ["3.7", "", "grüezi"] {
            let metadata = [(name: "client-api-version", value: Array(version.utf8))]
            #expect(
                try client.call(range, Request.range("a"), metadata: metadata)?.get() != nil)
        }
    }

    @Test("The table has the services of this version; any other is unimplemented")
    func table() throws {
        let member = try PlayedMember()
        let client = try PlayedClient(member)
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
        let client = try PlayedClient(try PlayedMember())
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
        let client = try PlayedClient(try PlayedMember())
        let bytes = try #require(client.call("/grpc.health.v1.Health/List")).get()
        #expect(bytes == [0x0a, 4, 0x12, 2, 0x08, 1])
    }

    @Test("Watch tells the status and goes on until the client leaves")
    func watch() throws {
        let client = try PlayedClient(try PlayedMember())
        let call = client.watch("/grpc.health.v1.Health/Watch", named(""))
        #expect(client.messages == [serving])
        #expect(client.end == nil && client.openCalls == 1)
        client.cancel(call)
        #expect(client.end?.status?.code == .cancelled)
        #expect(client.openCalls == 0)
    }

    @Test("by the operator's wish a member is out of service while it defragments, and says so")
    func defragments() throws {
        let member = try PlayedMember { $0.defragmentsOutOfService = true }
        let client = try PlayedClient(member)
        let path = "/grpc.health.v1.Health/Check"
        let notServing = encoded { $0.appendHealthCheckResponse(.notServing) }
        let watch = client.watch("/grpc.health.v1.Health/Watch", named(""))
        let caller = member.defragment()
        #expect(try client.call(path)?.get() == notServing)
        #expect(client.messages == [serving, notServing])
        for _ in 0..<6 where caller.answers.isEmpty { member.runCommitter() }
        #expect(caller.message == [])
        #expect(try client.call(path)?.get() == serving)
        #expect(client.messages == [serving, notServing, serving])
        client.cancel(watch)
        _ = member.defragment()
        #expect(client.messages.count == 3)
    }

    @Test("Watch of an unknown service says so and goes on")
    func watchUnknown() throws {
        let client = try PlayedClient(try PlayedMember())
        let call = client.watch("/grpc.health.v1.Health/Watch", named("x"))
        #expect(client.messages == [encoded { $0.appendHealthCheckResponse(.serviceUnknown) }])
        #expect(client.end == nil)
        client.cancel(call)
    }
}

import API
import Testing
import Transport

@testable import Services

@Suite("Observe, with users")
struct ObservationStories {
    private let path = "/v3electionpb.Election/Observe"

    private func observe(_ name: String, _ client: PlayedClient, _ member: PlayedMember) {
        let request = encoded { $0.appendField(1, string: name) }
        _ = client.watch(path, request, metadata: member.token(of: "alice"))
    }

    private func put(_ key: String, _ member: PlayedMember) {
        let root = member.user("root")
        let request = Request.put(key, "v")
        let caller = member.call { life, caller in
            request.withUnsafeBytes { life.kv.put($0, as: root, caller) }
        }
        #expect(caller.failure == nil)
    }

    private func observesNobody(_ member: PlayedMember) -> Bool {
        member.state { $0.observers.isEmpty }
    }

    @Test("that is refused leaves nothing behind")
    func refused() throws {
        let member = try PlayedMember()
        member.enableAuth()
        let client = try PlayedClient(member)
        observe("z", client, member)
        #expect(client.end?.status?.message == Status.permissionDenied.message)
        #expect(observesNobody(member))
    }

    @Test("ends with the right to it, and leaves nothing behind")
    func endsLater() throws {
        let member = try PlayedMember()
        member.enableAuth()
        let client = try PlayedClient(member)
        observe("kx", client, member)
        put("kx/1", member)
        #expect(client.messages.count == 1)
        #expect(!observesNobody(member))
        member.auth(.userRevokeRole(AuthName("alice"), role: AuthName("reader")))
        put("kx/1", member)
        #expect(client.end?.status?.message == Status.permissionDenied.message)
        #expect(client.messages.count == 1)
        #expect(observesNobody(member))
        put("kx/2", member)
        #expect(client.messages.count == 1)
    }
}

// Who may ask what of leases, by way of the leader or of another member.

import API
import Consensus
import Testing
import Transport

@testable import Services

@Suite("What one member asks of another for a client")
struct ForwardedCallerTests {
    private func forward(_ message: [UInt8], as caller: Principal) throws -> Principal {
        let asked = message.withUnsafeBytes { $0.asking(caller) }
        return try asked.withUnsafeBytes { bytes throws in try Principal(asking: bytes) }
    }

    @Test("says who the client is, and whether by a token that is bound to a revision")
    func round() throws {
        for caller in [
            Principal.nobody, Principal(user: AuthName("alice"), revision: 7),
            Principal(user: AuthName("alice"), revision: 7, isBoundToRevision: true),
        ] {
            #expect(try forward([8, 1], as: caller) == caller)
        }
    }

    @Test("says that whatever the client wrote itself")
    func forged() throws {
        var forged = ByteBuffer()
        let header = forged.beginMessage(100)
        forged.appendField(2, string: "root")
        forged.appendField(3, uint64: 9)
        forged.endMessage(header)
        #expect(try forward(forged.array, as: .nobody) == .nobody)
        let alice = Principal(user: AuthName("alice"), revision: 0)
        #expect(try forward(forged.array, as: alice) == alice)
    }
}

/// What a check said. Unchecked: confined to the test's thread.
private final class Told: @unchecked Sendable {
    private(set) var refusals: [Status?] = []
    func add(_ refusal: Status?) { refusals.append(refusal) }
}

@Suite("Leases, with users")
struct LeaseRightsStories {
    /// A leader that knows lease 16 with key `z`, and users; and its follower.
    private func leaderOfTwo() throws -> (PlayedMember, MemberID) {
        let member = try PlayedMember { $0.checksReconfiguration = false }
        _ = try member.grant(16, ttl: 1000)
        member.put(Request.put("z", "1", lease: 16))
        member.enableAuth()
        let b = member.memberID(["http://b:1"])
        _ = member.addMember(["http://b:1"])
        member.followed(by: b)
        return (member, b)
    }

    @Test("Keys of a lease are shown by no follower to who may not read them")
    func follower() throws {
        let (member, b) = try leaderOfTwo()
        let alice = member.user("alice")
        member.led(by: b, term: Term(5))
        member.others.reached = [b]
        try #require(member.state { $0.leader } == b)
        let old = Principal(user: .root, revision: 1, isBoundToRevision: true)
        for (caller, status) in [(alice, Status.permissionDenied), (old, .oldAuthRevision)] {
            let request = encoded { $0.appendLeaseTimeToLiveRequest(LeaseID(16), wantsKeys: true) }
            let asked = member.call { life, reply in
                request.withUnsafeBytes { life.leases.timeToLive($0, as: caller, reply) }
            }
            #expect(asked.failure == status)
            #expect(member.others.takeCalls().isEmpty)
        }
    }

    @Test("A verdict on many keys holds as long as the keys, and users and roles, do")
    func verdicts() throws {
        let member = try PlayedMember()
        _ = try member.grant(16, ttl: 1000)
        for number in 0..<100 { member.put(Request.put("k\(number)", "1", lease: 16)) }
        member.enableAuth()
        let reader = AuthName("reader")
        let all = Permission(kind: 2, key: Array("k".utf8), rangeEnd: Array("l".utf8))
        func refusal() -> Status? {
            let alice = member.user("alice")
            // The second is from memory.
            let answers = (0..<2).map { _ in
                member.state { $0.refusalToWrite(keysOf: LeaseID(16), alice) }
            }
            #expect(answers[0] == answers[1])
            return answers[0]
        }
        #expect(refusal() == .permissionDenied)
        member.auth(.roleGrantPermission(reader, all))
        #expect(refusal() == nil)
        let root = member.user("root")
        func put(_ key: String, lease: Int64) {
            let request = Request.put(key, "1", lease: lease)
            member.call { life, caller in
                request.withUnsafeBytes { life.kv.put($0, as: root, caller) }
            }
        }
        put("z", lease: 16)
        #expect(refusal() == .permissionDenied)
        put("z", lease: 0)
        #expect(refusal() == nil)
        member.auth(.userRevokeRole(AuthName("alice"), role: reader))
        #expect(refusal() == .permissionDenied)
    }

    /// Alice may write keys that begin with `k`.
    private func memberWithAlice(_ keys: Int) throws -> (PlayedMember, Principal) {
        let member = try PlayedMember()
        _ = try member.grant(16, ttl: 1000)
        for number in 0..<keys { member.put(Request.put("k\(number)", "1", lease: 16)) }
        member.enableAuth()
        let all = Permission(kind: 2, key: Array("k".utf8), rangeEnd: Array("l".utf8))
        member.auth(.roleGrantPermission(AuthName("reader"), all))
        return (member, member.user("alice"))
    }

    private func finish(_ member: PlayedMember) {
        while member.life.core.runSlice() {}
    }

    @Test("All keys of a large lease are looked at in slices, once for all who ask")
    func slices() throws {
        let (member, alice) = try memberWithAlice(3 * LeaseCheck.sliceKeys)
        member.life.core.holdsSlices = true
        let told = Told()
        member.state { applier in
            for _ in 0..<3 {
                applier.check(keysOf: [LeaseID(16)], alice, writes: true) { told.add($1) }
            }
        }
        #expect(told.refusals.isEmpty, "they wait")
        // Keys that go and come meanwhile.
        let root = member.user("root")
        func put(_ key: String, lease: Int64) {
            let request = Request.put(key, "1", lease: lease)
            member.call { life, caller in
                request.withUnsafeBytes { life.kv.put($0, as: root, caller) }
            }
        }
        put("k5", lease: 0)
        put("k7", lease: 0)
        put("k7", lease: 16)
        finish(member)
        #expect(told.refusals == [nil, nil, nil])
        // Now it is known, and what comes is looked at alone.
        func answers() -> [Status?] {
            let told = Told()
            member.state { applier in
                applier.check(keysOf: [LeaseID(16)], alice, writes: true) { told.add($1) }
            }
            return told.refusals
        }
        #expect(answers() == [nil])
        put("z", lease: 16)
        #expect(answers() == [.permissionDenied])
        #expect(answers() == [.permissionDenied])
        put("z", lease: 0)
        // Which key was at fault is gone: all are looked at again.
        #expect(answers() == [])
        finish(member)
        #expect(answers() == [nil])
    }

    @Test("A check in slices that meets other rights begins anew")
    func otherRights() throws {
        let (member, alice) = try memberWithAlice(3 * LeaseCheck.sliceKeys)
        member.life.core.holdsSlices = true
        let told = Told()
        member.state { applier in
            applier.check(keysOf: [LeaseID(16)], alice, writes: true) { told.add($1) }
        }
        #expect(told.refusals.isEmpty)
        member.auth(.userRevokeRole(AuthName("alice"), role: AuthName("reader")))
        finish(member)
        #expect(told.refusals == [.permissionDenied])
    }

    @Test("A large lease is revoked after its check")
    func revoked() throws {
        let (member, alice) = try memberWithAlice(3 * LeaseCheck.sliceKeys)
        let request = encoded { $0.appendLeaseRequest(LeaseID(16)) }
        let revoked = member.call { life, caller in
            request.withUnsafeBytes { life.leases.revoke($0, as: alice, caller) }
        }
        #expect(revoked.failure == nil)
        let hasKeys = member.state { applier in applier.lessor.assumeIsolated { $0.hasKeys } }
        #expect(!hasKeys)
    }

    @Test("A renewal waits for the check of a large lease; who loses rights meanwhile is refused")
    func renewed() throws {
        let (member, alice) = try memberWithAlice(3 * LeaseCheck.sliceKeys)
        member.life.core.holdsSlices = true
        let renewals = Renewals()
        func renew() {
            let reads = member.life.reads
            member.life.core.turn {
                _ = RenewalGate(of: reads).renew(LeaseID(16), as: alice, for: renewals)
            }
        }
        renew()
        #expect(renewals.heard.isEmpty)
        finish(member)
        #expect(renewals.heard == ["16:1000"])

        // Whatever rights change, what was found before is looked at again.
        let more = Permission(kind: 0, key: [7], rangeEnd: [])
        member.auth(.roleGrantPermission(AuthName("reader"), more))
        renew()
        #expect(renewals.heard.count == 1)
        member.auth(.userRevokeRole(AuthName("alice"), role: AuthName("reader")))
        finish(member)
        #expect(renewals.heard.last == Status.permissionDenied.message)
    }

    @Test("Who loses rights before the leadership is confirmed renews nothing")
    func renewedAfterRevocation() throws {
        let (member, b) = try leaderOfTwo()
        let z = Permission(kind: 2, key: Array("z".utf8), rangeEnd: [])
        member.auth(.roleGrantPermission(AuthName("reader"), z))
        member.followed(by: b)
        let (alice, reads) = (member.user("alice"), member.life.reads)
        func renewed(before change: () -> Void) -> [String] {
            let renewals = Renewals()
            member.life.core.turn {
                _ = RenewalGate(of: reads).renew(LeaseID(16), as: alice, for: renewals)
            }
            change()
            #expect(renewals.heard.isEmpty)
            member.heartbeats(answeredBy: b)
            return renewals.heard
        }
        #expect(renewed(before: {}) == ["16:1000"])
        let denied = renewed {
            member.auth(.userRevokeRole(AuthName("alice"), role: AuthName("reader")))
            member.entries(takenBy: b)
        }
        #expect(denied == [Status.permissionDenied.message])
    }

    @Test("Nobody renews one, has one revoked, or learns of one")
    func nobody() throws {
        let member = try PlayedMember()
        _ = try member.grant(16, ttl: 1000)
        member.enableAuth()
        let client = try PlayedClient(member)
        let request = encoded { $0.appendLeaseRequest(LeaseID(16)) }
        _ = client.watch("/etcdserverpb.Lease/LeaseKeepAlive", request)
        #expect(client.messages.isEmpty)
        #expect(client.end?.status == .userEmpty)
        for method in ["LeaseRevoke", "LeaseTimeToLive", "LeaseLeases"] {
            let path = "/etcdserverpb.Lease/\(method)"
            #expect(client.call(path, request) == .failure(.userEmpty))
            // Also whose certificate is no user's, and who is a user no more.
            #expect(AccessRules.table[path] == .user)
        }
        let alice = try PlayedClient(member)
        _ = alice.watch(
            "/etcdserverpb.Lease/LeaseKeepAlive", request, metadata: member.token(of: "alice"))
        #expect(alice.messages.count == 1)
        #expect(alice.end?.status == nil)
    }
}

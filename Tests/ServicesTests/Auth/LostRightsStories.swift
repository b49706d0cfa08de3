// Somebody loses a right while holding on to what it was good for: a lock, a lease, a watcher.

import API
import TestSupport
import Testing
import Transport

@testable import Services

@Suite("Who loses a right")
struct LostRightsStories {
    private let lock = encoded {
        $0.appendField(1, string: "kd")
        $0.appendField(2, int64: 16)
    }
    private let renewal = encoded { $0.appendLeaseRequest(LeaseID(16)) }

    /// Alice may read and write keys with `k`, and has a lease of ten seconds.
    private func member() throws -> PlayedMember {
        let member = try PlayedMember()
        _ = try member.grant(16, ttl: 10)
        _ = try member.grant(32, ttl: 1000)
        member.enableAuth()
        let all = Permission(kind: 2, key: Array("k".utf8), rangeEnd: Array("l".utf8))
        #expect(member.auth(.roleGrantPermission(AuthName("reader"), all)).failure == nil)
        return member
    }

    private func takeRights(_ member: PlayedMember) {
        #expect(
            member.auth(.userRevokeRole(AuthName("alice"), role: AuthName("reader"))).failure
                == nil)
    }

    @Test("keeps a lock as long as its lease lives, and cannot renew it, nor give it back")
    func holdsALock() throws {
        let member = try member()
        let token = member.token(of: "alice")
        let alice = try PlayedClient(member)
        let won = alice.call("/v3lockpb.Lock/Lock", lock, metadata: token)
        #expect(try won?.get() != nil)
        let keeper = try PlayedClient(member)
        let stream = keeper.open("/etcdserverpb.Lease/LeaseKeepAlive", metadata: token)
        member.life.core.turn { _ = stream.send(renewal) }
        #expect(keeper.messages.count == 1 && keeper.end == nil)
        let root = member.user("root")
        let next = encoded {
            $0.appendField(1, string: "kd")
            $0.appendField(2, int64: 32)
        }
        let second = member.call { life, caller in
            next.withUnsafeBytes { _ = life.locks.lock($0, as: root, caller) }
        }
        #expect(try member.held(second) == "waits")

        takeRights(member)
        member.advance(milliseconds: 5000)
        #expect(keeper.end == nil, "nothing was asked")
        member.life.core.turn { _ = stream.send(renewal) }
        #expect(keeper.messages.count == 1)
        #expect(keeper.end?.status == .permissionDenied)
        let unlock = encoded { $0.appendField(1, string: "kd/10") }
        #expect(
            alice.call("/v3lockpb.Lock/Unlock", unlock, metadata: token)
                == .failure(Status.permissionDenied.withoutCode))
        #expect(try member.held(second) == "waits")
        // Ten seconds after the last renewal the lock is the next one's.
        member.advance(milliseconds: 6500)
        #expect(try member.held(second).hasPrefix("kd/20 at "))
    }

    @Test("is told of nothing that is put from then on, and why")
    func watches() throws {
        let member = try member()
        let token = member.token(of: "alice")
        let watcher = try PlayedClient(member)
        let create = encoded {
            let request = $0.beginMessage(1)
            $0.appendField(1, string: "k")
            $0.appendField(2, string: "l")
            $0.endMessage(request)
        }
        let stream = watcher.open("/etcdserverpb.Watch/Watch", metadata: token)
        member.life.core.turn { _ = stream.send(create) }
        func put(_ value: String) {
            let (request, root) = (Request.put("kx", value), member.user("root"))
            let caller = member.call { life, caller in
                request.withUnsafeBytes { life.kv.put($0, as: root, caller) }
            }
            #expect(caller.message != nil)
        }
        put("before")
        takeRights(member)
        put("after")
        member.advance(milliseconds: 1000)
        let answers = try watcher.messages.map { message in
            try message.withUnsafeBytes { bytes throws in try WatchAnswer(bytes) }
        }
        #expect(answers.flatMap(\.events).map(\.value) == ["before"])
        #expect(answers.last?.isCanceled == true)
        #expect(answers.last?.reason.hasSuffix(Status.permissionDenied.message) == true)
        // Given again, the right is good for watchers that are made from then on.
        #expect(
            member.auth(.userGrantRole(AuthName("alice"), role: AuthName("reader"))).failure == nil)
        put("later")
        #expect(watcher.messages.count == answers.count)
        member.life.core.turn { _ = stream.send(create) }
        put("again")
        let last = try watcher.messages.last?.withUnsafeBytes { bytes throws in
            try WatchAnswer(bytes)
        }
        #expect(last?.events.map(\.value) == ["again"])
    }
}

import API
import Testing

@testable import Services

/// Calls of the Lock service.
extension PlayedMember {
    func lock(_ name: String, lease: Int64 = 0) -> (caller: Caller, candidacy: Candidacy?) {
        let request = encoded {
            $0.appendField(1, string: name)
            $0.appendField(2, int64: lease)
        }
        var candidacy: Candidacy?
        let caller = call { life, caller in
            candidacy = request.withUnsafeBytes { life.locks.lock($0, caller) }
        }
        return (caller, candidacy)
    }

    func unlock(_ key: String) -> Caller {
        let request = encoded { $0.appendField(1, string: key) }
        return call { life, caller in request.withUnsafeBytes { life.locks.unlock($0, caller) } }
    }

    /// The key and the revision of a lock that is held.
    func held(_ caller: Caller) throws -> String {
        if let failure = caller.failure { return "\(failure.code) \(failure.message)" }
        guard let message = caller.message else { return "waits" }
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            let response = try LockResponse.decode(message, in: arena)
            let revision = response.header?.revision.rawValue ?? 0
            return "\(String(decoding: response.key, as: UTF8.self)) at \(revision)"
        }
    }

    func cancel(_ candidacy: Candidacy?) { life.core.turn { candidacy?.cancel() } }
}

@Suite("Lock")
struct LockStories {
    private func member() throws -> PlayedMember {
        let member = try PlayedMember()
        for id in 1...4 { _ = try member.grant(Int64(id * 16), ttl: 1000) }
        return member
    }

    @Test("is held by the first who asks; asking again with the same lease changes nothing")
    func first() throws {
        let member = try member()
        #expect(try member.held(member.lock("a", lease: 16).caller) == "a/10 at 2")
        #expect(try member.held(member.lock("a", lease: 16).caller) == "a/10 at 2")
        #expect(try member.everything() == "[a/10= 2 2 1 lease 16] count 1")
        #expect(try member.held(member.lock("b", lease: 16).caller) == "b/10 at 3")
    }

    @Test("goes from one to the next in the order they came, each woken by the one before only")
    func order() throws {
        let member = try member()
        let callers = (1...4).map { member.lock("a", lease: Int64($0 * 16)).caller }
        #expect(try callers.map(member.held) == ["a/10 at 2", "waits", "waits", "waits"])
        #expect(member.unlock("a/10").message != nil)
        #expect(try callers.map(member.held).suffix(3) == ["a/20 at 6", "waits", "waits"])
        // The third gives up before its turn: the fourth goes on waiting for the second.
        _ = try member.revoke(48)
        #expect(try callers.map(member.held).suffix(2) == ["waits", "waits"])
        _ = member.unlock("a/20")
        #expect(try member.held(callers[3]) == "a/40 at 8")
        #expect(
            try member.held(callers[2]) == "unknown mutex: session is expired",
            "its key went with its lease")
    }

    @Test("is not given to who has lost the right to it meanwhile, and goes on to the next")
    func rights() throws {
        let member = try member()
        member.enableAuth()
        let reader = AuthName("reader")
        let all = Permission(kind: 2, key: Array("k".utf8), rangeEnd: Array("l".utf8))
        member.auth(.roleGrantPermission(reader, all))
        let request = encoded { $0.appendField(1, string: "k") }
        func lock(_ user: String, _ lease: Int64) -> Caller {
            let (user, request) = (
                member.user(user), request + encoded { $0.appendField(2, int64: lease) }
            )
            return member.call { life, caller in
                request.withUnsafeBytes { _ = life.locks.lock($0, as: user, caller) }
            }
        }
        let callers = [lock("root", 16), lock("alice", 32), lock("root", 48)]
        #expect(try callers.map(member.held) == ["k/10 at 2", "waits", "waits"])
        member.auth(.userRevokeRole(AuthName("alice"), role: reader))
        let root = member.user("root")
        let unlock = encoded { $0.appendField(1, string: "k/10") }
        _ = member.call { life, caller in
            unlock.withUnsafeBytes { life.locks.unlock($0, as: root, caller) }
        }
        #expect(
            try callers.suffix(2).map(member.held) == [
                "unknown \(Status.permissionDenied.message)", "k/30 at 6",
            ])
    }

    @Test("passes on when the lease of its holder expires")
    func holderDies() throws {
        let member = try PlayedMember()
        _ = try member.grant(1, ttl: 5)
        _ = try member.grant(2, ttl: 1000)
        _ = member.lock("a", lease: 1)
        let second = member.lock("a", lease: 2).caller
        member.advance(milliseconds: 4000)
        #expect(try member.held(second) == "waits")
        member.advance(milliseconds: 2500)
        #expect(try member.held(second) == "a/2 at 4")
    }

    @Test("is not waited for any more when the call is cancelled: the key goes")
    func cancelled() throws {
        let member = try member()
        _ = member.lock("a", lease: 16)
        let second = member.lock("a", lease: 32)
        let third = member.lock("a", lease: 48)
        member.cancel(second.candidacy)
        #expect(second.caller.answers.isEmpty)
        #expect(
            try member.everything()
                == "[a/10= 2 2 1 lease 16, a/30= 4 4 1 lease 48] count 2")
        _ = member.unlock("a/10")
        #expect(try member.held(third.caller) == "a/30 at 6")
        #expect(member.state { $0.observers.isEmpty })
    }

    @Test("makes a lease of a minute for a client that brings none")
    func ownLease() throws {
        let member = try PlayedMember()
        let caller = member.lock("a").caller
        let lease = try #require(try member.leases().first)
        #expect(try member.held(caller) == "a/\(String(lease, radix: 16)) at 2")
        #expect(try member.timeToLive(lease).hasPrefix("\(lease): 60 of 60"))
        member.advance(milliseconds: 61_000)
        #expect(try member.everything() == "[] count 0", "nobody keeps it alive")
    }

    @Test("Errors keep their text and lose their code")
    func errors() throws {
        let member = try PlayedMember()
        #expect(
            try member.held(member.lock("a", lease: 7).caller)
                == "unknown etcdserver: requested lease not found")
        let unlock = member.unlock("")
        #expect(unlock.failure == Status(.unknown, Status.emptyKey.message))
        #expect(member.unlock("nothing").message != nil, "what is not there can be unlocked")
        let malformed = member.call { life, caller in
            [UInt8]([0xff]).withUnsafeBytes { _ = life.locks.lock($0, caller) }
        }
        #expect(malformed.failure?.code == .internal)
    }

    @Test("A name may be part of another's, or empty")
    func names() throws {
        let member = try member()
        #expect(try member.held(member.lock("", lease: 16).caller) == "/10 at 2")
        #expect(try member.held(member.lock("a/b", lease: 16).caller) == "a/b/10 at 3")
        let outer = member.lock("a", lease: 32).caller
        #expect(try member.held(outer) == "waits", "a/b/10 lies under a/, as in etcd")
        _ = member.unlock("a/b/10")
        #expect(try member.held(outer) == "a/20 at 5")
    }
}

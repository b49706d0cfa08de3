import API
import Consensus
import Testing

@testable import Services

/// Calls of the Lease service, answered as texts.
extension PlayedMember {
    func grant(_ id: Int64, ttl: Int64) throws -> String {
        let request = encoded { $0.appendLeaseGrantRequest(ttl: ttl, id: LeaseID(id)) }
        return try text(
            call { life, caller in request.withUnsafeBytes { life.leases.grant($0, caller) } },
            LeaseGrantResponse.self
        ) { "\(Response.header($0.header)) id \($0.id.rawValue) ttl \($0.ttl)" }
    }

    func revoke(_ id: Int64) throws -> String {
        let request = encoded { $0.appendLeaseRequest(LeaseID(id)) }
        return try text(
            call { life, caller in request.withUnsafeBytes { life.leases.revoke($0, caller) } },
            LeaseRevokeResponse.self
        ) { Response.header($0.header) }
    }

    func timeToLive(_ id: Int64, keys: Bool = true) throws -> String {
        let request = encoded { $0.appendLeaseTimeToLiveRequest(LeaseID(id), wantsKeys: keys) }
        return try text(
            call { life, caller in request.withUnsafeBytes { life.leases.timeToLive($0, caller) } },
            LeaseTimeToLiveResponse.self
        ) {
            let keys = $0.keys.map { String(decoding: $0, as: UTF8.self) }.sorted()
            return "\($0.id.rawValue): \($0.ttl) of \($0.grantedTTL) \(keys)"
        }
    }

    func leases() throws -> [Int64] {
        let caller = call { life, caller in
            life.leases.list(UnsafeRawBufferPointer(start: nil, count: 0), caller)
        }
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            try LeaseLeasesResponse.decode(#require(caller.message), in: arena).leases.map(
                \.id.rawValue)
        }
    }

    func renew(_ id: Int64, _ receiver: Renewals) {
        let life = life
        life.core.turn { _ = RenewalGate(of: life.reads).renew(LeaseID(id), for: receiver) }
    }

    private func text<Message: WireMessage>(
        _ caller: Caller, _: Message.Type, _ text: (Message) -> String
    ) throws -> String {
        if let failure = caller.failure { return failure.message }
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            text(try Message.decode(#require(caller.message), in: arena))
        }
    }
}

@Suite("Leases of a member")
struct LeaseStories {
    private static let header = "cluster c1 member a1 revision "

    @Test("A grant tells the lease and its TTL in effect, and makes no revision")
    func grants() throws {
        let member = try PlayedMember()
        #expect(try member.grant(7, ttl: 60) == Self.header + "1 term 2 id 7 ttl 60")
        #expect(try member.grant(8, ttl: -1) == Self.header + "1 term 2 id 8 ttl 2")
        #expect(try member.grant(7, ttl: 60) == "etcdserver: lease already exists")
        #expect(try member.grant(9, ttl: 9_000_000_001) == "etcdserver: too large lease TTL")
        #expect(try member.leases() == [8, 7])
    }

    @Test("The server names a lease that its client does not, with a positive id")
    func names() throws {
        let member = try PlayedMember()
        _ = try member.grant(0, ttl: 60)
        _ = try member.grant(0, ttl: 60)
        let leases = try member.leases()
        #expect(leases.count == 2 && leases.allSatisfy { $0 > 0 } && leases[0] != leases[1])
    }

    @Test("A put attaches, moves and detaches its key; a delete detaches")
    func attaches() throws {
        let member = try PlayedMember()
        _ = try member.grant(7, ttl: 60)
        _ = try member.grant(8, ttl: 60)
        for key in ["a", "b", "c", "d"] { member.put(Request.put(key, "1", lease: 7)) }
        member.put(Request.put("b", "2", lease: 8))
        member.put("c", "2")
        _ = member.delete(Request.delete("d"))
        member.put(Request.put("a", "2", ignoreLease: true))
        #expect(try member.timeToLive(7) == #"7: 60 of 60 ["a"]"#)
        #expect(try member.timeToLive(8) == #"8: 60 of 60 ["b"]"#)
        #expect(try member.timeToLive(8, keys: false) == "8: 60 of 60 []")
        #expect(try member.timeToLive(9) == "9: -1 of 0 []")
        #expect(
            try member.everything() == "[a=2 2 9 2 lease 7, b=2 3 6 2 lease 8, c=2 4 7 2] count 3")
    }

    @Test("A put with a lease that was revoked is refused, whatever else it asks for")
    func refuses() throws {
        let member = try PlayedMember()
        _ = try member.grant(7, ttl: 60)
        _ = try member.revoke(7)
        #expect(member.put(Request.put("a", "1", lease: 7)).failure == .leaseNotFound)
        #expect(
            member.put(Request.put("a", lease: 7, ignoreValue: true)).failure == .leaseNotFound)
        #expect(try member.everything() == "[] count 0")
    }

    @Test("Revoking deletes the attached keys in one revision; with none it makes no revision")
    func revokes() throws {
        let member = try PlayedMember()
        _ = try member.grant(7, ttl: 60)
        for key in ["b", "a", "c"] { member.put(Request.put(key, "1", lease: 7)) }
        member.put("d", "1")
        #expect(try member.revoke(7) == Self.header + "6 term 2")
        #expect(try member.revoke(7) == "etcdserver: requested lease not found")
        #expect(try member.everything() == "[d=1 5 5 1] count 1")
        _ = try member.grant(8, ttl: 60)
        #expect(try member.revoke(8) == Self.header + "6 term 2")
    }

    @Test("A lease that nobody renews is gone with its keys; a renewed one stays")
    func expires() throws {
        let member = try PlayedMember()
        let renewals = Renewals()
        _ = try member.grant(7, ttl: 5)
        _ = try member.grant(8, ttl: 5)
        member.put(Request.put("a", "1", lease: 7))
        member.put(Request.put("b", "1", lease: 8))
        for _ in 0..<5 {
            member.advance(milliseconds: 2000)
            member.renew(8, renewals)
        }
        #expect(renewals.heard == Array(repeating: "8:5", count: 5))
        #expect(try member.everything() == "[b=1 3 3 1 lease 8] count 1")
        #expect(try member.leases() == [8])
        member.renew(7, renewals)
        #expect(renewals.heard.last == "7:0")
    }

    @Test("A restart keeps leases, keys and nothing of the time, committed or replayed")
    func restart() throws {
        let member = try PlayedMember()
        for id in 1...3 { _ = try member.grant(Int64(id), ttl: 60) }
        member.put(Request.put("a", "1", lease: 1))
        member.put(Request.put("b", "1", lease: 2))
        member.commit()
        member.put(Request.put("c", "1", lease: 1))
        _ = try member.revoke(2)
        _ = try member.grant(4, ttl: 60)
        member.advance(milliseconds: 50_000)
        try member.crash()
        #expect(try member.leases().sorted() == [1, 3, 4])
        #expect(try member.timeToLive(1) == #"1: 61 of 60 ["a", "c"]"#)
        #expect(try member.everything() == "[a=1 2 2 1 lease 1, c=1 4 4 1 lease 1] count 2")
        member.commit()
        try member.crash()
        #expect(try member.leases().sorted() == [1, 3, 4])
        #expect(try member.timeToLive(1) == #"1: 61 of 60 ["a", "c"]"#)
        member.advance(milliseconds: 70_000)
        #expect(try member.leases() == [])
        #expect(try member.everything() == "[] count 0")
    }

    @Test("Alarms: out of space nothing is granted, but revoked; of a corrupt member neither")
    func alarms() throws {
        let member = try PlayedMember()
        _ = try member.grant(7, ttl: 60)
        _ = member.alarm(Request.alarm(.activate, .noSpace, of: MemberID(5)))
        #expect(try member.grant(8, ttl: 60) == Status.noSpace.message)
        #expect(try member.revoke(7) == Self.header + "1 term 2")
        _ = member.alarm(Request.alarm(.activate, .corrupt, of: MemberID(5)))
        #expect(try member.grant(8, ttl: 60) == Status.corrupt.message)
        #expect(try member.revoke(7) == Status.corrupt.message)
    }

    @Test("A checkpoint outlives a restart, for a cluster of 3.6 and later")
    func checkpoints() throws {
        let member = try PlayedMember {
            $0.leases.takesCheckpoints = true
        }
        _ = try member.grant(7, ttl: 1000)
        member.advance(milliseconds: 301_000)
        member.commit()
        try member.crash()
        let rest = try member.timeToLive(7)
        #expect(rest == "7: 701 of 1000 []")
        let renewals = Renewals()
        member.renew(7, renewals)
        #expect(renewals.heard == ["7:1000"])
        try member.crash()
        #expect(try member.timeToLive(7) == "7: 1001 of 1000 []")
    }

    /// A leader that knows lease 7 of 60 seconds, and its follower.
    private func leaderOfTwo() throws -> (PlayedMember, MemberID) {
        let member = try PlayedMember { $0.checksReconfiguration = false }
        _ = try member.grant(7, ttl: 60)
        let b = member.memberID(["http://b:1"])
        try #require(member.addMember(["http://b:1"]).message != nil)
        member.followed(by: b)
        return (member, b)
    }

    @Test("A leader renews once others have confirmed that it leads, in the order of the calls")
    func confirmedRenewals() throws {
        let (member, b) = try leaderOfTwo()
        member.advance(milliseconds: 400)
        let renewals = Renewals()
        member.renew(8, renewals)
        member.renew(7, renewals)
        #expect(renewals.heard.isEmpty)
        member.followed(by: b)
        #expect(renewals.heard == ["8:0", "7:60"])
    }

    @Test("A leader that was deposed renews nothing, though it does not know yet")
    func deposed() throws {
        let (member, b) = try leaderOfTwo()
        let renewals = Renewals()
        member.renew(7, renewals)
        member.led(by: b, term: Term(9))
        #expect(renewals.heard == ["not a primary lessor"])
    }

    @Test("Who asks a deposed leader for a renewal asks the next one")
    func forwardedToDeposed() throws {
        let (member, b) = try leaderOfTwo()
        let message = encoded { $0.appendLeaseRequest(LeaseID(7)) }
            .withUnsafeBytes { $0.asking(.member) }
        let asked = member.call { life, caller in
            message.withUnsafeBytes { life.leases.renewHere($0, caller) }
        }
        member.led(by: b, term: Term(9))
        #expect(asked.failure == .notLeader)
    }

    @Test("A leader that stops before others have confirmed it tells who waits so")
    func stopsUnconfirmed() throws {
        let (member, _) = try leaderOfTwo()
        let renewals = Renewals()
        member.renew(7, renewals)
        let life = member.life
        life.core.turn {
            life.raft.assumeIsolated { $0.stop() }
            life.applier.assumeIsolated { $0.detach() }
        }
        life.core.runUntilIdle()
        #expect(renewals.heard == [Status.stopped.message])
    }

    @Test("Requests that are none are refused before the log")
    func malformed() throws {
        let member = try PlayedMember()
        for begin in [LeaseService.grant(_:_:), LeaseService.revoke, LeaseService.timeToLive] {
            let caller = member.call { life, caller in
                [UInt8]([0xff]).withUnsafeBytes { begin(life.leases)($0, caller) }
            }
            #expect(caller.failure?.code == .internal)
        }
    }
}

import API
import Testing

@testable import Services

/// Calls of the Election service.
extension PlayedMember {
    func campaign(_ name: String, _ value: String, lease: Int64) -> Caller {
        let request = encoded {
            $0.appendField(1, string: name)
            $0.appendField(2, int64: lease)
            $0.appendField(3, string: value)
        }
        return call { life, caller in
            request.withUnsafeBytes { _ = life.elections.campaign($0, caller) }
        }
    }

    func proclaim(_ leader: LeaderKeyFields?, _ value: String) -> Caller {
        let request = encoded {
            if let leader { $0.appendLeaderKey(1, leader) }
            $0.appendField(2, string: value)
        }
        return call { life, caller in
            request.withUnsafeBytes { life.elections.proclaim($0, caller) }
        }
    }

    func resign(_ leader: LeaderKeyFields?) -> Caller {
        let request = encoded { if let leader { $0.appendLeaderKey(1, leader) } }
        return call { life, caller in
            request.withUnsafeBytes { life.elections.resign($0, caller) }
        }
    }

    func leader(_ name: String) throws -> String {
        let request = encoded { $0.appendField(1, string: name) }
        let caller = call { life, caller in
            request.withUnsafeBytes { life.elections.leader($0, caller) }
        }
        if let failure = caller.failure { return "\(failure.code) \(failure.message)" }
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            let response = try LeaderResponse.decode(#require(caller.message), in: arena)
            return try Response.pair(#require(response.kv))
        }
    }

    /// The leadership that was won; nil while it is not.
    func won(_ caller: Caller) throws -> LeaderKeyFields? {
        guard let message = caller.message else { return nil }
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            let leader = try #require(CampaignResponse.decode(message, in: arena).leader)
            return LeaderKeyFields(
                name: [UInt8](leader.name), key: [UInt8](leader.key), revision: leader.revision,
                lease: leader.lease)
        }
    }
}

@Suite("Election")
struct ElectionStories {
    private func member() throws -> PlayedMember {
        let member = try PlayedMember()
        for id in 1...3 { _ = try member.grant(Int64(id * 16), ttl: 1000) }
        return member
    }

    @Test("is won by the first; the next wins when it resigns, and says who it is")
    func campaigns() throws {
        let member = try member()
        #expect(try member.leader("e") == "unknown election: no leader")
        let first = try #require(try member.won(member.campaign("e", "one", lease: 16)))
        #expect(
            first
                == LeaderKeyFields(
                    name: Array("e".utf8), key: Array("e/10".utf8), revision: Revision(2),
                    lease: LeaseID(16)))
        let waiting = member.campaign("e", "two", lease: 32)
        #expect(waiting.answers.isEmpty)
        #expect(try member.leader("e") == "e/10=one 2 2 1 lease 16")
        #expect(member.resign(first).message != nil)
        #expect(try member.won(waiting)?.revision == Revision(3))
        #expect(try member.leader("e") == "e/20=two 3 3 1 lease 32")
        #expect(member.resign(first).message != nil, "resigning twice is no error")
        #expect(try member.leader("e") == "e/20=two 3 3 1 lease 32")
    }

    @Test("A leader says something else; who leads no more cannot")
    func proclaims() throws {
        let member = try member()
        let leader = try #require(try member.won(member.campaign("e", "one", lease: 16)))
        #expect(member.proclaim(leader, "uno").message != nil)
        #expect(try member.leader("e") == "e/10=uno 2 3 2 lease 16")
        _ = member.resign(leader)
        #expect(member.proclaim(leader, "eins").failure == .electionNotLeader)
        #expect(member.proclaim(nil, "x").failure == .missingLeaderKey)
        #expect(member.resign(nil).failure == .missingLeaderKey)
    }

    @Test("Campaigning again with another value proclaims it, and keeps the place")
    func again() throws {
        let member = try member()
        _ = member.campaign("e", "one", lease: 16)
        let second = member.campaign("e", "two", lease: 32)
        let again = member.campaign("e", "zwei", lease: 32)
        #expect(again.answers.isEmpty)
        #expect(try member.everything().contains("e/20=zwei 3 4 2 lease 32"))
        _ = try member.revoke(16)
        #expect(try member.won(second) == member.won(again))
        #expect(try member.won(again)?.revision == Revision(3))
    }

    @Test("An observer under the name is told once for every entry that changes something there")
    func observers() {
        var observers = KeyObservers()
        let name = observers.onChange(under: Array("e/".utf8)) { _ in }
        let key = observers.onDeletion(of: Array("e/10".utf8)) { _ in }
        func put(_ key: String) { Array(key.utf8).withUnsafeBytes { observers.put($0) } }
        func delete(_ key: String) { Array(key.utf8).withUnsafeBytes { observers.deleted($0) } }
        put("e")
        put("f/1")
        delete("ee/10")
        #expect(!observers.hasDue)
        put("e/1/2")
        put("e/1")
        #expect(observers.takeDue().count == 1)
        put("e/10")
        #expect(observers.takeDue().count == 1)
        delete("e/10")
        #expect(observers.takeDue().count == 2)
        delete("e/10")
        #expect(observers.takeDue().count == 1, "a deletion is told once")
        observers.remove(key)
        observers.remove(name)
        put("e/1")
        #expect(!observers.hasDue && observers.isEmpty)
    }
}

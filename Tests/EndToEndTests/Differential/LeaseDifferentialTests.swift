import API
import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// The same calls about leases, locks and elections to a member and to a real etcd.
    @Suite(
        "leases beside etcd 3.5",
        .enabled(if: Rival.isExpected, Rival.absence))
    struct LeaseDifferentialTests {
        let member: MemberProcess
        let rival: MemberProcess

        init() throws {
            member = try MemberProcess()
            rival = try Rival.start()
        }

        /// What a server answers, as a text.
        private func answer(_ body: () async throws -> String) async throws -> String {
            do { return try await body() } catch let status as Status {
                return "\(status.code) \(status.message)"
            }
        }

        @Test("four hundred calls out of a seed, valid and invalid", arguments: [1, 2] as [UInt64])
        func leases(_ seed: UInt64) async throws {
            let ours = try await TestClient(member)
            let theirs = try await TestClient(rival)
            var random = SplitMix64(seed: seed)
            for number in 0..<400 {
                let id = Int64.random(in: -1...6, using: &random)
                let kind = Int.random(in: 0..<12, using: &random)
                // Far apart: in lists they must not change places.
                let ttls = [100 + 1000 * max(id, 0), 5_000_000_000, 9_000_000_000, 9_000_000_001]
                let ttl: Int64 = ttls.randomElement(using: &random) ?? 100
                let key = ["a", "b", "c", "d"].randomElement(using: &random) ?? "a"
                let ignores = Int.random(in: 0..<6, using: &random) == 0
                func make(_ client: TestClient) async throws -> String {
                    try await answer {
                        switch kind {
                        case 0...2 where id != 0: try await client.grant(id, ttl: ttl)
                        case 3: try await client.revoke(id)
                        case 4: try await client.timeToLive(id)
                        case 5: try await client.leases().sortedList
                        case 6: try await client.renew(id)
                        case 7:
                            "\(try await client.delete(Delete(key: key, prevKV: true)).previous)"
                        case 8: "\(try await client.range(Range(key: "a", end: "z")).pairs)"
                        default:
                            "\(try await client.put(Put(key: key, lease: id, prevKV: true, ignoreLease: ignores)).previous.map { "\($0)" } ?? "new")"
                        }
                    }
                }
                let expected = try await make(theirs)
                let found = try await make(ours)
                try #require(found == expected, "call \(number) of seed \(seed), kind \(kind)")
            }
        }

        @Test("locks and elections: the same answers and the same refusals")
        func concurrency() async throws {
            let ours = try await TestClient(member)
            let theirs = try await TestClient(rival)
            for client in [ours, theirs] {
                for id in 1...3 { _ = try await client.grant(Int64(id), ttl: 1000) }
            }
            let leader = LeaderKeyFields(
                name: Array("e".utf8), key: Array("e/2".utf8), revision: Revision(4),
                lease: LeaseID(2))
            var stranger = leader
            stranger.revision = Revision(99)
            var nameless = leader
            nameless.key = []
            let calls: [(String, [UInt8])] = [
                ("/v3lockpb.Lock/Lock", named("a", lease: 1)),
                ("/v3lockpb.Lock/Lock", named("a", lease: 1)),
                ("/v3lockpb.Lock/Lock", named("a", lease: 99)),
                ("/v3lockpb.Lock/Lock", named("", lease: 1)),
                ("/v3electionpb.Election/Leader", named("e")),
                ("/v3electionpb.Election/Campaign", named("e", lease: 2, value: "one")),
                ("/v3electionpb.Election/Leader", named("e")),
                ("/v3electionpb.Election/Campaign", named("e", lease: 2, value: "two")),
                ("/v3electionpb.Election/Campaign", named("e", lease: 98, value: "x")),
                ("/v3electionpb.Election/Proclaim", proclaim(leader, "three")),
                ("/v3electionpb.Election/Proclaim", proclaim(stranger, "x")),
                ("/v3electionpb.Election/Proclaim", proclaim(nameless, "x")),
                ("/v3electionpb.Election/Proclaim", proclaim(nil, "x")),
                ("/v3electionpb.Election/Leader", named("e")),
                ("/v3electionpb.Election/Resign", proclaim(stranger, "")),
                ("/v3electionpb.Election/Resign", proclaim(nil, "")),
                ("/v3electionpb.Election/Resign", proclaim(leader, "")),
                ("/v3electionpb.Election/Leader", named("e")),
                ("/v3lockpb.Lock/Unlock", named("a/1")),
                ("/v3lockpb.Lock/Unlock", named("a/1")),
                ("/v3lockpb.Lock/Unlock", named("")),
            ]
            for (number, call) in calls.enumerated() {
                func make(_ client: TestClient) async throws -> String {
                    try await answer { try text(try await client.call(call.0, call.1), of: call.0) }
                }
                #expect(try await make(ours) == make(theirs), "call \(number), \(call.0)")
            }
            let pairs = try await ours.range(Range(key: "\0", end: "\0")).pairs
            #expect(try await theirs.range(Range(key: "\0", end: "\0")).pairs == pairs)
        }

        private func named(_ name: String, lease: Int64 = 0, value: String = "") -> [UInt8] {
            encoded {
                $0.appendField(1, string: name)
                $0.appendField(2, int64: lease)
                $0.appendField(3, string: value)
            }
        }

        private func proclaim(_ leader: LeaderKeyFields?, _ value: String) -> [UInt8] {
            encoded {
                if let leader { $0.appendLeaderKey(1, leader) }
                $0.appendField(2, string: value)
            }
        }

        /// The answer without its header's ids and term.
        private func text(_ bytes: [UInt8], of path: String) throws -> String {
            let arena = Arena()
            return try withExtendedLifetime(arena) {
                switch path {
                case "/v3lockpb.Lock/Lock":
                    let answer = try LockResponse.decode(bytes, in: arena)
                    return try "\([UInt8](answer.key)) \(Header(answer.header).revision)"
                case "/v3electionpb.Election/Campaign":
                    let answer = try CampaignResponse.decode(bytes, in: arena)
                    let leader = try #require(answer.leader)
                    return try "\([UInt8](leader.name)) \([UInt8](leader.key)) "
                        + "\(leader.revision.rawValue) \(leader.lease.rawValue) "
                        + "\(Header(answer.header).revision)"
                case "/v3electionpb.Election/Leader":
                    let answer = try LeaderResponse.decode(bytes, in: arena)
                    return try "\(Pair(#require(answer.kv))) \(Header(answer.header).revision)"
                default:
                    let answer = try LeaseRevokeResponse.decode(bytes, in: arena)
                    return try "\(Header(answer.header).revision)"
                }
            }
        }
    }
}

extension String {
    /// A list of leases, `[2, 1] at 7`, in order: etcd sorts by the time that is left, and two
    /// servers do not grant at the same moment.
    fileprivate var sortedList: String {
        guard let end = firstIndex(of: "]") else { return self }
        let ids = self[..<end].dropFirst().split(separator: ", ").sorted()
        return "\(ids)\(self[end...])"
    }
}

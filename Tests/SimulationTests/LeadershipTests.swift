// How long a cluster is without a leader, in virtual time.

import API
import Foundation
import Testing

@testable import Simulation

@Suite("Leadership, in virtual time", .serialized)
struct LeadershipTests {
    private static let second: UInt64 = 1_000_000_000

    @Test("A leader that is removed names who comes after it", arguments: [1, 2, 3])
    func removedLeader(seed: UInt64) throws {
        let directory = "/dev/shm/cairn-leadership-\(UUID().uuidString)"
        mkdir(directory, 0o700)
        defer { removeTree(directory) }
        var options = SimOptions()
        options.members = 4
        let cluster = SimCluster(seed: seed, options: options, trace: Trace(), directory: directory)
        defer { cluster.letGo() }
        cluster.start()
        // Members must have been connected for five seconds before one of them may go.
        cluster.run(until: 8 * Self.second)
        let removed = try #require(cluster.leader)
        let operators = Operator(cluster)
        operators.remove(removed)

        let patience = cluster.kernel.time + 5 * Self.second
        cluster.run(until: patience) { Self.isRemoved(removed) }
        try #require(Self.isRemoved(removed))
        let began = cluster.kernel.time
        cluster.run(until: patience) { cluster.leader.map { $0 !== removed } ?? false }

        let heir = try #require(cluster.leader)
        #expect(heir !== removed)
        // An election timeout is a second at least.
        #expect(cluster.kernel.time - began < Self.second / 4)
        #expect(cluster.violation == nil)
    }

    /// Whether `member` has applied that it is none any more.
    private static func isRemoved(_ member: SimMember) -> Bool {
        guard let life = member.life, let hosted = life.member, let id = member.id else {
            return false
        }
        return life.main.enter {
            hosted.applier.assumeIsolated { $0.membership.members[id] == nil }
        }
    }
}

import API
import Consensus
import Testing
import Transport

@testable import Node

@Suite("Raft over peer links") struct PeerClusterTests {
    @Test("Three members in memory elect a leader and apply the same")
    func electsAndReplicates() throws {
        let cluster = try MemoryCluster()
        #expect(cluster.until { $0.leader != nil })
        cluster.executor.turn { cluster.leader?.propose("a") }
        #expect(cluster.until { $0.applied("a", by: $0.members) })
    }

    @Test("What a follower is asked to propose goes to the leader over its link")
    func forwards() throws {
        let cluster = try MemoryCluster()
        #expect(cluster.until { $0.leader != nil })
        cluster.executor.turn {
            cluster.follower?.propose("b")
        }
        #expect(cluster.until { $0.applied("b", by: $0.members) })
    }

    @Test("A leader that is cut off is replaced, and follows once the cut is mended")
    func survivesACut() throws {
        let cluster = try MemoryCluster()
        #expect(cluster.until { $0.leader != nil })
        let old = try #require(cluster.executor.turn { cluster.leader })
        let others = cluster.members.filter { $0.id != old.id }
        cluster.cuts.members = [old.id.rawValue]
        #expect(cluster.until { $0.leader.map { $0.id != old.id } ?? false })
        cluster.executor.turn { cluster.leader?.propose("while cut") }
        #expect(cluster.until { $0.applied("while cut", by: others) })
        // Long enough for all links to it to be given up.
        cluster.executor.advance(byMilliseconds: 10_000)
        #expect(cluster.executor.turn { others[0].peers.activeTime(of: old.id) } == nil)
        #expect(others[0].lines.all.contains { $0.contains("peer became inactive") })
        cluster.cuts.members = []
        #expect(cluster.until { $0.applied("while cut", by: [old]) })
        #expect(cluster.until { _ in others[0].peers.activeTime(of: old.id) != nil })
    }
}

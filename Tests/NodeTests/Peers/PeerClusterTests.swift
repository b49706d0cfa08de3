import API
import Consensus
import Services
import TestSupport
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

    @Test(
        "Whatever breaks, nothing is applied twice, and all agree in the end",
        arguments: UInt64(1)...8)
    func breaks(seed: UInt64) throws {
        let cluster = try MemoryCluster()
        let dice = SeededRandom(seed: seed)
        for number in 0..<200 {
            cluster.executor.turn {
                cluster.members[Int(dice.next() % 3)].propose("\(number)")
                if dice.next() % 4 == 0 { cluster.cuts.breakOne(dice.next()) }
                if dice.next() % 20 == 0 { cluster.cuts.members = [1 + dice.next() % 3] }
                if dice.next() % 10 == 0 { cluster.cuts.members = [] }
            }
            cluster.executor.advance(byMilliseconds: dice.next() % 300)
        }
        cluster.cuts.members = []
        #expect(cluster.until { $0.leader != nil })
        cluster.executor.turn { cluster.leader?.propose("last") }
        #expect(cluster.until { $0.applied("last", by: $0.members) })
        let applied = cluster.members[0].machine.applied
        #expect(applied.count > 50)
        #expect(Set(applied).count == applied.count)
        for member in cluster.members { #expect(member.machine.applied == applied) }
    }

    /// Seed 59409 of the simulator: a member that had just been added was told that it was removed,
    /// and ended, by one that took on a snapshot from before the addition.
    @Test("A membership older than an addition parts from nobody but who was removed for good")
    func olderMembership() throws {
        let cluster = try MemoryCluster()
        #expect(cluster.until { $0.leader != nil })
        let (one, added) = (cluster.members[0], cluster.members[2])
        let peers = ClusterPeers(one.peers, own: one.id)
        peers.port = one.port
        let known = cluster.members[0..<2].map {
            ClusterMember(id: $0.id, peerURLs: [MemoryCluster.url($0.id)])
        }
        cluster.executor.turn {
            peers.membershipReplaced(by: Membership(cluster: ClusterID(0xC1), members: known))
        }
        cluster.executor.advance(byMilliseconds: 1000)
        #expect(added.removedBy.all.isEmpty)
        #expect(cluster.executor.turn { peers.connectedTime(of: added.id) } != nil)

        one.admission.removed = [added.id]
        cluster.executor.turn {
            peers.membershipReplaced(
                by: Membership(
                    cluster: ClusterID(0xC1), members: known, removed: one.admission.removed))
        }
        #expect(cluster.until { _ in added.removedBy.all.contains(one.id) })
        #expect(cluster.executor.turn { peers.connectedTime(of: added.id) } == nil)
    }
}

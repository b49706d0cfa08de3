import API
import Consensus
import Services
import TestSupport
import Testing
import Transport

@testable import Node

@Suite("Peer port", .timeLimit(.minutes(1))) struct PeerPortTests {
    @Test("Three members over TCP elect, replicate and get over a cut")
    func overTCP() async throws {
        let cluster = try TCPCluster()
        defer { cluster.stop() }
        await cluster.propose("a", at: 0)
        await cluster.applied("a", by: [0, 1, 2])
        await cluster.cutConnections(of: 1)
        await cluster.propose("b", at: 2)
        await cluster.applied("b", by: [0, 1, 2])
    }

    @Test("Over HTTP/1.1 the port tells version and members, and nothing else")
    func http() async throws {
        let cluster = try TCPCluster()
        defer { cluster.stop() }
        let version = await cluster.ask("GET /version HTTP/1.1\r\nHost: a\r\n\r\n", until: "}")
        #expect(version.contains("\"etcdcluster\":\"3.7.0\""))
        let members = await cluster.ask("GET /members HTTP/1.1\r\nHost: a\r\n\r\n", until: "]\n")
        #expect(members.contains("X-Etcd-Cluster-ID: c1\r\n"))
        #expect(members.contains(#"[{"id":1,"peerURLs":["m1"]},{"id":2,"peerURLs":["m2"]}"#))
        let unknown = await cluster.ask(
            "GET /health HTTP/1.1\r\nHost: a\r\n\r\n", until: "not found")
        #expect(unknown.hasPrefix("HTTP/1.1 404 "))
        let posted = await cluster.ask(
            "POST /members HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", until: "Allowed")
        #expect(posted.hasPrefix("HTTP/1.1 405 "))
    }

    /// What comes is random, or a preface of HTTP/2 with random bytes behind it.
    @Test("Garbage on the port hurts nobody", arguments: UInt64(1)...40)
    func garbage(seed: UInt64) throws {
        let cluster = try MemoryCluster()
        #expect(cluster.until { $0.leader != nil })
        let random = SeededRandom(seed: seed)
        for _ in 0..<20 {
            cluster.executor.turn {
                let (near, far) = MemoryStream.pair(a: cluster.executor, b: cluster.executor)
                cluster.members[0].port.serve(far)
                let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                var bytes = random.next() % 2 == 0 ? [] : Array(preface.utf8)
                for _ in 0..<(random.next() % 2000) {
                    bytes.append(UInt8(truncatingIfNeeded: random.next()))
                }
                bytes.withUnsafeBytes { near.write($0) }
                if random.next() % 2 == 0 { near.close() }
            }
        }
        cluster.executor.turn { cluster.leader?.propose("still there") }
        #expect(cluster.until { $0.applied("still there", by: $0.members) })
        let member = cluster.members[0]
        #expect(member.lines.all.allSatisfy { !$0.hasPrefix("error") })
    }

    /// A caller that is let in, and then says what is no message: counted, never applied.
    @Test("A damaged frame closes its lane and is counted", arguments: UInt64(1)...20)
    func damagedFrames(seed: UInt64) throws {
        let cluster = try MemoryCluster()
        #expect(cluster.until { $0.leader != nil })
        let random = SeededRandom(seed: seed)
        let victim = cluster.members[1]
        let term = cluster.executor.turn { victim.status.term }
        let forger = cluster.executor.turn {
            let links = PeerLinks(
                cluster: ClusterID(0xC1), member: MemberID(1), urls: [],
                dialer: cluster.network.dialer(), random: random)
            links.set(victim.id, urls: [MemoryCluster.url(victim.id)])
            return links
        }
        cluster.executor.runUntilIdle()
        let vote = Message(
            from: MemberID(1), to: victim.id, term: Term(term.rawValue + 1000),
            body: .vote(last: LogPosition(index: LogIndex(99), term: Term(99)), isTransfer: true))
        var frame = EncodedMessage.encode([vote])[0].head
        let place = Int(random.next() % UInt64(frame.count))
        frame[place] ^= UInt8(1 + random.next() % 255)
        if random.next() % 4 == 0 { frame.removeLast(Int(random.next() % 20)) }
        cluster.executor.turn {
            #expect(forger.send(PeerMessage(head: frame), to: victim.id, on: .messages))
        }
        #expect(cluster.executor.turn { victim.status.term } == term)
        let shown = String(decoding: victim.metrics.exposition(), as: UTF8.self)
        #expect(shown.contains(#"etcd_network_peer_received_failures_total{From="1"} 1"#))
        #expect(victim.lines.all.contains { $0.contains("failed to decode a message") })
        cluster.executor.turn { forger.stop() }
    }

    @Test("Who belongs to another cluster is refused and counted, and so is what is no request")
    func strangers() throws {
        let cluster = try MemoryCluster()
        #expect(cluster.until { $0.leader != nil })
        let member = cluster.members[0]
        let counted = {
            let shown = String(decoding: member.metrics.exposition(), as: UTF8.self)
            return shown.split(separator: "\n").first {
                $0.hasPrefix(#"etcd_network_peer_received_failures_total{From="0"}"#)
            }.map(String.init)
        }
        #expect(counted() == nil)
        let stranger = cluster.executor.turn {
            let links = PeerLinks(
                cluster: ClusterID(0xBAD), member: MemberID(77), urls: [],
                dialer: cluster.network.dialer(), random: SeededRandom(seed: 1))
            links.set(member.id, urls: [MemoryCluster.url(member.id)])
            return links
        }
        cluster.executor.runUntilIdle()
        // Its two lanes.
        #expect(counted()?.hasSuffix(" 2") == true)
        cluster.executor.turn { stranger.stop() }
        cluster.executor.turn {
            let (near, far) = MemoryStream.pair(a: cluster.executor, b: cluster.executor)
            member.port.serve(far)
            Array("no request\r\n\r\n".utf8).withUnsafeBytes { near.write($0) }
        }
        cluster.executor.runUntilIdle()
        #expect(counted()?.hasSuffix(" 3") == true)
    }

    @Test("Raft is not shown a snapshot that a lane brings: its payload is not here")
    func snapshotOnALane() throws {
        let cluster = try MemoryCluster()
        #expect(cluster.until { $0.leader != nil })
        let victim = try #require(cluster.executor.turn { cluster.follower })
        let sender = try #require(cluster.members.first { $0.id != victim.id })
        let term = cluster.executor.turn { victim.status.term }
        let mark = SnapshotMark(
            position: LogPosition(index: LogIndex(99), term: term),
            confState: ConfState(voters: cluster.members.map(\.id)))
        let message = Message(
            from: sender.id, to: victim.id, term: term, body: .snapshot(mark))
        cluster.executor.turn { sender.peers.send([message]) }
        #expect(
            cluster.until { _ in
                victim.lines.all.contains { $0.contains("failed to decode a message") }
            })
        #expect(cluster.executor.turn { victim.status.committed } < LogIndex(99))
    }

    @Test("A member that was removed hears of it, and its messages are not taken")
    func removed() throws {
        let cluster = try MemoryCluster()
        #expect(cluster.until { $0.leader != nil })
        let out = try #require(cluster.executor.turn { cluster.follower })
        cluster.executor.turn {
            for member in cluster.members where member.id != out.id {
                member.admission.removed = [out.id]
                member.port.removed(out.id)
                member.peers.remove(out.id)
            }
        }
        #expect(cluster.until { _ in out.removedBy.all.count >= 2 })
        #expect(Set(out.removedBy.all).count == 2)
        cluster.executor.turn { cluster.leader?.propose("without it") }
        #expect(
            cluster.until { $0.applied("without it", by: $0.members.filter { $0.id != out.id }) })
        #expect(!out.machine.applied.contains("without it"))
    }

    @Test("A member nobody has told of here is answered at the URLs it names")
    func unknownCaller() throws {
        let cluster = try MemoryCluster()
        #expect(cluster.until { $0.leader != nil })
        let (one, two) = (cluster.members[0], cluster.members[1])
        cluster.executor.turn {
            one.peers.remove(two.id)
            two.peers.links.ownURLs = [MemoryCluster.url(two.id)]
            two.peers.links.remove(one.id)
            two.peers.set(one.id, urls: [MemoryCluster.url(one.id)])
        }
        #expect(cluster.until { _ in one.peers.activeTime(of: two.id) != nil })
    }
}

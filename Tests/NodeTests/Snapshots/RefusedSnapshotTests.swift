// What a member does with snapshots that nobody should send: it refuses them, says so, and keeps
// what it has.

import API
import Consensus
import Services
import Storage
import TestSupport
import Testing

@testable import Node

/// A call that the test makes by hand.
private final class HandMade: SnapshotCall, @unchecked Sendable {
    var answers: [SnapshotMessage?] = []
    var hasEnded = false
    private var events: (any SnapshotCallEvents)?
    private unowned let world: SnapshotWorld

    init(to member: WorldMember, _ world: SnapshotWorld) {
        self.world = world
        events = member.snapshotter.receiver.accept(self)
        // The two hold each other.
        world.atEnd.append { [self] in events = nil }
    }

    func send(_ message: [UInt8]) { answers.append(SnapshotMessage(decoding: message)) }
    func end() { hasEnded = true }

    func tell(_ bytes: [UInt8]) { world.executor.turn { events?.received(bytes) } }
    func tell(_ message: SnapshotMessage) { tell(message.encoded) }
    /// Faster than they can be taken.
    func flood(_ message: SnapshotMessage, count: Int) {
        world.executor.turn {
            for _ in 0..<count { events?.received(message.encoded) }
        }
    }
    func cut() { world.executor.turn { events?.ended() } }
}

@Suite("A snapshot that should not have come")
struct RefusedSnapshotTests {
    private func description(
        _ world: SnapshotWorld, index: UInt64 = 1000, term: UInt64 = 1, revision: Int64 = 900
    ) -> SnapshotDescription {
        SnapshotDescription(
            stream: 9, cluster: world.cluster, index: LogIndex(index), term: Term(term),
            confState: ConfState(voters: [MemberID(1), MemberID(2), MemberID(3)]),
            revision: Revision(revision), estimatedBytes: 0)
    }

    private func offer(
        _ description: SnapshotDescription, to member: WorldMember, from: UInt64 = 9
    ) -> SnapshotMessage {
        .offer(
            description,
            Message(
                from: MemberID(from), to: member.id, term: member.status.term,
                body: .snapshot(description.mark)))
    }

    private func follower(_ world: SnapshotWorld) throws -> WorldMember {
        try world.put(0..<30)
        let leader = try #require(world.leader)
        return try #require(world.members.values.first { $0.id != leader.id })
    }

    @Test("of random bytes, of another cluster or for another member is refused and counted")
    func malformed() throws {
        let world = try SnapshotWorld()
        let member = try follower(world)
        var generator = SplitMix64(seed: 4)
        for round in 0..<300 {
            let call = HandMade(to: member, world)
            let count = Int(generator.next() % 200)
            var bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            if round % 2 == 0, !bytes.isEmpty { bytes[0] = UInt8(1 + round % 5) }
            call.tell(bytes)
            let isChunkOfNothing = bytes.first == 2
            #expect(isChunkOfNothing ? call.hasEnded : call.answers == [.refused(.malformed)])
        }
        var other = description(world)
        other.cluster = ClusterID(0xC2)
        let call = HandMade(to: member, world)
        call.tell(offer(other, to: member))
        let forAnother = try #require(world.members.values.first { $0.id != member.id })
        call.tell(offer(description(world), to: forAnother))
        #expect(call.answers == [.refused(.malformed), .refused(.malformed)])
        #expect(member.heard.lines.allSatisfy { $0.hasPrefix("refuses") })
        #expect(member.heard.lines.count > 100)
        try world.expectAgreement()
    }

    @Test("of what is applied already, an old one played again, is not needed")
    func old() throws {
        let world = try SnapshotWorld()
        let member = try follower(world)
        let call = HandMade(to: member, world)
        call.tell(offer(description(world, index: 5), to: member))
        // A later place, but fewer revisions than are here: no past of this cluster.
        call.tell(offer(description(world, revision: 3), to: member))
        #expect(call.answers == [.refused(.notNeeded), .refused(.notNeeded)])
        try world.expectAgreement()
    }

    @Test("whose chunks are damaged, or more than were asked for, leaves nothing behind")
    func badChunks() throws {
        let world = try SnapshotWorld()
        let member = try follower(world)
        for flood in [false, true] {
            let call = HandMade(to: member, world)
            call.tell(offer(description(world), to: member))
            #expect(call.answers == [.due(0)])
            if flood {
                call.flood(SnapshotMessage.chunk([1]), count: SnapshotMessage.windowChunks + 1)
            } else {
                call.tell(.chunk([UInt8](repeating: 7, count: 500)))
            }
            world.settle(seconds: 1)
            #expect(call.answers.last == .refused(.malformed))
            call.tell(.chunk([1]))
            #expect(call.hasEnded)
            #expect(try member.directory.names(in: ".") == ["cairn.mdb", "cairn.mdb-lock"])
        }
        try world.expectAgreement()
    }

    @Test("and never goes on is forgotten after a while")
    func forgotten() throws {
        let world = try SnapshotWorld()
        let member = try follower(world)
        let call = HandMade(to: member, world)
        call.tell(offer(description(world), to: member))
        #expect(call.answers == [.due(0)])
        call.cut()
        world.settle(seconds: 299)
        #expect(member.heard.lines.last == "receives from 9")
        world.settle(seconds: 2)
        #expect(member.heard.lines.last == "not received from 9: it was given up")
        let later = HandMade(to: member, world)
        later.tell(offer(description(world), to: member))
        #expect(later.answers == [.due(0)])
    }
}

@Suite("The messages of a snapshot's call")
struct SnapshotMessageTests {
    @Test("are read as they were written, and not with a byte more or less")
    func roundTrip() {
        let description = SnapshotDescription(
            stream: 1, cluster: ClusterID(2), index: LogIndex(3), term: Term(4),
            confState: ConfState(voters: [MemberID(5)]), revision: Revision(6), estimatedBytes: 7)
        let message = Message(
            from: MemberID(5), to: MemberID(6), term: Term(8), body: .snapshot(description.mark))
        for sample: SnapshotMessage in [
            .offer(description, message), .chunk([1, 2, 3]), .due(77), .refused(.busy), .done,
        ] {
            let bytes = sample.encoded
            #expect(SnapshotMessage(decoding: bytes) == sample)
            guard case .chunk = sample else {
                #expect(SnapshotMessage(decoding: bytes + [0]) == nil)
                for count in bytes.indices {
                    #expect(SnapshotMessage(decoding: Array(bytes[..<count])) == nil)
                }
                continue
            }
        }
        var other = description
        other.index = LogIndex(9)
        #expect(SnapshotMessage(decoding: SnapshotMessage.offer(other, message).encoded) == nil)
        #expect(SnapshotMessage(decoding: [UInt8](repeating: 2, count: 400_000)) == nil)
    }
}

@Suite("A rate")
struct TokenBucketTests {
    @Test("is kept over time, whatever goes at once; a pause allows no more than the capacity")
    func rate() {
        var now = MonotonicTime(nanoseconds: 5)
        var bucket = TokenBucket(bytesPerSecond: 1000, capacity: 100, now: now)
        var gone = 0
        while now.nanoseconds < 10_000_000_000 {
            let wait = bucket.wait(now)
            if wait > 0 {
                now = now.advanced(byNanoseconds: wait)
            } else {
                bucket.take(70)
                gone += 70
            }
        }
        #expect((9900...10_300).contains(gone))
        now = now.advanced(byNanoseconds: 60_000_000_000)
        var burst = 0
        while bucket.wait(now) == 0 {
            bucket.take(10)
            burst += 10
        }
        #expect(burst == 100)
    }
}

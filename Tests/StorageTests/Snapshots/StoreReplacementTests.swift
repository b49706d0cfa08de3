// Another state in the place of a store's own: what goes on, what ends, and a crash at every step.

import API
import Foundation
import Testing

@testable import Storage

@Suite("A state that takes the place of another")
struct StoreReplacementTests {
    /// Has the keys of the leader's past, up to revision 11.
    private func follower() throws -> (follower: StoreHarness, leader: StoreHarness) {
        let leader = try StoreHarness()
        let follower = try StoreHarness()
        for harness in [leader, follower] {
            try harness.apply { $0.setConfState(StoreSnapshotTests.confState) }
            for number in 0..<10 { try harness.apply { _ = try $0.put("k\(number)", "old") } }
        }
        for number in 0..<10 { try leader.apply { _ = try $0.put("k\(number)", "new") } }
        return (follower, leader)
    }

    @Test("waits for the commit that is under way; what is pending is let go")
    func pending() throws {
        let (follower, leader) = try follower()
        let incoming = try follower.receive(try leader.snapshot())
        follower.startCommit()
        let end = Answers<StoreError?>()
        let flushed = Answers<BackendError?>()
        follower.read { store in
            store.replace(with: incoming) { end.all.append($0) }
        }
        follower.disk.runOne()
        #expect(end.all.isEmpty)
        follower.finishCommits()
        #expect(end.all == [nil])
        follower.lastIndex = leader.lastIndex
        follower.read { store in store.flush { flushed.all.append($0) } }
        #expect(flushed.all == [nil], "nothing is pending")
        #expect(try follower.everything() == leader.everything())
        try follower.finishAndReopen()
        #expect(try follower.everything() == leader.everything())
    }

    @Test("has what was never committed before, and who waited for that is told")
    func uncommitted() throws {
        let (follower, leader) = try follower()
        let incoming = try follower.receive(try leader.snapshot())
        let end = Answers<StoreError?>()
        let defragmented = Answers<Result<DefragmentationReport, StoreError>>()
        let flushed = Answers<BackendError?>()
        follower.read { store in
            store.replace(with: incoming) { end.all.append($0) }
            store.flush { flushed.all.append($0) }
            store.defragment { defragmented.all.append($0) }
        }
        follower.finishCommits()
        #expect(end.all == [nil] && flushed.all == [nil])
        #expect(try defragmented.last?.get() != nil)
        follower.lastIndex = leader.lastIndex
        #expect(try follower.everything() == leader.everything())
        try follower.finishAndReopen()
        #expect(try follower.everything() == leader.everything())
    }

    @Test("lets a sliced read go on at its revision, or tells it that this was compacted")
    func slicedReads() throws {
        for compactsPast in [false, true] {
            let (follower, leader) = try follower()
            if compactsPast { try leader.compact(15) }
            leader.finishCommits()
            var query = RangeQuery(revision: Revision(11))
            query.maximumPairs = 4
            query.isPinned = true
            let first = try follower.read { store in
                try store.pin(Revision(11))
                return try store.pairs(KeyRange("k.."), query)
            }
            #expect(first.result.next == Array("k4".utf8))
            #expect(follower.install(try follower.receive(try leader.snapshot())) == nil)

            let rest = { try follower.read { try $0.pairs(KeyRange("k4.."), query) } }
            if compactsPast {
                #expect(throws: StoreError.compacted(oldest: Revision(15))) { try rest() }
                #expect(throws: StoreError.compacted(oldest: Revision(15))) {
                    try follower.read { store in
                        _ = try store.encoded(RevisionPosition(main: Revision(2), sub: 0))
                    }
                }
            } else {
                #expect(
                    try rest().pairs.map(\.value) == Array(repeating: Array("old".utf8), count: 4))
            }
            follower.read { $0.unpin(Revision(11)) }
            try leader.compact(18)
            try follower.compact(18)
            leader.finishCommits()
            follower.finishCommits()
            #expect(try follower.recordsOnDisk() == leader.recordsOnDisk())
        }
    }

    @Test("ends hashes of the old state, and compactions that it has behind it")
    func background() throws {
        let (follower, leader) = try follower()
        for harness in [leader, follower] { try harness.compact(5) }
        leader.finishCommits()
        let hash = Answers<Result<KeyValueHash, StoreError>>()
        let compacted = Answers<StoreError?>()
        let incoming = try follower.receive(try leader.snapshot())
        try follower.read { store in
            try store.hash(at: nil) { hash.all.append($0) }
            store.whenCompacted { compacted.all.append($0) }
        }
        #expect(compacted.all.isEmpty)
        #expect(follower.install(incoming) == nil)
        #expect(hash.all.count == 1)
        #expect(compacted.all == [nil])
        #expect(try follower.hashNow() == leader.hashNow())
        #expect(try follower.everything() == leader.everything())
    }

    @Test("is the old one or the new one after a crash at any step, never a mixture")
    func crashes() throws {
        let (follower, leader) = try follower()
        follower.commit()
        let old = try follower.everything()
        let new = try leader.everything()
        let snapshot = try leader.snapshot()
        let directory = follower.directory.path
        let copies = Answers<(step: IncomingFile.Step, directory: TemporaryDirectory)>()
        let observe: @Sendable (IncomingFile.Step) -> Void = { step in
            guard let copy = try? TemporaryDirectory() else { return }
            for name in (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [] {
                try? FileManager.default.copyItem(
                    atPath: directory + "/" + name, toPath: copy.path + "/" + name)
            }
            copies.all.append((step, copy))
        }
        let thread = ManualExecutor()
        let builder = SnapshotBuilder(
            snapshot.description, replacing: follower.configuration.path, quotaBytes: 1 << 28,
            on: thread, observing: observe)
        let built = Answers<IncomingStore>()
        for chunk in snapshot.chunks {
            builder.add(chunk) {
                if case .success(.whole(let store)) = $0 { built.all.append(store) }
            }
        }
        thread.run()
        #expect(follower.install(try #require(built.last)) == nil)
        #expect(copies.all.map(\.step) == IncomingFile.Step.allCases)

        for (step, copy) in copies.all {
            let isNew = [.renamed, .synced].contains(step)
            do {
                let restarted = try StoreHarness(in: copy)
                #expect(try restarted.everything() == (isNew ? new : old), "\(step)")
                restarted.crashLeavingFile()
            }
            // The log has the record: the file becomes the state before anything starts.
            let path = copy.path + "/cairn.mdb"
            let found = try IncomingSnapshot.find(at: path)
            #expect((found != nil) == !isNew, "\(step)")
            if let found {
                #expect(found.index == leader.lastIndex && found.term == Term(7))
                try IncomingSnapshot.install(at: path)
            }
            let recovered = try StoreHarness(in: copy)
            #expect(try recovered.everything() == new, "\(step)")
            #expect(try recovered.files == ["cairn.mdb", "cairn.mdb-lock"], "\(step)")
            try recovered.apply { _ = try $0.put("z", "1") }
            try recovered.finishAndReopen()
        }
    }

    @Test("is never an older one")
    func older() throws {
        let (follower, leader) = try follower()
        let snapshot = try leader.snapshot()
        let incoming = try leader.receive(snapshot)
        let before = try leader.everything()
        #expect(
            leader.install(incoming)
                == .damaged(place: "snapshot", reason: "older than the state"))
        incoming.discard()
        #expect(try leader.everything() == before)
        #expect(try leader.files == ["cairn.mdb", "cairn.mdb-lock"])
        for _ in 0..<30 { try follower.apply { _ = try $0.put("more", "1") } }
        let late = try follower.receive(snapshot)
        #expect(follower.install(late) != nil)
        try follower.finishAndReopen()
        #expect(follower.summary.revision == Revision(41))
    }

    @Test("stays when one that was kept before it, under the same name, is let go late")
    func discardedLate() throws {
        let (follower, leader) = try follower()
        let first = try follower.receive(try leader.snapshot())
        try leader.apply { _ = try $0.put("z", "1") }
        let second = try follower.receive(try leader.snapshot())
        first.discard()
        #expect(follower.install(second) == nil)
        #expect(try follower.everything() == leader.everything())
    }

    @Test("that was never whole, or is not wanted, goes at the next start")
    func leftovers() throws {
        let (follower, leader) = try follower()
        follower.commit()
        _ = try follower.receive(try leader.snapshot())
        try follower.crash { path in
            try Data([1, 2, 3]).write(to: URL(fileURLWithPath: path + ".receiving"))
            #expect(try IncomingSnapshot.find(at: path)?.index == leader.lastIndex)
            IncomingSnapshot.removeAll(at: path)
            #expect(try IncomingSnapshot.find(at: path) == nil)
        }
        #expect(try follower.files == ["cairn.mdb", "cairn.mdb-lock"])
        #expect(follower.summary.revision == Revision(11))
    }
}

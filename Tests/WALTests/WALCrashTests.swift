// Power fails, or the process dies, after every single thing the log does to the disk.

import API
import Glibc
import Testing

@testable import Storage

/// A life of a log with all that it does: appends, a new leader's replacements, commits that are
/// not synced, cuts, snapshots, releases.
struct WALLife {
    var writer = LogWriter()
    let disk: SimulatedDisk
    /// The newest snapshot the log said is durable.
    private(set) var snapshot = WALSnapshot.empty

    init(on disk: SimulatedDisk) { self.disk = disk }

    var configuration: WALConfiguration { .small(disk, segment: 2048) }

    mutating func live() throws(WALError) {
        let (store, _) = try WALStore.create(configuration, LogWriter.metadata)
        try write(writer.append([40], term: 1), store)
        try write(writer.append([900, 100], commit: 1, term: 2), store)
        try write(writer.append([], commit: 3), store)
        try write(writer.append([700, 10, 300], commit: 3), store)
        try write(writer.replace(from: 5, [200, 80, 20], term: 3), store)
        try write(writer.append([], commit: 6), store)
        try write(writer.append([], commit: 7), store)
        try write(writer.append([1500], commit: 7), store)
        try save(5, store)
        try write(writer.append([1000, 30], commit: 8), store)
        try write(writer.append([512], commit: 10, term: 5), store)
        try save(8, store)
        _ = try store.release(before: snapshot.index, keeping: 1)
        try write(writer.append([60, 61, 62], commit: 11), store)
        try store.close()
    }

    private mutating func write(_ batch: WALBatch, _ store: WALStore) throws(WALError) {
        store.add(batch)
        try store.commit()
        // A commit index alone is not promised to survive.
        if !batch.entries.isEmpty { writer.acknowledge() }
        try store.maintain()
    }

    private mutating func save(_ index: UInt64, _ store: WALStore) throws(WALError) {
        let snapshot = WALSnapshot(
            index: LogIndex(index), term: writer.content.entries[Int(index) - 1].term,
            confState: ConfState(voters: [LogWriter.member]))
        try store.save(snapshot)
        self.snapshot = snapshot
        writer.acknowledge()
    }

    /// Opens what is left; every acknowledged record must be there, and nothing never written.
    func checkRecovery(_ comment: String) throws {
        let opened: (store: WALStore, recovery: WALRecovery)
        do throws(WALError) {
            opened = try WALStore.open(configuration, from: .newestSnapshot(notAfter: LogIndex(8)))
        } catch {
            guard case .notFound = error else { throw error }
            #expect(writer.acknowledged == 1, "an acknowledged log is gone: \(comment)")
            // Made anew, whatever a crash has left of the first attempt.
            let (store, _) = try WALStore.create(configuration, LogWriter.metadata)
            try store.close()
            return
        }
        let recovery = opened.recovery
        #expect(recovery.snapshot.index >= snapshot.index, "\(comment)")
        let place = writer.place(of: recovery)
        #expect(place.map { $0 >= writer.acknowledged - 1 } == true, "\(comment): \(recovery)")

        // The log goes on where it was.
        let last = recovery.entries.last?.index ?? recovery.snapshot.index
        let term = max(recovery.hardState.term, Term(1))
        let next = [
            Entry(term: term, index: last.next, data: [1]), Entry(term: term, index: last + 2),
        ]
        opened.store.add(WALBatch(entries: next, hardState: nil))
        try opened.store.commit()
        try opened.store.maintain()
        try opened.store.close()
        let (store, again) = try WALStore.open(
            configuration, from: .newestSnapshot(notAfter: LogIndex(8)))
        #expect(again.entries == recovery.entries + next, "\(comment)")
        #expect(again.repair == nil, "\(comment)")
        try store.close()
    }
}

@Suite("WAL: crashes")
struct WALCrashTests {
    /// How many changes of the disk a whole life makes.
    static func changes() throws -> Int {
        let disk = SimulatedDisk()
        disk.changesUntilPowerFails = .max
        var life = WALLife(on: disk)
        try life.live()
        return Int.max - (disk.changesUntilPowerFails ?? 0)
    }

    /// A life whose disk did so many changes and then no more.
    static func life(stoppedAfter step: Int, seed: UInt64) -> WALLife {
        let disk = SimulatedDisk(seed: seed)
        disk.changesUntilPowerFails = step
        var life = WALLife(on: disk)
        #expect(throws: WALError.self) { try life.live() }
        return life
    }

    @Test("Power fails after any step: what was acknowledged is there", arguments: 1...12)
    func powerFails(seed: UInt64) throws {
        for step in 0..<(try Self.changes()) {
            let life = Self.life(stoppedAfter: step, seed: seed &* 1000 &+ UInt64(step))
            life.disk.crash()
            try life.checkRecovery("seed \(seed), step \(step)")
        }
    }

    @Test("The process is killed after any step: what was written is there")
    func killed() throws {
        for step in 0..<(try Self.changes()) {
            let life = Self.life(stoppedAfter: step, seed: UInt64(step))
            life.disk.kill()
            try life.checkRecovery("step \(step)")
        }
    }

    /// Opened, and the process killed before it did anything more.
    private static func read(_ life: WALLife) throws(WALError) -> WALRecovery? {
        do throws(WALError) {
            let start = WALStart.newestSnapshot(notAfter: LogIndex(8))
            let (store, recovery) = try WALStore.open(life.configuration, from: start)
            return withExtendedLifetime(store) { recovery }
        } catch {
            guard case .notFound = error else { throw error }
            return nil
        }
    }

    @Test("What a log was opened with survives power: it may have been promised to others since")
    func killedThenPowerFails() throws {
        for step in 0..<(try Self.changes()) {
            let life = Self.life(stoppedAfter: step, seed: UInt64(step))
            life.disk.kill()
            let read = try Self.read(life)
            life.disk.crash()
            let left = try Self.read(life)
            #expect(left?.entries == read?.entries, "step \(step)")
            #expect(left?.hardState == read?.hardState, "step \(step)")
            #expect(left?.newestSnapshot == read?.newestSnapshot, "step \(step)")
        }
    }

    @Test("A failed sync is no loss once the log was opened again, though Linux has forgotten it")
    func failedSyncThenPowerFails() throws {
        var failed = 0
        for number in 0..<40 {
            let disk = SimulatedDisk(seed: UInt64(number))
            var syncs = 0
            disk.fault = { operation, _ in
                guard operation == .sync else { return nil }
                syncs += 1
                return syncs == number + 1 ? EIO : nil
            }
            var life = WALLife(on: disk)
            do throws(WALError) { try life.live() } catch { failed += 1 }
            disk.kill()
            let read = try Self.read(life)
            disk.crash()
            let left = try Self.read(life)
            #expect(left?.entries == read?.entries, "sync \(number)")
            #expect(left?.hardState == read?.hardState, "sync \(number)")
        }
        #expect(failed > 15)
    }

    /// A commit index alone is written and not synced, so it may be lost with a later sync that
    /// fails, wherever a sector begins.
    @Test("A state that no sync is proven of is written again, whatever stands behind it")
    func stateBetweenEntries() throws {
        for size in stride(from: 0, to: 520, by: 4) {
            let disk = SimulatedDisk(seed: UInt64(size))
            var writer = LogWriter()
            let configuration = WALConfiguration.small(disk)
            let (store, _) = try WALStore.create(configuration, LogWriter.metadata)
            for batch in [
                writer.append([40], term: 1), writer.append([300 + size]),
                writer.append([], commit: 1),
            ] {
                store.add(batch)
                try store.commit()
            }
            disk.fault = { operation, _ in operation == .sync ? EIO : nil }
            store.add(writer.append([600]))
            #expect(throws: WALError.self) { try store.commit() }
            disk.kill()
            let start = WALStart.snapshot(.zero, .zero)
            let read = try WALStore.open(configuration, from: start).1
            disk.crash()
            let left = try WALStore.open(configuration, from: start).1
            #expect(read.entries.count == 3 && read.hardState.commit == LogIndex(1))
            #expect(left.entries == read.entries, "size \(size)")
            #expect(left.hardState == read.hardState, "size \(size)")
        }
    }

    @Test("A life without a crash is read back whole, from its newest snapshot")
    func undisturbed() throws {
        let disk = SimulatedDisk()
        var life = WALLife(on: disk)
        try life.live()
        disk.crash()
        let (store, recovery) = try WALStore.open(
            life.configuration, from: .snapshot(LogIndex(8), Term(3)))
        #expect(recovery.entries.first?.index == LogIndex(9))
        #expect(recovery.entries.last?.index == LogIndex(14))
        #expect(recovery.hardState == life.writer.content.state)
        #expect(recovery.snapshot.confState == ConfState(voters: [LogWriter.member]))
        #expect(store.segments.first.map { $0.sequence > 0 } == true, "segments were released")
        #expect(store.segments[0].firstIndex <= LogIndex(8))
        try store.close()
    }

    @Test("Opening asks for a snapshot record that is there, of the right term")
    func wrongStart() throws {
        let disk = SimulatedDisk()
        var life = WALLife(on: disk)
        try life.live()
        #expect(
            throws: WALError.snapshotMismatch(
                directory: "data/wal", wanted: LogIndex(8), found: Term(3))
        ) {
            _ = try WALStore.open(life.configuration, from: .snapshot(LogIndex(8), Term(4)))
        }
        for start in [
            WALStart.snapshot(LogIndex(9), Term(3)), .snapshot(.zero, .zero),
            .newestSnapshot(notAfter: LogIndex(4)),
        ] {
            do {
                _ = try WALStore.open(life.configuration, from: start)
                Issue.record("opened from \(start)")
            } catch {
                guard case .snapshotNotFound = wal(error) else {
                    Issue.record("\(start): \(error)")
                    continue
                }
            }
        }
    }

    @Test("Nothing that recovery needs is released, and as many segments as asked for stay")
    func release() throws {
        let disk = SimulatedDisk()
        var writer = LogWriter()
        let (store, _) = try WALStore.create(.small(disk, segment: 1024), LogWriter.metadata)
        while store.segments.count < 6 {
            store.add(writer.append([600, 600], commit: UInt64(writer.content.entries.count)))
            try store.commit()
            try store.maintain()
        }
        #expect(throws: WALError.releasePastSnapshot(LogIndex(1), newest: .zero)) {
            _ = try store.release(before: LogIndex(1), keeping: 1)
        }
        let index = store.segments[4].firstIndex.previous
        try store.save(WALSnapshot(index: index, term: Term(1), confState: nil))
        #expect(try store.release(before: index, keeping: 5) == 1)
        #expect(try store.release(before: index, keeping: 1) == 2)
        #expect(store.segments.count == 3)
        #expect(try store.release(before: index, keeping: 1) == 0)
        try store.close()
        let (again, recovery) = try WALStore.open(
            .small(disk, segment: 1024), from: .snapshot(index, Term(1)))
        #expect(recovery.entries.first?.index == index.next)
        #expect(recovery.entries.last?.index == writer.content.entries.last?.index)
        try again.close()
    }

    /// The simulator found this one: the record of place 271 stood first in the oldest segment left,
    /// and entry 272 had gone with the segment before.
    @Test("A record whose next entry was released is no start, and later records are")
    func recordBehindItsSegment() throws {
        let disk = SimulatedDisk()
        let configuration = WALConfiguration.small(disk, segment: 1024)
        var writer = LogWriter()
        let (store, _) = try WALStore.create(configuration, LogWriter.metadata)
        func fill(_ segments: Int) throws {
            while store.segments.count < segments {
                store.add(writer.append([300], commit: UInt64(writer.content.entries.count)))
                try store.commit()
                try store.maintain()
            }
        }
        try fill(2)
        let early = store.segments[1].firstIndex.previous.previous
        try store.save(WALSnapshot(index: early, term: Term(1), confState: nil))
        try fill(4)
        let late = store.segments[3].firstIndex.previous
        try store.save(WALSnapshot(index: late, term: Term(1), confState: nil))
        #expect(try store.release(before: late, keeping: 3) == 1)
        store.add(writer.append([10], commit: UInt64(writer.content.entries.count)))
        try store.commit()
        try store.close()

        #expect(throws: WALError.self) {
            _ = try WALStore.open(configuration, from: .newestSnapshot(notAfter: late.previous))
        }
        let (again, recovery) = try WALStore.open(
            configuration, from: .newestSnapshot(notAfter: late))
        #expect(recovery.snapshot.index == late)
        #expect(recovery.entries.map(\.index) == [late.next])
        try again.close()
    }

    @Test("A snapshot ahead of the log, and entries on both sides of it, are read back")
    func snapshotAhead() throws {
        let disk = SimulatedDisk()
        func entries(_ range: ClosedRange<UInt64>) -> [Entry] {
            range.map { Entry(term: Term(2), index: LogIndex($0), data: [1]) }
        }
        let (store, _) = try WALStore.create(.small(disk), LogWriter.metadata)
        let state = HardState(term: Term(2), vote: LogWriter.member, commit: LogIndex(2))
        store.add(WALBatch(entries: entries(1...3), hardState: state))
        try store.save(WALSnapshot(index: LogIndex(10), term: Term(2), confState: nil))
        // Late, and covered by the snapshot; then what goes on behind it.
        store.add(WALBatch(entries: entries(4...5), hardState: nil))
        let next = HardState(term: Term(2), vote: LogWriter.member, commit: LogIndex(10))
        store.add(WALBatch(entries: entries(11...12), hardState: next))
        try store.commit()
        try store.close()

        let (again, recovery) = try WALStore.open(
            .small(disk), from: .newestSnapshot(notAfter: LogIndex(10)))
        #expect(recovery.snapshot.index == LogIndex(10))
        #expect(recovery.entries == entries(11...12))
        #expect(recovery.hardState == next)
        try again.close()
        // A backend that is not that far needs entries that are not there.
        #expect(throws: WALError.snapshotNotFound(directory: "data/wal", wanted: LogIndex(9))) {
            _ = try WALStore.open(.small(disk), from: .newestSnapshot(notAfter: LogIndex(9)))
        }
    }

    @Test("A leader's snapshot voids a log that is longer, but another one")
    func snapshotOfAnotherLog() throws {
        let disk = SimulatedDisk()
        func entries(_ range: ClosedRange<UInt64>, term: UInt64) -> [Entry] {
            range.map { Entry(term: Term(term), index: LogIndex($0), data: [1]) }
        }
        let (store, _) = try WALStore.create(.small(disk), LogWriter.metadata)
        let old = HardState(term: Term(2), vote: LogWriter.member, commit: LogIndex(2))
        store.add(WALBatch(entries: entries(1...9, term: 2), hardState: old))
        try store.save(WALSnapshot(index: LogIndex(6), term: Term(4), confState: nil))
        let new = HardState(term: Term(4), vote: .none, commit: LogIndex(6))
        store.add(WALBatch(entries: [], hardState: new))
        try store.commit()
        try store.close()

        let (again, recovery) = try WALStore.open(
            .small(disk), from: .newestSnapshot(notAfter: LogIndex(6)))
        #expect(recovery.snapshot.index == LogIndex(6))
        #expect(recovery.entries.isEmpty)
        #expect(recovery.hardState == new)
        again.add(WALBatch(entries: entries(7...8, term: 4), hardState: nil))
        try again.commit()
        try again.close()
        let (last, reopened) = try WALStore.open(
            .small(disk), from: .newestSnapshot(notAfter: LogIndex(6)))
        #expect(reopened.entries == entries(7...8, term: 4))
        try last.close()
    }
}

// Compactions and hashes against the twin: any order of slices, commits, readers and crashes.

import API
import Testing

@testable import Storage

/// The twin's records as compactions leave them, and hashes by their definition.
private struct RecordsTwin {
    struct Record: Equatable {
        let key: RecordKey
        let userKey: [UInt8]
        let encoded: [UInt8]
    }
    var twin = Twin()
    private(set) var records: [Record] = []
    private(set) var compacted: Int64 = -1
    /// As finished compactions leave them behind.
    var hashes: [Int64: KeyValueHash] = [:]

    mutating func apply(_ operations: [Operation]) {
        let before = twin.changes.count
        twin.apply(operations)
        for (sub, change) in twin.changes[before...].enumerated() {
            let place = RevisionPosition(main: Revision(change.main), sub: Int64(sub))
            var buffer = ByteBuffer()
            if let pair = change.pair {
                pair.append(to: &buffer)
            } else {
                change.key.withUnsafeBytes { buffer.appendTombstone(key: $0) }
            }
            records.append(
                Record(
                    key: RecordKey(place, isTombstone: change.pair == nil), userKey: change.key,
                    encoded: buffer.array))
        }
    }

    /// Reference: ondisk.md, "Compaction at R".
    mutating func compact(_ revision: Int64, leavesHash: Bool) {
        if leavesHash { hashes[revision] = hash(at: revision, takesKept: true) }
        compacted = revision
        let newest = newest(at: revision)
        records.removeAll { record in
            let main = record.key.position.main.rawValue
            if main > revision { return false }
            if newest[record.userKey] != record.key { return true }
            return record.key.isTombstone && main < revision
        }
    }

    private func newest(at revision: Int64) -> [[UInt8]: RecordKey] {
        var newest: [[UInt8]: RecordKey] = [:]
        for record in records where record.key.position.main.rawValue <= revision {
            newest[record.userKey] = record.key
        }
        return newest
    }

    /// Reference: semantics.md, HashKV.
    /// - Parameter takesKept: a deletion at the revision counts as kept, as in a compaction.
    func hash(at revision: Int64, takesKept: Bool = false) -> KeyValueHash {
        let keep = newest(at: revision).values.filter {
            !$0.isTombstone || takesKept && $0.position.main.rawValue == revision
        }
        var crc = NaiveCRC()
        crc.add(Array("key".utf8))
        for record in records {
            let main = record.key.position.main.rawValue
            if main > revision { continue }
            if main <= compacted, !keep.isEmpty, !keep.contains(record.key) { continue }
            if main == compacted, record.key.isTombstone { continue }
            crc.add(record.key.encoded)
            crc.add(record.encoded)
        }
        return KeyValueHash(
            value: ~crc.state, revision: Revision(revision), compacted: Revision(compacted))
    }
}

/// CRC-32C, bit by bit.
private struct NaiveCRC {
    var state: UInt32 = ~0
    mutating func add(_ bytes: [UInt8]) {
        for byte in bytes {
            state ^= UInt32(byte)
            for _ in 0..<8 { state = state & 1 == 1 ? state >> 1 ^ 0x82F6_3B78 : state >> 1 }
        }
    }
}

extension Pair {
    fileprivate func append(to buffer: inout ByteBuffer) {
        key.withUnsafeBytes { key in
            value.withUnsafeBytes { value in
                buffer.appendKeyValue(
                    KeyValueView(
                        key: key, createRevision: Revision(created),
                        modRevision: Revision(modified), version: version, value: value,
                        lease: LeaseID(lease)))
            }
        }
    }
}

/// One run: what was done to both, so that a crash can be made good.
private final class Run {
    enum Entry {
        case change([Operation])
        case compact(Int64)
    }
    /// A hash that was asked for, and what it should be.
    final class Asked: @unchecked Sendable {
        let expected: KeyValueHash
        var found: Result<KeyValueHash, StoreError>?
        init(_ expected: KeyValueHash) { self.expected = expected }
    }

    let harness: StoreHarness
    var dice: Dice
    var model = RecordsTwin()
    var log: [Entry] = []
    var pins: [Int64] = []
    var asked: [Asked] = []

    init(seed: UInt64) throws {
        dice = Dice(state: seed)
        harness = try StoreHarness {
            $0.batchLimit = 40
            $0.sliceRecords = 3
            $0.deletionLimit = 4
        }
    }

    func step() throws {
        switch Int.random(in: 0..<24, using: &dice) {
        case 0: harness.startCommit()
        case 1: harness.finishCommits()
        case 2...5: for _ in 0..<Int.random(in: 1...4, using: &dice) { harness.disk.runOne() }
        case 6...10: for _ in 0..<Int.random(in: 1...9, using: &dice) { harness.core.runOne() }
        case 11: try crash()
        case 12: try pin()
        case 13, 14: unpin()
        case 15, 16: try compact()
        case 17: try askForHash()
        default:
            let operations = (0..<Int.random(in: 1...3, using: &dice)).map { _ in
                dice.operation()
            }
            log.append(.change(operations))
            model.apply(operations)
            try apply(log[log.count - 1])
        }
        try read()
    }

    private func apply(_ entry: Entry) throws {
        try harness.apply { store in
            switch entry {
            case .compact(let revision): try store.compact(to: Revision(revision))
            case .change(let operations):
                for operation in operations { try store.perform(operation) }
            }
        }
    }

    private func compact() throws {
        let revision = Int64.random(
            in: max(model.compacted, model.twin.revision - 9)...model.twin.revision, using: &dice)
        guard revision > model.compacted else { return }
        let isFirst = harness.read { $0.compactions.job == nil }
        log.append(.compact(revision))
        try apply(log[log.count - 1])
        model.compact(revision, leavesHash: isFirst)
    }

    private func crash() throws {
        // Whoever asked before is not answered any more.
        for hash in asked { check(hash, mustBeThere: false) }
        (asked, pins, model.hashes) = ([], [], [:])
        try harness.crash()
        harness.read { $0.resumeCompaction() }
        for lost in log[Int(harness.lastIndex.rawValue)...] {
            let isFirst = harness.read { $0.compactions.job == nil }
            try apply(lost)
            // Hashes of what is applied again are left again; which, depends on the past.
            if case .compact(let revision) = lost, isFirst { unknown.insert(revision) }
        }
    }
    private var unknown: Set<Int64> = []

    private func pin() throws {
        guard model.compacted < model.twin.revision else { return }
        let revision = Int64.random(
            in: max(0, model.compacted)...model.twin.revision, using: &dice)
        try harness.read { try $0.pin(Revision(revision)) }
        pins.append(revision)
    }

    private func unpin() {
        guard let place = pins.indices.randomElement(using: &dice) else { return }
        let revision = pins.remove(at: place)
        harness.read { $0.unpin(Revision(revision)) }
    }

    private func askForHash() throws {
        let revision = Int64.random(
            in: max(1, model.compacted)...model.twin.revision, using: &dice)
        if unknown.contains(revision) { return }
        var expected = model.hash(at: revision)
        let isStored = harness.read { store in
            store.compactions.hashes.contains { $0.revision.rawValue == revision }
        }
        if isStored { expected = try #require(model.hashes[revision]) }
        // With no key there, what counts hangs on how far the deletions are.
        if model.twin.state(at: revision).isEmpty { return }
        let hash = Asked(expected)
        try harness.read { try $0.hash(at: Revision(revision)) { hash.found = $0 } }
        asked.append(hash)
    }

    private func check(_ hash: Asked, mustBeThere: Bool = true) {
        if hash.found == nil && !mustBeThere { return }
        #expect(hash.found == .success(hash.expected))
    }

    /// Every revision that may be read reads as it was; others are refused.
    private func read() throws {
        let revision = pins.randomElement(using: &dice) ?? model.twin.revision
        var query = RangeQuery(revision: Revision(revision))
        query.isPinned = pins.contains(revision)
        let all = KeyRange(key: [0], end: .open)
        let pairs = try harness.read { try $0.pairs(all, query).pairs }
        #expect(pairs == model.twin.state(at: revision))
        let old = model.compacted - 1
        guard old >= 0 else { return }
        #expect(throws: StoreError.compacted(oldest: Revision(model.compacted))) {
            try harness.read { try $0.pairs(all, RangeQuery(revision: Revision(old))) }
        }
    }

    /// Readers go, all work is done: now the file is as etcd's would be.
    func finish() throws {
        while !pins.isEmpty { unpin() }
        harness.commit()
        for hash in asked { check(hash) }
        asked = []
        #expect(harness.read { $0.compactions.job == nil && $0.pins.oldest == nil })
        try compareRecords()
        try harness.read { try $0.index.checkInvariants() }
        if model.compacted >= 0 {
            #expect(try harness.meta(MetaKey.finishedCompaction) == model.compacted)
        }
    }

    private func compareRecords() throws {
        let found = try harness.read { store in
            var found: [RecordsTwin.Record] = []
            try store.forEachRecord(from: RevisionPosition(main: Revision(0), sub: 0)) {
                found.append(
                    RecordsTwin.Record(
                        key: $0.key, userKey: [UInt8]($0.userKey), encoded: [UInt8]($0.encoded)))
                return true
            }
            return found
        }
        #expect(found == model.records)
    }
}

@Suite("Compactions and hashes agree with a twin that does them at once")
struct StoreCompactionModelTests {
    @Test("whatever slices, commits, readers and crashes come between", arguments: UInt64(1)...16)
    func agrees(seed: UInt64) throws {
        let run = try Run(seed: seed)
        for round in 0..<300 {
            try run.step()
            if round % 60 == 59 { try run.finish() }
        }
        try run.finish()
        try run.harness.finishAndReopen()
        try run.finish()
    }
}

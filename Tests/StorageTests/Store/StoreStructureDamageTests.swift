// Damage to what LMDB keeps besides records, which has no checksums.

import API
import Foundation
import TestSupport
import Testing

@testable import Storage

@Suite("A bit that flipped in LMDB's own structures")
struct StoreStructureDamageTests {
    // MARK: Tables

    @Test("Tables that a page of the main table seems not to have are not missing")
    func hiddenTables() throws {
        for hasChecksums in [true, false] {
            let harness = try filledStore()
            let path = harness.configuration.path
            harness.crashLeavingFile()
            if !hasChecksums { try StoreFile(path).makeOld() }
            let place = try #require(try StoreFile(path).places().first { $0.table.isEmpty })
            #expect(StoreFile(path).hideRecords(besideRecordAt: place.keyOffset) > 0)
            let damaged = try Data(contentsOf: URL(fileURLWithPath: path))
            let error = #expect(throws: StoreError.self) {
                try StoreHarness(in: harness.directory)
            }
            #expect("\(String(describing: error))".contains("tables"))
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == damaged)
        }
    }

    @Test("Tables that no version made together are damage, and none are only in a new file")
    func tablesOfNoVersion() throws {
        let known = Table.allCases.map(\.name)
        func contents(_ names: [String], isUntouched: Bool = false) throws -> FileFormat.Contents {
            try FileFormat.contents(names, isUntouched: isUntouched, at: "file")
        }
        #expect(try contents(known) == .records(haveChecksums: false))
        #expect(try contents(known + [FileFormat.mark]) == .records(haveChecksums: true))
        #expect(try contents([], isUntouched: true) == .nothing)
        for names in [[], [FileFormat.mark], Array(known.dropLast()), known + ["checksums.2"]] {
            let error = #expect(throws: BackendError.self) { try contents(names) }
            #expect(error?.kind == .damaged)
        }
    }

    // MARK: Records that a page hides

    /// Of many pages: more than a chunk of a snapshot, a commit of a conversion, a slice of a hash.
    private func largeStore() throws -> StoreHarness {
        let harness = try StoreHarness { $0.sliceRecords = 100 }
        try harness.apply { store in
            for number in 0..<1000 {
                _ = try store.put("k\(number)", String(repeating: "v", count: 500))
            }
            store.setConfState(ConfState(voters: [MemberID(1)]))
        }
        harness.commit()
        return harness
    }

    private func hideSome(of harness: StoreHarness) throws {
        let records = try places(harness).filter { $0.table == "key" }
        let place = records[records.count / 2].keyOffset
        #expect(
            StoreFile(harness.configuration.path).hideRecords(besideRecordAt: place) > 0)
    }

    @Test("Records that a page seems not to have any more are not left out of a snapshot")
    func hiddenFromSnapshot() throws {
        let harness = try largeStore()
        #expect(try harness.snapshot().chunks.count > 1)
        try hideSome(of: harness)
        guard case .failed(.store(let error))? = try harness.spooled().events.last else {
            Issue.record("a snapshot that lacks records")
            return
        }
        #expect(isDamage(error) && "\(error)".contains("of its 1000 records"))
    }

    @Test("Records that a page seems not to have any more are not left out of a hash")
    func hiddenFromHash() throws {
        let harness = try largeStore()
        try hideSome(of: harness)
        let answers = Answers<Result<UInt32, StoreError>>()
        try harness.read { try $0.hashOfAllTables { answers.all.append($0) } }
        harness.finishCommits()
        #expect(isDamage(failureAnswered(answers)))
    }

    @Test("Records that a page seems not to have any more are not left out of a new file")
    func hiddenFromConversion() throws {
        let harness = try StoreHarness()
        for number in 0..<12 {
            try harness.apply {
                _ = try $0.put("k\(number)", String(repeating: "v", count: 1 << 20))
            }
        }
        // The last page, which a commit of its own begins with.
        for number in 0..<100 { try harness.apply { _ = try $0.put("s\(number)", "v") } }
        harness.commit()
        harness.crashLeavingFile()
        let path = harness.configuration.path
        try StoreFile(path).makeOld()
        let last = try #require(try places(harness).last { $0.table == "key" })
        #expect(StoreFile(path).hideRecords(besideRecordAt: last.keyOffset) > 0)
        let error = #expect(throws: StoreError.self) { try StoreHarness(in: harness.directory) }
        #expect("\(String(describing: error))".contains("of its 112 records"))
        #expect(try !StoreFile(path).hasChecksums)
    }

    // MARK: A record's place

    /// Two small records, and two that have pages of their own. The last of these are at the
    /// file's end: LMDB looks for the others up to 64 KiB from where they are, and behind the end
    /// there is nothing.
    private func storeWithLargeValues() throws -> StoreHarness {
        let harness = try StoreHarness()
        for (key, count) in [("a", 10), ("b", 10_000), ("c", 10), ("d", 200_000)] {
            try harness.apply { _ = try $0.put(key, String(repeating: "v", count: count)) }
        }
        harness.commit()
        return harness
    }

    /// Bits of the file by which LMDB finds the record: its node's header, in a page, or with the
    /// number of its page and that page's header (mdb.c, MDB_node, MDB_page).
    private func headers(of place: StoredPlace) -> [Int] {
        let node = Array(place.keyOffset - 8..<place.keyOffset)
        guard place.value.count > 4096 else { return node }
        let keyEnd = place.keyOffset + place.key.count
        let page = place.valueOffset - 16
        return node + Array(keyEnd..<keyEnd + 8) + Array(page + 10..<page + 16)
    }

    /// F_DUPDATA: LMDB looks for what only tables have that keep more than one value of a key, and
    /// the process ends by a signal.
    private static let duplicates = 2

    @Test(
        "in the place or the size of a record is found by a start or does no harm",
        arguments: [true, false])
    func place(hasChecksums: Bool) throws {
        let story = try storeWithLargeValues()
        let path = story.configuration.path
        let expected = try story.table(.key)
        story.crashLeavingFile()
        if !hasChecksums { try StoreFile(path).makeOld() }
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        var refused = 0
        for place in try StoreFile(path).places() where place.table == "key" {
            for offset in headers(of: place) {
                for bit in 0..<8 where offset != place.keyOffset - 4 || bit != Self.duplicates {
                    try whole.write(to: URL(fileURLWithPath: path))
                    StoreFile(path).flip(bit: bit, at: offset)
                    do {
                        let harness = try StoreHarness(in: story.directory)
                        let found = try harness.table(.key)
                        // Without checksums nobody knows of a value that ends early.
                        #expect(!hasChecksums || found == expected, "bit \(bit) at \(offset)")
                        harness.crashLeavingFile()
                    } catch {
                        #expect(isDamage(error), "\(error)")
                        refused += 1
                    }
                }
            }
        }
        #expect(refused > 200)
    }

    @Test("in the size of a record is found by a read", arguments: ["a", "b"])
    func size(_ key: String) throws {
        let harness = try storeWithLargeValues()
        let told = Locked(0)
        harness.read { $0.observeDamage { _ in told.withLock { $0 += 1 } } }
        let revision = RecordKey(RevisionPosition(main: Revision(key == "a" ? 2 : 3), sub: 0))
        let place = try #require(try places(harness).first { $0.key == revision.encoded })
        StoreFile(harness.configuration.path).flip(bit: 7, at: place.keyOffset - 5)
        let error = #expect(throws: StoreError.self) {
            try harness.read { try $0.pairs(KeyRange(key)) }
        }
        #expect(isDamage(error) && "\(String(describing: error))".contains("outside of its page"))
        #expect(told.withLock { $0 } == 1)
    }

    @Test("in the length of a list of free pages is found, or some stay unused")
    func freeList() throws {
        let harness = try storeWithLargeValues()
        for _ in 0..<5 {
            try harness.apply { _ = try $0.put("b", String(repeating: "b", count: 10_000)) }
            harness.commit()
        }
        let size = try harness.read { try $0.records.environment.size() }
        let path = harness.configuration.path
        harness.crashLeavingFile()
        let list = try #require(try StoreFile(path).freeLists().first)
        for bit in 0..<64 {
            func flip() { StoreFile(path).flip(bit: bit % 8, at: list.valueOffset + bit / 8) }
            flip()
            defer { flip() }
            do {
                let found = try Environment(path: path, mapBytes: 1 << 30).size()
                #expect(found.inUse >= size.inUse, "bit \(bit)")
            } catch {
                #expect(error.kind == .damaged, "\(error)")
            }
        }
    }

    // MARK: What LMDB finds itself

    @Test("by which LMDB ends the process is said first, with what to do")
    func assertion() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
        {
            let harness = try manyPages()
            let records = try places(harness).filter { $0.table == "key" }
            let page = records[records.count / 2].keyOffset / 4096 * 4096
            try harness.crash { path in
                StoreFile(path).flip(bit: 1, at: page + 10)  // P_LEAF
            }
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains("cairn.mdb") && said.contains("add it again with an empty data"))
    }

    @Test("by which LMDB ends the process is told to whoever stops the member")
    func assertionWhileRunning() async {
        let result = await #expect(
            processExitsWith: .exitCode(17), observing: [\.standardErrorContent]
        ) {
            let harness = try manyPages()
            harness.read { store in
                store.observeDamage { error in
                    say("told: \(error)")
                    exit(17)
                }
            }
            let records = try places(harness).filter { $0.table == "key" }
            let page = records[records.count / 2].keyOffset / 4096 * 4096
            StoreFile(harness.configuration.path).flip(bit: 1, at: page + 10)  // P_LEAF
            _ = try harness.table(.key)
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains("told: ") && said.contains("add it again with an empty data"))
    }

    /// Flips a bit of the page's number of the record, or table, with pages of its own at `place`.
    private func moveAway(_ offset: Int, in harness: StoreHarness) {
        StoreFile(harness.configuration.path).flip(bit: 0, at: offset + 4)
    }

    @Test("by which a file cannot be copied is told by a defragmentation")
    func defragmentation() throws {
        let harness = try storeWithLargeValues()
        let told = Locked<[StoreError]>([])
        harness.read { store in
            store.observeDamage { error in told.withLock { $0.append(error) } }
        }
        let large = try #require(try places(harness).first { $0.value.count > 10_000 })
        moveAway(large.keyOffset + large.key.count, in: harness)
        let answers = Answers<Result<DefragmentationReport, StoreError>>()
        harness.read { $0.defragment { answers.all.append($0) } }
        harness.finishCommits()
        #expect(isDamage(failureAnswered(answers)))
        #expect(told.withLock { $0.count } == 1)
        #expect("\(told.withLock { $0 })".contains("add it again with an empty data directory"))
    }

    @Test("by which a commit fails is told too")
    func commit() throws {
        let harness = try filledStore()
        let told = Locked<[StoreError]>([])
        harness.read { store in
            store.observeDamage { error in told.withLock { $0.append(error) } }
        }
        let table = try #require(
            try places(harness).first { $0.table.isEmpty && $0.key == Array("alarm".utf8) })
        moveAway(table.valueOffset + 40, in: harness)  // MDB_db.md_root
        try harness.apply { try $0.write(.alarm, key: [1], value: [2]) }
        harness.read { $0.flush { #expect($0?.kind == .damaged, "\(String(describing: $0))") } }
        harness.finishCommits()
        #expect(told.withLock { $0.count } == 1)
        #expect("\(told.withLock { $0 })".contains("add it again with an empty data directory"))
    }
}

/// Of many pages.
private func manyPages() throws -> StoreHarness {
    let harness = try StoreHarness()
    try harness.apply { store in
        for number in 0..<200 {
            _ = try store.put("k\(number)", String(repeating: "v", count: 500))
        }
    }
    harness.commit()
    return harness
}

private func say(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
}

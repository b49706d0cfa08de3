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
}

// A file that is not as it was written: whoever reads it is told, and whoever runs the member too.

import API
import Foundation
import TestSupport
import Testing

@testable import Storage

/// Of a record, in the file: the first byte of its key, one of its value, one of its checksum.
private func offsets(of place: StoredPlace) -> [Int] {
    let end = place.valueOffset + place.value.count
    return [place.keyOffset, place.valueOffset, end - 1]
}

/// What a start reads.
private func readAll(_ harness: StoreHarness) throws {
    for table in Table.allCases { _ = try harness.table(table) }
}

@Suite("A bit that flipped in the store's file")
struct StoreDamageTests {
    @Test("is found by the next start, in every record of every table", arguments: Table.allCases)
    func atStart(_ table: Table) throws {
        let harness = try filledStore()
        let found = try places(harness).filter { $0.table == table.name }
        #expect(found.count >= 2)
        let file = StoreFile(harness.configuration.path)
        for (number, offset) in found.flatMap(offsets).enumerated() {
            let bit = number % 8
            let error = #expect(throws: StoreError.self) {
                do {
                    try harness.crash { _ in file.flip(bit: bit, at: offset) }
                    try readAll(harness)
                } catch {
                    // It must start again for the next.
                    file.flip(bit: bit, at: offset)
                    try harness.crash()
                    throw error
                }
            }
            guard case .backend(let failure) = error, failure.kind == .damaged else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(failure.reason.contains("table \(table.name)"))
            #expect(failure.reason.contains("does not match its checksum"))
            #expect(failure.reason.contains("add it again with an empty data directory"))
        }
        try readAll(harness)
    }

    @Test("in the name of a table is found too")
    func tableName() throws {
        let harness = try filledStore()
        let file = StoreFile(harness.configuration.path)
        let names = try places(harness).filter { $0.table.isEmpty }
        #expect(names.count == Table.allCases.count + 1)
        for name in names {
            #expect(throws: StoreError.self) {
                do { try harness.crash { _ in file.flip(bit: 0, at: name.keyOffset) } } catch {
                    file.flip(bit: 0, at: name.keyOffset)
                    try harness.crash()
                    #expect("\(error)".contains("it has a table"))
                    throw error
                }
            }
        }
    }

    @Test("in LMDB's count of a table's records is found by a start")
    func count() throws {
        let harness = try filledStore()
        let entries = 32  // of MDB_db, mdb.c: md_entries
        let place = try #require(
            try places(harness).first { $0.table.isEmpty && $0.key == Array("key".utf8) })
        let error = #expect(throws: StoreError.self) {
            try harness.crash {
                StoreFile($0).flip(bit: 1, at: place.valueOffset + entries)
            }
        }
        #expect("\(String(describing: error))".contains("table key has 7 of its 5 records"))
    }

    // MARK: Under a running member

    typealias Read = @Sendable (StoreHarness) throws -> (any Error)?
    struct Reader: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let read: Read
    }

    private static func failure(_ body: () throws -> Void) -> (any Error)? {
        do { try body() } catch { return error }
        return nil
    }

    static let readers: [Reader] = [
        Reader(testDescription: "a read of now") { harness in
            failure { _ = try harness.read { try $0.pairs(KeyRange("a")) } }
        },
        Reader(testDescription: "a read of a range") { harness in
            failure { _ = try harness.read { try $0.pairs(KeyRange("a..")) } }
        },
        Reader(testDescription: "a put that keeps the value") { harness in
            failure {
                _ = try harness.apply { try $0.put("a", "", lease: 1, keeping: [.value]) }
            }
        },
        Reader(testDescription: "a deletion that shows the pair") { harness in
            failure {
                _ = try harness.apply { try $0.delete(KeyRange("a"), wantsPairs: true) }
            }
        },
        Reader(testDescription: "a watcher of a key that reads the past") { harness in
            failure { try history(of: KeyRange("a"), harness) }
        },
        Reader(testDescription: "a watcher of a range that reads the past") { harness in
            failure { try history(of: KeyRange("a.."), harness) }
        },
        Reader(testDescription: "a hash of a revision") { harness in
            let answers = Answers<Result<KeyValueHash, StoreError>>()
            try harness.read { try $0.hash(at: nil) { answers.all.append($0) } }
            harness.finishCommits()
            return failureAnswered(answers)
        },
        Reader(testDescription: "a hash of all tables") { harness in
            let answers = Answers<Result<UInt32, StoreError>>()
            try harness.read { try $0.hashOfAllTables { answers.all.append($0) } }
            harness.finishCommits()
            return failureAnswered(answers)
        },
        Reader(testDescription: "a compaction") { harness in
            let answers = Answers<StoreError?>()
            try harness.apply { try $0.compact(to: $0.revision) }
            harness.read { $0.whenCompacted { answers.all.append($0) } }
            harness.finishCommits()
            return answers.last ?? nil
        },
        Reader(testDescription: "a snapshot for another member") { harness in
            let (_, events) = try harness.spooled()
            guard case .failed(.store(let error))? = events.last else { return nil }
            return error
        },
    ]

    private static func history(of keys: KeyRange, _ harness: StoreHarness) throws {
        try harness.read { store in
            try keys.withBounds { (bounds) throws(StoreError) in
                _ = try store.changes(of: bounds, from: Revision(2), budget: 100) { _ in true }
            }
        }
    }

    @Test("while the member runs is told to readers and to whoever stops it", arguments: readers)
    func whileRunning(_ reader: Reader) throws {
        let harness = try filledStore()
        let told = Locked<[StoreError]>([])
        harness.read { store in
            store.observeDamage { error in told.withLock { $0.append(error) } }
        }
        // The newest pair of a.
        let newest = RecordKey(RevisionPosition(main: Revision(4), sub: 0)).encoded
        let place = try #require(try places(harness).first { $0.key == newest })
        let file = StoreFile(harness.configuration.path)
        #expect(told.withLock { $0 }.isEmpty)
        file.flip(bit: 4, at: place.valueOffset + place.value.count - 5)
        let error = try reader.read(harness)
        #expect(isDamage(error), "\(String(describing: error))")
        #expect(told.withLock { $0.count } >= 1)
        #expect(told.withLock { $0 }.allSatisfy { "\($0)".contains("revision 4.0") })
        file.flip(bit: 4, at: place.valueOffset + place.value.count - 5)
    }

    @Test("is told of after a defragmentation, and after another member's state took the place")
    func afterAnotherFile() throws {
        let harness = try filledStore()
        let other = try filledStore()
        try other.apply { _ = try $0.put("a", "four") }
        let told = Locked<[StoreError]>([])
        harness.read { store in
            store.observeDamage { error in told.withLock { $0.append(error) } }
        }
        func flipNewest() throws {
            let place = try #require(try places(harness).last { $0.table == "key" })
            StoreFile(harness.configuration.path).flip(bit: 0, at: place.valueOffset)
        }
        harness.read { $0.defragment { _ in } }
        harness.finishCommits()
        try flipNewest()
        #expect(throws: StoreError.self) { try harness.table(.key) }
        #expect(told.withLock { $0.count } == 1)
        #expect(harness.install(try harness.receive(other.snapshot())) == nil)
        _ = try harness.table(.key)
        #expect(told.withLock { $0.count } == 1)
        try flipNewest()
        #expect(throws: StoreError.self) { try harness.table(.key) }
        #expect(told.withLock { $0.count } == 2)
    }

    @Test("A revision that the index knows and the file does not have is damage, not absence")
    func lostRecord() throws {
        let harness = try filledStore()
        let told = Locked<[StoreError]>([])
        harness.read { store in
            store.observeDamage { error in told.withLock { $0.append(error) } }
        }
        try harness.read { store in
            let transaction = try WriteTransaction(store.records.environment)
            try transaction.delete([RecordKey(RevisionPosition(main: Revision(4), sub: 0))])
            try transaction.commit()
            try store.records.finishCommit()
        }
        for read in [KeyRange("a"), KeyRange("a..")] {
            let error = #expect(throws: StoreError.self) {
                try harness.read { try $0.pairs(read) }
            }
            #expect(isDamage(error))
        }
        let error = #expect(throws: StoreError.self) {
            try Self.history(of: KeyRange("a"), harness)
        }
        #expect(isDamage(error))
        #expect(told.withLock { $0.count } == 3)
    }

    // MARK: Missing pages

    @Test("A file that was cut off is refused, with what it lacks", arguments: [1, 2, 5])
    func truncated(_ kept: Int) throws {
        let harness = try StoreHarness()
        for number in 0..<200 {
            try harness.apply { _ = try $0.put("k\(number)", String(repeating: "v", count: 500)) }
        }
        harness.commit()
        let error = #expect(throws: StoreError.self) {
            try harness.crash { path in
                let file = try #require(FileHandle(forUpdatingAtPath: path))
                let size = try file.seekToEnd()
                try file.truncate(atOffset: size * UInt64(kept) / 6 / 4096 * 4096)
            }
        }
        #expect("\(String(describing: error))".contains("bytes too short"))
    }

    /// LMDB counts pages at the end that a transaction has taken and freed again, and does not
    /// write them.
    @Test("A file that lacks nothing but a page that is free is whole")
    func unusedPages() throws {
        let harness = try filledStore()
        try harness.crash { path in
            let environment = try Environment(path: path, mapBytes: 1 << 30)
            func change(_ body: (borrowing WriteTransaction, UnsafeRawBufferPointer) throws -> Void)
                throws
            {
                let transaction = try WriteTransaction(environment)
                for key in 1...UInt8(200) {
                    try [key].withUnsafeBytes { try body(transaction, $0) }
                }
                try transaction.commit()
            }
            let value = [UInt8](repeating: 9, count: 500)
            try change { transaction, key in
                try value.withUnsafeBytes { try transaction.put(.alarm, key, $0) }
            }
            try change { try $0.delete(.alarm, $1) }
            // What the deletion has written at the end moves to pages that are free.
            for _ in 0..<6 {
                try change { transaction, key in
                    guard key[0] == 1 else { return }
                    for table in Table.allCases where table != .key && table != .meta {
                        try transaction.put(table, key, key)
                        try transaction.delete(table, key)
                    }
                }
            }
        }
        let expected = try Table.allCases.map { try harness.table($0) }
        try harness.crash { path in
            let file = try #require(FileHandle(forUpdatingAtPath: path))
            let size = try file.seekToEnd()
            try file.truncate(atOffset: size - 4096)
        }
        #expect(try Table.allCases.map { try harness.table($0) } == expected)
        try harness.apply { _ = try $0.put("z", String(repeating: "z", count: 200_000)) }
        try harness.finishAndReopen()
    }
}

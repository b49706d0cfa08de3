// Changes by age: whatever layer they lie in, in slices of any size.

import API
import Testing

@testable import Storage

@Suite("The history of a range")
struct StoreHistoryTests {
    private struct Change: Hashable, CustomStringConvertible {
        let main: Int64
        let sub: Int64
        let isDelete: Bool
        let key: String
        let value: String
        var description: String { "\(main).\(sub) \(key)\(isDelete ? " gone" : "=" + value)" }
    }

    /// Reads slice after slice.
    /// - Returns: the changes, and where each slice ended.
    private static func read(
        _ harness: StoreHarness, _ keys: KeyRange, from: Int64, budget: Int, enough: Int = .max
    ) throws -> (changes: [Change], ends: [Int64]) {
        var changes: [Change] = []
        var ends: [Int64] = []
        var next = Revision(from)
        let newest = harness.read { $0.revision }
        repeat {
            var slice: [Change] = []
            let from = next
            next = try harness.read { store in
                try keys.withBounds { (bounds) throws(StoreError) in
                    try store.changes(of: bounds, from: from, budget: budget) {
                        (change) throws(StoreError) in
                        let pair = Pair(change.encoded)
                        slice.append(
                            Change(
                                main: change.position.main.rawValue, sub: change.position.sub,
                                isDelete: change.isDelete,
                                key: String(decoding: change.key, as: UTF8.self),
                                value: String(decoding: pair.value, as: UTF8.self)))
                        return slice.count < enough
                    }
                }
            }
            changes += slice
            ends.append(next.rawValue)
        } while next <= newest
        return (changes, ends)
    }

    @Test("is the same whatever was committed, from every revision, in slices of any size")
    func layers() throws {
        let harness = try StoreHarness()
        var all: [Change] = []
        func put(_ keys: [String]) throws {
            let main = harness.read { $0.revision.rawValue } + 1
            try harness.apply { store in
                for key in keys { _ = try store.put(key, "v\(main)") }
            }
            for (sub, key) in keys.enumerated() {
                all.append(
                    Change(
                        main: main, sub: Int64(sub), isDelete: false, key: key, value: "v\(main)"))
            }
        }
        func delete(_ range: String, _ keys: [String]) throws {
            let main = harness.read { $0.revision.rawValue } + 1
            _ = try harness.apply { try $0.delete(KeyRange(range)) }
            for (sub, key) in keys.enumerated() {
                all.append(
                    Change(main: main, sub: Int64(sub), isDelete: true, key: key, value: ""))
            }
        }
        func check() throws {
            let newest = harness.read { $0.revision.rawValue }
            for (range, isIn) in [
                ("a", { $0 == "a" }), ("a..c", { $0 < "c" }), ("b..", { $0 >= "b" }),
            ] as [(String, (String) -> Bool)] {
                for from in 1...newest + 2 {
                    for budget in [1, 3, 1000] {
                        let read = try Self.read(
                            harness, KeyRange(range), from: from, budget: budget)
                        #expect(read.changes == all.filter { $0.main >= from && isIn($0.key) })
                        #expect(read.ends.last == max(newest + 1, from))
                    }
                }
            }
        }
        try put(["a", "b"])
        try delete("b", ["b"])
        try put(["c"])
        try check()
        harness.commit()  // the file
        try check()
        try put(["a"])
        try delete("a..d", ["a", "c"])
        harness.startCommit()  // a buffer in flight
        try put(["b", "a", "d"])
        try check()
        harness.finishCommits()
        try check()
        try harness.finishAndReopen()
        try check()
    }

    @Test("a slice ends between revisions, however small it is to be")
    func slices() throws {
        let harness = try StoreHarness()
        for _ in 0..<3 {
            try harness.apply { store in
                for key in ["a", "b", "c"] { _ = try store.put(key, "v") }
            }
        }
        let read = try Self.read(harness, KeyRange("a.."), from: 1, budget: 1)
        #expect(read.ends == [3, 4, 5])
        let enough = try Self.read(harness, KeyRange("a.."), from: 1, budget: 1000, enough: 1)
        #expect(enough.ends == [3, 4, 5] && enough.changes == read.changes)
        let elsewhere = try Self.read(harness, KeyRange("x.."), from: 1, budget: 4)
        #expect(elsewhere.ends == [4, 5], "records that do not count were looked at, too")
    }

    @Test("what was compacted is refused")
    func compacted() throws {
        let harness = try StoreHarness()
        for _ in 0..<4 { _ = try harness.apply { try $0.put("a", "v") } }
        try harness.apply { try $0.compact(to: Revision(3)) }
        harness.commit()
        #expect(throws: StoreError.compacted(oldest: Revision(3))) {
            _ = try Self.read(harness, KeyRange("a"), from: 2, budget: 10)
        }
        #expect(try Self.read(harness, KeyRange("a"), from: 3, budget: 10).changes.count == 3)
    }

    @Test("whoever observes is shown the changes of each entry as it is applied")
    func observer() throws {
        final class Observer: ChangeObserver, @unchecked Sendable {
            weak var store: MVCCStore?
            var seen: [String] = []
            func replaced(_ revision: Revision) {}
            func changed(_ revision: Revision, count: Int) {
                seen.append("\(revision.rawValue):")
                store?.assumeIsolated { store in
                    try? store.lastChanges(count) { change in
                        let key = String(decoding: change.key, as: UTF8.self)
                        seen.append(change.isDelete ? "-\(key)" : "+\(key)")
                    }
                }
            }
        }
        let harness = try StoreHarness()
        let observer = Observer()
        harness.read {
            observer.store = $0
            $0.observeChanges(observer)
        }
        try harness.apply { store in
            _ = try store.put("b", "1")
            _ = try store.put("a", "1")
        }
        _ = try harness.apply { try $0.delete(KeyRange("x")) }  // changes nothing
        _ = try harness.apply { try $0.delete(KeyRange("a..")) }
        harness.read { $0.observeChanges(nil) }
        _ = try harness.apply { try $0.put("c", "1") }
        #expect(observer.seen == ["2:", "+b", "+a", "3:", "-a", "-b"])
    }
}

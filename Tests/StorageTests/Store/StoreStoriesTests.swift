// The rules of semantics.md as stories. A pair reads `key=value created modified version [lease]`.

import API
import Foundation
import Testing

@testable import Storage

/// A script and where its records lie while it runs: a reader must not be able to tell.
struct StoreStory: Sendable, CustomTestStringConvertible {
    let title: String
    let script: String
    var testDescription: String { title }

    static let all: [StoreStory] = [
        StoreStory(
            title: "Revisions start at 1 and count changes only",
            script: """
                revision          -> 1
                put a 1           -> 2
                put b 1           -> 3
                del c             -> 0 at 3
                del c..x          -> 0 at 3
                del b..a          -> 0 at 3
                del a             -> 1 at 4
                del a             -> 0 at 4
                """),
        StoreStory(
            title: "A key keeps its creation and counts versions until it is deleted",
            script: """
                put a 1           -> 2
                put a 2           -> 3
                put a 2           -> 4
                get a             -> [a=2 2 4 3] of 1
                del a             -> 1 at 5
                get a             -> [] of 0
                put a 3           -> 6
                get a             -> [a=3 6 6 1] of 1
                """),
        StoreStory(
            title: "The past stays as it was",
            script: """
                put a 1           -> 2
                put b 1           -> 3
                put a 2           -> 4
                del b             -> 1 at 5
                get a.. @1        -> [] of 0
                get a.. @2        -> [a=1 2 2 1] of 1
                get a.. @3        -> [a=1 2 2 1, b=1 3 3 1] of 2
                get a.. @4        -> [a=2 2 4 2, b=1 3 3 1] of 2
                get a.. @5        -> [a=2 2 4 2] of 1
                get b @4          -> [b=1 3 3 1] of 1
                get b @5          -> [] of 0
                get a @6          -> future, newest 5
                get a.. @6        -> future, newest 5
                """),
        StoreStory(
            title: "Ranges: a key, an interval, everything from a key on, nothing",
            script: """
                put a 1           -> 2
                put ab 2          -> 3
                put b 3           -> 4
                put c 4           -> 5
                get a             -> [a=1 2 2 1] of 1
                get a..b          -> [a=1 2 2 1, ab=2 3 3 1] of 2
                get aa..c         -> [ab=2 3 3 1, b=3 4 4 1] of 2
                get b..           -> [b=3 4 4 1, c=4 5 5 1] of 2
                get b..b          -> [] of 0
                get c..a          -> [] of 0
                """),
        StoreStory(
            title: "A limit cuts the pairs, not the count, now and in the past",
            script: """
                put a 1           -> 2
                put b 2           -> 3
                put c 3           -> 4
                get a.. limit 2   -> [a=1 2 2 1, b=2 3 3 1] of 3 more
                get a.. limit 3   -> [a=1 2 2 1, b=2 3 3 1, c=3 4 4 1] of 3
                get a.. limit 9   -> [a=1 2 2 1, b=2 3 3 1, c=3 4 4 1] of 3
                get a.. @3 limit 1 -> [a=1 2 2 1] of 2 more
                get a.. @3 limit 2 -> [a=1 2 2 1, b=2 3 3 1] of 2
                count a..         -> 3
                count a.. limit 1 -> 3
                count a.. @3      -> 2
                count b           -> 1
                """),
        StoreStory(
            title: "Keys only: neither value nor lease",
            script: """
                put a 1 lease 5   -> 2
                put a 2 lease 5   -> 3
                keys a..          -> [a= 2 3 2] of 1
                keys a            -> [a= 2 3 2] of 1
                keys a @2         -> [a= 2 2 1] of 1
                """),
        StoreStory(
            title: "An empty value is a value",
            script: """
                put a ""          -> 2
                get a             -> [a= 2 2 1] of 1
                """),
        StoreStory(
            title: "A put names the lease anew, or keeps value or lease of a key that is there",
            script: """
                put a 1 lease 5   -> 2
                get a             -> [a=1 2 2 1 lease 5] of 1
                put a 2           -> 3
                get a             -> [a=2 2 3 2] of 1
                put a 3 lease -9  -> 4
                put a "" lease 6 keep value -> 5
                get a             -> [a=3 2 5 4 lease 6] of 1
                put a 4 keep lease -> 6
                get a             -> [a=4 2 6 5 lease 6] of 1
                put a "" keep both -> 7
                get a             -> [a=4 2 7 6 lease 6] of 1
                put z 1 keep value -> key not found
                put z 1 keep lease -> key not found
                revision          -> 7
                del a             -> 1 at 8
                put a 1 keep lease -> key not found
                """),
        StoreStory(
            title: "A delete shows what it deletes, in order of keys",
            script: """
                put b 2           -> 2
                put a 1           -> 3
                put c 3 lease 4   -> 4
                del a..c pairs    -> 2 at 5 [a=1 3 3 1, b=2 2 2 1]
                del a.. pairs     -> 1 at 6 [c=3 4 4 1 lease 4]
                del a pairs       -> 0 at 6 []
                get a.. @4        -> [a=1 3 3 1, b=2 2 2 1, c=3 4 4 1 lease 4] of 3
                """),
        StoreStory(
            title: "A put can show what it replaces",
            script: """
                put a 1 previous  -> 2 nothing
                put a 2 previous  -> 3 [a=1 2 2 1]
                del a             -> 1 at 4
                put a 3 previous  -> 5 nothing
                """),
    ]
}

/// What happens on disk after each line of a story.
enum Durability: CaseIterable, Sendable {
    case nothing, commitHeld, committed, crashedAfterCommit
}

@Suite("The store answers as semantics.md says, wherever its records lie")
struct StoreStoriesTests {
    @Test(arguments: StoreStory.all, Durability.allCases)
    func story(_ story: StoreStory, _ durability: Durability) throws {
        let harness = try StoreHarness()
        for line in story.script.split(separator: "\n") {
            let parts = line.components(separatedBy: "->").map { $0.trimmed }
            let answer = try run(parts[0].split(separator: " ").map(String.init), harness)
            #expect(answer == parts[1], "\(story.title): \(parts[0])")
            switch durability {
            case .nothing: break
            case .commitHeld:
                harness.finishCommits()
                harness.startCommit()
            case .committed: harness.commit()
            case .crashedAfterCommit: try harness.finishAndReopen()
            }
        }
    }

    private func run(_ words: [String], _ harness: StoreHarness) throws -> String {
        do {
            switch words[0] {
            case "revision": return "\(harness.read { $0.revision.rawValue })"
            case "put": return try put(words, harness)
            case "del": return try delete(words, harness)
            default: return try get(words, harness)
            }
        } catch StoreError.keyNotFound {
            return "key not found"
        } catch StoreError.futureRevision(let newest) {
            return "future, newest \(newest.rawValue)"
        }
    }

    private func put(_ words: [String], _ harness: StoreHarness) throws -> String {
        let kept: Kept =
            switch words.following("keep") {
            case "value": .value
            case "lease": .lease
            case "both": [.value, .lease]
            default: []
            }
        let value = words[2] == "\"\"" ? "" : words[2]
        let lease = words.following("lease").flatMap { Int64($0) } ?? 0
        return try harness.apply { store in
            let put = try store.put(words[1], value, lease: lease, keeping: kept)
            guard words.contains("previous") else { return "\(put.revision.rawValue)" }
            let pair = try put.previous.map { try store.withPair($0) { Pair($0) } }
            return "\(put.revision.rawValue) \(pair.map { "[\($0)]" } ?? "nothing")"
        }
    }

    private func delete(_ words: [String], _ harness: StoreHarness) throws -> String {
        let wantsPairs = words.contains("pairs")
        let (deleted, pairs) = try harness.apply {
            try $0.delete(KeyRange(words[1]), wantsPairs: wantsPairs)
        }
        let revision = harness.read { $0.revision.rawValue }
        return "\(deleted) at \(revision)" + (wantsPairs ? " \(pairs)" : "")
    }

    private func get(_ words: [String], _ harness: StoreHarness) throws -> String {
        var query = RangeQuery()
        query.revision = words.first { $0.hasPrefix("@") }.flatMap { Int64($0.dropFirst()) }
            .map { Revision($0) }
        query.limit = words.following("limit").flatMap { Int($0) } ?? .max
        query.keysOnly = words[0] == "keys"
        query.countOnly = words[0] == "count"
        let (pairs, result) = try harness.read { try $0.pairs(KeyRange(words[1]), query) }
        #expect(result.shown == pairs.count)
        #expect(result.next == nil)
        if query.countOnly { return "\(result.count)" }
        return "\(pairs) of \(result.count)" + (result.more ? " more" : "")
    }
}

extension [String] {
    fileprivate func following(_ word: String) -> String? {
        firstIndex(of: word).flatMap { $0 + 1 < count ? self[$0 + 1] : nil }
    }
}

extension String {
    fileprivate var trimmed: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}

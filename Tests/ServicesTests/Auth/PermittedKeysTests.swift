// Ranges that somebody may read, against a model that knows nothing but single keys.

import API
import TestSupport
import Testing

@testable import Services

@Suite("Permitted keys")
struct PermittedKeysTests {
    private static func permission(_ key: String, _ end: String) -> Permission {
        Permission(kind: 2, key: Array(key.utf8), rangeEnd: Array(end.utf8))
    }

    private static func keys(_ permissions: [Permission]) -> PermittedKeys {
        PermittedKeys(merging: permissions.map(PermittedKeys.Interval.init))
    }

    private static func contains(_ keys: PermittedKeys, _ key: String, _ end: String = "") -> Bool {
        Array(key.utf8).withUnsafeBytes { key in
            Array(end.utf8).withUnsafeBytes { keys.contains(key: key, rangeEnd: $0) }
        }
    }

    @Test("Ranges that meet or overlap count together; a gap of one key does not")
    func merging() {
        let keys = Self.keys([
            Self.permission("m", "p"), Self.permission("a", "f"), Self.permission("f", "k"),
            Self.permission("c", "d"), Self.permission("k", ""),
        ])
        #expect(keys.count == 2)
        #expect(Self.contains(keys, "a", "k"))
        // The single key k is the range from k to k and a zero byte.
        #expect(Self.contains(keys, "a", "k\0"))
        #expect(!Self.contains(keys, "a", "l"))
        #expect(!Self.contains(keys, "a", "n"))
        #expect(Self.contains(keys, "o"))
        #expect(!Self.contains(keys, "p"))
    }

    @Test("An open end needs a right without end; any range lies in one")
    func open() {
        let keys = Self.keys([Self.permission("b", "\0"), Self.permission("a", "b")])
        #expect(Self.contains(keys, "a", "\0"))
        #expect(Self.contains(keys, "zzz", "\0"))
        #expect(!Self.contains(keys, "A", "\0"))
        let bounded = Self.keys([Self.permission("a", "z")])
        #expect(!Self.contains(bounded, "a", "\0"))
    }

    @Test("A range that can have no key lies where its first key would")
    func empty() {
        let keys = Self.keys([Self.permission("k", "l"), Self.permission("p", "")])
        for (key, end) in [
            ("k", "k"), ("kb", "k"), ("kb", "ka"), ("kb", "kb"), ("kb", "j"), ("p", "p"),
        ] {
            #expect(Self.contains(keys, key, end), "\(key) to \(end)")
        }
        for (key, end) in [("l", "l"), ("l", "k"), ("j", "j"), ("pa", "p"), ("q", "k")] {
            #expect(!Self.contains(keys, key, end), "\(key) to \(end)")
        }
        let open = Self.keys([Self.permission("k", "\0")])
        #expect(Self.contains(open, "p", "b"))
        #expect(!Self.contains(open, "b", "a"))
    }

    @Test("Nothing is in no ranges")
    func none() {
        #expect(!Self.contains(Self.keys([]), "a"))
        #expect(!Self.contains(PermittedKeys(), "", "\0"))
    }

    @Test("As a model says that looks at every key", arguments: UInt64(1)...40)
    func model(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        // Keys of one or two letters, and their ends: small enough for all to be looked at.
        let letters = ["a", "b", "c", "d"]
        let universe = (letters + letters.flatMap { a in (letters + ["\0"]).map { a + $0 } }).sorted
        {
            Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8))
        }
        func less(_ a: String, _ b: String) -> Bool {
            Array(a.utf8).lexicographicallyPrecedes(Array(b.utf8))
        }
        func isIn(_ key: String, _ lower: String, _ end: String) -> Bool {
            if end.isEmpty { return key == lower }
            if end == "\0" { return !less(key, lower) }
            return !less(key, lower) && less(key, end)
        }
        func someRange() -> (String, String) {
            let key = universe[random.next(below: universe.count)]
            switch random.next(below: 4) {
            case 0: return (key, "")
            case 1 where random.next(below: 3) == 0: return (key, "\0")
            default: return (key, universe[random.next(below: universe.count)])
            }
        }
        let ranges = (0..<random.next(below: 8)).map { _ in someRange() }
            .filter { $1.isEmpty || $1 == "\0" || less($0, $1) }
        let keys = Self.keys(ranges.map { Self.permission($0, $1) })
        for _ in 0..<200 {
            let (key, end) = someRange()
            let wanted = universe.filter { isIn($0, key, end) }
            if wanted.isEmpty { continue }
            let permitted = wanted.allSatisfy { key in ranges.contains { isIn(key, $0.0, $0.1) } }
            // Keys of three letters lie between those of the universe: permitted ranges must meet.
            if Self.contains(keys, key, end) {
                #expect(permitted, "[\(key.debugDescription), \(end.debugDescription))")
            } else if end.isEmpty {
                #expect(!permitted, "\(key.debugDescription)")
            } else if ranges.contains(where: { range in
                !less(key, range.0) && range.1 != "" && range.1 != "\0" && end != "\0"
                    && !less(range.1, end)
            }) {
                Issue.record("one right holds all of [\(key), \(end)), which is refused")
            }
        }
    }
}

/// Small numbers from a seed.
struct SeededGenerator {
    private let source: SeededRandom
    init(seed: UInt64) { source = SeededRandom(seed: seed) }
    mutating func next(below limit: Int) -> Int {
        limit == 0 ? 0 : Int(source.next() % UInt64(limit))
    }
}

import API
import Glibc

@testable import Storage

/// The dumb twin: every change of every key, in arrays.
struct KeyIndexModel {
    struct Change {
        var position: RevisionPosition
        var isDelete: Bool
        var created: Revision
        var version: Int64
    }
    private(set) var changes: [[UInt8]: [Change]] = [:]
    /// The keys of `changes` in order.
    private(set) var keys: [[UInt8]] = []

    static func version(_ change: Change?) -> IndexedVersion? {
        guard let change, !change.isDelete else { return nil }
        return IndexedVersion(
            modified: change.position, created: change.created, version: change.version)
    }

    func get(_ key: [UInt8], at revision: Revision?) -> IndexedVersion? {
        let known = changes[key] ?? []
        guard let revision else { return Self.version(known.last) }
        return Self.version(known.last { $0.position.main <= revision })
    }

    mutating func put(_ key: [UInt8], at position: RevisionPosition) -> IndexedVersion? {
        let before = get(key, at: nil)
        if changes[key] == nil { keys.insert(key, at: place(of: key)) }
        changes[key, default: []].append(
            Change(
                position: position, isDelete: false, created: before?.created ?? position.main,
                version: (before?.version ?? 0) + 1))
        return before
    }

    mutating func tombstone(_ key: [UInt8], at position: RevisionPosition) -> IndexedVersion? {
        guard let before = get(key, at: nil) else { return nil }
        changes[key, default: []].append(
            Change(position: position, isDelete: true, created: Revision(0), version: 0))
        return before
    }

    /// The rule of ondisk.md, word by word.
    func keeps(_ key: [UInt8], _ change: Change, compactingAt revision: Revision) -> Bool {
        if change.position.main > revision { return true }
        let newest = changes[key]?.last { $0.position.main <= revision }
        return newest?.position == change.position
            && (!change.isDelete || change.position.main == revision)
    }

    mutating func compact(to revision: Revision) {
        var kept: [[UInt8]: [Change]] = [:]
        for (key, known) in changes {
            let left = known.filter { keeps(key, $0, compactingAt: revision) }
            if !left.isEmpty { kept[key] = left }
        }
        changes = kept
        keys.removeAll { kept[$0] == nil }
    }

    /// The first place whose key is not below `key`.
    private func place(of key: [UInt8]) -> Int {
        var low = 0
        var high = keys.count
        while low < high {
            let middle = (low + high) / 2
            if Self.precedes(keys[middle], key) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private static func precedes(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        let order = memcmp(a, b, min(a.count, b.count))
        return order == 0 ? a.count < b.count : order < 0
    }

    func range(_ range: KeyRange, at revision: Revision?) -> [(key: [UInt8], IndexedVersion)] {
        let first = place(of: range.key)
        let end: Int =
            switch range.end {
            case .singleKey: changes[range.key] == nil ? first : first + 1
            case .open: keys.count
            case .before(let end): max(first, place(of: end))
            }
        return keys[first..<end].compactMap { key in
            get(key, at: revision).map { (key, $0) }
        }
    }
}

/// SplitMix64: a test names its seed and can be run again.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

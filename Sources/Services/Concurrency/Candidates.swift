// Those who wait under a name: keys <name>/<lease>, of which the one that was created first holds the
// lock or leads (reference: semantics.md, Lock and Election services).

import API
import Storage

/// A name's place in the key space.
struct CandidatePrefix {
    let name: [UInt8]
    let bytes: [UInt8]

    /// Where the keys under the name end: the byte after the slash.
    var end: [UInt8] { name + [UInt8(ascii: "/") + 1] }

    init(name: [UInt8]) {
        self.name = name
        bytes = name + [UInt8(ascii: "/")]
    }

    /// The key of the candidate with `lease`.
    func key(of lease: LeaseID) -> [UInt8] {
        bytes + Array(String(lease.rawValue, radix: 16).utf8)
    }

    /// Calls `body` with all keys under the name.
    fileprivate func withBounds<Result, Failure: Error>(
        _ body: (KeyBounds) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let end = end
        return try bytes.span.withUnsafeBytes { (lower) throws(Failure) in
            try end.span.withUnsafeBytes { (upper) throws(Failure) in
                try body(KeyBounds(lower: lower, upper: .before(upper)))
            }
        }
    }
}

extension MVCCStore {
    /// In which revision the key that is there now was created; nil when there is none.
    func created(_ key: [UInt8]) throws(StoreError) -> Revision? {
        try key.span.withUnsafeBytes { (key) throws(StoreError) in try version(of: key)?.created }
    }

    /// Whether the key's value is `value`. The key exists.
    func holds(_ key: [UInt8], value: [UInt8]) throws(StoreError) -> Bool {
        try key.span.withUnsafeBytes { (key) throws(StoreError) in
            guard let version = try version(of: key) else { return false }
            let isEqual = try withPair(version) { encoded in
                (try? KeyValueView(decoding: encoded))?.value.elementsEqual(value) ?? false
            }
            return isEqual
        }
    }

    /// The newest of those who came before `own`; nil when it is the first.
    func predecessor(
        under prefix: CandidatePrefix, before own: Revision
    ) throws(StoreError) -> [UInt8]? {
        var newest: (key: [UInt8], created: Revision)?
        try prefix.withBounds { (bounds) throws(StoreError) in
            try forEachKey(in: bounds) { key, version in
                if version.created < own, version.created > newest?.created ?? Revision(0) {
                    newest = ([UInt8](key), version.created)
                }
            }
        }
        return newest?.key
    }

    /// The one who came first.
    func first(under prefix: CandidatePrefix) throws(StoreError) -> IndexedVersion? {
        var oldest: IndexedVersion?
        try prefix.withBounds { (bounds) throws(StoreError) in
            try forEachKey(in: bounds) { _, version in
                guard let created = oldest?.created, created <= version.created else {
                    return oldest = version
                }
            }
        }
        return oldest
    }
}

// The calls of the KV service and their answers, as values that can be compared.

/// A pair as a client sees it.
public struct Pair: Hashable, Sendable, CustomStringConvertible {
    public var key: String
    public var value: String
    public var created: Int64
    public var modified: Int64
    public var version: Int64
    public var lease: Int64

    public init(
        key: String, value: String, created: Int64, modified: Int64, version: Int64,
        lease: Int64 = 0
    ) {
        self.key = key
        self.value = value
        self.created = created
        self.modified = modified
        self.version = version
        self.lease = lease
    }

    public var description: String {
        let lease = lease == 0 ? "" : " lease \(lease)"
        return "\(key)=\(value) (\(created) \(modified) v\(version)\(lease))"
    }
}

/// One key, or those of a range, in etcd's notation.
public struct KeySpan: Hashable, Sendable, CustomStringConvertible {
    public let key: String
    /// Empty for the single key, one zero byte for all from `key` on.
    public let end: String

    public init(_ key: String, to end: String = "") {
        self.key = key
        self.end = end
    }

    /// All keys that begin with `prefix`, which ends with an ASCII character below DEL.
    public static func prefix(_ prefix: String) -> Self {
        var bytes = Array(prefix.utf8)
        bytes[bytes.count - 1] += 1
        return Self(prefix, to: String(decoding: bytes, as: UTF8.self))
    }

    public static let everything = Self("\0", to: "\0")

    /// Keys are compared as bytes; for the ASCII keys of the workloads that is as texts.
    public func contains(_ key: String) -> Bool {
        if end.isEmpty { return key == self.key }
        return key >= self.key && (end == "\0" || key < end)
    }

    public var description: String {
        end.isEmpty ? key : end == "\0" ? "[\(key == "\0" ? "" : key)...)" : "[\(key)..\(end))"
    }
}

/// What a transaction asks of a key before it chooses its branch.
public struct Comparison: Hashable, Sendable {
    public enum Target: Hashable, Sendable {
        case version(Int64)
        case created(Int64)
        case modified(Int64)
        case lease(Int64)
        case value(String)
    }
    public let key: String
    public let target: Target

    /// That the key's `target` equals the given one; 0 of a key that is not there.
    public init(_ key: String, equals target: Target) {
        self.key = key
        self.target = target
    }
}

/// One operation of a transaction.
public enum KVStep: Hashable, Sendable {
    case put(String, String, lease: Int64 = 0)
    case delete(KeySpan)
    case range(KeySpan)
}

/// A call, as the history keeps it.
public enum KVCall: Hashable, Sendable {
    /// - Parameter revision: 0 is the newest.
    case range(KeySpan, revision: Int64 = 0, isSerializable: Bool = false)
    case put(String, String, lease: Int64 = 0)
    case delete(KeySpan)
    case txn(when: [Comparison], then: [KVStep], otherwise: [KVStep])
    /// Deletes the keys of a lease.
    case revoke(Int64)
    case compact(Int64)

    /// What it may put.
    public var puts: [(key: String, value: String)] {
        switch self {
        case .put(let key, let value, _): [(key, value)]
        case .txn(_, let then, let otherwise):
            (then + otherwise).compactMap {
                if case .put(let key, let value, _) = $0 { (key, value) } else { nil }
            }
        case .range, .delete, .revoke, .compact: []
        }
    }

    /// Whether it can change what is stored.
    public var isWrite: Bool {
        switch self {
        case .range, .compact: false
        case .put, .delete, .revoke: true
        case .txn(_, let then, let otherwise):
            (then + otherwise).contains { if case .range = $0 { false } else { true } }
        }
    }
}

/// What came of one operation.
public enum StepAnswer: Hashable, Sendable {
    case put
    case deleted(Int64)
    case range([Pair])
}

/// What came of a call.
public struct KVAnswer: Hashable, Sendable {
    public enum Result: Hashable, Sendable {
        case step(StepAnswer)
        case txn(succeeded: Bool, [StepAnswer])
        /// Of `revoke` and `compact`.
        case done
    }
    /// The header's revision: that of the write, or the newest when a read was answered.
    public var revision: Int64
    public var result: Result

    public init(at revision: Int64, _ result: Result) {
        self.revision = revision
        self.result = result
    }
}

/// A call of the KV service in a history.
public typealias KVOperation = Operation<KVCall, KVAnswer>

/// A change of one key, as a watch tells of it.
public struct KeyEvent: Hashable, Sendable, CustomStringConvertible {
    public var isDelete: Bool
    /// A deletion has key and modification revision only.
    public var pair: Pair

    public init(put pair: Pair) {
        isDelete = false
        self.pair = pair
    }

    public init(deleted key: String, at revision: Int64) {
        isDelete = true
        pair = Pair(key: key, value: "", created: 0, modified: revision, version: 0)
    }

    public var revision: Int64 { pair.modified }

    public var description: String { isDelete ? "\(revision): \(pair.key) gone" : "\(pair)" }
}

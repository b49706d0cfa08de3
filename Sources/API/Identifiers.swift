// Distinct types for distinct numbers: a revision is not a log index, a term is not a lease.

/// A count of changes of the key space. An empty store is at 1; the first write makes it 2.
public struct Revision: Hashable, Comparable, Sendable {
    public let rawValue: Int64
    @inlinable public init(_ rawValue: Int64) { self.rawValue = rawValue }
    @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    /// The revision of a store nothing was written to.
    public static let initial = Revision(1)
    @inlinable public var next: Revision { Revision(rawValue + 1) }
}

/// A place in the Raft log. The first entry is 1; 0 is before it.
public struct LogIndex: Hashable, Comparable, Sendable {
    public let rawValue: UInt64
    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    public static let zero = LogIndex(0)
    @inlinable public var next: LogIndex { LogIndex(rawValue + 1) }
    /// The place before this one; the place before the first is 0, and so is the one before 0.
    @inlinable public var previous: LogIndex { LogIndex(rawValue == 0 ? 0 : rawValue - 1) }
    @inlinable public static func + (a: Self, n: Int) -> Self { Self(a.rawValue + UInt64(n)) }
    /// How many entries lie in `(from, self]`; negative when `self` is before `from`.
    @inlinable public func distance(from: Self) -> Int {
        Int(Int64(bitPattern: rawValue &- from.rawValue))
    }
}

/// A Raft term (Raft paper, section 5.1). 0 is before any election.
public struct Term: Hashable, Comparable, Sendable {
    public let rawValue: UInt64
    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    public static let zero = Term(0)
    @inlinable public var next: Term { Term(rawValue + 1) }
}

/// A member of the cluster. 0 is nobody.
public struct MemberID: Hashable, Comparable, Sendable {
    public let rawValue: UInt64
    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    public static let none = MemberID(0)
    /// Lower-case hexadecimal without padding, as etcd prints it.
    public var hex: String { String(rawValue, radix: 16) }
}

/// A cluster, told apart from every other by its first members and its token.
public struct ClusterID: Hashable, Sendable {
    public let rawValue: UInt64
    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    public var hex: String { String(rawValue, radix: 16) }
}

/// A lease. 0 is none.
public struct LeaseID: Hashable, Comparable, Sendable {
    public let rawValue: Int64
    @inlinable public init(_ rawValue: Int64) { self.rawValue = rawValue }
    @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    public static let none = LeaseID(0)
}

/// A proposal or read request of one member, unique in the cluster (reference: ondisk.md, IDs).
public struct RequestID: Hashable, Comparable, Sendable {
    public let rawValue: UInt64
    @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// A watcher of a Watch stream.
public struct WatchID: Hashable, Sendable {
    public let rawValue: Int64
    @inlinable public init(_ rawValue: Int64) { self.rawValue = rawValue }
    /// In a request: the server chooses.
    public static let chosenByServer = WatchID(0)
    /// In a response: no watcher, or all of the stream.
    public static let none = WatchID(-1)
}

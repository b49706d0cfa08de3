import API

/// The place of one change: the transaction's revision and the change's place inside it.
/// The order of positions is the order in which changes were made.
public struct RevisionPosition: Hashable, Comparable, Sendable {
    public let main: Revision
    /// From 0, in execution order (reference: ondisk.md, revision key).
    public let sub: Int64

    @inlinable public init(main: Revision, sub: Int64) {
        self.main = main
        self.sub = sub
    }

    @inlinable public static func < (a: Self, b: Self) -> Bool {
        a.main == b.main ? a.sub < b.sub : a.main < b.main
    }
}

/// What the index knows of a key as it stood at some revision.
public struct IndexedVersion: Hashable, Sendable {
    /// The put that made it: where the stored value is found.
    public let modified: RevisionPosition
    /// The revision of the put that began this life of the key.
    public let created: Revision
    /// Puts since then, that one included: from 1.
    public let version: Int64

    @inlinable public init(modified: RevisionPosition, created: Revision, version: Int64) {
        self.modified = modified
        self.created = created
        self.version = version
    }
}

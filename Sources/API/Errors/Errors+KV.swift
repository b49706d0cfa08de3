// What KV and Watch answer when a request is wrong or cannot be served.

extension Status {
    /// Range/RangeStream/Put/DeleteRange (also inside Txn) or a Txn compare has an empty key.
    public static let emptyKey = Status(.invalidArgument, "etcdserver: key is not provided")

    /// Put with ignore_value or ignore_lease on a missing key; also a Txn RequestOp whose oneof is
    /// unset.
    public static let keyNotFound = Status(.invalidArgument, "etcdserver: key not found")

    /// Put with ignore_value set and a non-empty value.
    public static let valueProvided = Status(.invalidArgument, "etcdserver: value is provided")

    /// Put with ignore_lease set and lease != 0.
    public static let leaseProvided = Status(.invalidArgument, "etcdserver: lease is provided")

    /// Compare, success or failure list of a Txn (nesting levels add up) longer than max-txn-ops.
    public static let tooManyOps = Status(
        .invalidArgument,
        "etcdserver: too many operations in txn request")

    /// Txn branch would put a key twice, or put a key that the same branch deletes (see
    /// semantics.md).
    public static let duplicateKey = Status(
        .invalidArgument,
        "etcdserver: duplicate key given in txn request")

    /// Range sort_order or sort_target outside the enum.
    public static let invalidSortOption = Status(
        .invalidArgument,
        "etcdserver: invalid sort option")

    /// Range/Txn range revision below the compact revision; Compact at or below the last
    /// compaction; HashKV revision below it.
    public static let compacted = Status(
        .outOfRange,
        "etcdserver: mvcc: required revision has been compacted")

    /// Range/Txn range/Compact/HashKV revision above the current revision.
    public static let futureRevision = Status(
        .outOfRange,
        "etcdserver: mvcc: required revision is a future revision")

    /// Put, Txn with puts, or LeaseGrant while over the backend quota or while a NOSPACE alarm is
    /// active.
    public static let noSpace = Status(
        .resourceExhausted,
        "etcdserver: mvcc: database space exceeded")

    /// RangeStream with sort_order != NONE other than KEY/ASCEND.
    public static let rangeStreamSortOrder = Status(
        .unimplemented,
        "RangeStream does not support custom sort orders")

    /// RangeStream with any min/max mod/create revision filter.
    public static let rangeStreamRevisionFilter = Status(
        .unimplemented,
        "RangeStream does not support revision filters")
}

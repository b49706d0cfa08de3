// What an operator decides about the store.

/// Where the store is and how often it commits.
public struct StoreConfiguration: Sendable {
    /// The file's name in the data directory. etcd's own file there is `db`: which of the two is
    /// found tells whose data it is.
    public static let fileName = "member/snap/cairn.mdb"

    /// The path of the file. Its directory exists; LMDB puts a lock file `<path>-lock` beside it.
    public var path: String
    /// `--quota-backend-bytes` in effect; negative is off. Decides the size of the map only.
    public var quotaBytes: Int64
    /// The longest time from an apply to the commit that holds it (`--backend-batch-interval`).
    public var batchIntervalNanoseconds: UInt64
    /// So many writes start a commit at once (`--backend-batch-limit`).
    public var batchLimit: Int
    /// So many bytes start a commit at once.
    public var batchBytes: Int
    /// So many bytes that wait for a commit in flight make the store saturated.
    public var saturationBytes: Int

    /// Told, while the store is opened, how a file of an earlier version is converted.
    package var observeConversion: @Sendable (ConversionEvent) -> Void = { _ in }

    /// Records that a slice of a compaction or a hash looks at: about a fifth of a millisecond.
    var sliceRecords = 256
    /// From one slice of a compaction to the next.
    package var slicePauseNanoseconds: UInt64 = 1_000_000
    /// So many deletions start a commit at once; a compaction waits while so many are pending.
    var deletionLimit = 4096

    /// etcd's defaults, and bounds on memory that etcd has none for.
    public init(
        path: String, quotaBytes: Int64 = 2 << 30, batchIntervalNanoseconds: UInt64 = 100_000_000,
        batchLimit: Int = 10_000, batchBytes: Int = 16 << 20, saturationBytes: Int = 64 << 20
    ) {
        self.path = path
        self.quotaBytes = quotaBytes
        self.batchIntervalNanoseconds = batchIntervalNanoseconds
        self.batchLimit = batchLimit
        self.batchBytes = batchBytes
        self.saturationBytes = saturationBytes
    }
}

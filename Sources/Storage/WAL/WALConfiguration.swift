// What the log is told from outside: where it lives, how large its pieces are, and the clock.

import API
import Glibc

/// Where and how a write-ahead log is kept. The defaults are etcd's sizes and the real disk.
public struct WALConfiguration: Sendable {
    /// The directory of the segments, `<data directory>/member/wal`, without a slash at the end.
    /// Its parent must exist; beside it lies the lock file, `wal.lock`.
    public var directory: String
    public var files: any FileSystem
    /// A segment is reserved to this size and ended once it is reached, in bytes.
    public var segmentBytes = WALFormat.segmentSize
    /// How much is filled with zeros ahead of the tail at a time, in bytes.
    public var zeroSliceBytes = 1 << 20
    /// What may wait to be written, in bytes of entries; more is refused with `.mailboxFull`.
    public var mailboxBytes = 64 << 20
    /// Waiting batches are written together up to about this many bytes.
    public var mergedBytes = 4 << 20
    /// The batch buffer's memory that is kept between writes, in bytes.
    public var keptBufferBytes = 1 << 20
    /// For measuring writes and syncs only.
    public var clock: @Sendable () -> MonotonicTime = { .systemClock() }
    /// Called after each sync with its duration in nanoseconds, on the log's executor.
    public var observeSync: (@Sendable (UInt64) -> Void)?
    /// Likewise after each write of records.
    public var observeWrite: (@Sendable (UInt64) -> Void)?
    /// Likewise after each snapshot record: what encoding it took, its sync, and all of it.
    public var observeSnapshot:
        (@Sendable (_ encoding: UInt64, _ sync: UInt64, _ total: UInt64) -> Void)?

    public init(directory: String, files: any FileSystem = SystemFiles()) {
        self.directory = directory
        self.files = files
    }
}

/// What the log has done since it was opened; all counters only rise.
public struct WALMetrics: Hashable, Sendable {
    public var writes: UInt64 = 0
    /// Without the zeros ahead of the tail.
    public var bytesWritten: UInt64 = 0
    public var syncs: UInt64 = 0
    public var syncNanoseconds: UInt64 = 0
    /// Segments begun.
    public var cuts: UInt64 = 0
    /// Batches that were acknowledged; more than `writes` when batches were written together.
    public var batches: UInt64 = 0

    public init() {}
}

extension MonotonicTime {
    /// The kernel's. From any thread.
    package static func systemClock() -> MonotonicTime {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicTime(
            nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }
}

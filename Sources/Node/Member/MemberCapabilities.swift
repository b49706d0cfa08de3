// All that a member reaches of the world, in one place: threads, files, clocks, chance, streams.
//
// A process gives it the system's (MemberServer), the simulator its own. The one thing that goes
// past it is the store's file, which LMDB maps by its path.

import API
import Consensus
import Storage
import Transport

/// Where a member's actors live.
package struct MemberExecutors: Sendable {
    /// Connections of clients and members, RaftNode, Applier, MVCCStore.
    package var main: any ActorExecutor
    /// WriteAheadLog.
    package var log: any ActorExecutor
    /// Backend.
    package var backend: any ActorExecutor
    /// Snapshots for and from other members.
    package var snapshots: any ActorExecutor
    /// PasswordWorker.
    package var passwords: any ActorExecutor

    package init(
        main: any ActorExecutor, log: any ActorExecutor, backend: any ActorExecutor,
        snapshots: any ActorExecutor, passwords: any ActorExecutor
    ) {
        self.main = main
        self.log = log
        self.backend = backend
        self.snapshots = snapshots
        self.passwords = passwords
    }
}

/// What the system, or what stands for it, does for a member.
package struct MemberCapabilities: Sendable {
    package var executors: MemberExecutors
    /// Of the data directory.
    package var files: any FileSystem
    package var clock: any WallClock
    package var random: any RandomSource
    /// For measuring only. From any thread.
    package var stopwatch: @Sendable () -> UInt64
    /// Sizes of the log's pieces; its directory, files and clock are set before.
    package var adjustLog: @Sendable (inout WALConfiguration) -> Void = { _ in }
    /// Sizes of what members say to each other.
    package var adjustRaft: @Sendable (inout RaftNodeOptions) -> Void = { _ in }
    /// Ends the process: an entry cannot be applied.
    package var fail: @Sendable (_ reason: String) -> Never

    package init(
        executors: MemberExecutors, files: any FileSystem, clock: any WallClock,
        random: any RandomSource, stopwatch: @escaping @Sendable () -> UInt64,
        fail: @escaping @Sendable (_ reason: String) -> Never
    ) {
        self.executors = executors
        self.files = files
        self.clock = clock
        self.random = random
        self.stopwatch = stopwatch
        self.fail = fail
    }
}

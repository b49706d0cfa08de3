// Which actor lives on which thread. Decided here and nowhere else.
//
// What talks on every request shares a loop, so that a call from one to the other is a function
// call: the connections of clients, Raft, and the applied state. What blocks in the kernel has a
// thread of its own.

import API
import Transport

/// The threads of a member.
final class ExecutorTable: Sendable {
    /// Connections of clients and members, RaftNode, Applier, MVCCStore.
    let main: EventLoop
    /// WriteAheadLog: fdatasync.
    let log: EventLoop
    /// Backend: LMDB's commits.
    let backend: EventLoop
    /// Snapshots for and from other members: reading and writing whole states takes long, and
    /// clients wait for the other threads.
    let snapshots: EventLoop
    /// PasswordWorker: bcrypt takes tens of milliseconds.
    let passwords: EventLoop

    /// Longer than a client on the same machine takes from one answer to its next Put.
    private static let logBusyWait: UInt64 = 150_000

    /// Starts the threads.
    /// - Throws: when the system is out of threads or descriptors.
    init() throws(TransportError) {
        main = try EventLoop(name: "cairn-main")
        log = try EventLoop(name: "cairn-wal", busyWaitNanoseconds: Self.logBusyWait)
        backend = try EventLoop(name: "cairn-backend")
        snapshots = try EventLoop(name: "cairn-snapshots", yieldsToOthers: true)
        passwords = try EventLoop(name: "cairn-passwords")
    }

    /// As the actors see them.
    var executors: MemberExecutors {
        MemberExecutors(
            main: main, log: log, backend: backend, snapshots: snapshots, passwords: passwords)
    }

    /// Ends the threads: first the one that gives the others work.
    func stop() {
        main.stop()
        passwords.stop()
        log.stop()
        snapshots.stop()
        backend.stop()
    }
}

// Where reads enter the applied state: at once, or once it is known to be new enough.

import API
import Consensus

/// A read on the executor of the applied state.
protocol AppliedRead: AnyObject, Sendable {
    /// Any member may answer from what it has applied.
    var isSerializable: Bool { get }
    /// Answers from the applied state.
    func serve(from applier: isolated Applier)
    func fail(_ status: Status)
}

/// Serves reads; linearizable ones after a read index (Raft thesis, section 6.4), which all reads
/// of a turn share. From any thread.
final class ReadGate: Sendable {
    private let inbox: HandOver<any AppliedRead>

    /// Reads that may wait for the executor of the applied state.
    private static let waitingLimit = 100_000

    init(raft: RaftNode, applier: Applier) {
        inbox = HandOver(to: raft.executor, limit: Self.waitingLimit) { read in
            if read.isSerializable {
                applier.assumeIsolated { read.serve(from: $0) }
            } else {
                raft.assumeIsolated { $0.readBarrier(BarredRead(read, applier)) }
            }
        }
    }

    func submit(_ read: any AppliedRead) {
        if !inbox.send(read) { read.fail(.tooManyRequests) }
    }
}

/// A linearizable read that waits for its barrier.
private final class BarredRead: ReadWaiter {
    private let read: any AppliedRead
    private let applier: Applier

    init(_ read: any AppliedRead, _ applier: Applier) {
        self.read = read
        self.applier = applier
    }

    func readReady() { applier.assumeIsolated { read.serve(from: $0) } }
    func readFailed(_ failure: ReadFailure) { read.fail(Status(failure)) }
}

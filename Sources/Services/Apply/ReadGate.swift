// Where reads enter the applied state: at once, or once it is known to be new enough.

import API
import Consensus

/// A read on the executor of the applied state. It waits for its own barrier, so that a linearizable
/// read costs no further object.
protocol AppliedRead: ReadWaiter {
    var applier: Applier { get }
    /// Any member may answer from what it has applied.
    var isSerializable: Bool { get }
    var caller: Principal { get }
    /// Why the caller may not read what it wants, given what it may do with keys.
    func refusal(given access: KeyAccess) -> Status?
    /// Answers from the applied state.
    func serve(from applier: isolated Applier)
    func fail(_ status: Status)
}

extension AppliedRead {
    func readReady() {
        applier.assumeIsolated { applier in
            if let refusal = applier.refusal(of: self) {
                fail(refusal)
            } else {
                serve(from: applier)
            }
        }
    }
    func readFailed(_ failure: ReadFailure) { fail(Status(failure)) }
}

/// Serves reads; linearizable ones after a read index (Raft thesis, section 6.4), which all reads
/// of a turn share. From any thread.
final class ReadGate: Sendable {
    /// Whose state is read.
    let applier: Applier
    private let inbox: HandOver<any AppliedRead>

    /// Reads that may wait for the executor of the applied state.
    private static let waitingLimit = 100_000

    init(raft: RaftNode, applier: Applier) {
        self.applier = applier
        inbox = HandOver(to: raft.executor, limit: Self.waitingLimit) { read in
            if read.isSerializable {
                read.readReady()
            } else {
                raft.assumeIsolated { $0.readBarrier(read) }
            }
        }
    }

    func submit(_ read: any AppliedRead) {
        if !inbox.send(read) { read.fail(.tooManyRequests) }
    }
}

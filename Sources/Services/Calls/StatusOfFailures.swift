// The one place where failures of the layers below become what clients see (reference: errors.tsv).

import API
import Consensus

extension Status {
    /// Why a proposal came to nothing.
    init(_ drop: ProposalDrop) {
        switch drop {
        case .refused(.tooManyRequests): self = .tooManyRequests
        // Raft kept it for as long as a request may take.
        case .refused(.noLeader): self = .requestTimeout
        case .refused(.configurationChangePending), .refused(.invalidConfigurationChange),
            .refused(.leadershipTransfer), .refused(.stopped), .stopped:
            self = .stopped
        case .refused(.storageFailed(let failure)), .storageFailed(let failure):
            self = .logFailed(failure)
        case .overwritten: self = .leaderChanged
        case .unknown: self = .timeoutDueToLeaderFail
        }
    }

    /// Why a linearizable read was not served.
    init(_ failure: ReadFailure) {
        switch failure {
        case .leaderChanged: self = .leaderChanged
        case .timedOut: self = .requestTimeout
        case .tooManyRequests: self = .tooManyRequests
        case .stopped: self = .stopped
        }
    }

    /// Why leadership was not handed over.
    init(_ failure: TransferFailure) {
        switch failure {
        case .notLeader: self = .notLeader
        case .notVoter, .noHeir: self = .badLeaderTransferee
        case .timedOut, .leaderChanged: self = .timeoutLeaderTransfer
        case .stopped: self = .stopped
        }
    }

    /// This member's disk failed: it takes no writes until it is started again. UNAVAILABLE lets a
    /// client turn to another member; whether a write under way was stored is not known.
    static func logFailed(_ failure: EntryStoreFailure) -> Status {
        Status(.unavailable, "etcdserver: write-ahead log failed, no writes are taken: \(failure)")
    }
}

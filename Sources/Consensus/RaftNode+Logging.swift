// Log lines, word for word those of etcd's raft: people and harnesses grep for them
// (reference: process.md).

import API
import Logging

extension RaftNode {
    private var me: String { core.id.hex }

    func logStart() {
        let peers = core.confState.voters.map(\.hex).joined(separator: ",")
        let end = core.log.end
        logger.info(
            """
            newRaft \(me) [peers: [\(peers)], term: \(core.term.rawValue), commit: \
            \(core.committed.rawValue), applied: \(core.applied.rawValue), lastindex: \
            \(end.index.rawValue), lastterm: \(end.term.rawValue)]
            """)
    }

    func log(_ change: RaftChange) {
        switch change {
        case .startedElection(let term):
            logger.info("\(me) is starting a new election at term \(term.rawValue)")
        case .becameFollower(let term):
            logger.info("\(me) became follower at term \(term.rawValue)")
        case .becamePreCandidate(let term):
            logger.info("\(me) became pre-candidate at term \(term.rawValue)")
        case .becameCandidate(let term):
            logger.info("\(me) became candidate at term \(term.rawValue)")
        case .becameLeader(let term):
            logger.info("\(me) became leader at term \(term.rawValue)")
        case .steppedDownWithoutQuorum:
            logger.warning("\(me) stepped down to follower since quorum is not active")
        case .memberBehindLog(let member):
            logger.warning("\(me) cannot serve \(member.hex) from its log: it lags too far behind")
        case .transferAborted(let target):
            logger.info("\(me) failed to transfer leadership to \(target.hex)")
        case .steppedDownRemoved(let term):
            logger.info("\(me) has no vote any more and stepped down at term \(term.rawValue)")
        case .membershipUnchanged(let why):
            logger.error("\(me) ignored a configuration change: \(why.rawValue)")
        case .restoring(let position):
            logger.info(
                """
                \(me) [commit: \(core.committed.rawValue)] starts to restore snapshot [index: \
                \(position.index.rawValue), term: \(position.term.rawValue)]
                """)
        case .ignored(let kind, let from, let why):
            logger.error("\(me) ignored a \(kind) message from \(from.hex): \(why.rawValue)")
        }
    }

    func logLeader(from old: MemberID, to new: MemberID) {
        let term = core.term.rawValue
        switch (old, new) {
        case (_, .none):
            logger.info("raft.node: \(me) lost leader \(old.hex) at term \(term)")
        case (.none, _):
            logger.info("raft.node: \(me) elected leader \(new.hex) at term \(term)")
        case (_, _):
            logger.info(
                "raft.node: \(me) changed leader from \(old.hex) to \(new.hex) at term \(term)")
        }
    }
}

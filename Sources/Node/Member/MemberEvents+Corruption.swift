// What is said of members whose keys are compared, in etcd's words (reference: process.md).

import API
import Logging
import Services

extension MemberEvents {
    /// On the executor of the applied state.
    func corruption(_ event: CorruptionEvent) {
        switch event {
        case .startsInitialCheck(let timeout):
            logger.info(
                "starting initial corruption check", metadata: own(("timeout", .duration(timeout))))
        case .passedInitialCheck:
            logger.info("initial corruption checking passed; no corruption", metadata: own())
        case .checksEvery(let interval):
            logger.info(
                "enabled corruption checking", metadata: own(("interval", .duration(interval))))
        case .checksCompactionsEvery(let interval):
            logger.info(
                "enabled compact hash checking",
                metadata: own(("interval", .duration(interval))))
        case .checkedOthers(let count):
            logger.info(
                "finished peer corruption check",
                metadata: .fields(["number-of-peers-checked": .int(Int64(count))]))
        case .checkedCompactions(let count):
            logger.info(
                "finished compaction hash check",
                metadata: .fields(["number-of-hashes-checked": .int(Int64(count))]))
        case .failed(let status):
            logger.warning(
                "failed to check hash KV", metadata: .fields(["error": .string(status.message)]))
        case .found(let finding): found(finding)
        }
    }

    private func own(_ more: (String, LogValue)...) -> Logger.Metadata {
        var fields: LogFields = ["local-member-id": .string(identity.member.hex)]
        for (name, value) in more { fields.append(name, value) }
        return .fields(fields)
    }

    private func found(_ finding: HashFinding) {
        switch finding {
        case .differsAtStart(let own, let peer):
            logger.warning(
                "found different hash values from remote peer",
                metadata: pair("local-member", own, "remote-peer", peer))
        case .otherCompactionAtStart(let own, let peer):
            logger.warning(
                "found different compact revision values from remote peer",
                metadata: pair("local-member", own, "remote-peer", peer))
        case .noHashAtStart(let own, let peer, let status):
            logger.warning(
                Self.text(ofNoHash: status),
                metadata: .fields([
                    "local-member-id": .string(own.member.hex),
                    "local-member-revision": .int(own.revision.rawValue),
                    "local-member-compact-revision": .int(own.compacted.rawValue),
                    "local-member-hash": .uint(UInt64(own.value)),
                    "remote-peer-id": .string(peer.hex), "error": .string(status.message),
                ]))
        case .ownChanged(let before, let after):
            logger.warning(
                "found hash mismatch",
                metadata: .fields([
                    "revision-1": .int(before.revision.rawValue),
                    "compact-revision-1": .int(before.compacted.rawValue),
                    "hash-1": .uint(UInt64(before.value)),
                    "revision-2": .int(after.revision.rawValue),
                    "compact-revision-2": .int(after.compacted.rawValue),
                    "hash-2": .uint(UInt64(after.value)),
                ]))
        case .newerThanLeader(let leader, let peer):
            logger.warning(
                "revision from follower must be less than or equal to leader's",
                metadata: .fields([
                    "leader-revision": .int(leader.newest.rawValue),
                    "follower-revision": .int(peer.newest.rawValue),
                    "follower-peer-id": .string(peer.member.hex),
                ]))
        case .compactedBeyondLeader(let leader, let peer):
            logger.warning(
                "compact revision from follower must be less than or equal to leader's",
                metadata: pair("leader", leader, "follower", peer))
        case .differsFromLeader(let leader, let peer):
            logger.warning(
                "same compact revision then hashes must match",
                metadata: pair("leader", leader, "follower", peer))
        case .skipped(let leader, let peer, let reason):
            logger.warning(
                "Skipped peer's hash",
                metadata: .fields([
                    "leader-id": .string(leader.member.hex), "peer-id": .string(peer.hex),
                    "reason": .string(reason),
                ]))
        case .minority(let leader, let members, let hash, let revision):
            logger.error(
                "Detected compaction hash mismatch",
                metadata: .fields([
                    "leader-id": .string(leader.member.hex),
                    "leader-revision": .int(revision.rawValue),
                    "leader-compact-revision": .int(leader.compacted.rawValue),
                    "leader-hash": .uint(UInt64(leader.value)),
                    "members": .strings(members.map(\.hex)), "hash": .uint(UInt64(hash)),
                ]))
        case .noMajority(let leader):
            logger.error(
                """
                Detected compaction hash mismatch but cannot identify the corrupted members, so \
                intentionally set the memberID as 0
                """,
                metadata: .fields([
                    "leader-id": .string(leader.member.hex),
                    "leader-revision": .int(leader.revision.rawValue),
                    "leader-compact-revision": .int(leader.compacted.rawValue),
                    "leader-hash": .uint(UInt64(leader.value)),
                ]))
        }
    }

    private static func text(ofNoHash status: Status) -> Logger.Message {
        switch status {
        case .futureRevision: "cannot fetch hash from slow remote peer"
        case .compacted: "cannot fetch hash from remote peer; local member is behind"
        default: "cannot fetch hash from remote peer"
        }
    }

    private func pair(
        _ one: String, _ first: HashReport, _ other: String, _ second: HashReport
    ) -> Logger.Metadata {
        var fields = LogFields()
        for (name, report) in [(one, first), (other, second)] {
            fields.append("\(name)-id", .string(report.member.hex))
            fields.append("\(name)-revision", .int(report.revision.rawValue))
            fields.append("\(name)-compact-revision", .int(report.compacted.rawValue))
            fields.append("\(name)-hash", .uint(UInt64(report.value)))
        }
        return .fields(fields)
    }
}

// What carrying snapshots comes to, for logs and metrics (etcd's lines where it has them).

import API
import Consensus
import Logging
import Storage

final class SnapshotReports: SnapshotEvents {
    private let metrics: SnapshotMetrics
    private let logger: Logger

    init(_ metrics: SnapshotMetrics, logger: Logger) {
        self.metrics = metrics
        self.logger = logger
    }

    // MARK: Sending

    func sending(_ snapshot: SnapshotDescription, to member: MemberID) {
        metrics.sends(to: member).inFlight.add(1)
        logger.info(
            "sending database snapshot",
            metadata: .fields([
                "snapshot-index": .uint(snapshot.index.rawValue),
                "remote-peer-id": .string(member.hex),
                "bytes": .uint(snapshot.estimatedBytes),
            ]))
    }

    func sent(
        _ snapshot: SnapshotDescription, to member: MemberID, bytes: UInt64, nanoseconds: UInt64,
        failure: String?
    ) {
        let link = metrics.sends(to: member)
        link.inFlight.add(-1)
        var fields: LogFields = [
            "snapshot-index": .uint(snapshot.index.rawValue),
            "remote-peer-id": .string(member.hex),
            "sent-bytes": .uint(bytes),
            "took": .duration(nanoseconds),
        ]
        if let failure {
            link.failures.increment()
            fields.append("error", .string(failure))
            logger.warning("failed to send database snapshot", metadata: .fields(fields))
        } else {
            link.successes.increment()
            link.duration.observe(nanoseconds)
            logger.info("sent database snapshot", metadata: .fields(fields))
        }
    }

    func spooled(nanoseconds: UInt64) { metrics.spool.observe(nanoseconds) }

    func notMade(_ error: any Error) {
        logger.error(
            "failed to make a snapshot of the store",
            metadata: .fields(["error": .string("\(error)")]))
    }

    // MARK: Receiving

    func receiving(_ snapshot: SnapshotDescription, from member: MemberID) {
        metrics.receives(from: member).inFlight.add(1)
        logger.info(
            "receiving database snapshot",
            metadata: .fields([
                "remote-snapshot-sender-id": .string(member.hex),
                "incoming-snapshot-index": .uint(snapshot.index.rawValue),
                "incoming-snapshot-bytes": .uint(snapshot.estimatedBytes),
            ]))
    }

    func received(
        _ snapshot: SnapshotDescription, from member: MemberID, nanoseconds: UInt64,
        _ result: Result<UInt64, any Error>
    ) {
        let link = metrics.receives(from: member)
        link.inFlight.add(-1)
        var fields: LogFields = [
            "remote-snapshot-sender-id": .string(member.hex),
            "incoming-snapshot-index": .uint(snapshot.index.rawValue),
            "took": .duration(nanoseconds),
        ]
        switch result {
        case .success(let sync):
            link.successes.increment()
            link.duration.observe(nanoseconds)
            metrics.sync.observe(sync)
            metrics.save.observe(nanoseconds)
            logger.info("received and saved database snapshot", metadata: .fields(fields))
        case .failure(let error):
            link.failures.increment()
            fields.append("error", .string("\(error)"))
            logger.warning("failed to receive database snapshot", metadata: .fields(fields))
        }
    }

    func refusedOffer(_ reason: String) {
        logger.warning(
            "refused a message about a snapshot", metadata: .fields(["reason": .string(reason)]))
    }

    func installing(_ snapshot: SnapshotDescription) {
        metrics.applying.set(1)
        logger.info(
            "applying snapshot",
            metadata: .fields([
                "incoming-leader-snapshot-index": .uint(snapshot.index.rawValue),
                "incoming-leader-snapshot-term": .uint(snapshot.term.rawValue),
            ]))
    }

    func installed(_ snapshot: SnapshotDescription, nanoseconds: UInt64) {
        metrics.applying.set(0)
    }
}

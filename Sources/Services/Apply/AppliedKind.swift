// What kind of request an entry carried, for the times that applying takes.

import API

/// The kinds, by etcd's names (reference: metrics.tsv, etcd_server_apply_duration_seconds).
package enum AppliedKind: Int, CaseIterable, Sendable {
    case range, put, deleteRange, txn, compaction, leaseGrant, leaseRevoke, leaseCheckpoint, alarm
    case clusterVersionSet, clusterMemberAttrSet, downgradeInfoSet, auth

    package var name: String {
        switch self {
        case .range: "Range"
        case .put: "Put"
        case .deleteRange: "DeleteRange"
        case .txn: "Txn"
        case .compaction: "Compaction"
        case .leaseGrant: "LeaseGrant"
        case .leaseRevoke: "LeaseRevoke"
        case .leaseCheckpoint: "LeaseCheckpoint"
        case .alarm: "Alarm"
        case .clusterVersionSet: "ClusterVersionSet"
        case .clusterMemberAttrSet: "ClusterMemberAttrSet"
        case .downgradeInfoSet: "DowngradeInfoSet"
        // etcd has a name for each; none of them is often.
        case .auth: "Auth"
        }
    }

    init(_ operation: InternalRaftRequest.Operation) {
        self =
            switch operation {
            case .range: .range
            case .put: .put
            case .deleteRange: .deleteRange
            case .txn: .txn
            case .compaction: .compaction
            case .leaseGrant: .leaseGrant
            case .leaseRevoke: .leaseRevoke
            case .leaseCheckpoint: .leaseCheckpoint
            case .alarm: .alarm
            case .clusterVersionSet: .clusterVersionSet
            case .clusterMemberAttrSet: .clusterMemberAttrSet
            case .downgradeInfoSet: .downgradeInfoSet
            case .auth: .auth
            }
    }
}

/// How long requests take to be applied, in nanoseconds. On the applier's executor.
package struct ApplyTimes: Sendable {
    /// By kind, those that were refused behind those that succeeded.
    private let histograms: [Histogram]
    private let slow: Counter
    /// etcd's -warning-apply-duration, of which this version has the default only.
    private static let slowNanoseconds: UInt64 = 100_000_000

    package init() { self.init(slow: Counter()) { _, _ in Histogram(bounds: []) } }

    /// - Parameters:
    ///   - slow: counts those that took longer than a tenth of a second.
    ///   - histogram: makes the one of a kind.
    package init(
        slow: Counter, _ histogram: (_ kind: AppliedKind, _ succeeded: Bool) -> Histogram
    ) {
        self.slow = slow
        histograms = AppliedKind.allCases.flatMap { [histogram($0, true), histogram($0, false)] }
    }

    func applied(_ kind: AppliedKind, succeeded: Bool, nanoseconds: UInt64) {
        histograms[2 * kind.rawValue + (succeeded ? 0 : 1)].observe(nanoseconds)
        if nanoseconds > Self.slowNanoseconds { slow.increment() }
    }
}

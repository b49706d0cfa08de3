import Testing

@testable import API

@Suite("The error table")
struct ErrorTests {
    /// Every error we can answer, by etcd's name for it.
    static let ours: [String: Status] = [
        "ErrGRPCEmptyKey": .emptyKey,
        "ErrGRPCKeyNotFound": .keyNotFound,
        "ErrGRPCValueProvided": .valueProvided,
        "ErrGRPCLeaseProvided": .leaseProvided,
        "ErrGRPCTooManyOps": .tooManyOps,
        "ErrGRPCDuplicateKey": .duplicateKey,
        "ErrGRPCInvalidClientAPIVersion": .invalidClientAPIVersion,
        "ErrGRPCInvalidSortOption": .invalidSortOption,
        "ErrGRPCCompacted": .compacted,
        "ErrGRPCFutureRev": .futureRevision,
        "ErrGRPCNoSpace": .noSpace,
        "ErrGRPCLeaseNotFound": .leaseNotFound,
        "ErrGRPCLeaseExist": .leaseExists,
        "ErrGRPCLeaseTTLTooLarge": .leaseTTLTooLarge,
        "ErrGRPCWatchCanceled": .watchCanceled,
        "ErrGRPCMemberExist": .memberExists,
        "ErrGRPCPeerURLExist": .peerURLExists,
        "ErrGRPCMemberNotEnoughStarted": .memberNotEnoughStarted,
        "ErrGRPCMemberBadURLs": .memberBadURLs,
        "ErrGRPCMemberNotFound": .memberNotFound,
        "ErrGRPCMemberNotLearner": .memberNotLearner,
        "ErrGRPCLearnerNotReady": .learnerNotReady,
        "ErrGRPCTooManyLearners": .tooManyLearners,
        "ErrGRPCClusterIDMismatch": .clusterIDMismatch,
        "ErrGRPCRequestTooLarge": .requestTooLarge,
        "ErrGRPCRequestTooManyRequests": .tooManyRequests,
        "ErrGRPCRootUserNotExist": .rootUserNotExist,
        "ErrGRPCRootRoleNotExist": .rootRoleNotExist,
        "ErrGRPCUserAlreadyExist": .userAlreadyExists,
        "ErrGRPCUserEmpty": .userEmpty,
        "ErrGRPCUserNotFound": .userNotFound,
        "ErrGRPCRoleAlreadyExist": .roleAlreadyExists,
        "ErrGRPCRoleNotFound": .roleNotFound,
        "ErrGRPCRoleEmpty": .roleEmpty,
        "ErrGRPCAuthFailed": .authFailed,
        "ErrGRPCPermissionNotGiven": .permissionNotGiven,
        "ErrGRPCPermissionDenied": .permissionDenied,
        "ErrGRPCRoleNotGranted": .roleNotGranted,
        "ErrGRPCPermissionNotGranted": .permissionNotGranted,
        "ErrGRPCAuthNotEnabled": .authNotEnabled,
        "ErrGRPCInvalidAuthToken": .invalidAuthToken,
        "ErrGRPCInvalidAuthMgmt": .invalidAuthManagement,
        "ErrGRPCAuthOldRevision": .oldAuthRevision,
        "ErrGRPCNoLeader": .noLeader,
        "ErrGRPCNotLeader": .notLeader,
        "ErrGRPCLeaderChanged": .leaderChanged,
        "ErrGRPCNotCapable": .notCapable,
        "ErrGRPCStopped": .stopped,
        "ErrGRPCTimeout": .requestTimeout,
        "ErrGRPCTimeoutDueToLeaderFail": .timeoutDueToLeaderFail,
        "ErrGRPCTimeoutDueToConnectionLost": .timeoutDueToConnectionLost,
        "ErrGRPCTimeoutWaitAppliedIndex": .timeoutWaitAppliedIndex,
        "ErrGRPCUnhealthy": .unhealthy,
        "ErrGRPCCorrupt": .corrupt,
        "ErrGRPCNotSupportedForLearner": .notSupportedForLearner,
        "ErrGRPCBadLeaderTransferee": .badLeaderTransferee,
        "ErrGRPCWrongDowngradeVersionFormat": .wrongDowngradeVersionFormat,
        "ErrGRPCInvalidDowngradeTargetVersion": .invalidDowngradeTargetVersion,
        "ErrGRPCClusterVersionUnavailable": .clusterVersionUnavailable,
        "ErrGRPCDowngradeInProcess": .downgradeInProcess,
        "ErrGRPCNoInflightDowngrade": .noInflightDowngrade,
        "ErrGRPCCanceled": .requestCanceled,
        "(auth.ErrNoPasswordUser)": .noPasswordUser,
        "(lease.ErrNotPrimary)": .notPrimaryLessor,
        "(errors.ErrTimeoutLeaderTransfer)": .timeoutLeaderTransfer,
        "(errors.ErrUnknownMethod)": .unknownMethod,
        "(election.ErrMissingLeaderKey)": .missingLeaderKey,
        "(concurrency.ErrElectionNotLeader)": .electionNotLeader,
        "(concurrency.ErrElectionNoLeader)": .electionNoLeader,
        "(concurrency.ErrSessionExpired)": .sessionExpired,
        "(range stream) RangeStream does not support custom sort orders": .rangeStreamSortOrder,
        "(range stream) RangeStream does not support revision filters": .rangeStreamRevisionFilter,
        "(context) context canceled": .contextCanceled,
        "(context) context deadline exceeded": .contextDeadlineExceeded,
    ]

    /// Not sent by etcd under this text: a passed deadline is "(context) context deadline exceeded".
    static let shadowed: Set<String> = ["ErrGRPCDeadlineExceeded"]

    static let hasReference = Reference.shared("reference/errors.tsv") != nil

    @Test(
        "Each error has etcd's code and text, to the letter",
        .enabled(if: hasReference, "no ../shared/reference here"))
    func table() throws {
        var seen: Set<String> = []
        for row in try Reference.rows("errors.tsv") where !row[0].hasPrefix("(watch") {
            let (symbol, code, message, when) = (row[0], Int(row[3]), row[4], row[5])
            if Self.shadowed.contains(symbol) { continue }
            if message.hasSuffix("(N vs. M)") {
                let status = Status.messageTooLarge(3, limit: 2)
                #expect(status.message == message.replacing("N vs. M", with: "3 vs. 2"))
                #expect(status.code.rawValue == code)
                continue
            }
            let name = Self.ours[symbol] == nil ? "\(symbol) \(message)" : symbol
            seen.insert(name)
            let status = try #require(Self.ours[name], "no error for \(name)")
            #expect(status.message == message)
            let arrivesAsUnknown = when.contains("as code Unknown (2)")
            #expect(status.code.rawValue == (arrivesAsUnknown ? 2 : code), "\(name)")
        }
        #expect(seen == Set(Self.ours.keys))
    }

    @Test(
        "A watch is refused in etcd's words",
        .enabled(if: hasReference, "no ../shared/reference here"))
    func watchReasons() throws {
        let ours: Set = [
            WatchCancelReason.duplicateWatchID, WatchCancelReason.emptyRange,
            WatchCancelReason.compacted, WatchCancelReason.permissionDenied,
            WatchCancelReason.invalidAuthToken, WatchCancelReason.oldAuthRevision,
            WatchCancelReason.userEmpty,
        ]
        let theirs = try Reference.rows("errors.tsv").filter { $0[0].hasPrefix("(watch") }
        #expect(Set(theirs.map { $0[4] }) == ours)
    }

    @Test("An error can be thrown by its name")
    func thrown() {
        func refuse() throws(Status) { throw .emptyKey }
        #expect(throws: Status(.invalidArgument, "etcdserver: key is not provided")) {
            try refuse()
        }
    }
}

// What an Applier is told at its start.

import API

extension Applier {
    /// Who this member is.
    public struct Identity: Sendable {
        public let cluster: ClusterID
        public let member: MemberID

        public init(cluster: ClusterID, member: MemberID) {
            self.cluster = cluster
            self.member = member
        }
    }

    /// What the operator decided about requests.
    public struct Settings: Sendable {
        /// What this member publishes of itself.
        public var name: String
        public var clientURLs: [String]
        /// Bytes in use beyond which nothing is added; nil is no quota.
        public var quotaBytes: Int64?
        /// As Status reports it: the effective quota, or the flag when it is negative.
        public var reportedQuota: Int64
        /// A request that is not done by then is given up.
        public var requestTimeoutNanoseconds: UInt64
        public var leases: LeaseSettings
        public var auth = AuthSettings()
        /// Members without a vote that there may be.
        public var maxLearners = 1
        /// Whether a change must leave a quorum that works (-strict-reconfig-check).
        public var checksReconfiguration = true
        /// Gate StopGRPCServiceOnDefrag: gRPC's health service says so while it defragments.
        public var defragmentsOutOfService = false

        public init(
            name: String, clientURLs: [String], quotaBytes: Int64?,
            reportedQuota: Int64, requestTimeoutNanoseconds: UInt64,
            leases: LeaseSettings = LeaseSettings()
        ) {
            self.name = name
            self.clientURLs = clientURLs
            self.quotaBytes = quotaBytes
            self.reportedQuota = reportedQuota
            self.requestTimeoutNanoseconds = requestTimeoutNanoseconds
            self.leases = leases
        }
    }
}

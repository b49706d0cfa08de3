// All that the operator decides about a member, checked and typed. Made once at start from the
// command line and the environment (CommandLineReader); nothing changes it afterwards.

import Services
import Transport

/// The effective configuration of one member.
public struct Configuration: Sendable {
    /// -name
    public let name: String
    /// -data-dir, `<name>.etcd` when not given.
    public let dataDirectory: String
    public let listeners: Listeners
    public let advertised: Advertised
    public let bootstrap: Bootstrap
    public let raft: Raft
    public let storage: Storage
    public let limits: Limits
    public let keepalive: Keepalive
    public let watch: Watch
    public let httpAccess: HTTPAccess
    public let security: Security
    public let logging: Logging
    /// -feature-gates
    public let featureGates: FeatureGates
    /// -memory-mlock: keep the whole process in RAM.
    public let locksMemory: Bool
    /// -max-learners
    public let maxLearners: Int
    /// -strict-reconfig-check: a change must leave a quorum that works.
    public let checksReconfiguration: Bool
    /// -auth-token, -auth-token-ttl, -bcrypt-cost
    public let auth: AuthSettings
    public let corruption: Corruption

    /// Where the member's data lies (etcd's layout).
    public var memberDirectory: String { dataDirectory + "/member" }
    /// -wal-dir, or its place in the data directory.
    public var walDirectory: String { storage.dedicatedWALDirectory ?? memberDirectory + "/wal" }

    public struct Listeners: Sendable {
        /// gRPC, and HTTP too unless `clientHTTP` is set.
        public let client: [ServerURL]
        /// HTTP only; empty when HTTP shares `client`.
        public let clientHTTP: [ServerURL]
        /// /metrics and health only.
        public let metrics: [ServerURL]
        /// Other members only.
        public let peer: [ServerURL]
        /// SO_REUSEPORT
        public let reusePort: Bool
        /// SO_REUSEADDR
        public let reuseAddress: Bool
    }

    public struct Advertised: Sendable {
        public let client: [ServerURL]
        public let peer: [ServerURL]
    }

    /// How a member without data starts; the first three are ignored once there is data.
    public struct Bootstrap: Sendable {
        /// -initial-cluster as given or as derived from the name.
        public let initialCluster: String
        /// -initial-cluster-state: `new` or `existing`.
        public let state: String
        public let token: String
        /// -force-new-cluster: of a member with data, which goes on without all others.
        public let forcesNewCluster: Bool
    }

    public struct Raft: Sendable {
        /// The length of a tick.
        public let heartbeatNanoseconds: UInt64
        public let electionTicks: Int
        /// -initial-election-tick-advance: skip most of the first election wait.
        public let advancesInitialElectionTicks: Bool
        public let preVote: Bool
        /// -leader-lease-reads.
        public let readsByLease: Bool
        /// Applied entries between snapshots.
        public let snapshotCount: UInt64
        /// Entries kept behind a compaction for slow followers.
        public let snapshotCatchUpEntries: UInt64
        /// -raft-read-timeout and -raft-write-timeout, the longer one: a member without a sign of
        /// life for so long is taken for dead.
        public let peerTimeoutNanoseconds: UInt64

        public var electionNanoseconds: UInt64 { heartbeatNanoseconds * UInt64(electionTicks) }
        /// What a request may take (reference: semantics.md, Limits and interceptors).
        var requestTimeoutNanoseconds: UInt64 { 5_000_000_000 + 2 * electionNanoseconds }
    }

    public struct Storage: Sendable {
        /// nil: inside the data directory.
        public let dedicatedWALDirectory: String?
        /// nil is no quota.
        public let quotaBytes: Int64?
        public let batchIntervalNanoseconds: UInt64
        public let batchLimit: Int
        /// Files kept; 0 is all.
        public let maxWALs: Int
        /// Files kept; 0 is all.
        public let maxSnapshots: Int
        /// -unsafe-no-fsync: an acknowledged write may be lost with the power.
        public let syncsToDisk: Bool
        /// -auto-compaction-mode and -auto-compaction-retention; nil is off.
        public let autoCompaction: CompactionPolicy?
    }

    public struct Limits: Sendable {
        public let maxTxnOperations: Int
        /// The largest proposal.
        public let maxRequestBytes: Int
        /// HTTP/2 streams of one connection.
        public let maxConcurrentStreams: UInt32
        /// Applies slower than this are logged.
        public let applyWarningNanoseconds: UInt64
        /// Unary requests slower than this are logged.
        public let unaryWarningNanoseconds: UInt64

        /// The largest gRPC message taken from a client: room for what surrounds the request.
        public var maxReceiveBytes: Int { maxRequestBytes + 524_288 }
    }

    /// When members compare the hashes of their keys; times in nanoseconds.
    public struct Corruption: Sendable {
        /// The gate InitialCorruptCheck: before a member with data serves.
        public let checksAtStart: Bool
        /// -corrupt-check-time; nil is never.
        public let interval: UInt64?
        /// -compact-hash-check-time, with the gate CompactHashCheck; nil is never.
        public let compactionInterval: UInt64?
    }

    public struct Watch: Sendable {
        /// Between progress notifications.
        public let progressNanoseconds: UInt64
    }

    /// gRPC keepalive; times in nanoseconds.
    public struct Keepalive: Sendable {
        /// A client that pings more often is turned away with `too_many_pings`.
        public let minTimeNanoseconds: UInt64
        /// Between the server's own pings; 0 is none.
        public let intervalNanoseconds: UInt64
        /// The wait for their answer; 0 is for ever.
        public let timeoutNanoseconds: UInt64
    }

    /// Who may ask over plain HTTP (reference: http-endpoints.md, checks before every request).
    public struct HTTPAccess: Sendable {
        /// -cors: nil is any origin.
        public let origins: Set<String>?
        /// -host-whitelist: nil is any host.
        public let hosts: Set<String>?
        /// -enable-grpc-gateway.
        public let servesGateway: Bool

        public init(
            origins: Set<String>? = nil, hosts: Set<String>? = nil, servesGateway: Bool = true
        ) {
            self.origins = origins
            self.hosts = hosts
            self.servesGateway = servesGateway
        }
    }

    /// TLS; the settings of a port are empty when it has none.
    public struct Security: Sendable {
        public let client: TLSSettings
        public let peer: TLSSettings
        /// -auto-tls
        public let clientCertificate: GeneratedCertificate?
        /// -peer-auto-tls
        public let peerCertificate: GeneratedCertificate?
    }

    /// A certificate that the member makes for itself when it is not there.
    public struct GeneratedCertificate: Sendable {
        public let directory: String
        public let files: TLSSettings.Pair
        /// Names and addresses it is good for.
        public let hosts: [String]
        /// -self-signed-cert-validity
        public let years: UInt64
    }

    public struct Logging: Sendable {
        public let level: LogLevel
        public let format: LogFormat
        public let outputs: [LogOutput]
    }
}

/// -log-level
public enum LogLevel: String, Sendable, CaseIterable {
    case debug, info, warn, error, dpanic, panic, fatal
}

/// -log-format
public enum LogFormat: String, Sendable, CaseIterable { case json, console }

/// One of -log-outputs.
public enum LogOutput: Hashable, Sendable {
    case standardError, standardOutput
    /// Appended to, created when missing.
    case file(String)
}

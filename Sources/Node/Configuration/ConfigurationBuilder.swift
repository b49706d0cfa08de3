// From given flags to a checked Configuration: etcd's `Config.Validate`, in its order and words.

import Services

struct ConfigurationBuilder {
    private let given: GivenFlags
    var notices: [StartupNotice] = []

    init(_ given: GivenFlags) { self.given = given }

    mutating func build() throws(ConfigurationError) -> Configuration {
        try refuseUnserved()
        let name = text("name")
        // The table has the usage text's default, which names the rule.
        let directory = given.isGiven("data-dir") ? text("data-dir") : ""
        let dataDirectory = directory.isEmpty ? "\(name).etcd" : directory
        if directory.isEmpty {
            notices.append(
                .warning("'data-dir' was empty; using default", ("data-dir", dataDirectory)))
        }
        try checkLogger()
        let listeners = try listeners()
        let advertised = try advertised()
        let raft = try raft()
        let security = try security(listeners, dataDirectory: dataDirectory)
        return Configuration(
            name: name,
            dataDirectory: dataDirectory,
            listeners: listeners, advertised: advertised,
            bootstrap: bootstrap(name, advertised), raft: raft, storage: try storage(),
            limits: try limits(), keepalive: try keepalive(), watch: try watch(),
            httpAccess: httpAccess(), security: security, logging: try logging(),
            featureGates: gates(),
            locksMemory: bool("memory-mlock"), maxLearners: Int(int("max-learners")),
            checksReconfiguration: bool("strict-reconfig-check"), auth: try auth(),
            corruption: try corruption())
    }

    /// What is known to etcd and not done here is refused rather than quietly left out.
    private func refuseUnserved() throws(ConfigurationError) {
        for (name, given) in given.values.sorted(by: { $0.key < $1.key }) {
            guard let flag = FlagTable.byName[name] else { continue }
            switch flag.status {
            case .served, .noEffect: continue
            case .servedOnlyAtDefault, .notServedYet:
                if given.value == defaultValue(flag) { continue }
                throw .invalid(
                    "flag -\(name) is known to etcd but not served by this version of cairn yet")
            }
        }
        if let gate = gates().firstUnserved {
            throw .invalid(
                "feature gate \(gate) is known to etcd but not served by this version of cairn yet")
        }
    }

    // MARK: Parts

    private func listeners() throws(ConfigurationError) -> Configuration.Listeners {
        let parts = Configuration.Listeners(
            client: urls("listen-client-urls"), clientHTTP: urls("listen-client-http-urls"),
            metrics: urls("listen-metrics-urls"), peer: urls("listen-peer-urls"),
            reusePort: bool("socket-reuse-port"), reuseAddress: bool("socket-reuse-address"))
        for url in parts.peer + parts.client + parts.clientHTTP + parts.metrics
        where !url.scheme.isUnixSocket && url.host != "localhost" && !isIPAddress(url.host) {
            throw .invalid("expected IP in URL for binding (\(url))")
        }
        if given.isGiven("listen-client-urls"), !given.isGiven("advertise-client-urls") {
            throw .invalid(
                "--advertise-client-urls is required when --listen-client-urls is set explicitly")
        }
        return parts
    }

    private func advertised() throws(ConfigurationError) -> Configuration.Advertised {
        for flag in ["initial-advertise-peer-urls", "advertise-client-urls"] {
            let all = urls(flag)
            for url in all where !url.scheme.isUnixSocket && url.host.isEmpty {
                let list = GoNotation.quoted(all.map(\.description).joined(separator: ","))
                throw .invalid(
                    "--\(flag) \(list) must be \"host:port\" (unexpected empty host (\(url)))")
            }
        }
        return Configuration.Advertised(
            client: urls("advertise-client-urls"), peer: urls("initial-advertise-peer-urls"))
    }

    /// A name alone is a cluster of one by that name.
    private func bootstrap(_ name: String, _ advertised: Configuration.Advertised)
        -> Configuration.Bootstrap
    {
        var cluster = text("initial-cluster")
        if name != "default", !given.isGiven("initial-cluster") {
            cluster = advertised.peer.map { "\(name)=\($0)" }.joined(separator: ",")
        }
        return Configuration.Bootstrap(
            initialCluster: cluster, state: text("initial-cluster-state"),
            token: text("initial-cluster-token"), forcesNewCluster: bool("force-new-cluster"))
    }

    private func raft() throws(ConfigurationError) -> Configuration.Raft {
        let heartbeat = uint("heartbeat-interval")
        let election = uint("election-timeout")
        for (flag, value) in [("heartbeat-interval", heartbeat), ("election-timeout", election)]
        where value == 0 {
            throw .invalid("--\(flag) must be >0 (set to 0ms)")
        }
        guard election / 5 >= heartbeat else {
            throw .invalid(
                "--election-timeout[\(election)ms] should be at least as 5 times as "
                    + "--heartbeat-interval[\(heartbeat)ms]")
        }
        guard election <= 50_000 else {
            throw .invalid(
                "--election-timeout[\(election)ms] is too long, and should be set less than "
                    + "50000ms")
        }
        return Configuration.Raft(
            heartbeatNanoseconds: heartbeat * 1_000_000,
            electionTicks: Int(election / heartbeat),
            advancesInitialElectionTicks: bool("initial-election-tick-advance"),
            preVote: bool("pre-vote"), readsByLease: bool("leader-lease-reads"),
            snapshotCount: uint("snapshot-count", orIfZero: 10_000),
            snapshotCatchUpEntries: uint("snapshot-catchup-entries", orIfZero: 5_000),
            peerTimeoutNanoseconds: max(
                5_000_000_000, try duration("raft-read-timeout"),
                try duration("raft-write-timeout")))
    }

    private func storage() throws(ConfigurationError) -> Configuration.Storage {
        let quota = int("quota-backend-bytes")
        let wal = text("wal-dir")
        let batchLimit = int("backend-batch-limit")
        return Configuration.Storage(
            dedicatedWALDirectory: wal.isEmpty ? nil : wal,
            quotaBytes: quota < 0 ? nil : quota == 0 ? 2 << 30 : quota,
            batchIntervalNanoseconds: try duration("backend-batch-interval", orIfZero: 100_000_000),
            batchLimit: batchLimit <= 0 ? 10_000 : Int(batchLimit),
            maxWALs: try count("max-wals"), maxSnapshots: try count("max-snapshots"),
            syncsToDisk: !bool("unsafe-no-fsync"), autoCompaction: try autoCompaction())
    }

    private func autoCompaction() throws(ConfigurationError) -> CompactionPolicy? {
        try AutoCompactionFlags.policy(
            mode: text("auto-compaction-mode"), retention: text("auto-compaction-retention"))
    }

    private func corruption() throws(ConfigurationError) -> Configuration.Corruption {
        let interval = try duration("corrupt-check-time")
        let compactions = try duration("compact-hash-check-time")
        guard compactions > 0 else {
            throw .invalid("--compact-hash-check-time must be >0 (set to 0s)")
        }
        let gates = gates()
        return Configuration.Corruption(
            checksAtStart: gates["InitialCorruptCheck"], interval: interval == 0 ? nil : interval,
            compactionInterval: gates["CompactHashCheck"] ? compactions : nil)
    }

    private mutating func limits() throws(ConfigurationError) -> Configuration.Limits {
        let requestBytes = try count("max-request-bytes")
        if requestBytes > Self.recommendedRequestBytes {
            notices.append(
                .warning(
                    "exceeded recommended request limit",
                    ("max-request-bytes", "\(requestBytes)"),
                    ("recommended-request-bytes", "\(Self.recommendedRequestBytes)")))
        }
        return Configuration.Limits(
            maxTxnOperations: try count("max-txn-ops"), maxRequestBytes: requestBytes,
            maxConcurrentStreams: UInt32(truncatingIfNeeded: uint("max-concurrent-streams")),
            applyWarningNanoseconds: try duration("warning-apply-duration"),
            unaryWarningNanoseconds: try duration(
                "warning-unary-request-duration", orIfZero: 300_000_000))
    }

    private static let recommendedRequestBytes = 10 << 20

    private func keepalive() throws(ConfigurationError) -> Configuration.Keepalive {
        Configuration.Keepalive(
            minTimeNanoseconds: try duration("grpc-keepalive-min-time"),
            intervalNanoseconds: try duration("grpc-keepalive-interval"),
            timeoutNanoseconds: try duration("grpc-keepalive-timeout"))
    }

    /// As etcd, which raises what is shorter to 100 ms.
    private func watch() throws(ConfigurationError) -> Configuration.Watch {
        let interval = try duration(
            "watch-progress-notify-interval", orIfZero: 600_000_000_000)
        return Configuration.Watch(progressNanoseconds: max(interval, 100_000_000))
    }

    private func httpAccess() -> Configuration.HTTPAccess {
        var origins: Set<String>?
        if case .origins(let urls?) = value("cors") { origins = Set(urls.map(\.description)) }
        let hosts = list("host-whitelist")
        return Configuration.HTTPAccess(
            origins: origins, hosts: hosts.isEmpty || hosts.contains("*") ? nil : Set(hosts),
            servesGateway: bool("enable-grpc-gateway"))
    }

    private mutating func auth() throws(ConfigurationError) -> AuthSettings {
        var settings = AuthSettings()
        do throws(AuthTokenFlagError) {
            let flag = try AuthTokenFlag.keys(text("auth-token"), AuthTokenFlag.content)
            settings.signedTokens = flag.keys
            if !flag.unknown.isEmpty {
                notices.append(
                    .warning("unknown JWT options", ("keys", flag.unknown.joined(separator: ","))))
            }
        } catch {
            throw .invalid(error.description)
        }
        // Hours beyond any use, and the sum with the time must not overflow.
        let seconds = min(uint("auth-token-ttl", orIfZero: 300), 1 << 32)
        settings.tokenNanoseconds = seconds * 1_000_000_000
        let cost = uint("bcrypt-cost")
        if let cost = Int(exactly: cost), AuthSettings.bcryptCosts.contains(cost) {
            settings.bcryptCost = cost
        } else {
            notices.append(
                .warning(
                    "using default bcrypt cost 10 instead of the invalid cost",
                    ("bcrypt-cost", "\(cost)")))
        }
        return settings
    }

    private func checkLogger() throws(ConfigurationError) {
        guard text("logger") == "zap" else {
            throw .invalid("unknown logger option \(GoNotation.quoted(text("logger")))")
        }
    }

    private func logging() throws(ConfigurationError) -> Configuration.Logging {
        guard let level = LogLevel(rawValue: text("log-level")) else {
            throw .invalid("unrecognized level: \(GoNotation.quoted(text("log-level")))")
        }
        guard let format = LogFormat(rawValue: text("log-format")) else {
            throw .invalid(
                "unknown log format: \(text("log-format")), supported values json, console")
        }
        let words = list("log-outputs")
        if words.count > 1, words.contains("default") {
            throw .invalid("multi logoutput for \"default\" is not supported yet")
        }
        var outputs: [LogOutput] = []
        for word in words {
            switch word {
            case "default", "stderr": outputs.append(.standardError)
            case "stdout": outputs.append(.standardOutput)
            case "systemd/journal":
                throw .invalid(
                    "flag -log-outputs=\(word) is known to etcd but not served by this version "
                        + "of cairn yet")
            default: outputs.append(.file(word))
            }
        }
        return Configuration.Logging(level: level, format: format, outputs: outputs)
    }

    // MARK: Values

    private func defaultValue(_ flag: FlagDefinition) -> FlagValue {
        guard let value = try? flag.kind.parse(flag.defaultText) else {
            preconditionFailure("the default of -\(flag.name) is a value of its kind")
        }
        return value
    }

    private func value(_ name: String) -> FlagValue {
        guard let flag = FlagTable.byName[name] else {
            preconditionFailure("-\(name) is in the table")
        }
        return given.values[name]?.value ?? defaultValue(flag)
    }

    func text(_ name: String) -> String {
        guard case .text(let text) = value(name) else { preconditionFailure("-\(name) is a text") }
        return text
    }
    func bool(_ name: String) -> Bool {
        guard case .bool(let flag) = value(name) else { preconditionFailure("-\(name) is a bool") }
        return flag
    }
    private func int(_ name: String) -> Int64 {
        guard case .int(let number) = value(name) else { preconditionFailure("-\(name) is an int") }
        return number
    }
    func uint(_ name: String) -> UInt64 {
        guard case .uint(let number) = value(name) else {
            preconditionFailure("-\(name) is a uint")
        }
        return number
    }
    private func uint(_ name: String, orIfZero standard: UInt64) -> UInt64 {
        let number = uint(name)
        return number == 0 ? standard : number
    }
    func list(_ name: String) -> [String] {
        guard case .list(let words) = value(name) else { preconditionFailure("-\(name) is a list") }
        return words
    }
    private func gates() -> FeatureGates {
        guard case .gates(let gates) = value("feature-gates") else {
            preconditionFailure("-feature-gates is gates")
        }
        return gates
    }
    /// An empty list is as good as none given: etcd then listens on its default.
    private func urls(_ name: String) -> [ServerURL] {
        guard case .urls(let urls) = value(name) else { preconditionFailure("-\(name) is URLs") }
        guard urls.isEmpty, let flag = FlagTable.byName[name],
            case .urls(let standard) = defaultValue(flag)
        else { return urls }
        return standard
    }

    private func count(_ name: String) throws(ConfigurationError) -> Int {
        let number = uint(name)
        guard number <= UInt64(Int32.max) else {
            throw .invalid("--\(name) must be at most \(Int32.max) (set to \(number))")
        }
        return Int(number)
    }

    private func duration(_ name: String, orIfZero standard: UInt64 = 0)
        throws(ConfigurationError) -> UInt64
    {
        guard case .duration(let nanoseconds) = value(name) else {
            preconditionFailure("-\(name) is a duration")
        }
        guard nanoseconds >= 0 else {
            let text = GoNotation.text(durationNanoseconds: nanoseconds)
            throw .invalid("--\(name) must not be negative (set to \(text))")
        }
        return nanoseconds == 0 ? standard : UInt64(nanoseconds)
    }
}

// What is known of a flag: its name, how its text is read, what it is when not given, and what
// this version of Cairn does with it. The rows are in FlagTable; nothing else lists flags.

/// How the text of a flag becomes a value.
enum FlagKind: Hashable, Sendable {
    case text
    /// The only kind that needs no value: `-flag` alone is true.
    case bool
    case int
    case uint
    case uint32
    /// Go's notation: `1h30m`, `100ms`.
    case duration
    /// Comma-separated URLs; empty is none.
    case urls
    /// As `urls`, or `*` for any.
    case origins
    /// Comma-separated words; empty is none.
    case list
    case choice([String])
    /// A choice with an error text of its own.
    case v2Deprecation
    case featureGates
}

/// What this version does with a flag.
enum FlagStatus: Hashable, Sendable {
    case served
    /// Accepted with any value, which changes nothing; the reason is shown by `--help`.
    case noEffect(String)
    /// Served, but only with its default: another value is refused.
    case servedOnlyAtDefault
    /// Known to etcd. Refused by name unless it is given its default.
    case notServedYet
}

struct FlagDefinition: Sendable {
    let name: String
    let kind: FlagKind
    /// As text, in the notation of the command line.
    let defaultText: String
    let status: FlagStatus
    let summary: String

    init(
        _ name: String, _ kind: FlagKind, default defaultText: String, _ status: FlagStatus,
        _ summary: String
    ) {
        self.name = name
        self.kind = kind
        self.defaultText = defaultText
        self.status = status
        self.summary = summary
    }

    /// The environment variable that is used when the flag is not given.
    var environmentName: String {
        "ETCD_" + name.uppercased().replacing("-", with: "_")
    }
}

/// All flags, in the order and under the headings of `--help`.
enum FlagTable {
    static let sections: [(title: String, flags: [FlagDefinition])] = [
        ("Member", member),
        ("Clustering", clustering),
        ("Security", security),
        ("Auth", auth),
        ("Profiling and Monitoring", monitoring),
        ("Logging", logging),
        ("Distributed tracing", tracing),
        ("Checks and maintenance", checks),
        ("Unsafe feature", unsafe),
        ("Not in etcd", own),
    ]

    /// By name, those of `general` too.
    static let byName: [String: FlagDefinition] = {
        let all = sections.flatMap(\.flags) + general
        return Dictionary(all.map { ($0.name, $0) }) { first, _ in first }
    }()

    /// Flags of etcd 2 that etcd still accepts and ignores. They take no separate value.
    static let ignoredLegacy: Set<String> = [
        "cluster-active-size", "cluster-remove-delay", "cluster-sync-interval", "config", "force",
        "max-result-buffer", "max-retry-attempts", "peer-heartbeat-interval",
        "peer-election-timeout", "retry-interval", "snapshot", "v", "vv", "test.coverprofile",
        "test.outputdir",
    ]

    /// What etcd up to 3.5 called `experimental` has another name since: one without that, or that
    /// of a feature gate.
    static func successor(of name: String) -> String? {
        let prefix = "experimental-"
        guard name.hasPrefix(prefix) else { return nil }
        let rest = String(name.dropFirst(prefix.count))
        if byName[rest] != nil { return "--\(rest)" }
        return experimentalGates[rest].map { "--feature-gates=\($0)=true" }
    }

    private static let experimentalGates = [
        "initial-corrupt-check": "InitialCorruptCheck",
        "compact-hash-check-enabled": "CompactHashCheck",
        "enable-lease-checkpoint": "LeaseCheckpoint",
        "enable-lease-checkpoint-persist": "LeaseCheckpointPersist",
        "stop-grpc-service-on-defrag": "StopGRPCServiceOnDefrag",
        "txn-mode-write-with-shared-buffer": "TxnModeWriteWithSharedBuffer",
    ]
}

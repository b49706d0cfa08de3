// The flags of a member and of the cluster it boots (reference: flags.tsv).

extension FlagTable {
    static let member: [FlagDefinition] = [
        FlagDefinition(
            "name", .text, default: "default", .served,
            "member name shown to operators; matched against initial-cluster names"),
        FlagDefinition(
            "data-dir", .text, default: "${name}.etcd", .served,
            "directory holding all member data"),
        FlagDefinition(
            "wal-dir", .text, default: "", .served,
            "separate directory for the WAL; empty = inside data-dir"),
        FlagDefinition(
            "snapshot-count", .uint, default: "10000", .served,
            "applied entries between on-disk raft snapshots (0 falls back to the default)"),
        FlagDefinition(
            "snapshot-catchup-entries", .uint, default: "5000", .served,
            "raft entries kept in memory behind a compaction for slow followers (0 falls back to the default)"
        ),
        FlagDefinition(
            "heartbeat-interval", .uint, default: "100", .served,
            "leader heartbeat / raft tick length"),
        FlagDefinition(
            "election-timeout", .uint, default: "1000", .served,
            "election timeout; must be >= 5x heartbeat-interval and <= 50000"),
        FlagDefinition(
            "initial-election-tick-advance", .bool, default: "true",
            .noEffect("a single member campaigns at once, others wait for their turn"),
            "skip most of the first election wait at boot"),
        FlagDefinition(
            "listen-peer-urls", .urls, default: "http://localhost:2380", .served,
            "peer listen addresses; host must be an IP or localhost (or unix socket)"),
        FlagDefinition(
            "listen-client-urls", .urls, default: "http://localhost:2379", .served,
            "client gRPC (and HTTP unless listen-client-http-urls is set) listen addresses"),
        FlagDefinition(
            "listen-client-http-urls", .urls, default: "", .served,
            "HTTP-only client listen addresses; when set, listen-client-urls serve gRPC only"),
        FlagDefinition(
            "max-snapshots", .uint, default: "5", .noEffect("there are no raft snapshot files"),
            "raft snapshot files kept (0 = all)"),
        FlagDefinition(
            "max-wals", .uint, default: "5", .served,
            "WAL files kept (0 = all)"),
        FlagDefinition(
            "memory-mlock", .bool, default: "false", .served,
            "lock process memory in RAM"),
        FlagDefinition(
            "quota-backend-bytes", .int, default: "0", .served,
            "backend size quota; 0 = 2147483648, negative = off, above 8 GiB warns"),
        FlagDefinition(
            "backend-bbolt-freelist-type", .text, default: "", .noEffect("not bbolt"),
            "array or anything else (=map, the effective default)"),
        FlagDefinition(
            "backend-batch-interval", .duration, default: "0", .served,
            "longest time before a backend commit"),
        FlagDefinition(
            "backend-batch-limit", .int, default: "0", .served,
            "writes before a backend commit"),
        FlagDefinition(
            "max-txn-ops", .uint, default: "128", .served,
            "most operations in a transaction list"),
        FlagDefinition(
            "max-request-bytes", .uint, default: "1572864", .served,
            "largest raft proposal; gRPC receive limit is this plus 524288"),
        FlagDefinition(
            "max-concurrent-streams", .uint32, default: "4294967295", .served,
            "HTTP/2 streams per client connection"),
        FlagDefinition(
            "grpc-keepalive-min-time", .duration, default: "5s", .served,
            "fastest client ping allowed before the connection is closed with too_many_pings; pings without streams not allowed"
        ),
        FlagDefinition(
            "grpc-keepalive-interval", .duration, default: "2h", .served,
            "server ping interval on idle connections (0 = off)"),
        FlagDefinition(
            "grpc-keepalive-timeout", .duration, default: "20s", .served,
            "wait for a ping answer before closing (0 = off)"),
        FlagDefinition(
            "socket-reuse-port", .bool, default: "false", .served,
            "SO_REUSEPORT on listeners"),
        FlagDefinition(
            "socket-reuse-address", .bool, default: "false", .served,
            "SO_REUSEADDR on listeners"),
        FlagDefinition(
            "enable-grpc-gateway", .bool, default: "true", .served,
            "serve the JSON gateway under /v3/"),
        FlagDefinition(
            "raft-read-timeout", .duration, default: "5s", .served,
            "read timeout of peer connections; raised to 5s if lower"),
        FlagDefinition(
            "raft-write-timeout", .duration, default: "5s", .served,
            "write timeout of peer connections; raised to 5s if lower"),
        FlagDefinition(
            "feature-gates", .featureGates, default: "", .served,
            "comma list Gate=true|false; see FEATURE GATES rows; AllAlpha/AllBeta also accepted"),
    ]

    static let clustering: [FlagDefinition] = [
        FlagDefinition(
            "initial-advertise-peer-urls", .urls, default: "http://localhost:2380", .served,
            "peer URLs told to the cluster; host must not be empty"),
        FlagDefinition(
            "initial-cluster", .text, default: "default=http://localhost:2380", .served,
            "bootstrap membership as name=url,name=url; becomes <name>=<advertise peer urls> when only --name is given; emptied when SRV or v3 discovery is used"
        ),
        FlagDefinition(
            "initial-cluster-state", .choice(["new", "existing"]), default: "new", .served,
            "whether this start creates or joins a cluster; ignored once data exists"),
        FlagDefinition(
            "initial-cluster-token", .text, default: "etcd-cluster", .served,
            "token mixed into member and cluster IDs at bootstrap"),
        FlagDefinition(
            "advertise-client-urls", .urls, default: "http://localhost:2379", .served,
            "client URLs told to the cluster; required if listen-client-urls is set explicitly"),
        FlagDefinition(
            "discovery-token", .text, default: "", .notServedYet,
            "v3 discovery token; needs discovery-endpoints"),
        FlagDefinition(
            "discovery-endpoints", .list, default: "", .notServedYet,
            "v3 discovery service endpoints"),
        FlagDefinition(
            "discovery-dial-timeout", .duration, default: "2s", .notServedYet,
            "v3 discovery dial timeout"),
        FlagDefinition(
            "discovery-request-timeout", .duration, default: "5s", .notServedYet,
            "v3 discovery request timeout"),
        FlagDefinition(
            "discovery-keepalive-time", .duration, default: "2s", .notServedYet,
            "v3 discovery ping interval"),
        FlagDefinition(
            "discovery-keepalive-timeout", .duration, default: "6s", .notServedYet,
            "v3 discovery ping timeout"),
        FlagDefinition(
            "discovery-insecure-transport", .bool, default: "true", .notServedYet,
            "v3 discovery without TLS"),
        FlagDefinition(
            "discovery-insecure-skip-tls-verify", .bool, default: "false", .notServedYet,
            "v3 discovery: do not verify the server certificate"),
        FlagDefinition(
            "discovery-cert", .text, default: "", .notServedYet,
            "v3 discovery client certificate"),
        FlagDefinition(
            "discovery-key", .text, default: "", .notServedYet,
            "v3 discovery client key"),
        FlagDefinition(
            "discovery-cacert", .text, default: "", .notServedYet,
            "v3 discovery CA bundle"),
        FlagDefinition(
            "discovery-user", .text, default: "", .notServedYet,
            "v3 discovery user[:password]"),
        FlagDefinition(
            "discovery-password", .text, default: "", .notServedYet,
            "v3 discovery password"),
        FlagDefinition(
            "discovery-fallback", .choice(["exit", "proxy"]), default: "exit", .notServedYet,
            "only exit works; proxy is an error"),
        FlagDefinition(
            "discovery-srv", .text, default: "", .notServedYet,
            "DNS domain for SRV bootstrap (_etcd-server-ssl._tcp and _etcd-server._tcp)"),
        FlagDefinition(
            "discovery-srv-name", .text, default: "", .notServedYet,
            "suffix appended to the SRV service names as -<suffix>"),
        FlagDefinition(
            "strict-reconfig-check", .bool, default: "true", .served,
            "refuse membership changes that would lose quorum"),
        FlagDefinition(
            "pre-vote", .bool, default: "true", .served,
            "raft pre-vote"),
        FlagDefinition(
            "auto-compaction-retention", .text, default: "0", .served,
            "retention for auto compaction: duration, bare number = hours (periodic) or revisions; 0 = off"
        ),
        FlagDefinition(
            "auto-compaction-mode", .text, default: "periodic", .served,
            "how to read auto-compaction-retention"),
        FlagDefinition(
            "v2-deprecation", .v2Deprecation, default: "write-only",
            .noEffect("ignored by etcd too"),
            "accepted values write-only, write-only-skip-check, write-only-drop-data, gone; value is ignored, write-only always applies"
        ),
        FlagDefinition(
            "max-learners", .int, default: "1", .served,
            "most learners in the cluster"),
    ]
}

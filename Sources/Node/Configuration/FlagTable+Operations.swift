// The flags of security, observation and maintenance (reference: flags.tsv).

extension FlagTable {
    static let security: [FlagDefinition] = [
        FlagDefinition(
            "cert-file", .text, default: "", .served,
            "client-port server certificate"),
        FlagDefinition(
            "key-file", .text, default: "", .served,
            "client-port server key"),
        FlagDefinition(
            "client-cert-auth", .bool, default: "false", .served,
            "require and verify client certificates; enables CN based users"),
        FlagDefinition(
            "client-cert-file", .text, default: "", .served,
            "certificate used when this member acts as client of a client port; default cert-file"),
        FlagDefinition(
            "client-key-file", .text, default: "", .served,
            "key for client-cert-file"),
        FlagDefinition(
            "client-crl-file", .text, default: "", .served,
            "certificate revocation list for the client port"),
        FlagDefinition(
            "client-cert-allowed-hostname", .list, default: "", .served,
            "SAN host names accepted in client certificates"),
        FlagDefinition(
            "trusted-ca-file", .text, default: "", .served,
            "CA bundle for client certificates"),
        FlagDefinition(
            "auto-tls", .bool, default: "false", .served,
            "self-generated certificate for the client port"),
        FlagDefinition(
            "peer-cert-file", .text, default: "", .served,
            "peer-port certificate"),
        FlagDefinition(
            "peer-key-file", .text, default: "", .served,
            "peer-port key"),
        FlagDefinition(
            "peer-client-cert-auth", .bool, default: "false", .served,
            "require and verify peer certificates"),
        FlagDefinition(
            "peer-client-cert-file", .text, default: "", .served,
            "certificate used when dialling peers; default peer-cert-file"),
        FlagDefinition(
            "peer-client-key-file", .text, default: "", .served,
            "key for peer-client-cert-file"),
        FlagDefinition(
            "peer-trusted-ca-file", .text, default: "", .served,
            "CA bundle for peers"),
        FlagDefinition(
            "peer-cert-allowed-cn", .list, default: "", .served,
            "common names accepted from peers"),
        FlagDefinition(
            "peer-cert-allowed-hostname", .list, default: "", .served,
            "SAN host names accepted from peers"),
        FlagDefinition(
            "peer-auto-tls", .bool, default: "false", .served,
            "self-generated certificate for the peer port"),
        FlagDefinition(
            "self-signed-cert-validity", .uint, default: "1", .served,
            "lifetime of self-generated certificates"),
        FlagDefinition(
            "peer-crl-file", .text, default: "", .served,
            "certificate revocation list for the peer port"),
        FlagDefinition(
            "peer-skip-client-san-verification", .bool, default: "false", .served,
            "do not check the SAN of peer certificates"),
        FlagDefinition(
            "cipher-suites", .list, default: "", .served,
            "TLS 1.2 cipher suite names in order; not allowed when min version is TLS1.3"),
        FlagDefinition(
            "cors", .origins, default: "*", .served,
            "allowed CORS origins; empty or * = any"),
        FlagDefinition(
            "host-whitelist", .list, default: "*", .served,
            "Host headers accepted on non-TLS HTTP; empty or * = any"),
        FlagDefinition(
            "tls-min-version", .text, default: "TLS1.2", .served,
            "lowest TLS version"),
        FlagDefinition(
            "tls-max-version", .text, default: "", .served,
            "highest TLS version; empty = library default"),
    ]

    static let auth: [FlagDefinition] = [
        FlagDefinition(
            "auth-token", .text, default: "simple", .served,
            "simple, or jwt,pub-key=..,priv-key=..,sign-method=..,ttl=.."),
        FlagDefinition(
            "bcrypt-cost", .uint, default: "10", .served,
            "bcrypt cost 4..31; out of range falls back to 10"),
        FlagDefinition(
            "auth-token-ttl", .uint, default: "300", .served,
            "simple token idle lifetime"),
    ]

    static let monitoring: [FlagDefinition] = [
        FlagDefinition(
            "listen-metrics-urls", .urls, default: "", .served,
            "extra listeners for metrics and health; https uses the client TLS files"),
        FlagDefinition(
            "enable-pprof", .bool, default: "false", .notServedYet,
            "serve /debug/pprof on the client port"),
        FlagDefinition(
            "metrics", .text, default: "basic", .servedOnlyAtDefault,
            "extensive adds the gRPC handling time histogram"),
    ]

    static let logging: [FlagDefinition] = [
        FlagDefinition(
            "logger", .text, default: "zap", .served,
            "only zap is accepted"),
        FlagDefinition(
            "log-outputs", .list, default: "default", .served,
            "default (=stderr), stderr, stdout, systemd/journal, or file paths"),
        FlagDefinition(
            "log-level", .text, default: "info", .served,
            "debug, info, warn, error, panic, fatal"),
        FlagDefinition(
            "log-format", .text, default: "json", .served,
            "log encoding"),
        FlagDefinition(
            "enable-log-rotation", .bool, default: "false", .notServedYet,
            "rotate the single log file"),
        FlagDefinition(
            "log-rotation-config-json", .text,
            default:
                "{\"maxsize\": 100, \"maxage\": 0, \"maxbackups\": 0, \"localtime\": false, \"compress\": false}",
            .notServedYet,
            "rotation settings: MB, days, count"),
        FlagDefinition(
            "warning-apply-duration", .duration, default: "100ms", .notServedYet,
            "log applies slower than this"),
        FlagDefinition(
            "warning-unary-request-duration", .duration, default: "300ms", .notServedYet,
            "log unary requests slower than this; 0 falls back to the default"),
    ]

    static let tracing: [FlagDefinition] = [
        FlagDefinition(
            "enable-distributed-tracing", .bool, default: "false", .notServedYet,
            "export OpenTelemetry spans"),
        FlagDefinition(
            "distributed-tracing-address", .text, default: "localhost:4317", .notServedYet,
            "OTLP gRPC collector"),
        FlagDefinition(
            "distributed-tracing-service-name", .text, default: "etcd", .notServedYet,
            "service name attribute"),
        FlagDefinition(
            "distributed-tracing-instance-id", .text, default: "", .notServedYet,
            "service instance attribute"),
        FlagDefinition(
            "distributed-tracing-sampling-rate", .int, default: "0", .notServedYet,
            "sampled spans per million"),
    ]

    static let checks: [FlagDefinition] = [
        FlagDefinition(
            "corrupt-check-time", .duration, default: "0s", .served,
            "interval of cluster-wide hash checks; 0 = off"),
        FlagDefinition(
            "compact-hash-check-time", .duration, default: "1m", .served,
            "interval of compaction hash checks (with gate CompactHashCheck); must be > 0"),
        FlagDefinition(
            "compaction-batch-limit", .int, default: "0",
            .noEffect("compactions give way to other requests by themselves"),
            "revisions deleted per compaction batch"),
        FlagDefinition(
            "compaction-sleep-interval", .duration, default: "0",
            .noEffect("compactions give way to other requests by themselves"),
            "pause between compaction batches"),
        FlagDefinition(
            "watch-progress-notify-interval", .duration, default: "0", .served,
            "periodic watch progress; at least 100ms, plus up to 10% jitter"),
        FlagDefinition(
            "downgrade-check-time", .duration, default: "5s", .notServedYet,
            "interval of downgrade status checks"),
        FlagDefinition(
            "bootstrap-defrag-threshold-megabytes", .uint, default: "0", .notServedYet,
            "defragment at boot if at least this many MB would be freed; 0 = off"),
    ]

    static let unsafe: [FlagDefinition] = [
        FlagDefinition(
            "force-new-cluster", .bool, default: "false", .served,
            "restart as a one-member cluster keeping the data"),
        FlagDefinition(
            "unsafe-no-fsync", .bool, default: "false",
            .noEffect("what is acknowledged is always synced"),
            "do not fsync"),
    ]

    /// Those that etcd does not have.
    static let own: [FlagDefinition] = [
        FlagDefinition(
            "leader-lease-reads", .bool, default: "false", .served,
            "linearizable reads without a round, as long as clocks run apart by less than a tenth")
    ]

    static let general: [FlagDefinition] = [
        FlagDefinition(
            "config-file", .text, default: "", .notServedYet,
            "YAML/JSON file; when given all other flags and environment variables are ignored"),
        FlagDefinition(
            "version", .bool, default: "false", .served,
            "print version lines and exit 0"),
    ]
}

// The effective configuration as fields of the line `starting an etcd server`, by etcd's names.

extension Configuration {
    public var logFields: LogFields {
        var fields: LogFields = [
            "etcd-version": .string(ProductVersion.etcd),
            "cairn-version": .string(ProductVersion.cairn),
            "name": .string(name),
            "data-dir": .string(dataDirectory),
            "wal-dir": .string(storage.dedicatedWALDirectory ?? ""),
            "member-dir": .string(memberDirectory),
            "heartbeat-interval": .duration(raft.heartbeatNanoseconds),
            "election-timeout": .duration(raft.electionNanoseconds),
            "initial-election-tick-advance": .bool(raft.advancesInitialElectionTicks),
            "snapshot-count": .uint(raft.snapshotCount),
            "snapshot-catchup-entries": .uint(raft.snapshotCatchUpEntries),
            "max-wals": .int(Int64(storage.maxWALs)),
            "max-snapshots": .int(Int64(storage.maxSnapshots)),
            "unsafe-no-fsync": .bool(!storage.syncsToDisk),
            "pre-vote": .bool(raft.preVote),
            "max-learners": .int(Int64(maxLearners)),
        ]
        fields.append("initial-advertise-peer-urls", .strings(advertised.peer.map(\.description)))
        fields.append("listen-peer-urls", .strings(listeners.peer.map(\.description)))
        fields.append("advertise-client-urls", .strings(advertised.client.map(\.description)))
        fields.append("listen-client-urls", .strings(listeners.client.map(\.description)))
        fields.append(
            "listen-client-http-urls", .strings(listeners.clientHTTP.map(\.description)))
        fields.append("listen-metrics-urls", .strings(listeners.metrics.map(\.description)))
        fields.append("cors", .strings(httpAccess.origins?.sorted() ?? ["*"]))
        fields.append("host-whitelist", .strings(httpAccess.hosts?.sorted() ?? ["*"]))
        fields.append("initial-cluster", .string(bootstrap.initialCluster))
        fields.append("initial-cluster-state", .string(bootstrap.state))
        fields.append("initial-cluster-token", .string(bootstrap.token))
        fields.append("force-new-cluster", .bool(bootstrap.forcesNewCluster))
        fields.append("quota-backend-bytes", .int(storage.quotaBytes ?? -1))
        fields.append(
            "backend-batch-interval", .duration(storage.batchIntervalNanoseconds))
        fields.append("backend-batch-limit", .int(Int64(storage.batchLimit)))
        fields.append("max-request-bytes", .int(Int64(limits.maxRequestBytes)))
        fields.append("max-txn-ops", .int(Int64(limits.maxTxnOperations)))
        fields.append("max-concurrent-streams", .uint(UInt64(limits.maxConcurrentStreams)))
        return fields
    }
}

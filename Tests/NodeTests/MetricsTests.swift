import API
import Testing

@testable import Node

private func text(_ registry: MetricsRegistry) -> String {
    String(decoding: registry.exposition(), as: UTF8.self)
}

@Suite("Metrics are written as Go's Prometheus client writes them")
struct MetricsTests {
    @Test("Families and labels come in alphabetical order, each family once under its head")
    func order() {
        let registry = MetricsRegistry()
        registry.counter("b_total", "B.", ("z", "1"), ("a", "2")).increment(by: 3)
        registry.counter("b_total", "B.", ("z", "1"), ("a", "1")).increment()
        registry.gauge("a", "A.").set(-7)
        #expect(
            text(registry) == """
                # HELP a A.
                # TYPE a gauge
                a -7
                # HELP b_total B.
                # TYPE b_total counter
                b_total{a="1",z="1"} 1
                b_total{a="2",z="1"} 3

                """)
    }

    @Test("The same name and labels are the same instrument")
    func same() {
        let registry = MetricsRegistry()
        registry.counter("c", "C.", ("l", "1")).increment()
        registry.counter("c", "C.", ("l", "1")).increment()
        #expect(text(registry).hasSuffix("c{l=\"1\"} 2\n"))
    }

    @Test("A histogram counts up to and including each bound")
    func histogram() {
        let registry = MetricsRegistry()
        let histogram = registry.histogram(
            "h_seconds", "H.", bounds: Histogram.exponential(start: 0.001, count: 3),
            ("to", "x"))
        for nanoseconds: UInt64 in [0, 1_000_000, 1_000_001, 4_000_000, 9_000_000] {
            histogram.observe(nanoseconds)
        }
        #expect(
            text(registry) == """
                # HELP h_seconds H.
                # TYPE h_seconds histogram
                h_seconds_bucket{to="x",le="0.001"} 2
                h_seconds_bucket{to="x",le="0.002"} 3
                h_seconds_bucket{to="x",le="0.004"} 4
                h_seconds_bucket{to="x",le="+Inf"} 5
                h_seconds_sum{to="x"} 0.015000001
                h_seconds_count{to="x"} 5

                """)
    }

    @Test("Quotes, backslashes and line ends are escaped")
    func escapes() {
        let registry = MetricsRegistry()
        registry.gauge("g", "a\\b\n\"c\"", ("l", "a\\b\n\"c\"")).set(1)
        #expect(text(registry).contains("# HELP g a\\\\b\\n\"c\"\n"))
        #expect(text(registry).contains("g{l=\"a\\\\b\\n\\\"c\\\"\"} 1\n"))
    }

    @Test(
        "Numbers are the shortest that read back the same",
        arguments: [
            (0, "0"), (1, "1"), (-2, "-2"), (20_000, "20000"), (999_999, "999999"),
            (1_000_000, "1e+06"), (27_631_616, "2.7631616e+07"), (0.05, "0.05"),
            (0.0015408969999999998, "0.0015408969999999998"),
            (1_795_229_604.45, "1.79522960445e+09"),
            (18_446_744_073_709_551_616, "1.8446744073709552e+19"), (0.0001, "0.0001"),
            (0.00001, "1e-05"), (8.192, "8.192"), (819_200, "819200"), (.infinity, "+Inf"),
            (-.infinity, "-Inf"), (.nan, "NaN"), (123.456, "123.456"),
        ] as [(Double, String)])
    func numbers(_ value: Double, _ expected: String) {
        let registry = MetricsRegistry()
        registry.gauge("g", "") { value }
        #expect(text(registry).hasSuffix("\ng \(expected)\n"))
    }

    @Test("Counts from many threads at once are all there")
    func threads() async {
        let counter = Counter()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask { for _ in 0..<10_000 { counter.increment() } }
            }
        }
        #expect(counter.value == 80_000)
    }
}

@Suite("A member's metrics")
struct ServerMetricsTests {
    @Test("etcd's names are there from the start, and follow what happens")
    func names() {
        let metrics = ServerMetrics()
        metrics.setIdentity(MemberID(0x8e9e_05c5_2164_694d))
        metrics.setClusterVersion("3.7")
        metrics.raft.hasLeader.set(1)
        metrics.disk.walFsync.observe(1_500_000)
        metrics.store.puts.increment(by: 2)
        let put = metrics.server.method("/etcdserverpb.KV/Put", .unary)
        put.started.increment()
        put.handled(.resourceExhausted)
        let lines = Set(text(metrics.registry).split(separator: "\n").map(String.init))
        for line in [
            "etcd_server_id{server_id=\"8e9e05c52164694d\"} 1",
            "etcd_cluster_version{cluster_version=\"3.7\"} 1",
            "etcd_server_version{server_version=\"3.7.1\"} 1",
            "cairn_build_info{version=\"\(ProductVersion.cairn)\"} 1",
            "etcd_server_has_leader 1",
            "etcd_server_is_leader 0",
            "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.001\"} 0",
            "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.002\"} 1",
            "etcd_disk_wal_fsync_duration_seconds_bucket{le=\"8.192\"} 1",
            "etcd_mvcc_put_total 2",
            "etcd_debugging_mvcc_compact_revision -1",
            "etcd_network_server_stream_failures_total{API=\"watch\",Type=\"receive\"} 0",
            "etcd_network_server_stream_failures_total{API=\"lease-keepalive\",Type=\"receive\"} 0",
            "etcd_debugging_lease_ttl_total_bucket{le=\"8.388608e+06\"} 0",
            "etcd_debugging_server_lease_expired_total 0",
            "etcd_debugging_mvcc_slow_watcher_total 0",
            "etcd_debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds_count 0",
            "etcd_debugging_server_watch_send_loop_watch_stream_duration_seconds_count 0",
            "etcd_debugging_server_watch_send_loop_control_stream_duration_seconds_count 0",
            "etcd_debugging_server_watch_send_loop_progress_duration_seconds_count 0",
            "grpc_server_started_total{grpc_method=\"Put\",grpc_service=\"etcdserverpb.KV\","
                + "grpc_type=\"unary\"} 1",
            "grpc_server_handled_total{grpc_code=\"ResourceExhausted\",grpc_method=\"Put\","
                + "grpc_service=\"etcdserverpb.KV\",grpc_type=\"unary\"} 1",
            "grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Put\","
                + "grpc_service=\"etcdserverpb.KV\",grpc_type=\"unary\"} 0",
        ] { #expect(lines.contains(line), "\(line)") }
    }

    @Test("The process's figures come from the kernel")
    func process() throws {
        let now = try #require(ProcessStatistics.current())
        #expect(now.residentBytes > 1 << 20 && now.virtualBytes > now.residentBytes)
        #expect(now.startSeconds > 1_600_000_000)
        #expect(try #require(FileDescriptors.openCount) >= 3)
        #expect(FileDescriptors.raiseLimit() == FileDescriptors.limit)
        for name in ["process_resident_memory_bytes", "os_fd_used", "process_cpu_seconds_total"] {
            #expect(text(ServerMetrics().registry).contains("\n\(name) "), "\(name)")
        }
    }

    @Test("A program's name may hold brackets and spaces")
    func statLine() throws {
        let line = "7 (a ) (b) S 1 7 7 0 -1 4194304 1 2 3 4 250 50 0 0 20 0 4 0 1000 8192 3 "
        let it = try #require(
            ProcessStatistics(
                stat: line + "18446744073709551615", bootSeconds: 100, ticksPerSecond: 100,
                pageBytes: 4096))
        #expect(it.cpuSeconds == 3 && it.startSeconds == 110)
        #expect(it.virtualBytes == 8192 && it.residentBytes == 12288)
        #expect(
            ProcessStatistics(stat: "7 (a) S 1", bootSeconds: 0, ticksPerSecond: 1, pageBytes: 1)
                == nil)
    }
}

import API
import Services
import Testing

@testable import Node

@Suite("A configuration is etcd's defaults, and what the operator changes")
struct ConfigurationTests {
    @Test("Nothing given: one member on localhost")
    func defaults() throws {
        let it = try configuration()
        #expect(it.name == "default")
        #expect(it.dataDirectory == "default.etcd")
        #expect(it.walDirectory == "default.etcd/member/wal")
        #expect(it.listeners.client.map(\.description) == ["http://localhost:2379"])
        #expect(it.listeners.client[0].address == "localhost:2379")
        #expect(it.listeners.clientHTTP.isEmpty && it.listeners.metrics.isEmpty)
        #expect(it.raft.heartbeatNanoseconds == 100_000_000)
        #expect(it.raft.electionTicks == 10)
        #expect(it.storage.quotaBytes == 2_147_483_648)
        #expect(it.storage.batchIntervalNanoseconds == 100_000_000)
        #expect(it.storage.batchLimit == 10_000)
        #expect(it.storage.syncsToDisk)
        #expect(it.limits.maxReceiveBytes == 1_572_864 + 524_288)
        #expect(it.limits.maxConcurrentStreams == .max)
        #expect(it.limits.unaryWarningNanoseconds == 300_000_000)
        #expect(it.keepalive.intervalNanoseconds == 7_200_000_000_000)
        #expect(it.logging.outputs == [.standardError])
        #expect(it.httpAccess.origins == nil && it.httpAccess.hosts == nil)
    }

    @Test("Zero stands for the default where etcd has it so, and a negative quota for none")
    func zeroes() throws {
        #expect(try configuration("-snapshot-count=0").raft.snapshotCount == 10_000)
        #expect(
            try configuration("-snapshot-catchup-entries=0").raft.snapshotCatchUpEntries == 5_000)
        #expect(try configuration("-quota-backend-bytes=-1").storage.quotaBytes == nil)
        #expect(try configuration("-max-wals=0").storage.maxWALs == 0)
    }

    @Test("A name alone gives the data directory and the cluster of one by that name")
    func nameAlone() throws {
        let it = try configuration("-name", "a")
        #expect(it.dataDirectory == "a.etcd")
        #expect(it.bootstrap.initialCluster == "a=http://localhost:2380")
        #expect(try it.foundingMembers().members[0].peerURLs == ["http://localhost:2380"])
    }

    @Test(
        "Timing must leave room for an election",
        arguments: [
            (["-heartbeat-interval=0"], "--heartbeat-interval must be >0 (set to 0ms)"),
            (["-election-timeout=0"], "--election-timeout must be >0 (set to 0ms)"),
            (
                ["-election-timeout=200"],
                "--election-timeout[200ms] should be at least as 5 times as "
                    + "--heartbeat-interval[100ms]"
            ),
            (
                ["-election-timeout=60000"],
                "--election-timeout[60000ms] is too long, and should be set less than 50000ms"
            ),
            (
                ["-heartbeat-interval=18446744073709551615"],
                "--election-timeout[1000ms] should be at least as 5 times as "
                    + "--heartbeat-interval[18446744073709551615ms]"
            ),
        ])
    func timing(_ arguments: [String], _ words: String) {
        guard
            case .refused(.invalid(let error), _) = CommandLineReader.read(
                arguments, environment: [:])
        else {
            Issue.record("\(arguments) must be refused")
            return
        }
        #expect(error == words)
    }

    @Test("Listeners bind to addresses, and what is listened on must be advertised")
    func listeners() throws {
        #expect(
            outcome("-listen-client-urls=http://127.0.0.1:1")
                == "invalid: --advertise-client-urls is required when --listen-client-urls is set "
                + "explicitly")
        #expect(
            outcome("-listen-client-urls=http://example.com:1", "-advertise-client-urls=http://x:1")
                == "invalid: expected IP in URL for binding (http://example.com:1)")
        #expect(
            outcome("-listen-metrics-urls=http://foo:3")
                == "invalid: expected IP in URL for binding (http://foo:3)")
        #expect(
            outcome("-initial-advertise-peer-urls=http://:3")
                == "invalid: --initial-advertise-peer-urls \"http://:3\" must be \"host:port\" "
                + "(unexpected empty host (http://:3))")
        #expect(
            outcome("-listen-client-urls=https://[::1]:1", "-advertise-client-urls=https://x:1")
                .hasPrefix("invalid: TLS key/cert (--cert-file, --key-file) must be provided"))
        let both = try configuration(
            "-listen-client-urls=unix:///run/c.sock,http://[::1]:79",
            "-advertise-client-urls=http://[::1]:79")
        #expect(both.listeners.client.map(\.address) == ["[::1]:79", "/run/c.sock"])
    }

    @Test(
        "A URL is scheme, host and port, no more",
        arguments: [
            (
                "http://127.0.0.1",
                "URL address does not have the form \"host:port\": http://127.0.0.1"
            ),
            ("http://127.0.0.1:1/p", "URL must not contain a path: http://127.0.0.1:1/p"),
            (
                "ftp://127.0.0.1:1",
                "URL scheme must be http, https, unix, or unixs: ftp://127.0.0.1:1"
            ),
            ("http://::1:5", "URL address does not have the form \"host:port\": http://::1:5"),
            ("http://a:b", "parse \"http://a:b\": invalid port \":b\" after host"),
            ("http://a:65536", "parse \"http://a:65536\": invalid port \":65536\" after host"),
        ])
    func urls(_ text: String, _ words: String) {
        #expect(throws: FlagValueError(words)) { try ServerURL(parsing: text) }
    }

    @Test("Logging: unknown words are refused, files and streams are told apart")
    func logging() throws {
        #expect(outcome("-logger=capnslog") == "invalid: unknown logger option \"capnslog\"")
        #expect(outcome("-log-level=bogus") == "invalid: unrecognized level: \"bogus\"")
        #expect(
            outcome("-log-format=xml")
                == "invalid: unknown log format: xml, supported values json, console")
        #expect(outcome("-log-outputs=default,stdout").hasPrefix("invalid: multi logoutput"))
        #expect(outcome("-log-outputs=systemd/journal").contains("not served"))
        let it = try configuration("-log-outputs=stderr,stdout,/var/log/x").logging
        #expect(it.outputs == [.standardError, .standardOutput, .file("/var/log/x")])
    }

    @Test("Who may ask over HTTP: listed origins and hosts, or anyone")
    func access() throws {
        let it = try configuration("-cors=http://a:1,http://b:2", "-host-whitelist=x,y").httpAccess
        #expect(it.origins == ["http://a:1", "http://b:2"])
        #expect(it.hosts == ["x", "y"])
        let open = try configuration("-cors=*", "-host-whitelist=x,*").httpAccess
        #expect(open.origins == nil && open.hosts == nil)
    }

    @Test("Feature gates are checked by name and value")
    func gates() throws {
        #expect(outcome("-feature-gates=Bogus=true").hasSuffix("unrecognized feature gate: Bogus"))
        #expect(
            outcome("-feature-gates=LeaseCheckpoint").hasSuffix(
                "missing bool value for LeaseCheckpoint"))
        #expect(outcome("-feature-gates=LeaseCheckpoint=7").contains("invalid value of"))
        let it = try FeatureGates(parsing: "AllAlpha=true,PriorityRequest=false")
        #expect(it["LeaseCheckpoint"] && !it["PriorityRequest"] && it["FastLeaseKeepAlive"])
        #expect(
            try configuration("-feature-gates=LeaseCheckpoint=true").featureGates[
                "LeaseCheckpoint"])
        #expect(
            outcome("-feature-gates=SetMemberLocalAddr=true").contains(
                "gate SetMemberLocalAddr is known to etcd but not served"))
        #expect(outcome("-feature-gates=AllAlpha=true").contains("not served"))
    }

    @Test("Members compare their keys when they are told to")
    func corruption() throws {
        let usual = try configuration().corruption
        #expect(!usual.checksAtStart && usual.interval == nil && usual.compactionInterval == nil)
        let it = try configuration(
            "-corrupt-check-time=3s", "-compact-hash-check-time=5s",
            "-feature-gates=InitialCorruptCheck=true,CompactHashCheck=true"
        ).corruption
        #expect(it.checksAtStart && it.interval == 3_000_000_000)
        #expect(it.compactionInterval == 5_000_000_000)
        #expect(
            outcome("-compact-hash-check-time=0s")
                == "invalid: --compact-hash-check-time must be >0 (set to 0s)")
    }
}

@Suite("A member founds its cluster")
struct FoundingMemberTests {
    private func failure(_ arguments: String...) -> String {
        guard case .run(let configuration, _) = CommandLineReader.read(arguments, environment: [:])
        else { return "refused before" }
        do throws(BootstrapError) {
            _ = try configuration.foundingMembers()
            return "founds"
        } catch { return error.description }
    }

    @Test("The flags of the recorded servers give their ids")
    func recordedIDs() throws {
        let member = try configuration(
            "-name=m0", "-initial-cluster-token=fixture",
            "-initial-advertise-peer-urls=http://127.0.0.1:25380",
            "-initial-cluster=m0=http://127.0.0.1:25380"
        ).foundingMembers()
        #expect(member.own.rawValue == 1_991_473_312_055_241_453)
        #expect(member.cluster.rawValue == 7_006_761_732_897_752_647)
        let plain = try configuration().foundingMembers()
        #expect(plain.own.hex == "8e9e05c52164694d", "what every etcd on its defaults is called")
        #expect(plain.cluster.hex == "cdf818194e3a8c32")
    }

    @Test("Flags that do not fit together are told apart in etcd's words")
    func mismatches() {
        #expect(
            failure("-name=a", "-initial-cluster=b=http://localhost:2380")
                == "couldn't find local name \"a\" in the initial cluster configuration")
        #expect(
            failure("-initial-cluster=,")
                == "couldn't find local name \"default\" in the initial cluster configuration")
        #expect(
            failure("-initial-cluster=a")
                == "error setting up initial cluster: URL scheme must be http, https, unix, or unixs: "
        )
        #expect(
            failure("-initial-cluster=default=http://localhost:2380,b=http://localhost:2380")
                == "initial cluster b=http://localhost:2380,default=http://localhost:2380 has "
                + "duplicate url")
        #expect(
            failure("-initial-cluster=default=http://127.0.0.1:9999")
                == "--initial-cluster has default=http://127.0.0.1:9999 but missing from "
                + "--initial-advertise-peer-urls=http://localhost:2380 "
                + "(\"http://127.0.0.1:2380\"(resolved from \"http://localhost:2380\") != "
                + "\"http://127.0.0.1:9999\"(resolved from \"http://127.0.0.1:9999\"))")
        #expect(
            failure(
                "-name=a", "-initial-cluster=a=http://127.0.0.1:2380",
                "-initial-advertise-peer-urls=http://127.0.0.1:2380,http://127.0.0.1:2382")
                == "--initial-advertise-peer-urls has http://127.0.0.1:2382 but missing from "
                + "--initial-cluster=a=http://127.0.0.1:2380,a=http://127.0.0.1:2382")
        #expect(
            failure("-initial-cluster=default=127.0.0.1:2380")
                == "error setting up initial cluster: parse \"127.0.0.1:2380\": first path segment "
                + "in URL cannot contain colon")
        #expect(failure("-initial-cluster=default=http://127.0.0.1:2380") == "founds")
    }

    @Test("Names of hosts are looked up where the texts differ, and there only")
    func names() throws {
        let named = try configuration(
            "-name=a", "-initial-cluster=a=http://a.example:2380,b=http://b.example:2380",
            "-initial-advertise-peer-urls=http://10.0.0.1:2380")
        let names = HostNames { ["a.example": ["fe80::1", "10.0.0.1"]][$0] ?? [] }
        #expect(try named.foundingMembers(names).members.count == 2)
        let unknown = #expect(throws: BootstrapError.self) {
            try named.foundingMembers(HostNames { _ in [] })
        }
        #expect(unknown?.description.hasSuffix("(lookup a.example: no such host)") == true)
        let same = try configuration(
            "-name=a", "-initial-cluster=a=http://a.example:2380",
            "-initial-advertise-peer-urls=http://a.example:2380")
        #expect(try same.foundingMembers(HostNames { _ in [] }).members.count == 1)
    }

    @Test("Founders of a larger cluster come to the same ids, whoever they are")
    func founders() throws {
        let cluster = [
            "m1=http://127.0.0.1:12380", "m2=http://127.0.0.1:12480", "m3=http://127.0.0.1:12580",
        ]
        var founders: [FirstMembers] = []
        for (number, port) in [(1, 12380), (2, 12480), (3, 12580)] {
            founders.append(
                try configuration(
                    "-name=m\(number)", "-initial-cluster-token=c3",
                    "-initial-advertise-peer-urls=http://127.0.0.1:\(port)",
                    "-initial-cluster=\(cluster.joined(separator: ","))"
                ).foundingMembers())
        }
        #expect(Set(founders.map(\.cluster)).count == 1)
        #expect(Set(founders.map(\.members)).count == 1)
        #expect(Set(founders.map(\.own)).count == 3)
        #expect(founders[0].members == founders[0].members.sorted { $0.id < $1.id })
        #expect(founders.allSatisfy { $0.others.count == 2 })
    }

    private let found = [
        ClusterMember(id: MemberID(7), peerURLs: ["http://127.0.0.1:2380"], name: "a"),
        ClusterMember(id: MemberID(9), peerURLs: ["http://127.0.0.1:2381"]),
    ]

    @Test("One who joins takes the ids that the members go by")
    func joins() throws {
        let first = try configuration(
            "-name=b", "-initial-cluster-state=existing",
            "-initial-advertise-peer-urls=http://127.0.0.1:2381",
            "-initial-cluster=a=http://localhost:2380,b=http://127.0.0.1:2381"
        ).joiningMembers(found, of: ClusterID(5))
        #expect(first.own == MemberID(9) && first.cluster == ClusterID(5))
        #expect(first.others.map(\.id) == [MemberID(7)])
    }

    /// An address it was announced under before, or a proxy's (etcd: VerifyJoinExisting).
    @Test("One who joins may advertise another URL than it was announced with")
    func joinsElsewhere() throws {
        let first = try configuration(
            "-name=b", "-initial-cluster-state=existing",
            "-initial-advertise-peer-urls=http://127.0.0.1:2399",
            "-initial-cluster=a=http://localhost:2380,b=http://127.0.0.1:2381"
        ).joiningMembers(found, of: ClusterID(5))
        #expect(first.own == MemberID(9))
    }

    @Test("One whose flags name other members than there are does not join")
    func joinsOthers() throws {
        let alone = try configuration(
            "-name=b", "-initial-cluster-state=existing",
            "-initial-advertise-peer-urls=http://127.0.0.1:2381",
            "-initial-cluster=b=http://127.0.0.1:2381")
        #expect {
            try alone.joiningMembers(found, of: ClusterID(5))
        } throws: {
            "\($0)".hasSuffix("member count is unequal")
        }
        let elsewhere = try configuration(
            "-name=b", "-initial-cluster-state=existing",
            "-initial-advertise-peer-urls=http://127.0.0.1:2399",
            "-initial-cluster=a=http://localhost:2380,b=http://127.0.0.1:2399")
        #expect {
            try elsewhere.joiningMembers(found, of: ClusterID(5))
        } throws: {
            "\($0)".contains("PeerURLs: no match found for existing member (9, ")
        }
    }
}

@Suite("Automatic compaction is configured as in etcd")
struct AutoCompactionFlagTests {
    @Test(
        "a number is hours or revisions, a text a duration, 0 is off",
        arguments: [
            ("periodic", "1", "periodic 3600000000000"),
            ("periodic", "90m", "periodic 5400000000000"),
            ("periodic", "0", "off"), ("periodic", "0s", "off"),
            ("revision", "1000", "revisions 1000"), ("revision", "0", "off"),
            ("revision", "1us", "revisions 1000"),
            ("", "1", "undefined auto-compaction-mode"),
            ("hourly", "1", "unknown auto-compaction-mode \"hourly\""),
            (
                "periodic", "soon",
                "error parsing CompactionRetention: time: invalid duration \"soon\""
            ),
            ("periodic", "-1h", "--auto-compaction-retention must not be negative (set to -1h)"),
        ])
    func parses(mode: String, retention: String, expected: String) {
        func text() -> String {
            do throws(ConfigurationError) {
                switch try AutoCompactionFlags.policy(mode: mode, retention: retention) {
                case nil: return "off"
                case .periodic(let period): return "periodic \(period)"
                case .revisions(let count): return "revisions \(count)"
                }
            } catch {
                guard case .invalid(let reason) = error else { return "\(error)" }
                return reason
            }
        }
        #expect(text() == expected)
    }
}

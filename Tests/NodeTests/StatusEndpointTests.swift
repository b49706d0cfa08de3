import API
import Consensus
import Foundation
import Testing

@testable import Node

/// A member whose state a test decides.
private final class Member: ServerStatus {
    var clusterVersion: String? = "3.7.0"
    var storageVersion: String? = "3.7.0"
    var alarms: [HealthAlarm] = []
    var hasLeader = true
    var isLearner = false
    var raft: RaftStatus?
    var followers: [MemberProgress] = []
    var localError: String?
    var linearizableError: String?
    /// Whether each probe was linearizable, in order.
    var probes: [Bool] = []
    /// Answers that wait for `release()`, when held back.
    var heldBack: [() -> Void]?

    func probeRead(linearizable: Bool, _ done: @escaping (String?) -> Void) {
        probes.append(linearizable)
        let error = linearizable ? linearizableError : localError
        if heldBack == nil { done(error) } else { heldBack?.append { done(error) } }
    }

    func release() {
        while let next = heldBack?.first {
            heldBack?.removeFirst()
            next()
        }
    }
}

private struct Fixture {
    let member = Member()
    let metrics = ServerMetrics()
    var access = Configuration.HTTPAccess()
    var surface = StatusEndpoints.Surface.client

    func response(
        _ target: String, _ method: String = "GET", host: String = "127.0.0.1:2379",
        origin: String? = nil, isSecure: Bool = false
    ) -> HTTPStatusResponse? {
        var answer: HTTPStatusResponse?
        StatusEndpoints(surface, access: access, status: member, metrics: metrics).answer(
            HTTPStatusRequest(
                method: method, target: target, host: host, origin: origin, isSecure: isSecure)
        ) { answer = $0 }
        return answer
    }

    /// Status and body.
    func get(_ target: String) -> String {
        response(target).map { "\($0.status) \(String(decoding: $0.body, as: UTF8.self))" } ?? "-"
    }
}

extension HTTPStatusResponse {
    fileprivate subscript(name: String) -> String? {
        headers.first { $0.name == name }?.value
    }
}

@Suite("A member answers over plain HTTP as etcd does")
struct StatusEndpointTests {
    @Test("The version is three numbers, or that they are not decided")
    func version() {
        let it = Fixture()
        #expect(
            it.get("/version")
                == #"200 {"etcdserver":"3.7.1","etcdcluster":"3.7.0","storage":"3.7.0"}"#)
        #expect(it.response("/version")?["Content-Type"] == "application/json")
        it.member.clusterVersion = nil
        it.member.storageVersion = nil
        #expect(
            it.get("/version")
                == #"200 {"etcdserver":"3.7.1","etcdcluster":"not_decided","storage":"unknown"}"#)
    }

    @Test("A healthy member has a leader and reads through it")
    func healthy() {
        let it = Fixture()
        #expect(it.get("/health") == #"200 {"health":"true","reason":""}"#)
        #expect(it.response("/health")?["Content-Type"] == "text/plain; charset=utf-8")
        #expect(it.response("/health")?["X-Content-Type-Options"] == nil)
        #expect(it.member.probes == [true, true, true])
        #expect(it.metrics.health.successes.value == 3)
    }

    @Test("Alarms come before the leader, the leader before the read")
    func unhealthy() {
        let it = Fixture()
        it.member.linearizableError = "etcdserver: request timed out"
        #expect(
            it.get("/health")
                == "503 {\"health\":\"false\",\"reason\":\"RANGE ERROR:etcdserver: request timed "
                + "out\"}\n")
        it.member.hasLeader = false
        #expect(it.get("/health") == "503 {\"health\":\"false\",\"reason\":\"RAFT NO LEADER\"}\n")
        it.member.alarms = [.noSpace]
        #expect(it.get("/health") == "503 {\"health\":\"false\",\"reason\":\"ALARM NOSPACE\"}\n")
        #expect(it.response("/health")?["X-Content-Type-Options"] == "nosniff")
        #expect(it.metrics.health.failures.value == 4)
    }

    @Test("An alarm may be left out, and a local read needs no leader")
    func healthQueries() {
        let it = Fixture()
        it.member.alarms = [.noSpace, .corrupt]
        #expect(it.get("/health?exclude=NOSPACE").contains("ALARM CORRUPT"))
        #expect(it.get("/health?exclude=NOSPACE&exclude=CORRUP%54").hasPrefix("200"))
        it.member.alarms = []
        it.member.hasLeader = false
        it.member.probes = []
        #expect(it.get("/health?serializable=true").hasPrefix("200"))
        #expect(it.get("/health?serializable=1").contains("RAFT NO LEADER"))
        #expect(it.member.probes == [false])
    }

    @Test("Alive: a local read succeeds; ready: no corruption, both reads, no learner")
    func checks() {
        let it = Fixture()
        #expect(it.get("/livez") == "200 ok\n")
        #expect(it.get("/livez?verbose") == "200 [+]serializable_read ok\nok\n")
        #expect(it.get("/livez/serializable_read") == "200 ok\n")
        #expect(
            it.get("/readyz?verbose=0") == """
                200 [+]data_corruption ok
                [+]serializable_read ok
                [+]linearizable_read ok
                [+]non_learner ok
                ok

                """)
        #expect(it.response("/readyz")?["X-Content-Type-Options"] == "nosniff")
    }

    @Test("What fails is named with its reason, and may be left out")
    func failingChecks() {
        let it = Fixture()
        it.member.alarms = [.corrupt]
        it.member.isLearner = true
        it.member.linearizableError = "no leader"
        #expect(
            it.get("/readyz") == """
                503 [-]data_corruption failed: alarm activated: CORRUPT
                [+]serializable_read ok
                [-]linearizable_read failed: no leader
                [-]non_learner failed: not supported for learner


                """)
        #expect(it.get("/livez") == "200 ok\n")
        #expect(it.get("/readyz/serializable_read") == "200 ok\n")
        #expect(
            it.get(
                "/readyz?exclude=data_corruption&exclude=linearizable_read&exclude=non_learner"
                    + "&exclude=nothing") == "200 ok\n")
        #expect(
            it.get("/readyz/non_learner?exclude=non_learner&verbose") == "200 ok\n",
            "nothing left to check")
    }

    @Test("An answer waits for its reads")
    func waits() {
        let it = Fixture()
        it.member.heldBack = []
        var answers: [Int] = []
        let endpoints = StatusEndpoints(
            .client, access: it.access, status: it.member, metrics: it.metrics)
        endpoints.answer(HTTPStatusRequest(method: "GET", target: "/readyz")) {
            answers.append($0.status)
        }
        #expect(answers.isEmpty)
        it.member.release()
        #expect(answers == [200])
    }

    @Test("Checks are counted by name and outcome")
    func countedChecks() {
        let it = Fixture()
        it.member.localError = "x"
        _ = it.response("/livez")
        let text = String(decoding: it.metrics.registry.exposition(), as: UTF8.self)
        #expect(
            text.contains("etcd_server_healthcheck{name=\"serializable_read\",type=\"livez\"} 0\n"))
        #expect(
            text.contains(
                "etcd_server_healthchecks_total{name=\"serializable_read\",status=\"error\","
                    + "type=\"livez\"} 1\n"))
    }

    @Test("A leader publishes how far each member is, as etcd does, and every member its process")
    func debugVariables() throws {
        let cluster = try MemoryCluster()
        #expect(
            cluster.until {
                guard let leader = $0.leader else { return false }
                let followers = leader.node.assumeIsolated { $0.peerProgress }
                return followers.allSatisfy {
                    $0.state == .replicating && $0.match == leader.status.last
                }
            })
        let leader = try #require(cluster.executor.turn { cluster.leader })
        let it = Fixture()
        it.member.raft = cluster.executor.turn { leader.status }
        it.member.followers = cluster.executor.turn {
            leader.node.assumeIsolated { $0.peerProgress }
        }
        let response = try #require(it.response("/debug/vars"))
        #expect(response.status == 200)
        #expect(response["Content-Type"] == "application/json; charset=utf-8")
        let all = try #require(
            try JSONSerialization.jsonObject(with: Data(response.body)) as? [String: Any])
        #expect(all["cmdline"] as? [String] == CommandLine.arguments)
        #expect(all["file_descriptor_limit"] as? UInt64 == FileDescriptors.limit)
        let memory = try #require(all["memstats"] as? [String: UInt64])
        #expect(try #require(memory["Sys"]) > 1 << 20)
        let raft = try #require(all["raft.status"] as? [String: Any])
        #expect(raft["id"] as? String == leader.id.hex && raft["lead"] as? String == leader.id.hex)
        #expect(raft["raftState"] as? String == "StateLeader")
        #expect(raft["leadtransferee"] as? String == "0")
        let progress = try #require(raft["progress"] as? [String: [String: Any]])
        #expect(Set(progress.keys) == Set(cluster.members.map(\.id.hex)))
        for one in progress.values {
            #expect(one["state"] as? String == "StateReplicate")
            #expect(one["match"] as? UInt64 == it.member.raft?.last.rawValue)
        }
        #expect(it.response("/debug/vars", "POST")?.status == 405)
        var metrics = it
        metrics.surface = .metrics
        #expect(metrics.response("/debug/vars")?.status == 404)
    }

    @Test("Metrics answer to any method", arguments: ["GET", "POST", "HEAD"])
    func metrics(_ method: String) throws {
        let response = try #require(Fixture().response("/metrics?x=1", method))
        #expect(response.status == 200)
        #expect(response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8")
        #expect(
            String(decoding: response.body, as: UTF8.self).contains("\netcd_server_has_leader 0\n"))
    }

    @Test(
        "The others only to GET",
        arguments: ["/version", "/health", "/livez", "/readyz/non_learner"])
    func wrongMethod(_ path: String) throws {
        let response = try #require(Fixture().response(path, "POST"))
        #expect(response.status == 405 && response["Allow"] == "GET")
        #expect(String(decoding: response.body, as: UTF8.self) == "Method Not Allowed\n")
    }

    @Test(
        "Anything else is not found",
        arguments: [
            "/", "/versio", "/livez/", "/livez/non_learner", "/readyz/a/b", "//health", "",
            "/v3/kv/range",
        ])
    func notFound(_ path: String) {
        #expect(Fixture().get(path) == "404 404 page not found\n")
    }

    @Test("A metrics listener has no version and asks nobody who they are")
    func metricsSurface() {
        let it = Fixture(access: .init(hosts: ["a"]), surface: .metrics)
        #expect(it.get("/version") == "404 404 page not found\n")
        #expect(it.get("/health").hasPrefix("200"))
        #expect(it.response("/livez")?["Access-Control-Allow-Origin"] == nil)
    }
}

@Suite("Who may ask over plain HTTP")
struct HTTPAccessTests {
    @Test("Any origin, unless some are listed; then those, and the answer is given all the same")
    func origins() {
        var it = Fixture()
        #expect(it.response("/version")?["Access-Control-Allow-Origin"] == "*")
        #expect(
            it.response("/nothing")?["Access-Control-Allow-Headers"]
                == "accept, content-type, authorization")
        it.access = .init(origins: ["http://x:80"])
        #expect(
            it.response("/version", origin: "http://x:80")?["Access-Control-Allow-Origin"]
                == "http://x:80")
        #expect(
            it.response("/version", origin: "http://y:80")?["Access-Control-Allow-Origin"] == nil)
        #expect(it.response("/version")?.status == 200)
    }

    @Test("OPTIONS is answered with what is allowed and nothing else, wherever it is asked")
    func options() throws {
        let response = try #require(Fixture().response("/nothing", "OPTIONS"))
        #expect(response.status == 200 && response.body.isEmpty)
        #expect(response["Access-Control-Allow-Methods"] == "POST, GET, OPTIONS, PUT, DELETE")
        #expect(response["Content-Type"] == nil)
    }

    @Test("A host that is not listed is turned away before anything else, except over TLS")
    func hosts() throws {
        let it = Fixture(access: .init(hosts: ["a", "::1"]))
        let refused = try #require(it.response("/version", "OPTIONS", host: "b:2379"))
        #expect(refused.status == 421 && refused["Access-Control-Allow-Origin"] == nil)
        #expect(String(decoding: refused.body, as: UTF8.self).contains("--host-whitelist \"b\""))
        #expect(it.response("/version", host: "b:2379", isSecure: true)?.status == 200)
        #expect(it.response("/version", host: "a:2379")?.status == 200)
        #expect(it.response("/version", host: "a")?.status == 200)
        #expect(it.response("/version", host: "[::1]:2379")?.status == 200)
        #expect(it.response("/version", host: "")?.status == 421)
    }
}

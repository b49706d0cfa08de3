// What a member answers over plain HTTP: its version, its health, its metrics and the variables of
// its process.
//
// Pure but for what it asks of the member: the connection brings a request and is called back
// with the answer, at once or when a read has come back.

import API

/// The HTTP side of one kind of listener. Used on the executor of its connections.
public struct StatusEndpoints {
    /// Which endpoints a listener has (reference: http-endpoints.md, which listener serves what).
    public enum Surface: Sendable {
        /// Version, health, metrics and debugging variables, for those whom the access rules let in.
        case client
        /// Health and metrics, for everyone: the listener is not for clients.
        case metrics
    }

    private let surface: Surface
    private let access: Configuration.HTTPAccess
    private let status: any ServerStatus
    private let registry: MetricsRegistry
    private let health: HealthMetrics?

    public init(
        _ surface: Surface, access: Configuration.HTTPAccess, status: any ServerStatus,
        metrics: ServerMetrics
    ) {
        self.surface = surface
        self.access = access
        self.status = status
        registry = metrics.registry
        health = metrics.health
    }

    /// - Parameter done: called once, on the same executor, perhaps before this returns.
    public func answer(
        _ request: HTTPStatusRequest, _ done: @escaping (HTTPStatusResponse) -> Void
    ) {
        switch surface {
        case .metrics: route(request, done)
        case .client:
            if let response = access.answerBeforeRouting(request) { return done(response) }
            let access = access
            route(request) { done(access.marked($0, for: request)) }
        }
    }

    private func route(
        _ request: HTTPStatusRequest, _ done: @escaping (HTTPStatusResponse) -> Void
    ) {
        if request.path == "/metrics" {
            return done(
                HTTPStatusResponse(
                    200, type: MetricsRegistry.contentType, body: registry.exposition()))
        }
        let run = HealthCheckRun(path: request.path)
        let isVersion = request.path == "/version" && surface == .client
        let isDebug = request.path == "/debug/vars" && surface == .client
        guard run != nil || isVersion || isDebug || request.path == "/health" else {
            return done(.notFound)
        }
        guard request.method == "GET" else { return done(.methodNotAllowed) }
        if let run { return run.answer(request, status, health, done) }
        if isVersion { return done(Self.version(of: status)) }
        if isDebug { return done(Self.debugVariables(of: status)) }
        checkHealth(request) { [health] reason in
            if let reason {
                health?.failures.increment()
                done(.text(503, "{\"health\":\"false\",\"reason\":\(Self.quoted(reason))}\n"))
            } else {
                health?.successes.increment()
                let body = "{\"health\":\"true\",\"reason\":\"\"}"
                done(
                    HTTPStatusResponse(
                        200, type: HTTPStatusResponse.plainText, body: Array(body.utf8)))
            }
        }
    }

    /// The answer to /version.
    static func version(of status: any ServerStatus) -> HTTPStatusResponse {
        var body = JSONText()
        body.raw("{\"etcdserver\":")
        body.string(ProductVersion.etcd)
        body.raw(",\"etcdcluster\":")
        body.string(status.clusterVersion ?? "not_decided")
        body.raw(",\"storage\":")
        body.string(status.storageVersion ?? "unknown")
        body.raw("}")
        return HTTPStatusResponse(200, type: "application/json", body: body.bytes)
    }

    private static func debugVariables(of status: any ServerStatus) -> HTTPStatusResponse {
        let variables = DebugVariables(raft: status.raft, followers: status.followers)
        return HTTPStatusResponse(
            200, type: "application/json; charset=utf-8", body: variables.json)
    }

    /// - Parameter done: with nil if the member is healthy, else with the reason.
    private func checkHealth(_ request: HTTPStatusRequest, _ done: @escaping (String?) -> Void) {
        let excluded = Set(request.query.values("exclude"))
        if let alarm = status.alarms.first(where: { !excluded.contains($0.rawValue) }) {
            return done("ALARM \(alarm.rawValue)")
        }
        let isSerializable = request.query.values("serializable").first == "true"
        guard isSerializable || status.hasLeader else { return done("RAFT NO LEADER") }
        status.probeRead(linearizable: !isSerializable) { error in
            done(error.map { "RANGE ERROR:\($0)" })
        }
    }

    private static func quoted(_ text: String) -> String {
        var json = JSONText()
        json.string(text)
        return String(decoding: json.bytes, as: UTF8.self)
    }
}

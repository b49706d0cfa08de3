// /livez and /readyz: named checks, run one after the other (reference: http-endpoints.md).

enum HealthCheck: String, CaseIterable {
    case dataCorruption = "data_corruption"
    case serializableRead = "serializable_read"
    case linearizableRead = "linearizable_read"
    case nonLearner = "non_learner"

    /// - Parameter done: with nil if all is well, else with the reason.
    func run(on status: any ServerStatus, _ done: @escaping (String?) -> Void) {
        switch self {
        case .dataCorruption:
            done(status.alarms.contains(.corrupt) ? "alarm activated: CORRUPT" : nil)
        case .serializableRead: status.probeRead(linearizable: false, done)
        case .linearizableRead: status.probeRead(linearizable: true, done)
        case .nonLearner: done(status.isLearner ? "not supported for learner" : nil)
        }
    }
}

/// One of the two endpoints, or one check of it.
struct HealthCheckRun {
    /// `livez` or `readyz`, for the metrics.
    let type: String
    let checks: [HealthCheck]

    /// nil if `path` is none of these endpoints.
    init?(path: String) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        let all: [HealthCheck]
        switch parts.first {
        case "livez": all = [.serializableRead]
        case "readyz": all = [.dataCorruption, .serializableRead, .linearizableRead, .nonLearner]
        default: return nil
        }
        type = String(parts[parts.startIndex])
        switch parts.count {
        case 1: checks = all
        case 2:
            guard let check = all.first(where: { $0.rawValue == parts[parts.startIndex + 1] })
            else { return nil }
            checks = [check]
        default: return nil
        }
    }

    func answer(
        _ request: HTTPStatusRequest, _ status: any ServerStatus, _ metrics: HealthMetrics?,
        _ done: @escaping (HTTPStatusResponse) -> Void
    ) {
        let excluded = Set(request.query.values("exclude"))
        let chosen = checks.filter { !excluded.contains($0.rawValue) }
        run(chosen[...], on: status, metrics, failed: false, lines: "") { failed, lines in
            if failed {
                done(.text(503, lines + "\n"))
            } else {
                done(.text(200, (request.query.has("verbose") ? lines : "") + "ok\n"))
            }
        }
    }

    private func run(
        _ rest: ArraySlice<HealthCheck>, on status: any ServerStatus, _ metrics: HealthMetrics?,
        failed: Bool, lines: String, _ done: @escaping (_ failed: Bool, _ lines: String) -> Void
    ) {
        guard let check = rest.first else { return done(failed, lines) }
        check.run(on: status) { error in
            metrics?.checked(type: type, name: check.rawValue, succeeded: error == nil)
            let line =
                error.map { "[-]\(check.rawValue) failed: \($0)\n" } ?? "[+]\(check.rawValue) ok\n"
            run(
                rest.dropFirst(), on: status, metrics, failed: failed || error != nil,
                lines: lines + line, done)
        }
    }
}

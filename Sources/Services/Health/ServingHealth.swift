// Whether the member asks load balancers to send calls elsewhere, and who is told when that changes.

import API

/// Of service "", the whole server. From any thread.
final class ServingHealth: Sendable {
    private struct State {
        var pauses = 0
        var watches: [HealthWatch] = []
        var status: ServingStatus { pauses == 0 ? .serving : .notServing }
    }
    private let state = Locked(State())

    var status: ServingStatus { state.withLock { $0.status } }

    /// Not serving until as many `resume` have followed.
    func pause() { change(by: 1) }
    func resume() { change(by: -1) }

    private func change(by amount: Int) {
        let news = state.withLock { state -> (ServingStatus, [HealthWatch])? in
            let before = state.status
            state.pauses += amount
            precondition(state.pauses >= 0, "a resume without a pause")
            return state.status == before ? nil : (state.status, state.watches)
        }
        guard let (status, watches) = news else { return }
        for watch in watches { watch.tell(status) }
    }

    /// Tells `watch` the status now, and each time that it changes until `remove`.
    func add(_ watch: HealthWatch) {
        let status = state.withLock { state in
            state.watches.append(watch)
            return state.status
        }
        watch.send(status)
    }

    func remove(_ watch: HealthWatch) {
        state.withLock { $0.watches.removeAll { $0 === watch } }
    }
}

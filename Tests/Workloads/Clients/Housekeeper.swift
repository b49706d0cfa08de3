// A client that compacts the history and defragments members, while all others go on.

import Checkers

final class Housekeeper: ClientScript {
    private unowned let run: WorkloadRun
    private let client: Int

    init(_ run: WorkloadRun, client: Int) {
        self.run = run
        self.client = client
    }

    func next(_ done: @escaping () -> Void) {
        switch run.random(below: 10) {
        case 0..<3: compact(done)
        case 3 where run.options.defragments:
            run.raw(
                WireCall("/etcdserverpb.Maintenance/Defragment", []), by: client
            ) { _ in done() }
        default: run.think(done)
        }
    }

    /// Never past what those who keep the whole history have been told of.
    private func compact(_ done: @escaping () -> Void) {
        let newest = run.watches.knownToAllObservers
        let revision = newest - Int64(run.random(below: 40))
        guard revision > 1 else { return run.think(done) }
        run.recorder.compactions.append(Sighting(revision, at: run.world.now))
        run.call(.compact(revision), by: client) { _ in done() }
    }
}

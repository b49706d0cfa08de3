// The machine that a member runs on: its clocks, and whether it runs at all.

import API

/// One life of one member's process, or that of all clients.
public final class SimHost: @unchecked Sendable {
    let kernel: SimKernel
    public let name: String
    /// How many parts of a million its clock is too fast.
    private let drift: Int64
    private let epoch: UInt64
    /// What is added to the calendar: it jumps.
    var wallOffset: Int64 = 0
    private(set) var isDead = false
    private(set) var isPaused = false
    /// Its process may find what makes it stop at once.
    var mayEndInTurn = false
    private var executors: [SimExecutor] = []

    init(_ name: String, drift: Int64, in kernel: SimKernel) {
        self.name = name
        self.drift = drift
        self.kernel = kernel
        epoch = kernel.time
    }

    func add(_ executor: SimExecutor) { executors.append(executor) }

    /// The monotonic clock.
    var now: UInt64 {
        let passed = Int64(kernel.time - epoch)
        return UInt64(1_000_000_000 + passed + passed / 1_000_000 * drift)
    }

    /// How long the world takes for `nanoseconds` of this host.
    func worldDelay(_ nanoseconds: UInt64) -> UInt64 {
        guard drift != 0 else { return nanoseconds }
        return UInt64(Int64(nanoseconds) - Int64(nanoseconds) / 1_000_000 * drift)
    }

    var wall: UInt64 {
        UInt64(Int64(1_800_000_000_000_000_000) + Int64(kernel.time) + wallOffset)
    }

    /// Nothing of it ever runs again. It and its executors let each other go.
    func die() {
        isDead = true
        for executor in executors { executor.die() }
        executors = []
    }

    func pause() { isPaused = true }

    func resume() {
        isPaused = false
        for executor in executors { executor.checkRunnable() }
    }
}

/// A host's calendar.
struct SimWallClock: WallClock {
    let host: SimHost
    var nanosecondsSinceEpoch: UInt64 { host.wall }
}

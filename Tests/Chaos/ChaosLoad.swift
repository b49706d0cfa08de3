// The workloads on their loop, for whoever drives a run from another thread.

import API
import Checkers
import Foundation
import Transport
import Workloads

/// What came of a run.
struct ChaosResult: Sendable {
    var operations = 0
    /// Whether the cluster served, caught up and told its watchers all, in time.
    var hasSettled = false
    /// What it did not come to.
    var waitsFor = ""
    var violations: [Violation] = []
    /// How long the checks took, in seconds.
    var checking = 0.0
}

/// `@unchecked Sendable`: `run` and `world` are touched on `loop` only.
final class ChaosLoad: @unchecked Sendable {
    private let loop: EventLoop
    private let world: SocketWorld
    private let run: WorkloadRun

    private init(_ loop: EventLoop, _ world: SocketWorld, _ options: WorkloadOptions) {
        self.loop = loop
        self.world = world
        run = WorkloadRun(world, options)
    }

    /// Begins the load.
    static func start(
        _ endpoints: [Endpoint], on loop: EventLoop, seed: UInt64, options: WorkloadOptions,
        log: @escaping @Sendable (String) -> Void
    ) -> ChaosLoad {
        wait(on: loop) { done in
            let world = SocketWorld(endpoints, on: loop, seed: seed, log: log)
            let load = ChaosLoad(loop, world, options)
            load.run.start()
            done(load)
        }
    }

    /// Ends the load, lets the cluster come to rest, and checks all that was seen.
    func finish(withinSeconds seconds: UInt64) -> ChaosResult {
        Self.wait(on: loop) { [self] done in
            run.stop()
            var result: ChaosResult?
            func end(hasSettled: Bool) {
                guard result == nil else { return }
                let began = Date()
                let violations = run.check()
                let checked = ChaosResult(
                    operations: run.operationCount, hasSettled: hasSettled, waitsFor: run.waitsFor,
                    violations: violations, checking: Date().timeIntervalSince(began))
                result = checked
                done(checked)
            }
            run.settle { end(hasSettled: true) }
            loop.schedule(afterNanoseconds: seconds * 1_000_000_000) { end(hasSettled: false) }
        }
    }

    func close() {
        Self.wait(on: loop) { [self] done in
            world.close()
            done(())
        }
    }

    /// Runs `body` on the loop and waits until it calls what it is given.
    private static func wait<Value: Sendable>(
        on loop: EventLoop,
        _ body: @escaping @Sendable (@escaping @Sendable (Value) -> Void) -> Void
    ) -> Value {
        let box = Locked<Value?>(nil)
        let isDone = DispatchSemaphore(value: 0)
        loop.post {
            body { value in
                box.withLock { $0 = value }
                isDone.signal()
            }
        }
        isDone.wait()
        guard let value = box.withLock({ $0 }) else { preconditionFailure("signalled before") }
        return value
    }
}

import API
import Foundation
import Testing

@testable import Storage

/// A thread that does what is posted to it; time stands still, so timers never fire.
final class ThreadExecutor: ActorExecutor {
    private let queue = Locked<[@Sendable () -> Void]>([])
    private let wake = DispatchSemaphore(value: 0)
    private let isStopped = Locked(false)
    private let identity = Locked<pthread_t?>(nil)

    init() {
        let started = DispatchSemaphore(value: 0)
        Thread.detachNewThread { [self] in
            identity.withLock { $0 = pthread_self() }
            started.signal()
            while !isStopped.withLock({ $0 }) {
                wake.wait()
                let work = queue.withLock { queue in
                    defer { queue = [] }
                    return queue
                }
                for item in work { item() }
            }
        }
        started.wait()
    }

    var isCurrent: Bool {
        identity.withLock { $0.map { pthread_equal($0, pthread_self()) != 0 } ?? false }
    }
    func checkIsolated() { precondition(isCurrent, "on another thread") }
    var now: MonotonicTime { MonotonicTime(nanoseconds: 0) }

    func post(_ work: @escaping @Sendable () -> Void) {
        queue.withLock { $0.append(work) }
        wake.signal()
    }
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        post { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
    func atTurnEnd(_ phase: TurnPhase, _ work: @escaping () -> Void) {
        preconditionFailure("the store gathers nothing")
    }
    private final class Never: TimerHandle {
        func cancel() {}
    }
    func schedule(
        afterNanoseconds nanoseconds: UInt64, _ work: @escaping () -> Void
    ) -> any TimerHandle { Never() }

    func stop() { post { self.isStopped.withLock { $0 = true } } }
}

@Suite("The store and its backend on threads of their own")
struct StoreThreadsTests {
    @Test("Applies and reads go on while commits write what they made; all of it arrives")
    func threads() async throws {
        let directory = try TemporaryDirectory()
        let configuration = StoreConfiguration(path: directory.path + "/cairn.mdb", batchLimit: 20)
        let core = ThreadExecutor()
        let disk = ThreadExecutor()
        defer {
            core.stop()
            disk.stop()
        }
        let opened = try MVCCStore.open(configuration, on: core, committingOn: disk)
        let store = opened.store
        for round in 0..<40 {
            let mismatches = await withCheckedContinuation { continuation in
                core.post {
                    let wrong = store.assumeIsolated { store in Self.turn(round, store) }
                    continuation.resume(returning: wrong)
                }
            }
            #expect(mismatches == 0)
        }
        let failure: BackendError? = await withCheckedContinuation { continuation in
            core.post {
                store.assumeIsolated { $0.flush { continuation.resume(returning: $0) } }
            }
        }
        #expect(failure == nil)
        let durable = await store.durable
        #expect(durable.index == LogIndex(40 * 50))
        #expect(await store.revision == Revision(1 + 40 * 50))
    }

    /// Applies 50 entries and reads each key back at once.
    private static func turn(_ round: Int, _ store: isolated MVCCStore) -> Int {
        var wrong = 0
        for n in 0..<50 {
            let index = LogIndex(UInt64(round * 50 + n + 1))
            guard (try? store.beginApply(at: index, term: Term(1))) == true else { return -1 }
            _ = try? store.put("k\(n)", "v\(round)")
            store.endApply()
            let pairs = try? store.pairs(KeyRange("k\(n)")).pairs
            if pairs?.first?.value != Array("v\(round)".utf8) { wrong += 1 }
        }
        return wrong
    }
}

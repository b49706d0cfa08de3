// The wheel of deadlines against a plain list: nobody before time, nobody later than a tick, nobody
// forgotten, and no wakes but for those.

import API
import TestSupport
import Testing

@testable import Transport

@Suite("Deadlines of calls")
struct DeadlineWheelTests {
    /// A call that waits; `expired` is told when its time is over.
    private final class Waiting: HTTP2Stream {
        let expired: (Waiting) -> Void
        init(_ expired: @escaping (Waiting) -> Void) { self.expired = expired }
        override func deadlineExpired() { expired(self) }
    }

    private static let tick: UInt64 = 5_000_000

    private static func deadline(_ executor: ManualExecutor, in nanoseconds: UInt64)
        -> MonotonicTime
    {
        executor.now.advanced(byNanoseconds: nanoseconds)
    }

    @Test("are met within a tick, however far away and in whatever order they came")
    func orders() {
        let executor = ManualExecutor()
        let wheel = DeadlineWheel(executor)
        var met: [UInt64: UInt64] = [:]
        // Beyond one round of the wheel (5.12 s) too, and nearer ones behind farther ones.
        let waits: [UInt64] = [
            20_000_000_000, 5_121_000_000, 3_000_000_000, 40_000_000, 39_000_000, 1,
            5_119_999_999, 10_240_000_001,
        ]
        let start = executor.now
        let calls = waits.map { wait in
            Waiting { _ in met[wait] = executor.now.nanoseconds(since: start) }
        }
        for (call, wait) in zip(calls, waits) {
            wheel.add(call, deadline: Self.deadline(executor, in: wait))
        }
        executor.advance(seconds: 21)
        for wait in waits {
            let time = met[wait] ?? 0
            #expect(time >= wait && time <= wait + 2 * Self.tick, "\(wait): \(time)")
        }
    }

    @Test("a call that ends in its expiry may leave another behind")
    func addedWhileExpiring() {
        let executor = ManualExecutor()
        let wheel = DeadlineWheel(executor)
        var second: Waiting?
        var ended = 0
        let first = Waiting { _ in
            let call = Waiting { _ in ended += 1 }
            wheel.add(call, deadline: Self.deadline(executor, in: 1_000_000))
            second = call
        }
        wheel.add(first, deadline: Self.deadline(executor, in: 1_000_000))
        executor.advance(seconds: 1)
        #expect(second != nil && ended == 1)
    }

    @Test(
        "as a plain list has them, through thousands of calls that begin and end",
        arguments: 1...20 as ClosedRange<UInt64>)
    func randomWalk(seed: UInt64) {
        let random = SeededRandom(seed: seed)
        let executor = ManualExecutor()
        let wheel = DeadlineWheel(executor)
        var waiting: [ObjectIdentifier: Waiting] = [:]
        var wrong: [String] = []
        for _ in 0..<2000 {
            switch random.next() % 4 {
            case 0, 1:
                let longest: UInt64 = [20_000_000, 1_000_000_000, 12_000_000_000][
                    Int(random.next() % 3)]
                let call = Waiting { call in
                    waiting[ObjectIdentifier(call)] = nil
                    let due = call.deadline?.nanoseconds ?? 0
                    let now = executor.now.nanoseconds
                    if now < due || now > due + 2 * Self.tick { wrong.append("\(due) at \(now)") }
                }
                waiting[ObjectIdentifier(call)] = call
                wheel.add(
                    call, deadline: Self.deadline(executor, in: 1 + random.next() % longest))
            case 2:
                if let (id, call) = waiting.min(by: { $0.value.deadline! < $1.value.deadline! }) {
                    wheel.remove(call)
                    waiting[id] = nil
                }
            default:
                executor.advance(seconds: Double(random.next() % 300) / 1000)
                let now = executor.now.nanoseconds
                for call in waiting.values where call.deadline!.nanoseconds + 2 * Self.tick < now {
                    wrong.append("forgotten: \(call.deadline!.nanoseconds) at \(now)")
                }
            }
        }
        #expect(wrong == [])
        executor.advance(seconds: 13)
        #expect(waiting.isEmpty)
    }
}

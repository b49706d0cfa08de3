// Turns that may end a process without coming back: of a member that stops as soon as it has read
// what its disk has spoilt, in the middle of whatever it was doing.
//
// Such a turn runs on a thread of its own, and the kernel's waits for it: still one thing at a time.
// When the process ends, the thread stays behind where it is, with all that the turn had in hands.

import Glibc

/// `@unchecked Sendable`: one of the two threads waits whenever the other runs.
final class TurnThread: @unchecked Sendable {
    private let body: () -> Void
    private let isOver: UnsafeMutablePointer<sem_t>
    private var hasReturned = false

    private init(_ body: @escaping () -> Void) {
        self.body = body
        isOver = .allocate(capacity: 1)
        sem_init(isOver, 0, 0)
    }

    deinit {
        sem_destroy(isOver)
        isOver.deallocate()
    }

    /// The one that runs now; nil while turns run on the kernel's own thread.
    nonisolated(unsafe) private(set) static var current: TurnThread?

    /// Runs `body`.
    /// - Returns: whether it has returned; if not, it never will.
    static func run(_ body: @escaping () -> Void) -> Bool {
        let turn = TurnThread(body)
        current = turn
        defer { current = nil }
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let turn = Unmanaged<TurnThread>.fromOpaque(argument).takeRetainedValue()
                turn.body()
                turn.hasReturned = true
                sem_post(turn.isOver)
                return nil
            }, Unmanaged.passRetained(turn).toOpaque())
        precondition(code == 0, "no thread for a turn")
        while sem_wait(turn.isOver) != 0 {}
        pthread_detach(thread)
        return turn.hasReturned
    }

    /// Ends the turn that runs now here; only within one.
    static func endHere() -> Never {
        guard let turn = current else { preconditionFailure("not in a turn that may end") }
        sem_post(turn.isOver)
        while true { pause() }
    }
}

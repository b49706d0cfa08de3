// What goes on beside a load that is measured.

import Foundation
import Synchronization

/// Work that a thread of its own does again and again.
final class Background: Sendable {
    typealias Done = (times: Int, seconds: Double)
    private let outcome = Mutex<Result<Done, any Error>?>(nil)

    /// Nil while it goes on.
    var result: Result<Done, any Error>? { outcome.withLock { $0 } }

    init(seconds: Double, _ work: @escaping () throws -> Void) {
        nonisolated(unsafe) let work = work
        Thread.detachNewThread { [self] in
            let result = Result { try Self.run(work, for: seconds) }
            outcome.withLock { $0 = result }
        }
    }

    private static func run(_ work: () throws -> Void, for seconds: Double) throws -> Done {
        let began = monotonicNanoseconds()
        var done: Done = (0, 0)
        repeat {
            try work()
            done.times += 1
            done.seconds = Double(monotonicNanoseconds() - began) / 1e9
        } while done.seconds < seconds
        return done
    }
}

// A wire that is slow, late or dead: a proxy for one listener, over TCP on loopback. The kernel may
// have no netem, and a process may not be allowed to use it.

import Foundation

/// How a link misbehaves, each way for itself. All that is not said is as good as loopback.
package struct LinkManner: Sendable, Equatable {
    /// How long each byte is under way.
    package var delayMilliseconds = 0
    /// What passes in a second; nil for no bound.
    package var bytesPerSecond: Int?
    /// Nothing passes, and nobody is told: what is lost on a wire is sent again by TCP, which
    /// looks like this.
    package var isStalled = false

    package init(
        delayMilliseconds: Int = 0, bytesPerSecond: Int? = nil, isStalled: Bool = false
    ) {
        self.delayMilliseconds = delayMilliseconds
        self.bytesPerSecond = bytesPerSecond
        self.isStalled = isStalled
    }

    package static let good = LinkManner()
}

/// Passes on what comes to a port of its own. Ends with the value.
///
/// `@unchecked Sendable`: the manner is under `lock`; all else belongs to its thread.
package final class FaultyLink: @unchecked Sendable {
    /// Where it listens, on 127.0.0.1.
    package let port: UInt16
    private let target: UInt16
    private let lock = NSLock()
    private var manner = Manner()
    private let wake: (read: Int32, write: Int32)
    private let listener: Int32
    /// Bytes that are on the way to the listener, and back, since the start.
    private var passed = (forth: 0, back: 0)

    private struct Manner {
        var forth = LinkManner.good
        var back = LinkManner.good
        var isCut = false
        var isOver = false
    }

    /// Listens, and dials `target` on 127.0.0.1 for every connection that comes.
    /// - Parameter port: 0 for any that is free.
    package init(port: UInt16 = 0, to target: UInt16) throws {
        self.target = target
        (listener, self.port) = try Sockets.listen(port: port)
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw FaultsFailure("pipe: \(errno)") }
        wake = (ends[0], ends[1])
        Sockets.makeNonBlocking(wake.read)
        // Weakly between turns, so that the thread keeps nobody alive.
        Thread.detachNewThread { [weak self, listener, wake] in
            let pump = LinkPump(listener: listener, wake: wake.read, target: target)
            while let manner = self?.present, !manner.isOver {
                pump.turn(forth: manner.forth, back: manner.back, isCut: manner.isCut)
                self?.note(pump.passed)
            }
            pump.close()
        }
    }

    deinit {
        lock.withLock { manner.isOver = true }
        var byte: UInt8 = 0
        _ = write(wake.write, &byte, 1)
        close(wake.write)
    }

    /// Changes how it passes on what is sent to the listener (`forth`) and what comes back.
    package func behave(forth: LinkManner = .good, back: LinkManner = .good) {
        change {
            $0.forth = forth
            $0.back = back
        }
    }

    /// Closes all connections, and every one that comes, until `mend`.
    package func cut() { change { $0.isCut = true } }

    /// As good as loopback again.
    package func mend() { change { $0 = Manner() } }

    /// Bytes passed on so far, to the listener and back.
    package var bytesPassed: (forth: Int, back: Int) { lock.withLock { passed } }

    private func change(_ body: (inout Manner) -> Void) {
        lock.withLock { body(&manner) }
        var byte: UInt8 = 0
        _ = write(wake.write, &byte, 1)
    }

    private var present: Manner { lock.withLock { manner } }
    private func note(_ passed: (forth: Int, back: Int)) { lock.withLock { self.passed = passed } }
}

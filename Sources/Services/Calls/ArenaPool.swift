// The memory of decoded requests, used again: a request in flight has an arena, and a new request
// takes one that an answered request has left.

import API
import Transport

/// Arenas at rest. From any thread: taken where a request is decoded, put back where it is settled.
final class ArenaPool: Sendable {
    /// Arenas that nobody uses, on their way between threads.
    ///
    /// `@unchecked Sendable`: an arena has one user at a time; the lock orders their accesses.
    private struct Resting: @unchecked Sendable {
        var arenas: [Arena] = []
        var bytes = 0
    }

    private let resting = Locked(Resting())
    private let limitBytes: Int

    /// - Parameter limitBytes: memory kept for requests to come. An arena is a few KiB after small
    ///   requests and hundreds after large ones, so it is bytes that are counted.
    init(limitBytes: Int = 8 << 20) { self.limitBytes = limitBytes }

    /// How many rest.
    var count: Int { resting.withLock { $0.arenas.count } }

    func take() -> Arena {
        let arena = resting.withLock { resting -> Arena? in
            guard let arena = resting.arenas.popLast() else { return nil }
            resting.bytes -= Self.cost(arena)
            return arena
        }
        return arena ?? Arena()
    }

    /// Resets `arena`: nothing that was decoded in it may be used any more.
    func putBack(_ arena: Arena) {
        arena.reset()
        let cost = Self.cost(arena)
        nonisolated(unsafe) let arena = arena  // given up by its user
        resting.withLock { resting in
            guard resting.bytes + cost <= limitBytes else { return }
            resting.arenas.append(arena)
            resting.bytes += cost
        }
    }

    /// Decodes a request for `body`, which must keep nothing of it; refuses what is none.
    func decode<Request: WireMessage>(
        _: Request.Type, _ bytes: UnsafeRawBufferPointer, _ reply: any Replying,
        _ body: (Request) -> Void
    ) {
        let arena = take()
        defer { putBack(arena) }
        do throws(RequestRefusal) {
            body(try decodeRequest(Request.self, bytes, in: arena))
        } catch {
            reply.fail(error.status)
        }
    }

    /// What an arena at rest holds, its own objects included.
    private static func cost(_ arena: Arena) -> Int { arena.heldBytes + 256 }
}

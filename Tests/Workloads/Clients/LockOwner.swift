// Clients that take turns with a lock, and write only what its token allows.

import API
import Checkers

final class LockOwner: ClientScript {
    /// Written by the Lock service.
    static let keys = KeySpan.prefix("lock/")
    private static let guarded = "guarded"
    private static let leaseSeconds: Int64 = 8

    private unowned let run: WorkloadRun
    private let client: Int

    init(_ run: WorkloadRun, client: Int) {
        self.run = run
        self.client = client
    }

    func next(_ done: @escaping () -> Void) {
        let lease = Int64(run.world.random() >> 2) | 1
        let asked = run.world.now
        run.raw(.grant(lease, ttl: Self.leaseSeconds), by: client) { [self] end in
            guard case .answered(let bytes) = end, let granted = LeaseAnswer(bytes) else {
                return done()
            }
            let time = UInt64(granted.ttl) * 1_000_000_000
            // What a clock that runs fast makes of it.
            let least = time - time / 1_000_000 * run.options.driftPPM
            lock(lease, certainUntil: asked + least) { [self] in
                // Whatever became of it, the key goes with its lease.
                run.call(.revoke(lease), by: client) { _ in done() }
            }
        }
    }

    private func lock(
        _ lease: Int64, certainUntil: Moment, _ done: @escaping () -> Void
    ) {
        let name = "lock/\(run.random(below: 2))"
        run.raw(.lock(name, lease), by: client) { [self] end in
            guard case .answered(let bytes) = end, let key = Self.key(in: bytes),
                let revision = try? revision(inHeaderOf: bytes)
            else { return done() }
            let place = run.recorder.locks.count
            run.recorder.locks.append(
                LockHold(
                    owner: client, key: key, prefix: name + "/", revision: revision,
                    granted: run.world.now, heldUntil: certainUntil))
            work(key) { [self] in
                let hold = run.recorder.locks[place]
                run.recorder.locks[place].heldUntil = min(hold.heldUntil, run.world.now)
                if run.chance(20) { return done() }  // the lease lets it go
                run.raw(.unlock(key), by: client) { _ in done() }
            }
        }
    }

    /// Writes once while it holds the lock, if its key is still there.
    private func work(_ key: String, _ done: @escaping () -> Void) {
        run.call(.range(KeySpan(key)), by: client) { [self] operation in
            guard case .step(.range(let pairs))? = operation.answer?.result,
                let token = pairs.first?.created
            else { return done() }
            let call = KVCall.txn(
                when: [Comparison(key, equals: .created(token))],
                then: [.put(Self.guarded, "\(token) of \(run.nextNumber())")], otherwise: [])
            run.call(call, by: client) { [self] _ in run.think(done) }
        }
    }

    /// Field 2 of a LockResponse.
    private static func key(in bytes: [UInt8]) -> String? {
        let arena = Arena()
        return withExtendedLifetime(arena) {
            (try? LockResponse.decode(bytes, in: arena)).map {
                String(decoding: $0.key, as: UTF8.self)
            }
        }
    }
}

extension WireCall {
    static func lock(_ name: String, _ lease: Int64) -> Self {
        Self("/v3lockpb.Lock/Lock") {
            $0.appendField(1, string: name)
            $0.appendField(2, int64: lease)
        }
    }

    static func unlock(_ key: String) -> Self {
        Self("/v3lockpb.Lock/Unlock") { $0.appendField(1, string: key) }
    }
}

// Clients with leases: keys that must stay while the lease is renewed, and go when it is not.

import API
import Checkers

final class LeaseHolder: ClientScript {
    private unowned let run: WorkloadRun
    private let client: Int

    init(_ run: WorkloadRun, client: Int) {
        self.run = run
        self.client = client
    }

    static func key(of lease: Int64, _ number: Int) -> String { "lease/\(lease)/\(number)" }

    /// One lease, from its grant until nobody renews it any more.
    func next(_ done: @escaping () -> Void) {
        // Ids do not come again, also not in another run on the same data.
        let id = Int64(run.world.random() >> 2) | 1
        let span = run.options.leaseSeconds
        let ttl = span.lowerBound + Int64(run.random(below: span.count))
        let asked = run.world.now
        run.raw(.grant(id, ttl: ttl), by: client) { [self] end in
            guard case .answered(let bytes) = end, let granted = LeaseAnswer(bytes) else {
                return done()
            }
            var lease = LeaseLife(id: id, timeToLive: UInt64(granted.ttl) * 1_000_000_000)
            lease.renewals = [.init(asked: asked, answered: run.world.now)]
            let place = run.recorder.leases.count
            run.recorder.leases.append(lease)
            attach(place, keys: 1 + run.random(below: 3)) { [self] in
                live(place, renewals: run.random(below: 6), done)
            }
        }
    }

    private func attach(_ place: Int, keys: Int, _ done: @escaping () -> Void) {
        if keys == 0 { return done() }
        let id = run.recorder.leases[place].id
        let call = KVCall.put(Self.key(of: id, keys), "\(run.nextNumber())", lease: id)
        run.call(call, by: client) { [self] operation in
            if case .refused = operation.outcome {
                // It may have been too slow: the lease is over.
                return done()
            }
            attach(place, keys: keys - 1, done)
        }
    }

    private func live(_ place: Int, renewals: Int, _ done: @escaping () -> Void) {
        let lease = run.recorder.leases[place]
        guard renewals > 0, !run.hasStopped else {
            return run.chance(25) ? revoke(place, done) : done()
        }
        // Renewed after a third to all of its time: sometimes too late.
        let pause = lease.timeToLive / 3 + run.world.random() % (lease.timeToLive * 2 / 3)
        run.world.schedule(afterNanoseconds: pause) { [self] in
            look(place) { [self] in
                run.renew(place, by: client) { [self] isAlive in
                    if isAlive { live(place, renewals: renewals - 1, done) } else { done() }
                }
            }
        }
    }

    private func revoke(_ place: Int, _ done: @escaping () -> Void) {
        run.recorder.leases[place].revocationAsked = run.world.now
        run.call(.revoke(run.recorder.leases[place].id), by: client) { _ in done() }
    }

    /// Asks how long the lease still lives.
    private func look(_ place: Int, _ done: @escaping () -> Void) {
        let id = run.recorder.leases[place].id
        let asked = run.world.now
        run.raw(.timeToLive(id), by: client) { [self] end in
            if case .answered(let bytes) = end, let answer = LeaseAnswer(bytes) {
                run.recorder.saw(place, isAlive: answer.ttl >= 0, asked, run.world.now, "its rest")
            }
            done()
        }
    }
}

extension Recorder {
    /// The lease at `place` was seen, by a question of the moment `asked`.
    func saw(
        _ place: Int, isAlive: Bool, _ asked: Moment, _ answered: Moment, _ how: String
    ) {
        if isAlive {
            leases[place].seenAlive.append((asked, how))
        } else {
            leases[place].seenGone.append((answered, how))
        }
    }
}

extension WorkloadRun {
    /// Renews the lease at `place` once. `done` is told false when it is known to be over.
    func renew(_ place: Int, by client: Int, _ done: @escaping (Bool) -> Void) {
        let id = recorder.leases[place].id
        let asked = world.now
        let renewal = recorder.leases[place].renewals.count
        recorder.leases[place].renewals.append(.init(asked: asked, answered: nil))
        streamOnce("/etcdserverpb.Lease/LeaseKeepAlive", .keepAlive(id), by: client) {
            [self] bytes in
            guard let bytes, let answer = LeaseAnswer(bytes) else { return done(true) }
            if answer.ttl > 0 {
                recorder.leases[place].renewals[renewal] = .init(
                    asked: asked, answered: world.now)
            } else {
                recorder.leases[place].renewals.remove(at: renewal)
                recorder.saw(place, isAlive: false, asked, world.now, "a renewal")
            }
            done(answer.ttl > 0)
        }
    }
}

/// The fields of a lease's answers that matter here.
struct LeaseAnswer {
    /// In seconds: field 3 of the answers to grant, renewal and question alike.
    let ttl: Int64

    init?(_ bytes: [UInt8]) {
        let ttl: Int64? = bytes.withUnsafeBytes { bytes in
            var reader = ProtobufReader(bytes)
            var ttl: Int64 = 0
            do {
                while let field = try reader.next() {
                    if field.number == 3 { ttl = try field.int64() }
                }
            } catch { return nil }
            return ttl
        }
        guard let ttl else { return nil }
        self.ttl = ttl
    }
}

extension WireCall {
    static func grant(_ id: Int64, ttl: Int64) -> Self {
        Self("/etcdserverpb.Lease/LeaseGrant") {
            $0.appendLeaseGrantRequest(ttl: ttl, id: LeaseID(id))
        }
    }

    static func timeToLive(_ id: Int64) -> Self {
        Self("/etcdserverpb.Lease/LeaseTimeToLive") {
            $0.appendLeaseTimeToLiveRequest(LeaseID(id))
        }
    }

    static func keepAlive(_ id: Int64) -> Self {
        Self("/etcdserverpb.Lease/LeaseKeepAlive") { $0.appendLeaseRequest(LeaseID(id)) }
    }
}

// Guests, who use keys that others may or may not let them use; who decides that; and hosts, who
// write there whether guests look or not.

import API
import Checkers

/// Reads and writes its own few keys. What it is told shows whether it may.
final class Guest: ClientScript {
    private unowned let run: WorkloadRun
    private let client: Int
    private let number: Int

    init(_ run: WorkloadRun, client: Int, number: Int) {
        self.run = run
        self.client = client
        self.number = number
    }

    static func span(_ number: Int) -> KeySpan { .prefix("g/\(number)/") }

    static func key(_ number: Int, _ place: Int) -> String { "g/\(number)/\(place)" }

    func next(_ done: @escaping () -> Void) {
        let key = Self.key(number, run.random(below: 3))
        let value = "\(run.nextNumber())"
        switch run.random(below: 6) {
        case 0, 1: use(.range(KeySpan(key)), .read, done)
        case 2: use(.range(Self.span(number)), .read, done)
        case 3: use(.put(key, value), .write, done)
        case 4: use(.delete(KeySpan(key)), .write, done)
        default:
            use(
                .txn(
                    when: [Comparison(key, equals: .version(0))], then: [.put(key, value)],
                    otherwise: [.range(KeySpan(key))]), .both, done)
        }
    }

    private func use(_ call: KVCall, _ right: Right, _ done: @escaping () -> Void) {
        run.perform(call, by: client) { [self] operation, end in
            let outcome: Outcome<RightsModel.Answer> =
                switch end {
                case .answered: .answered(.allowed)
                case .failed(.permissionDenied): .answered(.denied)
                case .failed, .neverSent: .refused
                }
            run.recorder.rights[number, default: []].append(
                RightsOperation(
                    client: client, .use(right), invoked: operation.invoked,
                    returned: operation.returned, outcome))
            done()
        }
    }
}

/// Gives and takes the rights of guests, one change of each at a time.
final class RightsManager: ClientScript {
    private unowned let run: WorkloadRun
    private let client: Int

    init(_ run: WorkloadRun, client: Int) {
        self.run = run
        self.client = client
    }

    /// What guests may do when a run begins.
    static let initial = RightsModel.State(hasRole: true, right: .both)

    /// Changes are seldom beside calls: some calls go by between two.
    func next(_ done: @escaping () -> Void) {
        let number = run.random(below: run.options.guests)
        let change: RightsModel.Call =
            switch run.random(below: 8) {
            case 0: .setRole(false)
            case 1, 2: .setRole(true)
            case 3: .setRight(nil)
            case 4: .setRight(.read)
            case 5: .setRight(.write)
            default: .setRight(.both)
            }
        run.change(change, of: number, by: client) { [self] _ in
            run.think { [self] in run.think { [self] in run.think(done) } }
        }
    }
}

extension WorkloadRun {
    /// Changes the rights of a guest. `done` is told whether that is certain.
    func change(
        _ change: RightsModel.Call, of number: Int, by client: Int,
        _ done: @escaping (Bool) -> Void
    ) {
        let invoked = world.now
        raw(Self.wire(change, of: number), by: client) { [self] end in
            let outcome: Outcome<RightsModel.Answer> =
                switch end {
                case .answered: .answered(.done)
                case .failed(.roleNotGranted), .failed(.permissionNotGranted): .answered(.wasNot)
                case .failed(let status): recorder.isCertain(status) ? .refused : .unknown
                case .neverSent: .refused
                }
            let operation = RightsOperation(
                client: client, change, invoked: invoked, returned: world.now, outcome)
            recorder.rights[number, default: []].append(operation)
            if case .answered = outcome { done(true) } else { done(false) }
        }
    }

    private static func wire(_ change: RightsModel.Call, of number: Int) -> WireCall {
        let guest = User.guest(number)
        return switch change {
        case .setRole(true): .grantRole(guest.name, to: guest.name)
        case .setRole(false): .revokeRole(guest.name, from: guest.name)
        case .setRight(let right?): .grant(right, Guest.span(number), to: guest.name)
        case .setRight(nil): .revoke(Guest.span(number), from: guest.name)
        case .use: preconditionFailure("a guest's own call")
        }
    }
}

/// Writes to the keys of guests, so that there is something to be told of.
final class Host: ClientScript {
    private unowned let run: WorkloadRun
    private let client: Int

    init(_ run: WorkloadRun, client: Int) {
        self.run = run
        self.client = client
    }

    func next(_ done: @escaping () -> Void) {
        let key = Guest.key(run.random(below: run.options.guests), run.random(below: 3))
        run.call(.put(key, "\(run.nextNumber())"), by: client) { _ in done() }
    }
}

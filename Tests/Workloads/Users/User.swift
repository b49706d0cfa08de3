// The users of a run with auth on: each has just the rights that its clients need.

import API
import Checkers

struct User: Hashable {
    let name: String
    /// What its role, which has its name, may do from the start on.
    let rights: [Granted]
    /// Others give and take its rights.
    let isGuest: Bool

    struct Granted: Hashable {
        let right: Right
        let span: KeySpan
    }

    var password: String { "secret of \(name)" }

    private init(_ name: String, _ right: Right, _ spans: [KeySpan], isGuest: Bool = false) {
        self.name = name
        rights = spans.map { Granted(right: right, span: $0) }
        self.isGuest = isGuest
    }

    static let root = User("root", .both, [])
    static let registers = User("registers", .both, [.prefix("r/")])
    static let lists = User("lists", .both, [.prefix("l/")])
    static let sets = User("sets", .both, [.prefix("s/")])
    static let bank = User("bank", .both, [.prefix("b/")])
    static let leases = User("leases", .both, [.prefix("lease/")])
    static let locks = User("locks", .both, [LockOwner.keys, KeySpan("guarded")])
    static let observers = User("observers", .read, [.everything])
    static let watchers = User("watchers", .read, WatchClients.spans)
    static let hosts = User("hosts", .both, [.prefix("g/")])

    static func guest(_ number: Int) -> Self {
        User("guest-\(number)", .both, [Guest.span(number)], isGuest: true)
    }

    /// Makes all users and roles and turns auth on; tries until members have done so.
    static func open(_ run: WorkloadRun, _ done: @escaping () -> Void) {
        let guests = (0..<run.options.guests).map(guest)
        var calls: [WireCall] = []
        for user in [
            root, registers, lists, sets, bank, leases, locks, observers, watchers, hosts,
        ] + guests {
            calls.append(.addRole(user.name))
            for granted in user.rights {
                calls.append(.grant(granted.right, granted.span, to: user.name))
            }
            calls.append(.addUser(user))
            calls.append(.grantRole(user.name, to: user.name))
        }
        open(run, calls[...] + [.enableAuth], done)
    }

    private static func open(
        _ run: WorkloadRun, _ calls: ArraySlice<WireCall>, _ done: @escaping () -> Void
    ) {
        guard let call = calls.first else { return done() }
        run.raw(call, by: WorkloadRun.nobody) { end in
            if wasDone(end) { return open(run, calls.dropFirst(), done) }
            run.think { open(run, calls, done) }
        }
    }

    /// Perhaps by a call before, whose answer was lost.
    private static func wasDone(_ end: CallEnd) -> Bool {
        switch end {
        case .answered: true
        case .failed(.userAlreadyExists), .failed(.roleAlreadyExists), .failed(.userEmpty): true
        case .failed, .neverSent: false
        }
    }
}

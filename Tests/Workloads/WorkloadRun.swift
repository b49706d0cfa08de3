// One run of all workloads in one world: starts the clients, keeps what they saw, and checks it.
//
//     start    the bank's accounts are opened, then all clients begin
//     stop     no client begins anything new; isQuiet tells when all calls have ended
//     settle   the faults are over: the end of the history is read, watchers catch up, leases end
//     check    what was seen against every promise

import API
import Checkers

/// How much of what runs. Times in nanoseconds.
public struct WorkloadOptions: Sendable {
    /// Clients of each kind.
    public var registers = 4
    public var lists = 2
    public var sets = 2
    public var banks = 2
    public var leases = 2
    public var locks = 3
    public var watchers = 4
    /// Whether members know users, and clients log in.
    public var usesAuth = false
    /// Users whose rights are given and taken, if there are users. Each is watched and written to.
    public var guests = 2
    /// Who compacts and defragments.
    public var housekeepers = 1
    /// Between two calls of a client, on average.
    public var thinkTime: UInt64 = 100_000_000
    public var callTimeout: UInt64 = 5_000_000_000
    /// Of granted leases, in seconds.
    public var leaseSeconds: ClosedRange<Int64> = 2...4
    /// What the end of a lease may take beyond its time, once there are no faults.
    public var leaseBound: UInt64 = 8_000_000_000
    /// How much faster a member's clock may run than the clients', in parts per million.
    public var driftPPM: UInt64 = 0
    /// Whether members are defragmented now and then.
    public var defragments = true

    public init() {}
}

/// A client that does one thing after the other.
protocol ClientScript: AnyObject {
    /// Does the next thing; `done` is called once, later, when it is over.
    func next(_ done: @escaping () -> Void)
}

public final class WorkloadRun {
    let world: any ClientWorld
    public let options: WorkloadOptions
    let recorder = Recorder()
    private(set) var watches: WatchClients
    private var scripts: [any ClientScript] = []
    private var sessions: [Int: Session] = [:]
    /// What kind of client each is, by its number.
    private var kinds: [Int: String] = [:]
    private var isStopped = false
    /// Calls and scripts under way.
    private var underWay = 0
    private var numbersGiven = 0
    /// From this moment on there were no faults.
    private var settling: Settling?
    private(set) var settleBegan: Moment = 0

    public init(_ world: any ClientWorld, _ options: WorkloadOptions = WorkloadOptions()) {
        self.world = world
        self.options = options
        watches = WatchClients(world, recorder)
        watches.run = self
    }

    /// Calls that have ended.
    public var operationCount: Int { recorder.count }

    /// Whether no call is under way.
    public var isQuiet: Bool { underWay == 0 }

    // MARK: Phases

    public func start() {
        guard options.usesAuth else { return begin() }
        User.open(self) { [self] in begin() }
    }

    private func begin() {
        watches.start(options.watchers, guests: options.usesAuth ? options.guests : 0)
        Bank.open(self) { [self] in
            add(options.registers, .registers) { Register(self, client: $0) }
            add(options.lists, .lists) { List(self, client: $0) }
            add(options.sets, .sets) { ElementSet(self, client: $0) }
            add(options.banks, .bank) { Bank(self, client: $0) }
            add(options.leases, .leases) { LeaseHolder(self, client: $0) }
            add(options.locks, .locks) { LockOwner(self, client: $0) }
            add(options.housekeepers, .root) { Housekeeper(self, client: $0) }
            guard options.usesAuth, options.guests > 0 else { return }
            for number in 0..<options.guests {
                add(1, .guest(number)) { Guest(self, client: $0, number: number) }
            }
            add(1, .root) { RightsManager(self, client: $0) }
            add(1, .hosts) { Host(self, client: $0) }
        }
    }

    public func stop() { isStopped = true }

    var hasStopped: Bool { isStopped }

    private func add(_ count: Int, _ user: User, _ make: (Int) -> any ClientScript) {
        for _ in 0..<count {
            let client = scripts.count + 1
            let script = make(client)
            scripts.append(script)
            sessions[client] = session(as: user)
            kinds[client] = script is RightsManager ? "rights" : user.name
            think { [self] in loop(script) }
        }
    }

    private func loop(_ script: any ClientScript) {
        if isStopped { return }
        underWay += 1
        script.next { [self] in
            underWay -= 1
            think { [self] in loop(script) }
        }
    }

    /// After the faults are over: reads the end, lets watchers catch up and leases end. `done` is
    /// called once all that has come to pass; a cluster that does not serve keeps it waiting.
    public func settle(_ done: @escaping () -> Void) {
        settleBegan = world.now
        let settling = Settling(self)
        self.settling = settling
        settling.begin(done)
    }

    /// What `settle` is waiting for, in words.
    public var waitsFor: String { settling?.waitsFor ?? "nothing" }

    // MARK: What clients need

    /// A number that no other call of the run gets.
    func nextNumber() -> Int {
        numbersGiven += 1
        return numbersGiven
    }

    func random(below bound: Int) -> Int { Int(world.random() % UInt64(bound)) }

    func chance(_ percent: Int) -> Bool { random(below: 100) < percent }

    /// Lets a client's pause go by.
    func think(_ work: @escaping () -> Void) {
        let pause = options.thinkTime / 2 + world.random() % max(1, options.thinkTime)
        world.schedule(afterNanoseconds: pause, work)
    }

    /// Who looks after the run itself: with all rights.
    static let operators = 0
    /// Who has not logged in.
    static let nobody = -1

    /// A new login of `user`, if there are users.
    func session(as user: User) -> Session {
        session(user: options.usesAuth ? user : nil)
    }

    private func session(user: User?) -> Session {
        Session(world, as: user, timeout: options.callTimeout) { [recorder] in
            recorder.report("what is permitted is not denied", $0)
        }
    }

    func session(of client: Int) -> Session {
        if let known = sessions[client] { return known }
        let new = client == Self.nobody ? session(user: nil) : session(as: .root)
        sessions[client] = new
        return new
    }

    /// Calls any method as a user with all rights, if there are users.
    public func callAsRoot(
        _ method: String, _ request: [UInt8], to member: Int, timeoutNanoseconds: UInt64,
        _ done: @escaping (CallEnd) -> Void
    ) {
        session(of: Self.operators).call(
            WireCall(method, request), to: member, timeout: timeoutNanoseconds, done)
    }

    /// Calls the KV service, at a member of chance or the given one, and keeps what came of it.
    func call(
        _ call: KVCall, by client: Int, at member: Int? = nil,
        _ done: @escaping (KVOperation) -> Void
    ) {
        perform(call, by: client, at: member) { operation, _ in done(operation) }
    }

    /// As `call`, with what its client was told.
    func perform(
        _ call: KVCall, by client: Int, at member: Int? = nil,
        _ done: @escaping (KVOperation, CallEnd) -> Void
    ) {
        let member = member ?? random(below: world.memberCount)
        let invoked = world.now
        underWay += 1
        session(of: client).call(call.wire, to: member, timeout: options.callTimeout) {
            [self] end in
            underWay -= 1
            let operation = Operation(
                client: client, call, invoked: invoked, returned: world.now,
                recorder.outcome(of: call, end, from: member))
            world.note("m\(member + 1) \(operation)")
            recorder.add(operation)
            count(end, of: client)
            done(operation, end)
        }
    }

    /// Calls another unary method. `done` gets nil when there is no answer.
    func raw(
        _ wire: WireCall, by client: Int, at member: Int? = nil, timeout: UInt64? = nil,
        _ done: @escaping (CallEnd) -> Void
    ) {
        let member = member ?? random(below: world.memberCount)
        underWay += 1
        session(of: client).call(wire, to: member, timeout: timeout ?? options.callTimeout) {
            [self] end in
            underWay -= 1
            recorder.count += 1
            count(end, of: client)
            world.note("m\(member + 1) \(wire.method) \(end)")
            done(end)
        }
    }

    // MARK: Counts

    private func count(_ end: CallEnd, of client: Int) {
        let kind = kinds[client] ?? "operators"
        if case .answered = end {
            recorder.tally["calls answered: \(kind)", default: 0] += 1
        } else {
            recorder.tally["calls failed: \(kind)", default: 0] += 1
        }
    }

    /// How much of everything there was, in no order.
    public var tally: [String: Int] { recorder.fullTally(watches) }

    // MARK: Checks

    /// Everything that was seen, against every promise. After `settle`, or as far as it came.
    public func check() -> [Violation] {
        recorder.violations(
            watches: watches,
            leases: LeaseCheck(
                bound: options.leaseBound, faultsEnd: settleBegan, driftPPM: options.driftPPM))
    }
}

// A random walk through everything that can happen to a cluster, one seed each. The safety checks
// run after every step; at the end the faults stop, and the cluster must get going again.

import API
import TestSupport
import Testing

@testable import Consensus

@Suite("Random walks") struct ClusterFuzzTests {
    @Test("No order of events breaks a promise of Raft", arguments: [1, 3, 5])
    func walk(voters: Int) {
        var commits = 0
        var leaders = 0
        var reads = 0
        for seed in 0..<Walk.seeds {
            var walk = Walk(voters: voters, seed: UInt64(seed))
            walk.run(steps: Walk.steps)
            let recovers = walk.recovers()
            #expect(recovers, "seed \(seed) with \(voters) members does not recover")
            commits += walk.cluster.checks.commitCount
            leaders += walk.cluster.checks.leaderCount
            reads += walk.cluster.checks.readsAnswered
        }
        // The walks go somewhere.
        #expect(commits > 20 * Walk.seeds, "\(commits) commits")
        #expect(reads > 5 * Walk.seeds, "\(reads) reads")
        #expect(leaders > Walk.seeds, "\(leaders) leaders")
    }

    @Test("Nor with members that come and go, snapshots, and leadership handed over")
    func membership() {
        var seen = Walk.Sights()
        for seed in 0..<Walk.seeds {
            var walk = Walk(voters: 1 + seed % 4, spares: 3, seed: UInt64(seed))
            walk.run(steps: Walk.steps)
            let recovers = walk.recovers()
            #expect(recovers, "seed \(seed) does not recover: \(walk.cluster.standing)")
            seen.add(walk)
        }
        // The walks go somewhere.
        #expect(seen.changes > 2 * Walk.seeds, "\(seen)")
        #expect(seen.joint > Walk.seeds / 2, "\(seen)")
        #expect(seen.snapshots > Walk.seeds, "\(seen)")
        #expect(seen.transfers > Walk.seeds / 2, "\(seen)")
    }

    @Test("Nor with leases, on clocks that run apart")
    func leases() {
        var reads = 0
        var leased = 0
        for seed in 0..<Walk.seeds {
            var walk = Walk(
                voters: 2 + seed % 4, spares: seed % 2, seed: UInt64(seed), leases: true)
            walk.run(steps: 2 * Walk.steps)
            let recovers = walk.recovers()
            #expect(recovers, "seed \(seed) does not recover: \(walk.cluster.standing)")
            reads += walk.cluster.checks.readsAnswered
            leased += walk.leasedReads
        }
        #expect(leased > 5 * Walk.seeds && reads > leased + Walk.seeds, "\(leased) of \(reads)")
    }

    @Test("A walk repeats itself from its seed")
    func repeats() {
        var one = Walk(voters: 3, seed: 7)
        var other = Walk(voters: 3, seed: 7)
        one.run(steps: 500)
        other.run(steps: 500)
        #expect(one.cluster.network == other.cluster.network)
        for (left, right) in zip(one.cluster.members, other.cluster.members) {
            #expect(left.core == right.core)
            #expect(left.applied == right.applied)
        }
    }
}

struct Walk {
    /// More by hand: CAIRN_SEEDS=2000 swift test --filter ClusterFuzz
    static let seeds = Int(environment("CAIRN_SEEDS") ?? "") ?? 20
    static let steps = 1500

    var cluster: SimulatedCluster
    private var random: SplitMix64
    private var proposals = 0
    private let changesMembers: Bool
    /// When members tick next, if they do by clocks.
    private var ticksAt: [UInt64]?
    private(set) var leasedReads = 0
    private static let tick: UInt64 = 100_000_000

    /// What came to pass in walks.
    struct Sights {
        var changes = 0
        var joint = 0
        var snapshots = 0
        var transfers = 0

        mutating func add(_ walk: Walk) {
            let all =
                walk.cluster.members.max { $0.applied.count < $1.applied.count }?.applied ?? []
            changes += all.count { $0.kind != .normal }
            joint += all.count { $0.kind == .configurationChangeV2 }
            snapshots += walk.cluster.installs
            transfers += walk.cluster.handOvers
        }
    }

    init(voters: Int, spares: Int = 0, seed: UInt64, leases: Bool = false) {
        random = SplitMix64(seed: seed &* 31 &+ UInt64(voters))
        changesMembers = spares > 0
        var options = RaftOptions()
        options.electionTicks = 4
        options.retainedEntries = .random(
            in: changesMembers ? 0...20 : 1000...2000, using: &random)
        options.maxInFlightMessages = .random(in: 1...8, using: &random)
        options.maxMessageBytes = .random(in: 1...400, using: &random)
        options.maxApplyCount = .random(in: 1...5, using: &random)
        options.preVote = .random(using: &random)
        options.checkQuorum = .random(using: &random)
        if leases {
            options.checkQuorum = true
            options.votePromise = VotePromise(milliseconds: 300)
        }
        cluster = SimulatedCluster(
            voters: Array(1...voters), spares: Array((voters + 1)..<(voters + 1 + spares)),
            options: options)
        cluster.keepsNotes = false
        guard leases else { return }
        ticksAt = cluster.members.map { _ in cluster.time }
        for id in cluster.members.map(\.id) {
            cluster[id].drift = .random(in: -45...45, using: &random)
        }
    }

    /// Time passes for those who have clocks. Some stand still for a while, and go on as if nothing
    /// had been.
    private mutating func passTime() {
        guard let due = ticksAt else { return }
        cluster.time += .random(in: 0...8_000_000, using: &random)
        for (place, id) in cluster.members.map(\.id).enumerated() where cluster.time >= due[place] {
            let stands = Int.random(in: 0..<50, using: &random) == 0
            if !stands { cluster.step(id, .tick(dice: random.next())) }
            let interval = Int64(Self.tick) * (1000 - cluster[id].drift) / 1000
            ticksAt?[place] =
                cluster.time + UInt64(interval) * (stands ? .random(in: 1...8, using: &random) : 1)
        }
    }

    private mutating func read(_ id: MemberID) {
        let leader = cluster.members.filter { $0.core?.role == .leader }.randomElement(
            using: &random)
        let before = cluster.checks.readsAnswered
        cluster.read(Bool.random(using: &random) ? leader?.id ?? id : id, label: "")
        if cluster.members.count > 1 { leasedReads += cluster.checks.readsAnswered - before }
    }

    mutating func run(steps: Int) {
        for step in 0..<steps {
            let id = cluster.members.randomElement(using: &random)!.id
            passTime()
            act(on: id)
            if changesMembers {
                changeSomething(id)
                for _ in 0..<3 { deliverSomething() }
                if Bool.random(using: &random) { finishSomething(id) }
            }
            if step % 50 == 0 { SafetyChecks.checkLogMatching(cluster) }
            if cluster.network.count > 200 { for _ in 0..<100 { lose(at: 0) } }
        }
        SafetyChecks.checkLogMatching(cluster)
    }

    private mutating func act(on id: MemberID) {
        switch Int.random(in: 0..<1000, using: &random) {
        case ..<420: for _ in cluster.members { deliverSomething() }
        case ..<600: finishSomething(id)
        case ..<740: if ticksAt == nil { cluster.step(id, .tick(dice: random.next())) }
        case ..<850: propose(id)
        case ..<900: read(id)
        case ..<925: loseSomething()
        case ..<950: repeatSomething()
        case ..<953: cluster.step(id, .campaign)
        case ..<960: crashOrRestart(id)
        case ..<965: cluster[id].disk.isHeld = true
        case ..<980: cluster[id].disk.isHeld = false
        case ..<984: partition()
        case ..<995: cluster.cut = []
        default:
            let other = cluster.members.randomElement(using: &random)!.id
            cluster.step(id, .unreachable(other))
        }
    }

    private mutating func deliverSomething() {
        guard !cluster.network.isEmpty else { return }
        // Mostly in order, sometimes not.
        let last = cluster.network.count - 1
        let place = Bool.random(using: &random) ? 0 : Int.random(in: 0...last, using: &random)
        cluster.deliver(at: place)
    }

    private mutating func finishSomething(_ id: MemberID) {
        cluster.finishWrites(id, limit: .random(in: 1...3, using: &random))
    }

    private mutating func propose(_ id: MemberID) {
        // Clients find the leader now and then.
        let leader = cluster.members.first { $0.core?.role == .leader }?.id
        let count = Int.random(in: 1...3, using: &random)
        let entries = (0..<count).map { offset in
            ProposedEntry(data: Array("\(proposals + offset)".utf8))
        }
        proposals += count
        cluster.step(Bool.random(using: &random) ? leader ?? id : id, .propose(entries))
    }

    private mutating func loseSomething() {
        guard let place = cluster.network.indices.randomElement(using: &random) else { return }
        lose(at: place)
    }

    private mutating func lose(at place: Int) {
        let message = cluster.network.remove(at: place)
        cluster.report(message, arrived: false)
    }

    private mutating func changeSomething(_ id: MemberID) {
        let leader = cluster.members.filter { $0.core?.role == .leader }
            .max { $0.core!.term < $1.core!.term }?.id
        let who = Int.random(in: 0..<4, using: &random) == 0 ? id : leader ?? id
        switch Int.random(in: 0..<1000, using: &random) {
        case ..<80: cluster.step(who, .propose([someChange().proposed]))
        case ..<140: sendSomeSnapshot()
        case ..<280: cluster.finishInstall(id)
        case ..<290:
            let other = cluster.members.randomElement(using: &random)!.id
            cluster.step(who, .transferLeadership(to: other))
        case ..<300:
            guard let last = cluster[id].core?.last.rawValue else { return }
            let index = UInt64.random(in: 0...last, using: &random)
            cluster.step(id, .compact(through: LogIndex(index)))
        default: break
        }
    }

    private mutating func someChange() -> ConfChangeV2 {
        var change = ConfChangeV2()
        let dice = Int.random(in: 0..<10, using: &random)
        if dice == 0 { return change }
        if dice < 3 { change.transition = .jointImplicit }
        if dice == 3 { change.transition = .jointExplicit }
        for _ in 0..<(dice < 6 ? Int.random(in: 1...4, using: &random) : 1) {
            let kinds: [ConfChangeKind] = [
                .addNode, .addNode, .addNode, .addLearner, .removeNode, .updateNode,
            ]
            change.changes.append(
                .init(
                    kind: kinds.randomElement(using: &random)!,
                    node: cluster.members.randomElement(using: &random)!.id))
        }
        return change
    }

    private mutating func sendSomeSnapshot() {
        guard let order = cluster.orders.first, let core = cluster[order.from].core else { return }
        let span = order.atLeast.rawValue...core.applied.rawValue
        cluster.sendSnapshot(at: LogIndex(.random(in: span, using: &random)))
    }

    private mutating func repeatSomething() {
        guard let message = cluster.network.randomElement(using: &random) else { return }
        cluster.network.append(message)
    }

    private mutating func crashOrRestart(_ id: MemberID) {
        let member = cluster[id]
        guard member.core != nil else { return restart(id) }
        // Some of what was not acknowledged may be on disk all the same.
        cluster.crash(id, surviving: .random(in: 0...3, using: &random))
        if Bool.random(using: &random) { restart(id) }
    }

    private mutating func restart(_ id: MemberID) {
        let member = cluster[id]
        let held = min(member.applied.count, Int(member.disk.last.rawValue))
        let applied = Int.random(in: 0...held, using: &random)
        cluster.restart(id, applied: LogIndex(UInt64(applied)))
    }

    private mutating func partition() {
        cluster.cut = []
        let side = cluster.members.map(\.id).filter { _ in Bool.random(using: &random) }
        for one in side {
            for other in cluster.members.map(\.id) where !side.contains(other) {
                cluster.cut.insert([one, other])
                // Some cuts are one way only.
                if Int.random(in: 0..<4, using: &random) > 0 { cluster.cut.insert([other, one]) }
            }
        }
    }

    /// Liveness: with the faults gone, somebody leads and commits within a few timeouts.
    mutating func recovers() -> Bool {
        cluster.cut = []
        for id in cluster.members.map(\.id) {
            cluster[id].disk.isHeld = false
            if cluster[id].core == nil { restart(id) }
        }
        for _ in 0..<200 {
            cluster.time += 2 * Self.tick
            for id in cluster.members.map(\.id) {
                cluster.step(id, .tick(dice: random.next()))
            }
            cluster.run()
            if isSettled { break }
        }
        SafetyChecks.checkLogMatching(cluster)
        return isSettled
    }

    private var isSettled: Bool {
        let leaders = cluster.members.compactMap(\.core).filter { $0.role == .leader }
        guard let leader = leaders.max(by: { $0.term < $1.term }) else { return false }
        return leader.membership.members.allSatisfy {
            cluster[$0].core?.applied == leader.last && cluster[$0].core?.leader == leader.id
        }
    }
}

// Carries out a plan of faults, and ends them all.

import API
import TestSupport

final class FaultInjector {
    private unowned let cluster: SimCluster
    private var kernel: SimKernel { cluster.kernel }
    private let plan: FaultPlan
    private let operators: Operator
    private var isOver = false
    /// Their disks failed a write: their logs may say so at the next write only.
    private var suspects: Set<SimPlace> = []

    init(_ plan: FaultPlan, in cluster: SimCluster) {
        self.plan = plan
        self.cluster = cluster
        operators = Operator(cluster)
        cluster.stopped = { [unowned self] in hasStopped($0) }
    }

    func start() {
        let began = kernel.time
        for fault in plan.faults {
            kernel.at(began + fault.time) { [self] in
                guard !isOver else { return }
                if carryOut(fault.kind) { kernel.trace.counts.add("fault: " + fault.kind.name) }
            }
        }
    }

    /// Everything works again: what is cut is healed, who is down starts.
    func end() {
        isOver = true
        kernel.trace.add("faults", "end")
        operators.finish()
        cluster.watcher.voted = nil
        cluster.watcher.elected = nil
        cluster.network.heal()
        cluster.network.weather = SimNetwork.Weather()
        for member in cluster.members {
            member.resume()
            member.disk.syncTime = SimDisk.usualSyncTime
            member.disk.failingSyncs = 0
            member.disk.capacity = .max
            if member.needsRestart || member.hasDamagedStore { member.crash(.kill) }
            start(member)
        }
        restartSuspects()
    }

    /// Also those whose logs say after the end that they failed before it.
    private func restartSuspects() {
        for member in cluster.members where suspects.contains(member.place) && member.needsRestart {
            suspects.remove(member.place)
            crash(member, .kill, 100_000_000)
        }
        if suspects.isEmpty { return }
        kernel.after(1_000_000_000) { [self] in restartSuspects() }
    }

    /// What is still to be done by those who run the cluster.
    var isQuiet: Bool { operators.isIdle }

    // MARK: Whom

    private func member(_ target: FaultTarget) -> SimMember? {
        switch target {
        case .leader: cluster.leader
        case .place(let place): place <= cluster.members.count ? cluster.member(at: place) : nil
        }
    }

    private var all: [SimPlace] { cluster.members.map(\.place) }

    private func later(_ nanoseconds: UInt64, _ work: @escaping () -> Void) {
        kernel.after(nanoseconds) { [self] in if !isOver { work() } }
    }

    private func note(_ text: String) { kernel.trace.add("faults", text) }

    // MARK: What

    /// - Returns: whether there was anybody to have it.
    private func carryOut(_ kind: FaultKind) -> Bool {
        switch kind {
        case .crash(let target, let death, let time):
            guard let member = member(target), member.isUp else { return false }
            crash(member, death, time)
        case .crashAll(let death, let time):
            for member in cluster.members where member.isUp { crash(member, death, time) }
        case .crashVoters(let seed, let time): crashVoters(SplitMix64(seed: seed), time)
        case .shortReigns(let seed, let time): shortReigns(SplitMix64(seed: seed), time)
        case .restart(let target, let time):
            guard let member = member(target), member.isUp else { return false }
            restart(member, time)
        case .pause(let target, let time):
            guard let member = member(target), member.isUp else { return false }
            member.pause()
            let life = member.lives
            later(time) { if member.lives == life { member.resume() } }
        case .isolate, .mute, .cutLink, .split, .storm: return disturb(kind)
        case .moveCalendar(let target, let offset):
            guard let member = member(target) else { return false }
            note("the calendar of \(member.name) moves by \(offset / 1_000_000) ms")
            member.wallOffset += offset
        case .slowDisk, .failSync, .fillDisk, .flipBit, .flipStoredBit: return spoil(kind)
        case .moveLeader, .defragment, .addMember, .removeMember: return operate(kind)
        }
        return true
    }

    private func crash(_ member: SimMember, _ death: SimDeath, _ time: UInt64) {
        member.crash(death)
        // Also after the end: who was told to stop may take a while.
        kernel.after(time) { [self] in start(member) }
    }

    private func crashVoters(_ dice: SplitMix64, _ time: UInt64) {
        note("who votes dies soon after")
        var dice = dice
        cluster.network.weather = SimNetwork.Weather(delay: 50_000...60_000_000)
        cluster.watcher.voted = { [self] place, candidate in
            let member = cluster.member(at: place)
            let death: SimDeath = dice.next() % 2 == 0 ? .kill : .power
            let down = 1_000_000 + dice.next() % 5_000_000
            later(dice.next() % 10_000_000) { [self] in
                if member.isUp { crash(member, death, down) }
            }
            let silence = dice.next() % 5_000_000_000
            guard silence < 2_500_000_000,
                let candidate = cluster.members.first(where: { $0.id == candidate })
            else { return }
            note("nobody hears m\(candidate.place)")
            cut(all.filter { $0 != candidate.place }.map { (candidate.place, $0) }, silence)
        }
        if let leader = cluster.leader, leader.isUp { crash(leader, .kill, time) }
        later(time) { [self] in
            cluster.watcher.voted = nil
            cluster.network.weather = SimNetwork.Weather()
        }
    }

    private func shortReigns(_ dice: SplitMix64, _ time: UInt64) {
        note("leaders lead for a moment")
        var dice = dice
        func cutOff(_ place: SimPlace, _ time: UInt64) {
            note("m\(place) is cut off from the other members")
            let others = all.filter { $0 != place }
            cut(others.flatMap { [($0, place), (place, $0)] }, time)
        }
        if let leader = cluster.leader { cutOff(leader.place, time / 2 + dice.next() % time) }
        cluster.watcher.elected = { [self] place in
            let member = cluster.member(at: place)
            let life = member.lives
            let (how, next) = (dice.next(), dice.next())
            later(1_000_000 + next % 300_000_000) { [self] in
                guard member.isUp, member.lives == life else { return }
                switch how % 4 {
                case 0: crash(member, .kill, 1_000_000 + next % 50_000_000)
                case 1: crash(member, .power, 1_000_000 + next % 50_000_000)
                case 2: crash(member, .kill, next % 3_000_000_000)
                default: cutOff(place, next % 4_000_000_000)
                }
            }
        }
        later(time) { [self] in cluster.watcher.elected = nil }
    }

    private func start(_ member: SimMember) {
        guard member.life == nil, !member.isRemoved, member.isMeantToRun else { return }
        let mustRefuse = member.mustRefuse
        guard let failure = member.start() else {
            if member.disk.failingSyncs == 0, member.disk.capacity == .max {
                suspects.remove(member.place)
            }
            if mustRefuse {
                cluster.violated("\(member.name) starts with a store in which a bit has flipped")
            }
            return
        }
        if member.hasDamage {
            note("\(member.name) finds the damage and refuses to start: \(failure)")
            kernel.trace.counts.add("seen: damage refused at a start")
            operators.replace(member)
        } else if member.failsForWant {
            later(1_000_000_000) { [self] in start(member) }
        } else {
            cluster.violated("\(member.name) does not start: \(failure)")
        }
    }

    /// A running member has read what its disk has spoilt.
    private func hasStopped(_ member: SimMember) {
        note("\(member.name) finds the damage and stops")
        kernel.trace.counts.add("seen: damage found by a running member")
        kernel.after(100_000_000) { [self] in start(member) }
    }

    private func restart(_ member: SimMember, _ time: UInt64) {
        guard let life = member.life, let hosted = member.member else { return }
        member.note("is told to stop")
        let number = member.lives
        let stopped = { [self] in
            guard member.lives == number, member.life != nil else { return }
            crash(member, .kill, time)
        }
        let told = Unchecked(stopped)
        life.main.enter { hosted.stop { told.value() } }
        // One who waits for it has no patience without end.
        later(8_000_000_000, stopped)
    }

    private func disturb(_ kind: FaultKind) -> Bool {
        let network = cluster.network
        switch kind {
        case .isolate(let target, let time, let fromClients):
            guard let place = member(target)?.place else { return false }
            note("m\(place) is cut off\(fromClients ? ", from clients too" : "")")
            let others = all.filter { $0 != place } + (fromClients ? [0] : [])
            let pairs = others.flatMap { [($0, place), (place, $0)] }
            cut(pairs, time)
        case .mute(let target, let time, let hears):
            guard let place = member(target)?.place else { return false }
            note("m\(place) \(hears ? "hears, and is not heard" : "is heard, and hears nothing")")
            cut(all.filter { $0 != place }.map { hears ? (place, $0) : ($0, place) }, time)
        case .cutLink(let from, let to, let time):
            guard from != to else { return false }
            note("nothing gets from m\(from) to m\(to)")
            cut([(from, to)], time)
        case .split(let mask, let time):
            let one = all.filter { mask >> UInt64($0 - 1) & 1 == 1 }
            let other = all.filter { mask >> UInt64($0 - 1) & 1 == 0 }
            note("\(one) and \(other) are cut off from each other")
            cut(one.flatMap { a in other.flatMap { [(a, $0), ($0, a)] } }, time)
        case .storm(let delay, let lost, let repeated, let strayed, let time):
            note("a storm: delays up to \(delay / 1_000_000) ms, \(lost) of 1000 are lost")
            network.weather = SimNetwork.Weather(
                delay: 50_000...(50_000 + delay), lost: lost, repeated: repeated, strayed: strayed)
            later(time) { network.weather = SimNetwork.Weather() }
        default: preconditionFailure("not of the network")
        }
        return true
    }

    private func cut(_ pairs: [(SimPlace, SimPlace)], _ time: UInt64) {
        for (from, to) in pairs { cluster.network.cut(from, to) }
        later(time) { [self] in
            note("healed")
            for (from, to) in pairs { cluster.network.heal(from, to) }
        }
    }

    private func spoil(_ kind: FaultKind) -> Bool {
        switch kind {
        case .slowDisk(let target, let syncTime, let time):
            guard let member = member(target) else { return false }
            note(
                "the disk of \(member.name) takes up to \(syncTime / 1_000_000) ms at a time")
            member.disk.syncTime = syncTime / 4...syncTime
            // What is read is read at a start.
            if syncTime.isMultiple(of: 2), member.isUp { crash(member, .kill, time / 2) }
            later(time) { member.disk.syncTime = SimDisk.usualSyncTime }
        case .failSync(let target, let time):
            guard let member = member(target), member.isUp else { return false }
            note("a sync of \(member.name) will fail")
            member.disk.failingSyncs = 1
            suspects.insert(member.place)
            later(time) { [self] in
                member.disk.failingSyncs = 0
                if member.needsRestart { crash(member, .power, 100_000_000) }
            }
        case .fillDisk(let target, let time):
            guard let member = member(target), member.isUp else { return false }
            note("the disk of \(member.name) is full")
            member.disk.capacity = member.disk.used
            suspects.insert(member.place)
            later(time) { [self] in
                member.disk.capacity = .max
                if member.needsRestart { crash(member, .kill, 100_000_000) }
            }
        case .flipBit(let place):
            guard let member = member(.place(place)), member.isUp,
                cluster.members.allSatisfy({ !$0.hasDamage }), operators.isIdle
            else { return false }
            member.crash(.power)
            guard let flipped = member.flipBit() else {
                start(member)
                return false
            }
            note("a bit flips in the log of \(member.name): \(flipped)")
            later(100_000_000) { [self] in start(member) }
        case .flipStoredBit(let place, let isRunning):
            guard let member = member(.place(place)), member.isUp,
                cluster.members.allSatisfy({ !$0.hasDamage }), operators.isIdle
            else { return false }
            if !isRunning { member.crash(.power) }
            guard let flipped = member.flipStoredBit() else {
                start(member)
                return false
            }
            note("a bit flips in the store of \(member.name): \(flipped)")
            if !isRunning { later(100_000_000) { [self] in start(member) } }
        default: preconditionFailure("not of a disk")
        }
        return true
    }

    private func operate(_ kind: FaultKind) -> Bool {
        switch kind {
        case .moveLeader: operators.moveLeader()
        case .defragment(let target):
            guard let member = member(target) else { return false }
            operators.defragment(member)
        case .addMember(let isLearner): operators.add(isLearner: isLearner)
        case .removeMember(let place):
            guard let member = member(.place(place)) else { return false }
            operators.remove(member)
        default: preconditionFailure("not for operators")
        }
        return true
    }
}

/// The world has one thread.
struct Unchecked<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}

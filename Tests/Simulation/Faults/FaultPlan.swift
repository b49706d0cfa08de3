// What is to go wrong in a run, drawn from the seed before it begins.
//
// A plan is a list, so that a failure can be looked for with fewer faults (Minimizer): whether a
// fault is in the list changes nothing about the others.

import TestSupport

/// Whom a fault is for: a machine by its place, or whoever leads when it comes.
enum FaultTarget: Hashable {
    case place(SimPlace)
    case leader
}

enum FaultKind: Hashable {
    case crash(FaultTarget, SimDeath, downFor: UInt64)
    /// All at once, as when the power of a room fails.
    case crashAll(SimDeath, downFor: UInt64)
    /// For a while elections go wrong: the leader dies, messages take long, who votes dies soon
    /// after and is back at once, and in half of the cases nobody hears of whom it has elected: a
    /// second candidate of the same term asks for the vote that was given.
    case crashVoters(dice: UInt64, UInt64)
    /// For a while the one who led is cut off, with what it alone has, and nobody after it leads
    /// for long: terms differ in logs of equal length (Raft paper, figures 7 and 8).
    case shortReigns(dice: UInt64, UInt64)
    /// Stops in order and starts again.
    case restart(FaultTarget, downFor: UInt64)
    case pause(FaultTarget, UInt64)
    /// Nothing reaches it, nothing leaves it.
    case isolate(FaultTarget, UInt64, fromClients: Bool)
    /// What it says is lost, what it is told is not; or the other way round.
    case mute(FaultTarget, UInt64, hears: Bool)
    /// From one to another member, one way.
    case cutLink(SimPlace, SimPlace, UInt64)
    /// Members whose bit is set, and the others.
    case split(UInt64, UInt64)
    case storm(delay: UInt64, lost: UInt64, repeated: UInt64, strayed: UInt64, UInt64)
    case moveCalendar(FaultTarget, Int64)
    case slowDisk(FaultTarget, syncTime: UInt64, UInt64)
    case failSync(FaultTarget, restartAfter: UInt64)
    case fillDisk(FaultTarget, UInt64)
    /// Loses power, and a bit of its log is another one when it comes back.
    case flipBit(SimPlace)
    /// A bit of a record in its store's file is another one: while it runs, or when it comes back
    /// from a loss of power.
    case flipStoredBit(SimPlace, whileRunning: Bool)
    case moveLeader
    case defragment(FaultTarget)
    case addMember(isLearner: Bool)
    case removeMember(SimPlace)

    /// For counts.
    var name: String {
        switch self {
        case .crash(_, .kill, _): "crash"
        case .crash(_, .power, _): "loss of power"
        case .crashAll: "crash of all"
        case .crashVoters: "crashes of voters"
        case .shortReigns: "short reigns"
        case .restart: "restart in order"
        case .pause: "pause"
        case .isolate: "one cut off"
        case .mute: "one cut off in one direction"
        case .cutLink: "link cut in one direction"
        case .split: "split"
        case .storm: "storm"
        case .moveCalendar: "jump of the calendar"
        case .slowDisk: "slow disk"
        case .failSync: "failing sync"
        case .fillDisk: "full disk"
        case .flipBit: "flipped bit in the log"
        case .flipStoredBit(_, false): "flipped bit in the store"
        case .flipStoredBit(_, true): "flipped bit in the store of a running member"
        case .moveLeader: "leader moved"
        case .defragment: "defragmentation"
        case .addMember(false): "member added"
        case .addMember(true): "learner added"
        case .removeMember: "member removed"
        }
    }
}

struct Fault: Hashable {
    /// Since the start, in nanoseconds.
    let time: UInt64
    let kind: FaultKind
}

struct FaultPlan {
    private(set) var faults: [Fault]

    /// Only those faults, by their place in the list.
    func keeping(_ places: [Int]) -> Self {
        var plan = self
        plan.faults = places.filter { $0 < faults.count }.map { faults[$0] }
        return plan
    }

    /// - Parameter window: when faults come, in nanoseconds since the start.
    init(seed: UInt64, members: Int, window: ClosedRange<UInt64>) {
        var dice = SplitMix64(seed: seed ^ 0xFA_017)
        let kinds = Self.chosenKinds(&dice)
        // A quiet run now and then shows whether the world itself is sound.
        let pause =
            dice.next() % 16 == 0 ? UInt64.max / 4 : 200_000_000 + dice.next() % 3_000_000_000
        faults = []
        var time = window.lowerBound + dice.next() % 2_000_000_000
        while time < window.upperBound {
            let kind = kinds[Int(dice.next() % UInt64(kinds.count))]
            faults.append(Fault(time: time, kind: kind(&dice, members)))
            time += dice.next() % (2 * pause) + 10_000_000
        }
        flipStoredBits(seed, members, window)
    }

    /// In a quarter of the runs, with chance of its own: the others stay as they are.
    private mutating func flipStoredBits(
        _ seed: UInt64, _ members: Int, _ window: ClosedRange<UInt64>
    ) {
        var dice = SplitMix64(seed: seed ^ 0x5704_EDB1)
        guard dice.next() % 4 == 0 else { return }
        for _ in 0...dice.next() % 3 {
            let time = window.lowerBound + dice.next() % (window.upperBound - window.lowerBound)
            let isRunning = dice.next() % 3 > 0
            let place = Self.place(&dice, members)
            faults.append(
                Fault(time: time, kind: .flipStoredBit(place, whileRunning: isRunning)))
        }
    }

    private typealias Maker = @Sendable (inout SplitMix64, Int) -> FaultKind

    /// Each run has some kinds of faults only: with all at once most get in each other's way.
    private static func chosenKinds(_ dice: inout SplitMix64) -> [Maker] {
        var chosen: [Maker] = []
        while chosen.isEmpty {
            for maker in makers where dice.next() % 3 == 0 { chosen.append(maker) }
        }
        return chosen
    }

    private static func target(_ dice: inout SplitMix64, _ members: Int) -> FaultTarget {
        dice.next() % 3 == 0 ? .leader : .place(place(&dice, members))
    }

    private static func place(_ dice: inout SplitMix64, _ members: Int) -> SimPlace {
        1 + Int(dice.next() % UInt64(members))
    }

    private static func time(_ dice: inout SplitMix64, _ most: UInt64) -> UInt64 {
        // As often in the tens of milliseconds as in seconds.
        let scale = dice.next() % 3
        let bound = scale == 0 ? most / 50 : scale == 1 ? most / 7 : most
        return 1_000_000 + dice.next() % bound
    }

    private static let second: UInt64 = 1_000_000_000

    private static let makers: [Maker] = [
        { dice, members in
            .crash(
                target(&dice, members), dice.next() % 2 == 0 ? .kill : .power,
                downFor: time(&dice, 5 * second))
        },
        { dice, members in
            .crash(
                target(&dice, members), dice.next() % 2 == 0 ? .kill : .power,
                downFor: time(&dice, 12 * second))
        },
        { dice, _ in
            .crashAll(dice.next() % 3 == 0 ? .kill : .power, downFor: time(&dice, 2 * second))
        },
        { dice, _ in .crashVoters(dice: dice.next(), time(&dice, 6 * second)) },
        { dice, _ in .shortReigns(dice: dice.next(), 3 * second + time(&dice, 8 * second)) },
        { dice, members in .restart(target(&dice, members), downFor: time(&dice, 2 * second)) },
        { dice, members in .pause(target(&dice, members), time(&dice, 5 * second)) },
        { dice, members in
            .isolate(
                target(&dice, members), time(&dice, 8 * second), fromClients: dice.next() % 2 == 0)
        },
        { dice, members in
            .mute(target(&dice, members), time(&dice, 5 * second), hears: dice.next() % 2 == 0)
        },
        { dice, members in
            .cutLink(place(&dice, members), place(&dice, members), time(&dice, 8 * second))
        },
        { dice, members in .split(dice.next() % (1 << UInt64(members)), time(&dice, 6 * second)) },
        { dice, _ in
            .storm(
                delay: 1_000_000 + dice.next() % 100_000_000, lost: dice.next() % 100,
                repeated: dice.next() % 100, strayed: dice.next() % 200, time(&dice, 5 * second))
        },
        { dice, members in
            .moveCalendar(
                target(&dice, members), Int64(dice.next() % 7_200_000_000_000) - 3_600_000_000_000)
        },
        { dice, members in
            .slowDisk(
                target(&dice, members), syncTime: 1_000_000 + dice.next() % 300_000_000,
                time(&dice, 5 * second))
        },
        { dice, members in
            .failSync(target(&dice, members), restartAfter: time(&dice, 4 * second))
        },
        { dice, members in
            // Long enough for the log to need more than it has put by.
            .fillDisk(target(&dice, members), 2 * second + time(&dice, 8 * second))
        },
        { dice, members in .flipBit(place(&dice, members)) },
        { _, _ in .moveLeader },
        { dice, members in .defragment(target(&dice, members)) },
        { dice, _ in .addMember(isLearner: dice.next() % 2 == 0) },
        { dice, members in .removeMember(place(&dice, members + 2)) },
    ]
}

// What happens to the members while clients load them: one fault after the other, drawn from a
// seed, sometimes two at once. The members' threads are not the seed's, so a run does not repeat
// itself to the byte; the faults do.

import Faults
import Foundation
import TestSupport

final class ChaosFaults {
    private let members: [ChaosMember]
    private let disks: [ChaosDisk]
    private let network: NamespaceNetwork?
    private let log: (String) -> Void
    private var random: SplitMix64
    /// How often each kind of fault came to pass.
    private(set) var counts: [String: Int] = [:]

    init(
        _ members: [ChaosMember], _ disks: [ChaosDisk], _ network: NamespaceNetwork?,
        random: SplitMix64, log: @escaping (String) -> Void
    ) {
        self.members = members
        self.disks = disks
        self.network = network
        self.random = random
        self.log = log
    }

    private func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

    /// Faults until there were as many as are wanted, or until `end`; then all is mended.
    func run(until end: Date, rounds: Int) throws {
        var left = rounds
        while left > 0, Date() < end {
            left -= 1
            Thread.sleep(forTimeInterval: Double(draw(300...2000)) / 1000)
            try one()
        }
        try mend()
    }

    private func one() throws {
        let member = draw(0...(members.count - 1))
        let seconds = Double(draw(200...4000)) / 1000
        switch draw(0...9) {
        case 0, 1: try kill([member], seconds)
        case 2: try kill(Array(members.indices), seconds / 4)
        case 3, 4: pause(member, seconds)
        case 5, 6, 7: try cut(member, seconds)
        case 8: try fill(member, seconds)
        default:
            // A member dies while another one is cut off.
            try network?.isolate([member])
            try kill([(member + 1) % members.count], seconds)
            try network?.mend()
        }
    }

    private func say(_ kind: String, _ details: String) {
        counts[kind, default: 0] += 1
        log("-- \(kind) \(details)")
    }

    private func kill(_ numbers: [Int], _ seconds: Double) throws {
        say("kill", numbers.map { members[$0].name }.joined(separator: " "))
        for number in numbers { members[number].end() }
        Thread.sleep(forTimeInterval: seconds)
        for number in numbers { try members[number].start() }
        log("-- started again")
    }

    private func pause(_ number: Int, _ seconds: Double) {
        say("pause", members[number].name)
        members[number].signal(SIGSTOP)
        Thread.sleep(forTimeInterval: seconds)
        members[number].signal(SIGCONT)
        log("-- goes on")
    }

    private func cut(_ number: Int, _ seconds: Double) throws {
        guard let network else { return }
        switch draw(0...3) {
        case 0:
            say("isolate", members[number].name)
            try network.isolate([number])
        case 1:
            say("mute", members[number].name)
            try network.mute([number])
        case 2:
            say("deafen", members[number].name)
            try network.deafen([number])
        default:
            say("cut all", "")
            try network.separate(members.indices.map { [$0] })
        }
        Thread.sleep(forTimeInterval: seconds)
        try network.mend()
        log("-- mended")
    }

    /// A member whose disk was full takes no writes until it is started again.
    private func fill(_ number: Int, _ seconds: Double) throws {
        guard disks[number].canBeFull else { return }
        say("disk full", members[number].name)
        if !disks[number].fill() { log("-- there was no room for the filler") }
        Thread.sleep(forTimeInterval: seconds)
        disks[number].free()
        members[number].end()
        try members[number].start()
        log("-- has room and is started again")
    }

    private func mend() throws {
        try network?.mend()
        for (member, disk) in zip(members, disks) {
            disk.free()
            member.signal(SIGCONT)
            if !member.isRunning { try member.start() }
        }
        log("-- no more faults")
    }
}

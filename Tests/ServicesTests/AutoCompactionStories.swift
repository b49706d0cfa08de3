// Automatic compaction in virtual time (reference: semantics.md, Compact).

import API
import Testing

@testable import Services

/// A member with a compactor; `log` is what the compactor said, with the minute it said it.
private final class Compacting: @unchecked Sendable {
    let member: PlayedMember
    private(set) var log: [String] = []
    private var compactor: AutoCompactor?
    private var minute = 0
    var refuses: Status?

    init(_ policy: CompactionPolicy, leads: Bool = true) throws {
        member = try PlayedMember(starts: leads)
        let life = member.life
        compactor = AutoCompactor(policy, of: life.applier, on: life.core) {
            [weak self] revision, done in
            if let refusal = self?.refuses { return done(refusal) }
            life.services.compact(to: revision, done)
        } observe: { [weak self] event in
            guard let self else { return }
            switch event {
            case .starting: break
            case .completed(let revision, _):
                log.append("\(minute): \(revision.rawValue)")
            case .failed(let revision, let status, _):
                log.append("\(minute): \(revision.rawValue) failed, \(status.message)")
            }
        }
        life.core.turn { compactor?.assumeIsolated { $0.start() } }
    }

    /// Minutes go by, with one write each.
    func pass(minutes: Int, writes: Bool = true) {
        for _ in 0..<minutes {
            if writes { member.put("k", "v") }
            minute += 1
            member.advance(milliseconds: 60_000)
        }
    }

    func stop() { member.life.core.turn { compactor?.assumeIsolated { $0.stop() } } }
}

@Suite("History is forgotten by itself")
struct AutoCompactionStories {
    @Test("periodic, ten minutes: after ten and then every ten, to where the store was then")
    func tenMinutes() throws {
        let compacting = try Compacting(.periodic(10 * 60_000_000_000))
        compacting.pass(minutes: 45)
        #expect(compacting.log == ["10: 1", "20: 10", "30: 20", "40: 30"])
        #expect(compacting.member.range(Request.range("k", revision: 29)).failure == .compacted)
        #expect(compacting.member.range(Request.range("k", revision: 30)).message != nil)
    }

    @Test("periodic, three hours: after three, then every hour")
    func threeHours() throws {
        let compacting = try Compacting(.periodic(180 * 60_000_000_000))
        compacting.pass(minutes: 310)
        #expect(compacting.log == ["180: 1", "240: 55", "300: 115"])
    }

    @Test("periodic: where nothing is written nothing is compacted again")
    func idle() throws {
        let compacting = try Compacting(.periodic(10 * 60_000_000_000))
        compacting.pass(minutes: 5)
        compacting.pass(minutes: 60, writes: false)
        #expect(compacting.log == ["10: 1", "20: 6"])
    }

    @Test("periodic: a failure is tried again at the next look, a tenth of the period later")
    func retries() throws {
        let compacting = try Compacting(.periodic(10 * 60_000_000_000))
        compacting.pass(minutes: 9)
        compacting.refuses = .noLeader
        compacting.pass(minutes: 2)
        compacting.refuses = nil
        compacting.pass(minutes: 1)
        let failed = "failed, \(Status.noLeader.message)"
        #expect(compacting.log == ["10: 1 \(failed)", "11: 1 \(failed)", "12: 2"])
    }

    @Test("by revisions: every five minutes, the newest 20 stay")
    func revisions() throws {
        let compacting = try Compacting(.revisions(20))
        compacting.pass(minutes: 31)
        #expect(compacting.log == ["20: 1", "25: 6", "30: 11"])
    }

    @Test("a revision that somebody has compacted already is as good as done")
    func alreadyCompacted() throws {
        let compacting = try Compacting(.revisions(20))
        compacting.pass(minutes: 19)
        _ = compacting.member.compact(10)
        compacting.pass(minutes: 12)
        #expect(compacting.log == ["20: 1", "25: 6", "30: 11"])
    }

    @Test("a member that does not lead compacts nothing")
    func follower() throws {
        let compacting = try Compacting(.revisions(1), leads: false)
        compacting.pass(minutes: 30, writes: false)
        #expect(compacting.log == [])
    }

    @Test("a stopped one compacts no more")
    func stopped() throws {
        let compacting = try Compacting(.revisions(2))
        compacting.pass(minutes: 6)
        compacting.stop()
        compacting.pass(minutes: 30)
        #expect(compacting.log == ["5: 4"])
    }
}

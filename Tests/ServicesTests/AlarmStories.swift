import API
import Consensus
import Testing

@testable import Services

@Suite("Alarms forbid what semantics.md says they forbid, until they are cleared")
struct AlarmStories {
    private let own = AlarmFields(member: PlayedMember.identity.member, alarm: .noSpace)
    private let other = AlarmFields(member: MemberID(7), alarm: .corrupt)

    @Test("A put that would go beyond the quota raises NOSPACE, once, and is refused")
    func quota() throws {
        let member = try PlayedMember { $0.quotaBytes = 1 }
        let entries = member.disk.restored.entries.count
        #expect(member.put("a", "1").failure == .noSpace)
        #expect(member.put("a", "2").failure == .noSpace)
        #expect(member.life.events.heard.last == "raised memberID:161 alarm:NOSPACE")
        #expect(member.disk.restored.entries.count == entries + 1, "one entry: the alarm")
    }

    @Test("However many puts are refused while the alarm is on its way, it is proposed once")
    func onTheWay() throws {
        let member = try PlayedMember { $0.quotaBytes = 1 }
        let entries = member.disk.restored.entries.count
        member.disk.isHeld = true
        for _ in 0..<10 { #expect(member.put("a", "1").failure == .noSpace) }
        member.disk.isHeld = false
        member.life.core.runUntilIdle()
        #expect(member.disk.restored.entries.count == entries + 1)
    }

    @Test("What was proposed in time and applied beyond the quota is done, and answered NOSPACE")
    func appliedBeyond() throws {
        let member = try PlayedMember { $0.quotaBytes = 500_000 }
        for number in 0..<3 { #expect(member.put("k\(number)", value).message != nil) }
        member.disk.isHeld = true
        let first = member.put("first", value)
        let last = member.put("last", value)
        #expect(last.answers.isEmpty, "there is room for each of the two")
        member.disk.isHeld = false
        member.life.core.runUntilIdle()
        #expect(first.message != nil)
        #expect(last.failure == .noSpace)
        #expect(member.life.events.heard.last == "raised memberID:161 alarm:NOSPACE")
        #expect(member.range(Request.range("last")).message?.count ?? 0 > value.count)
    }

    @Test("The same of a transaction that reads more than a slice: nothing of its answer is left")
    func transactionAppliedBeyond() throws {
        let member = try PlayedMember { $0.quotaBytes = 800_000 }
        for number in 0..<1000 { member.put("k\(1000 + number)", "\(number)") }
        for number in 0..<3 { #expect(member.put("l\(number)", value).message != nil) }
        member.commit()
        let room = 800_000 - member.inUse
        member.disk.isHeld = true
        let first = member.put("first", String(repeating: "v", count: Int(room) - 2000))
        let last = member.txn(Txn(then: [.put("last", value), .get("k", to: "l")]))
        member.disk.isHeld = false
        member.life.core.runUntilIdle()
        #expect(first.message != nil)
        #expect(last.failure == .noSpace)
        #expect(member.delete(Request.delete("last")).message != nil)
    }

    @Test("What was applied and is not in the file yet counts: no batch goes beyond the quota")
    func uncommitted() throws {
        let member = try PlayedMember { $0.quotaBytes = 500_000 }
        var taken = 0
        while taken < 10, member.put("k\(taken)", value).failure == nil { taken += 1 }
        #expect(taken == 4)
        member.commit()
        #expect(member.inUse <= 500_000)
    }

    private let value = String(repeating: "v", count: 100_000)

    @Test("While NOSPACE is active puts are refused on every member, deletes and reads are not")
    func noSpace() throws {
        let member = try PlayedMember()
        member.put("a", "1")
        #expect(
            try Response.alarms(
                #require(member.alarm(Request.alarm(.activate, .noSpace, of: MemberID(7))).message))
                == [AlarmFields(member: MemberID(7), alarm: .noSpace)])
        #expect(member.put("a", "2").failure == .noSpace)
        #expect(member.range(Request.range("a")).message != nil)
        #expect(member.delete(Request.delete("a")).message != nil)
        let cleared = member.alarm(Request.alarm(.deactivate, .noSpace, of: MemberID(7)))
        #expect(
            try Response.alarms(#require(cleared.message))
                == [AlarmFields(member: MemberID(7), alarm: .noSpace)])
        #expect(member.put("a", "3").message != nil)
    }

    @Test("While CORRUPT is active puts and deletes are refused, local reads are not")
    func corrupt() throws {
        let member = try PlayedMember()
        member.put("a", "1")
        _ = member.alarm(Request.alarm(.activate, .corrupt, of: other.member))
        #expect(member.put("a", "2").failure == .corrupt)
        #expect(member.delete(Request.delete("a")).failure == .corrupt)
        #expect(member.range(Request.range("a")).message != nil)
        #expect(try member.everything() == "[a=1 2 2 1] count 1")
    }

    @Test("GET lists all, or those of one kind, whatever member it names")
    func get() throws {
        let member = try PlayedMember()
        for alarm in [own, other] {
            _ = member.alarm(Request.alarm(.activate, alarm.alarm, of: alarm.member))
        }
        func list(_ kind: AlarmType, of named: UInt64 = 0) throws -> [AlarmFields] {
            try Response.alarms(
                #require(member.alarm(Request.alarm(.get, kind, of: MemberID(named))).message))
        }
        #expect(try list(.none) == [own, other])
        #expect(try list(.corrupt, of: 99) == [other])
        #expect(try list(.noSpace) == [own])
    }

    @Test("ACTIVATE shows the alarm, active already or not; of no kind it does nothing")
    func activate() throws {
        let member = try PlayedMember()
        for _ in 0..<2 {
            let answer = member.alarm(Request.alarm(.activate, .corrupt, of: other.member))
            let header = member.header(1)
            #expect(answer.message == encoded { $0.appendAlarmResponse(header, [other]) })
        }
        let none = member.alarm(Request.alarm(.activate, .none, of: other.member))
        #expect(try Response.alarms(#require(none.message)).isEmpty)
        #expect(member.life.events.heard.filter { $0.hasPrefix("raised") }.count == 1)
    }

    @Test("DEACTIVATE needs member and kind; what was not active is not shown")
    func deactivate() throws {
        let member = try PlayedMember()
        _ = member.alarm(Request.alarm(.activate, .corrupt, of: other.member))
        for (kind, named) in [(AlarmType.corrupt, UInt64(8)), (.noSpace, 7), (.none, 7)] {
            let answer = member.alarm(Request.alarm(.deactivate, kind, of: MemberID(named)))
            #expect(try Response.alarms(#require(answer.message)).isEmpty)
        }
        #expect(member.put("a", "1").failure == .corrupt)
        let answer = member.alarm(Request.alarm(.deactivate, .corrupt, of: other.member))
        #expect(try Response.alarms(#require(answer.message)) == [other])
        #expect(member.put("a", "1").message != nil)
    }

    @Test("Alarms outlive the process, cleared ones stay cleared")
    func restart() throws {
        let member = try PlayedMember()
        for alarm in [own, other] {
            _ = member.alarm(Request.alarm(.activate, alarm.alarm, of: alarm.member))
        }
        _ = member.alarm(Request.alarm(.deactivate, own.alarm, of: own.member))
        member.commit()
        try member.crash()
        let answer = member.alarm(Request.alarm(.get))
        #expect(try Response.alarms(#require(answer.message)) == [other])
    }

    @Test("The quota is lifted once space is there again and the alarm is cleared")
    func healed() throws {
        let member = try PlayedMember { $0.quotaBytes = 1 << 20 }
        let large = String(repeating: "x", count: 1 << 20)
        #expect(member.put("a", large).failure == .noSpace)
        #expect(member.put("a", "small").failure == .noSpace, "the alarm, not the size")
        #expect(member.delete(Request.delete("a")).message != nil)
        _ = member.alarm(Request.alarm(.deactivate, .noSpace, of: own.member))
        #expect(member.put("a", "small").message != nil)
        #expect(member.put("a", large).failure == .noSpace)
        #expect(
            member.life.events.heard.filter { $0.contains("NOSPACE") }
                == [
                    "raised memberID:161 alarm:NOSPACE", "cleared memberID:161 alarm:NOSPACE",
                    "raised memberID:161 alarm:NOSPACE",
                ])
    }
}

extension PlayedMember {
    /// Bytes of the file that something lies in.
    fileprivate var inUse: Int64 {
        life.core.turn { life.store.assumeIsolated { $0.durable.size.inUse } }
    }
}

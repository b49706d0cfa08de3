import API
import Consensus
import Testing

@testable import Services

@Suite("A write goes through the log and is answered once, when it is applied")
struct WriteStories {
    @Test("A put is answered with the revision it made, byte for byte")
    func put() throws {
        let member = try PlayedMember()
        let caller = member.put("greeting", "hello")
        let header = member.header(2)
        #expect(caller.message == encoded { $0.appendPutResponse(header) })
        #expect(
            try Response.put(#require(caller.message)) == "cluster c1 member a1 revision 2 term 2")
        #expect(try member.everything() == "[greeting=hello 2 2 1] count 1")
    }

    @Test("A put shows the pair it replaced, if that was asked for and there was one")
    func previous() throws {
        let member = try PlayedMember()
        let first = member.put(Request.put("a", "1", prevKV: true))
        #expect(try Response.put(#require(first.message)).hasSuffix("revision 2 term 2"))
        let second = member.put(Request.put("a", "2", prevKV: true))
        #expect(
            try Response.put(#require(second.message)).hasSuffix("revision 3 term 2 [a=1 2 2 1]"))
    }

    @Test("A put may keep the value that is there, and only if one is there")
    func keeps() throws {
        let member = try PlayedMember()
        #expect(member.put(Request.put("a", ignoreValue: true)).failure == .keyNotFound)
        #expect(member.put(Request.put("a", "x", ignoreLease: true)).failure == .keyNotFound)
        member.put("a", "1")
        #expect(member.put(Request.put("a", ignoreValue: true)).message != nil)
        #expect(member.put(Request.put("a", "2", ignoreLease: true)).message != nil)
        #expect(try member.everything() == "[a=2 2 4 3] count 1", "the refused made no revision")
    }

    @Test("What a put may not ask for is refused before it costs a place in the log")
    func refusals() throws {
        let member = try PlayedMember()
        let writes = member.disk.writes.count
        #expect(member.put(Request.put("", "1")).failure == .emptyKey)
        #expect(member.put(Request.put("a", "1", ignoreValue: true)).failure == .valueProvided)
        #expect(
            member.put(Request.put("a", "1", lease: 7, ignoreLease: true)).failure
                == .leaseProvided)
        #expect(member.delete(Request.delete("")).failure == .emptyKey)
        #expect(member.put([0x0a, 0xff]).failure?.code == .internal)
        #expect(member.delete([0xff]).failure?.code == .internal)
        #expect(member.alarm([0xff]).failure?.code == .internal)
        #expect(member.disk.writes.count == writes)
    }

    @Test("A put with a lease that is not there is refused")
    func lease() throws {
        let member = try PlayedMember()
        #expect(member.put(Request.put("a", "1", lease: 7)).failure == .leaseNotFound)
        #expect(try member.everything() == "[] count 0")
    }

    @Test("A delete says how many keys went, in its revision; one that finds none makes none")
    func delete() throws {
        let member = try PlayedMember()
        for key in ["a", "b", "c"] { member.put(key, key.uppercased()) }
        let nothing = member.delete(Request.delete("x"))
        let unchanged = member.header(4)
        #expect(
            nothing.message == encoded { $0.appendDeleteRangeBegin(unchanged, deleted: 0) })
        let two = member.delete(Request.delete("a", to: "c", prevKV: true))
        #expect(
            try Response.delete(#require(two.message))
                == "cluster c1 member a1 revision 5 term 2 deleted 2 [a=A 2 2 1] [b=B 3 3 1]")
        let last = member.delete(Request.delete("c"))
        #expect(
            try Response.delete(#require(last.message)).hasSuffix("revision 6 term 2 deleted 1"))
        #expect(try member.everything() == "[] count 0")
    }

    @Test("Requests of one turn go to the disk together and are answered in order")
    func order() throws {
        let member = try PlayedMember()
        let writes = member.disk.writes.count
        let callers = (0..<5).map { _ in Caller() }
        let life = member.life
        life.core.turn {
            for (number, caller) in callers.enumerated() {
                Request.put("a", "\(number)").withUnsafeBytes { life.kv.put($0, caller) }
            }
            #expect(callers.allSatisfy { $0.answers.isEmpty })
        }
        #expect(member.disk.writes.count == writes + 1)
        #expect(
            try callers.map { try Response.put(#require($0.message)).contains("revision") }
                == Array(repeating: true, count: 5))
        #expect(try member.everything() == "[a=4 2 6 5] count 1")
    }

    @Test("Nothing is answered before the log's disk has it")
    func durable() throws {
        let member = try PlayedMember()
        member.disk.isHeld = true
        let caller = member.put("a", "1")
        member.advance(milliseconds: 1000)
        #expect(caller.answers.isEmpty)
        member.disk.isHeld = false
        member.life.core.runUntilIdle()
        #expect(caller.message != nil)
    }
}

@Suite("After a crash the log brings back what the store had not committed")
struct ReplayStories {
    @Test("An entry that comes without its caller has the effect it would have had with it")
    func replay() throws {
        let member = try PlayedMember()
        for key in ["a", "b", "c"] { member.put(key, "1") }
        _ = member.put(Request.put("a", ignoreValue: true))
        _ = member.delete(Request.delete("b"))
        _ = member.put(Request.put("missing", ignoreValue: true))
        _ = member.alarm(Request.alarm(.activate, .corrupt, of: MemberID(7)))
        let before = try member.everything()
        try member.crash()
        #expect(try member.everything() == before)
        #expect(before == "[a=1 2 5 2, c=1 4 4 1] count 2")
        let alarms = member.alarm(Request.alarm(.get))
        #expect(
            try Response.alarms(#require(alarms.message))
                == [AlarmFields(member: MemberID(7), alarm: .corrupt)])
    }

    @Test("What the store had committed is not applied again, and the revision goes on")
    func committed() throws {
        let member = try PlayedMember()
        member.put("a", "1")
        member.commit()
        member.put("a", "2")
        try member.crash()
        #expect(try member.everything() == "[a=2 2 3 2] count 1")
        let next = member.put("b", "1")
        #expect(try Response.put(#require(next.message)).contains("revision 4"))
    }

    @Test("An entry that was applied already is passed over")
    func passedOver() throws {
        let member = try PlayedMember()
        member.put("a", "1")
        let entries = member.disk.restored.entries
        member.applyForeign(entries)
        #expect(try member.everything() == "[a=1 2 2 1] count 1")
        #expect(member.life.events.heard.filter { $0.hasPrefix("added") }.count == 1)
    }
}

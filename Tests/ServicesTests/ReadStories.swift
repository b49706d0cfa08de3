import API
import Consensus
import Testing

@testable import Services

@Suite("A read is served from the applied state, at once or when that is new enough")
struct ReadStories {
    private func filled() throws -> PlayedMember {
        let member = try PlayedMember()
        for key in ["a", "b", "c", "d"] { member.put(key, key.uppercased()) }
        return member
    }

    private func read(_ member: PlayedMember, _ request: [UInt8]) throws -> String {
        let caller = member.range(request)
        guard let bytes = caller.message else { return "\(caller.answers)" }
        return try Response.range(bytes)
    }

    @Test("The answer has header, pairs and count, byte for byte")
    func bytes() throws {
        let member = try PlayedMember()
        member.put("a", "1")
        let header = member.header(2)
        let pair = encoded {
            $0.appendField(1, string: "a")
            $0.appendField(2, int64: 2)
            $0.appendField(3, int64: 2)
            $0.appendField(4, int64: 1)
            $0.appendField(5, string: "1")
        }
        let caller = member.range(Request.range("a"))
        let expected = encoded { buffer in
            buffer.appendRangeBegin(header)
            pair.withUnsafeBytes { buffer.appendRangePair(stored: $0) }
            buffer.appendRangeEnd(more: false, count: 1)
        }
        #expect(caller.message == expected)
    }

    @Test("A range ends where etcd's conventions say")
    func bounds() throws {
        let member = try filled()
        let all = "[a=A 2 2 1, b=B 3 3 1, c=C 4 4 1, d=D 5 5 1] count 4"
        #expect(try read(member, Request.range("b")) == "[b=B 3 3 1] count 1")
        #expect(try read(member, Request.range("b", to: "d")) == "[b=B 3 3 1, c=C 4 4 1] count 2")
        #expect(try read(member, Request.range("c", to: "\0")) == "[c=C 4 4 1, d=D 5 5 1] count 2")
        #expect(try read(member, Request.range("\0", to: "\0")) == all)
        #expect(try read(member, Request.range("c", to: "b")) == "[] count 0")
        #expect(try read(member, Request.range("c", to: "c")) == "[] count 0")
        #expect(try read(member, Request.range("x")) == "[] count 0")
        #expect(
            try read(member, Request.range("a", to: "\0\0")) == "[] count 0",
            "two zero bytes are a key like any other")
    }

    @Test("Limit, count, keys alone, and the past")
    func options() throws {
        let member = try filled()
        #expect(
            try read(member, Request.range("a", to: "\0", limit: 2))
                == "[a=A 2 2 1, b=B 3 3 1] count 4 more")
        #expect(
            try read(member, Request.range("a", to: "\0", limit: -1, keysOnly: true))
                == "[a= 2 2 1, b= 3 3 1, c= 4 4 1, d= 5 5 1] count 4")
        #expect(try read(member, Request.range("a", to: "\0", countOnly: true)) == "[] count 4")
        #expect(
            try read(member, Request.range("a", to: "\0", revision: 3))
                == "[a=A 2 2 1, b=B 3 3 1] count 2")
        #expect(try read(member, Request.range("a", revision: -3)) == "[a=A 2 2 1] count 1")
        #expect(
            try read(member, Request.range("a", to: "c", order: .ascend))
                == "[a=A 2 2 1, b=B 3 3 1] count 2")
        #expect(member.range(Request.range("a", revision: 6)).failure == .futureRevision)
        #expect(member.range(Request.range("a")).message != nil, "after a failure as before it")
    }

    @Test("What a read may not ask for is refused")
    func refusals() throws {
        let member = try PlayedMember()
        #expect(member.range(Request.range("")).failure == .emptyKey)
        #expect(member.range([0xff]).failure?.code == .internal)
        let outside = Request.range("a") + encoded { $0.appendField(5, uint64: 9) }
        #expect(member.range(outside).failure == .invalidSortOption)
        let target = Request.range("a") + encoded { $0.appendField(6, uint64: 5) }
        #expect(member.range(target).failure == .invalidSortOption)
    }

    @Test("A linearizable read waits for what was acknowledged before it; a serializable does not")
    func barrier() throws {
        let member = try PlayedMember(starts: false)
        member.disk.isHeld = true
        member.start()
        let linearizable = member.range(Request.range("a"))
        #expect(linearizable.answers.isEmpty)
        #expect(member.range(Request.range("a", isSerializable: true)).message != nil)
        member.disk.isHeld = false
        member.life.core.runUntilIdle()
        #expect(linearizable.message != nil)
    }

    @Test("A linearizable read that no leader confirms ends after 7 s")
    func timeout() throws {
        let member = try PlayedMember(starts: false)
        member.disk.isHeld = true
        member.start()
        let caller = member.range(Request.range("a"))
        member.advance(milliseconds: 6900)
        #expect(caller.answers.isEmpty)
        member.advance(milliseconds: 400)
        #expect(caller.failure == .requestTimeout)
    }

    @Test("More reads than may wait are refused")
    func tooMany() throws {
        let member = try PlayedMember(starts: false) { $0.options.maxReads = 2 }
        member.disk.isHeld = true
        member.start()
        let callers = (0..<3).map { _ in member.range(Request.range("a")) }
        #expect(callers.map { $0.failure } == [nil, nil, .tooManyRequests])
    }

    @Test(
        "Why Raft could not confirm a read is told in etcd's words",
        arguments: [
            (ReadFailure.leaderChanged, Status.leaderChanged), (.timedOut, .requestTimeout),
            (.tooManyRequests, .tooManyRequests), (.stopped, .stopped),
        ])
    func failures(_ failure: ReadFailure, _ status: Status) {
        #expect(Status(failure) == status)
    }

    @Test("Arenas come back to the pool, whatever becomes of their request")
    func arenas() throws {
        let member = try PlayedMember(starts: false) { $0.options.maxReads = 1 }
        member.disk.isHeld = true
        member.start()
        _ = member.range(Request.range("a"))
        _ = member.range(Request.range("a"))  // too many
        _ = member.range(Request.range(""))  // refused
        _ = member.put("a", "1")
        _ = member.put("", "1")  // refused
        _ = member.delete(Request.delete("a"))
        _ = member.alarm(Request.alarm(.get))
        _ = member.range(Request.range("a", isSerializable: true))
        let pool = member.life.gate.arenas
        let atRest = pool.count
        member.disk.isHeld = false
        member.life.core.runUntilIdle()
        #expect(pool.count == atRest + 4)
        _ = member.put("a", "2")
        #expect(pool.count == atRest + 4, "used again")
    }
}

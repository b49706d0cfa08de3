import API
import TestSupport
import Testing

@testable import Services
@testable import Storage

/// The client of a stream, which takes a message when the test lets it.
///
/// Unchecked: confined to the test's thread.
private final class Listener: MessageTaking, @unchecked Sendable {
    let executor: any ActorExecutor
    private(set) var messages: [[UInt8]] = []
    private(set) var end: Status??
    /// For how many messages there is room.
    var takes = Int.max
    var isWritable: Bool { takes > 0 }

    init(_ executor: any ActorExecutor) { self.executor = executor }

    func send(_ message: ByteBlocks) -> Bool {
        #expect(isWritable, "a message that nobody has room for")
        takes -= 1
        messages.append(message.array)
        return true
    }

    func finish(_ status: Status?) { end = .some(status) }

    /// What is within the messages: responses of Range, each a part.
    var parts: [[UInt8]] {
        get throws {
            try messages.map { message in
                try message.withUnsafeBytes { bytes in
                    var reader = ProtobufReader(bytes)
                    let field = try #require(try reader.next())
                    #expect(field.number == 1)
                    #expect(try reader.next() == nil)
                    return [UInt8](try field.bytes())
                }
            }
        }
    }

    /// Pairs of each message.
    var sizes: [Int] {
        get throws {
            try parts.map { part in
                let arena = Arena()
                return try RangeResponse.decode(part, in: arena).kvs.count
            }
        }
    }
}

@Suite("A range is streamed, chunk by chunk as the client takes them")
struct RangeStreamStories {
    private func filled(_ keys: Int) throws -> PlayedMember {
        let member = try PlayedMember()
        for number in 0..<keys { member.put("k\(1000 + number)", "\(number)") }
        return member
    }

    private func stream(
        _ request: [UInt8], from member: PlayedMember,
        _ adjust: (Listener) -> Void = { _ in }
    ) -> (listener: Listener, call: RangeStreamCall?) {
        let listener = Listener(member.life.core)
        adjust(listener)
        let call = member.life.core.turn {
            request.withUnsafeBytes { member.life.kv.rangeStream($0, listener) }
        }
        return (listener, call)
    }

    /// Merged, as a client of protobuf does: the bytes of all messages in one.
    private func merged(_ listener: Listener) throws -> String {
        try Response.range(Array(try listener.parts.joined()))
    }

    private func read(_ request: [UInt8], from member: PlayedMember) throws -> String {
        try Response.range(#require(member.range(request).message))
    }

    @Test("All chunks together are the answer of a Range; only the last has header and count")
    func chunks() throws {
        let member = try filled(1000)
        let request = Request.range("k", to: "l")
        let (listener, _) = stream(request, from: member)
        #expect(listener.end == .some(nil))
        #expect(try merged(listener) == read(request, from: member))
        #expect(try listener.sizes == [10, 20, 40, 80, 160, 320, 370])
        for (place, part) in try listener.parts.enumerated() {
            let arena = Arena()
            let response = try RangeResponse.decode(part, in: arena)
            let isLast = place == 6
            #expect((response.header != nil) == isLast)
            #expect(response.count == (isLast ? 1000 : 0))
            #expect(!response.more)
        }
    }

    @Test("Chunks shrink when they become too large")
    func shrinking() throws {
        let member = try PlayedMember()
        let large = String(repeating: "x", count: 700_000)
        for number in 10..<40 { member.put("k\(number)", large) }
        let (listener, _) = stream(Request.range("k", to: "l"), from: member)
        #expect(try listener.sizes == [10, 5, 2, 2, 2, 2, 2, 2, 2, 1])
    }

    @Test(
        "Every request that can be streamed gives what Range gives",
        arguments: [
            Request.range("k1500"), Request.range("x"), Request.range("k", to: "k"),
            Request.range("k", to: "l", limit: 10), Request.range("k", to: "l", limit: 11),
            Request.range("k", to: "l", limit: 1000), Request.range("\0", to: "\0", limit: 1),
            Request.range("k", to: "l", countOnly: true),
            Request.range("k", to: "l", revision: 500, keysOnly: true),
            Request.range("k", to: "l", limit: 7, revision: 500),
            Request.range("k", to: "l", order: .ascend, isSerializable: true),
        ])
    func equal(_ request: [UInt8]) throws {
        let member = try filled(1000)
        let (listener, _) = stream(request, from: member)
        #expect(listener.end == .some(nil))
        #expect(try merged(listener) == read(request, from: member))
    }

    @Test("What cannot be streamed is refused before any message")
    func refusals() throws {
        let member = try filled(1)
        func refusal(_ request: [UInt8]) -> Status? {
            let (listener, call) = stream(request, from: member)
            #expect(call == nil && listener.messages.isEmpty)
            return listener.end ?? nil
        }
        #expect(refusal(Request.range("")) == .emptyKey)
        #expect(refusal(Request.range("k", order: .descend)) == .rangeStreamSortOrder)
        #expect(refusal(Request.range("k", order: .ascend, by: .mod)) == .rangeStreamSortOrder)
        let filter = encoded { $0.appendField(13, int64: 1) }
        #expect(refusal(Request.range("k") + filter) == .rangeStreamRevisionFilter)
        #expect(
            refusal(Request.range("k") + encoded { $0.appendField(6, uint64: 5) })
                == .invalidSortOption)
        let (future, _) = stream(Request.range("k", revision: 99), from: member)
        #expect(future.end == .some(.futureRevision))
        #expect(future.messages.isEmpty)
        let (keys, _) = stream(Request.range("k", to: "l", by: .value), from: member)
        #expect(try merged(keys) == "[k1000=0 2 2 1] count 1", "not heeded")
    }

    @Test("A client that does not take its chunks is not read for; then it goes on where it was")
    func backpressure() throws {
        let member = try filled(1000)
        let request = Request.range("k", to: "l")
        let whole = try read(request, from: member)
        let (listener, call) = stream(request, from: member) { $0.takes = 2 }
        #expect(try listener.sizes == [10, 20])
        member.put("k1500", "changed meanwhile")
        #expect(try listener.sizes == [10, 20], "however long")
        while listener.end == nil {
            let before = listener.messages.count
            listener.takes = 1
            member.life.core.turn { call?.writable() }
            #expect(listener.messages.count == before + 1)
        }
        #expect(try merged(listener) == whole)
    }

    @Test("A put between chunks is not seen")
    func oneRevision() throws {
        let member = try filled(1000)
        let whole = try read(Request.range("k", to: "l"), from: member)
        member.life.core.holdsSlices = true
        let (listener, _) = stream(Request.range("k", to: "l"), from: member)
        repeat {
            member.put("k1999", "changed")
            _ = member.delete(Request.delete("k15", to: "k16"))
        } while member.life.core.runSlice()
        #expect(try merged(listener) == whole)
    }

    @Test("A compaction past its revision ends it; it holds no compaction back")
    func compaction() throws {
        let member = try filled(1000)
        member.life.core.holdsSlices = true
        let (listener, _) = stream(Request.range("k", to: "l"), from: member)
        #expect(
            member.life.core.turn { member.life.store.assumeIsolated { $0.pins.oldest } } == nil)
        member.put("k1999", "changed")
        forgetBefore(Revision(1002), member)
        member.life.core.holdsSlices = false
        #expect(listener.end == .some(.compacted))
        #expect(try listener.sizes == [10])
    }

    @Test("The client goes away: nothing more is read, nothing is kept", arguments: [0, 1, 3])
    func cancelled(_ after: Int) throws {
        let member = try filled(1000)
        let arenas = member.life.gate.arenas.count
        member.life.core.holdsSlices = true
        let (listener, call) = stream(Request.range("k", to: "l"), from: member)
        for _ in 0..<after { member.life.core.runSlice() }
        let count = listener.messages.count
        member.life.core.turn { call?.cancelled() }
        member.life.core.holdsSlices = false
        #expect(listener.messages.count == count)
        #expect(listener.end == nil, "nobody is there to be told")
        #expect(member.life.gate.arenas.count == arenas)
    }

    @Test("A linearizable stream waits for what was acknowledged before it")
    func barrier() throws {
        let member = try PlayedMember(starts: false)
        member.disk.isHeld = true
        member.start()
        let (linearizable, _) = stream(Request.range("a"), from: member)
        let (gone, call) = stream(Request.range("a"), from: member)
        let (serializable, _) = stream(Request.range("a", isSerializable: true), from: member)
        #expect(linearizable.end == nil)
        #expect(serializable.end == .some(nil))
        member.life.core.turn { call?.cancelled() }
        member.disk.isHeld = false
        member.life.core.runUntilIdle()
        #expect(linearizable.end == .some(nil))
        #expect(linearizable.messages.count == 1)
        #expect(gone.messages.isEmpty, "cancelled while it waited")
    }

    @Test("A client on another thread is sent to there")
    func threads() throws {
        let member = try filled(100)
        let elsewhere = DeterministicExecutor()
        let listener = Listener(elsewhere)
        let request = Request.range("k", to: "l", isSerializable: true)
        member.life.core.turn {
            _ = request.withUnsafeBytes { member.life.kv.rangeStream($0, listener) }
        }
        #expect(listener.messages.isEmpty)
        while listener.end == nil {
            let before = listener.messages.count
            elsewhere.runUntilIdle()
            member.life.core.runUntilIdle()
            try #require(listener.messages.count > before || listener.end != nil)
        }
        #expect(try listener.sizes == [10, 20, 40, 30])
    }
}

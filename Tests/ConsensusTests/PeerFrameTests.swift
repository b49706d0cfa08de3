// Frames between members: what goes in comes out, and nothing else is taken for it.

import API
import TestSupport
import Testing

@testable import Consensus

@Suite("Peer frames") struct PeerFrameTests {
    static let entries = [
        Entry(term: Term(3), index: LogIndex(8)),
        Entry(term: Term(4), index: LogIndex(9), data: Array("put a b".utf8)),
        Entry(
            term: Term(4), index: LogIndex(10), kind: .configurationChange, data: [0, 255, 128]),
        Entry(term: Term(5), index: LogIndex(11), data: [UInt8](repeating: 7, count: 70_000)),
    ]
    static let place = LogPosition(index: LogIndex(7), term: Term(3))
    static let bodies: [Message.Body] = [
        .proposal([ProposedEntry(data: Array("x".utf8)), ProposedEntry(data: [])]),
        .append(.init(previous: place, entries: entries, commit: LogIndex(6))),
        .append(.init(previous: .start, entries: [], commit: .zero)),
        .appendResponse(.accepted(through: LogIndex(1 << 40))),
        .appendResponse(.rejected(previous: LogIndex(9), hint: place)),
        .vote(last: place, isTransfer: false),
        .vote(last: place, isTransfer: true),
        .voteResponse(granted: true),
        .preVote(last: place),
        .preVoteResponse(granted: false),
        .snapshot(
            SnapshotMark(
                position: place,
                confState: ConfState(
                    voters: [MemberID(1), MemberID(.max)], learners: [MemberID(3)],
                    votersOutgoing: [MemberID(4)], learnersNext: [MemberID(5)],
                    autoLeave: true))),
        .timeoutNow,
        .heartbeat(commit: LogIndex(300), round: ReadRound(7)),
        .heartbeatResponse(
            round: ReadRound(.max), commit: LogIndex(300), promise: .none),
        .heartbeatResponse(
            round: .none, commit: .zero, promise: VotePromise(milliseconds: 900)),
        .readIndex(ReadContext(.max)),
        .readIndexResponse(ReadContext(1), index: LogIndex(12)),
    ]

    private func message(_ body: Message.Body) -> Message {
        Message(
            from: MemberID(0x8e9e_05c5_2164_694d), to: MemberID(2), term: Term(5), body: body)
    }

    private func bytes(_ message: Message) -> [UInt8] {
        let encoded = EncodedMessage.encode([message])[0]
        return encoded.head + encoded.payload
    }

    private func decode(_ bytes: [UInt8]) -> Result<Message, PeerFrameError> {
        // At the end of an allocation of its own, so that a sanitizer sees a step too far.
        bytes.withUnsafeBytes { frame in
            do throws(PeerFrameError) {
                return .success(try Message(decodingFrame: frame))
            } catch {
                return .failure(error)
            }
        }
    }

    @Test("Every kind of message comes back as it was", arguments: bodies)
    func roundTrip(_ body: Message.Body) {
        let message = message(body)
        #expect(decode(bytes(message)) == .success(message))
    }

    @Test("A frame of version 1, byte for byte")
    func layout() {
        let frame = bytes(
            Message(from: MemberID(1), to: MemberID(2), term: Term(300), body: .timeoutNow))
        #expect(frame.count == 34)
        #expect(Array(frame[..<8]) == [30, 0, 0, 0, 1, 14, 18, 0])
        #expect(Array(frame[8..<12]) == [0, 0, 0, 0])
        #expect(
            Array(frame[16...]) == [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0xac, 2])
    }

    /// Members knew no leases once, and closed the lane for a field that is left over.
    @Test("Who keeps no leases answers heartbeats as members did that knew of none")
    func heartbeatsWithoutLeases() {
        let answer = message(
            .heartbeatResponse(round: ReadRound(300), commit: LogIndex(5), promise: .none))
        #expect(Array(bytes(answer).suffix(4)) == [5, 0xac, 2, 5], "term, round, commit")
        let promising = message(
            .heartbeatResponse(
                round: ReadRound(300), commit: LogIndex(5),
                promise: VotePromise(milliseconds: 9)))
        #expect(Array(bytes(promising).suffix(5)) == [5, 0xac, 2, 5, 9])
    }

    @Test("Entries are encoded once for all followers")
    func sharing() {
        func append(to member: UInt64, _ entries: [Entry]) -> Message {
            Message(
                from: MemberID(1), to: MemberID(member), term: Term(5),
                body: .append(.init(previous: Self.place, entries: entries, commit: .zero)))
        }
        let messages = [
            append(to: 2, Self.entries), append(to: 3, Self.entries),
            append(to: 4, Array(Self.entries[1...])),
        ]
        let encoded = EncodedMessage.encode(messages)
        let addresses = encoded.map { $0.payload.withUnsafeBytes { $0.baseAddress } }
        #expect(addresses[0] == addresses[1])
        #expect(addresses[1] != addresses[2])
        for (message, encoded) in zip(messages, encoded) {
            #expect(decode(encoded.head + encoded.payload) == .success(message))
            #expect(encoded.head.count < 64)
        }
    }

    @Test("A frame that was cut anywhere is refused", arguments: bodies)
    func truncation(_ body: Message.Body) {
        let frame = bytes(message(body))
        for count in 0..<min(frame.count, 400) {
            guard case .failure = decode(Array(frame.prefix(count))) else {
                Issue.record("\(count) of \(frame.count) bytes are taken for a message")
                return
            }
        }
    }

    @Test("A frame with any bit turned over is refused", arguments: bodies)
    func bitFlips(_ body: Message.Body) {
        var frame = bytes(message(body))
        for bit in 0..<(min(frame.count, 300) * 8) {
            frame[bit / 8] ^= 1 << (bit % 8)
            guard case .failure = decode(frame) else {
                Issue.record("bit \(bit) of \(body.name) does not matter")
                return
            }
            frame[bit / 8] ^= 1 << (bit % 8)
        }
    }

    /// With checksums made to fit, the fields themselves are all that is left to refuse it by.
    @Test("Damage that no checksum tells is an error or another message, never a crash")
    func forged() {
        var random = SplitMix64(seed: 5)
        var refused = 0
        var core = try! RaftCore(
            id: MemberID(2),
            restoring: RestoredState(
                confState: ConfState(voters: [MemberID(1), MemberID(2), MemberID(3)])))
        for round in 0..<20_000 {
            var small = Self.bodies[round % Self.bodies.count]
            if case .append(var append) = small {
                append.entries = Array(append.entries.prefix(3))
                small = .append(append)
            }
            var frame = bytes(message(small))
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: 5..<frame.count, using: &random)
                frame[place] = Bool.random(using: &random) ? 0xff : UInt8(random.next() & 0xff)
            }
            if Bool.random(using: &random) {
                frame.removeLast(Int.random(in: 0..<(frame.count - 16), using: &random))
            }
            seal(&frame)
            switch decode(frame) {
            case .failure: refused += 1
            case .success(let message):
                // Whatever it says, a core can take it.
                _ = core.step(.received(message))
                core.checkAllInvariants()
            }
        }
        #expect(refused > 5000)
        #expect(refused < 19_000)
    }

    /// Makes length and checksums fit what is there.
    private func seal(_ frame: inout [UInt8]) {
        func put(_ value: UInt32, at place: Int) {
            for byte in 0..<4 { frame[place + byte] = UInt8(value >> (8 * byte) & 0xff) }
        }
        put(UInt32(frame.count - 4), at: 0)
        frame[4] = PeerFrame.version
        let head = min(Int(frame[6]), frame.count - 16)
        frame[6] = UInt8(head)
        frame[7] = 0
        put(frame[(16 + head)...].withUnsafeBytes { PeerFrame.checksum($0) }, at: 8)
        let before = frame[..<12].withUnsafeBytes { PeerFrame.checksum($0) }
        put(
            frame[16..<(16 + head)].withUnsafeBytes {
                PeerFrame.checksum($0, goingOnFrom: before)
            }, at: 12)
    }

    @Test("What is not known is named")
    func unknown() {
        var frame = bytes(message(.timeoutNow))
        frame[4] = 2
        #expect(decode(frame) == .failure(.unknownVersion(2)))
        frame = bytes(message(.timeoutNow))
        frame[5] = 99
        seal(&frame)
        #expect(decode(frame) == .failure(.unknownKind(99)))
    }

    // MARK: A stream

    @Test("Frames come out of a stream however it is cut", arguments: [1, 3, 17, 1000, 1_000_000])
    func stream(chunk: Int) throws {
        let messages = Self.bodies.map(message)
        let stream = messages.flatMap(bytes)
        var reader = FrameReader(maxFrameBytes: 1 << 20)
        var decoded: [Message] = []
        for start in Swift.stride(from: 0, to: min(stream.count, 1000 * chunk), by: chunk) {
            stream[start..<min(start + chunk, stream.count)].withUnsafeBytes { reader.append($0) }
            while let message = try reader.next() { decoded.append(message) }
        }
        #expect(decoded == Array(messages.prefix(decoded.count)))
        #expect(decoded.count >= (chunk < 100 ? 1 : messages.count))
    }

    @Test("A frame that is too long is refused by its first four bytes, and nothing after it read")
    func tooLong() {
        var reader = FrameReader(maxFrameBytes: 1000)
        [UInt8]([0xe5, 3, 0, 0]).withUnsafeBytes { reader.append($0) }
        #expect(throws: PeerFrameError.tooLarge(1001)) { try reader.next() }
        bytes(message(.timeoutNow)).withUnsafeBytes { reader.append($0) }
        #expect(throws: PeerFrameError.tooLarge(1001)) { try reader.next() }
    }

    @Test("Random bytes are refused")
    func noise() {
        var random = SplitMix64(seed: 1)
        for _ in 0..<2000 {
            let noise = (0..<200).map { _ in UInt8(random.next() & 0xff) }
            #expect((try? decode(noise).get()) == nil)
        }
    }
}

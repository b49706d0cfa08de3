import API
import CSupport
import Foundation
import Testing

@testable import Storage

/// Real logs: copies of the small ones, and all of them where they are at hand.
enum WALFixture: String, CaseIterable, CustomTestStringConvertible {
    case etcd3423 = "etcd-3.4.23"
    case etcd351 = "etcd-3.5.1"
    case etcd371 = "etcd-3.7.1"

    static let file = "0000000000000000-0000000000000000.wal"
    var testDescription: String { rawValue }

    var path: String {
        let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let copy = here.appending(path: "Fixtures/\(rawValue)/\(Self.file)").path
        if FileManager.default.fileExists(atPath: copy) { return copy }
        // Beside the repository, or beside what holds it.
        var above = here
        while above.path.count > 1 {
            above = above.deletingLastPathComponent()
            let shared = above.appending(path: "shared/fixtures/\(rawValue)/\(Self.file)").path
            if FileManager.default.fileExists(atPath: shared) { return shared }
        }
        return copy
    }

    var isPresent: Bool { FileManager.default.fileExists(atPath: path) }
    static var present: [WALFixture] {
        allCases.filter { fixture in
            if !fixture.isPresent { print("skipped: the log of \(fixture) is not at hand") }
            return fixture.isPresent
        }
    }

    func bytes() throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    }
}

@Suite("WAL: records and frames")
struct WALCodecTests {
    @Test("CRC-32C agrees with RFC 3720, in one piece and in parts")
    func checksum() {
        func crc(_ seed: UInt32, _ bytes: some Collection<UInt8>) -> UInt32 {
            Array(bytes).withUnsafeBytes { csupport_crc32c(seed, $0.baseAddress, $0.count) }
        }
        #expect(crc(0, [UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
        #expect(crc(0, [UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
        #expect(crc(0, (0..<32)) == 0x46dd_794e)
        let text = Array("123456789".utf8)
        #expect(crc(0, text) == 0xe306_9283)
        for cut in 0...text.count {
            #expect(crc(crc(0, text[..<cut]), text[cut...]) == 0xe306_9283)
        }
    }

    @Test("A length field says the record's size and its padding, and nothing else is one")
    func lengthField() {
        #expect(WALFrameLength(record: 16).field == 16)
        #expect(WALFrameLength(record: 30).field == 0x8200_0000_0000_001e)
        for size in 4...100 {
            let length = WALFrameLength(record: size)
            #expect(length.frame % 8 == 0)
            #expect(WALFrameLength(field: length.field) == length)
            for bit in 0..<64 {
                let changed = length.field ^ (1 << UInt64(bit))
                // Only a size with the same remainder is possible too.
                if let other = WALFrameLength(field: changed) {
                    #expect(other.record % 8 == size % 8 && other.record >= 4)
                }
            }
        }
        #expect(WALFrameLength(field: 0) == nil)
    }

    @Test("A segment's name is its sequence and first index, in hexadecimal")
    func names() {
        let name = WALSegmentName(sequence: 0x1f, firstIndex: LogIndex(0xabc))
        #expect(name.description == "000000000000001f-0000000000000abc.wal")
        #expect(WALSegmentName(name.description) == name)
        for wrong in [
            "0.tmp", "", "000000000000001f-0000000000000abc.wal.broken",
            "+00000000000001f-0000000000000abc.wal", "000000000000001g-0000000000000abc.wal",
        ] {
            #expect(WALSegmentName(wrong) == nil)
        }
    }

    @Test(
        "An etcd's log is read record by record, and written again it is the same bytes",
        arguments: WALFixture.present)
    func rewriting(_ fixture: WALFixture) throws {
        let bytes = try fixture.bytes()
        let directory = try TemporaryDirectory()
        let path = directory.path + "/" + WALFixture.file
        try Data(bytes).write(to: URL(fileURLWithPath: path))

        var reader = try WALSegmentReader(
            try SystemFiles().open(path, .readOnly), checksum: 0, isLastSegment: true)
        var encoder = WALEncoder(checksum: 0)
        var counts: [WALRecordKind: Int] = [:]
        reading: while true {
            switch try reader.next() {
            case .record(let view, _):
                let record = try #require(view.owned)
                encoder.append(record.kind, record.data)
                #expect(encoder.checksum == record.checksum)
                counts[record.kind, default: 0] += 1
            case .stop(let verdict, let offset):
                #expect(verdict == .end)
                #expect(offset == bytes.count)
                break reading
            }
        }
        #expect(encoder.buffer.array == bytes)
        #expect(counts[.entry, default: 0] >= 84)
        #expect(counts[.state, default: 0] >= 83)
    }

    @Test(
        "What records hold decodes, and encodes to the same bytes as that etcd wrote",
        arguments: WALFixture.present)
    func payloads(_ fixture: WALFixture) throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/" + WALFixture.file
        try Data(try fixture.bytes()).write(to: URL(fileURLWithPath: path))
        var reader = try WALSegmentReader(
            try SystemFiles().open(path, .readOnly), checksum: 0, isLastSegment: true)
        while case .record(let view, _) = try reader.next() {
            let data = view.data ?? UnsafeRawBufferPointer(start: nil, count: 0)
            var buffer = ByteBuffer()
            switch view.kind {
            case .entry:
                let entry = try #require(WALPayload.entry(data)).owned
                // etcd 3.7 leaves out the kind of a normal entry, which older ones write.
                entry.encode(into: &buffer, as: fixture == .etcd371 ? .etcd37 : .etcd36)
                #expect(buffer.array == Array(data))
            case .state:
                let state = try #require(WALPayload.state(data))
                state.encode(into: &buffer)
                #expect(buffer.count == WALPayload.size(state))
                #expect(buffer.array == Array(data))
            case .snapshot:
                #expect(WALPayload.encode(try #require(WALPayload.snapshot(data))) == Array(data))
            case .metadata:
                #expect(WALPayload.encode(try #require(WALPayload.metadata(data))) == Array(data))
            case .checksum: #expect(view.data == nil)
            case nil: Issue.record("unknown kind")
            }
        }
    }

    @Test(
        "An etcd's log is taken over: recovered, appended to, recovered again",
        arguments: WALFixture.present)
    func takeOver(_ fixture: WALFixture) throws {
        let directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(
            atPath: directory.path + "/wal", withIntermediateDirectories: true)
        try Data(try fixture.bytes())
            .write(to: URL(fileURLWithPath: directory.path + "/wal/" + WALFixture.file))
        let configuration = WALConfiguration(directory: directory.path + "/wal")

        let (store, found) = try WALStore.open(configuration, from: .snapshot(.zero, .zero))
        #expect(found.repair == nil)
        #expect(found.metadata.member == MemberID(1_991_473_312_055_241_453))
        #expect(found.entries.first?.kind == .configurationChange)
        #expect(found.hardState.vote == found.metadata.member)
        let last = try #require(found.entries.last)
        let new = Entry(term: last.term, index: last.index.next, data: [1, 2, 3])
        store.add(WALBatch(entries: [new], hardState: nil))
        try store.commit()
        try store.close()

        let (again, recovered) = try WALStore.open(configuration, from: .snapshot(.zero, .zero))
        #expect(recovered.entries == found.entries + [new])
        try again.close()
    }

    @Test("A snapshot record keeps who had a say, joint changes too")
    func snapshots() {
        let joint = ConfState(
            voters: [MemberID(1), MemberID(2)], learners: [MemberID(3)],
            votersOutgoing: [MemberID(1)], learnersNext: [MemberID(4)], autoLeave: true)
        for confState in [nil, ConfState(voters: [MemberID(7)]), joint] {
            let snapshot = WALSnapshot(index: LogIndex(9), term: Term(2), confState: confState)
            WALPayload.encode(snapshot).withUnsafeBytes {
                #expect(WALPayload.snapshot($0) == snapshot)
            }
        }
    }
}

import Foundation
import Testing

@testable import API

@Suite("Raft's records")
struct RaftCodecTests {
    @Test("An entry is written with its term and index, even when zero")
    func entries() throws {
        let noop = Entry(term: Term(2), index: LogIndex(2))
        #expect(encoded { noop.encode(into: &$0) } == [0x10, 2, 0x18, 2])
        #expect(encoded { noop.encode(into: &$0, as: .etcd36) } == [0x08, 0, 0x10, 2, 0x18, 2])
        #expect(
            encoded { Entry(term: .zero, index: .zero).encode(into: &$0) } == [0x10, 0, 0x18, 0])
        let change = Entry(
            term: Term(300), index: LogIndex(1 << 40), kind: .configurationChange,
            data: Array(repeating: 9, count: 200))
        for style in [RaftEncoding.etcd37, .etcd36] {
            let bytes = encoded { change.encode(into: &$0, as: style) }
            #expect(bytes.count == change.encodedSize(as: style))
            #expect(try withBytes(bytes, Entry.init(decoding:)) == change)
        }
    }

    @Test("A kind of entry from the future is not taken for a normal one")
    func unknownKind() {
        #expect(throws: WireError.malformed) {
            try withBytes([0x08, 3, 0x10, 1, 0x18, 1], Entry.init(decoding:))
        }
    }

    @Test("States read back as written")
    func states() throws {
        let hard = HardState(term: Term(7), vote: MemberID(.max), commit: LogIndex(0))
        let hardBytes = encoded { hard.encode(into: &$0) }
        #expect(hardBytes.suffix(2) == [0x18, 0])
        #expect(try withBytes(hardBytes, HardState.init(decoding:)) == hard)

        let conf = ConfState(
            voters: [1, 2].map(MemberID.init), learners: [MemberID(3)],
            votersOutgoing: [MemberID(1)], learnersNext: [MemberID(2)], autoLeave: true)
        let confBytes = encoded { conf.encode(into: &$0) }
        #expect(confBytes == [8, 1, 8, 2, 16, 3, 24, 1, 32, 2, 40, 1])
        #expect(try withBytes(confBytes, ConfState.init(decoding:)) == conf)
        let packed = try withBytes([10, 2, 1, 2], ConfState.init(decoding:))
        #expect(packed.voters == [1, 2].map(MemberID.init))
    }

    @Test("Configuration changes read back as written")
    func changes() throws {
        let add = ConfChange(kind: .addNode, node: MemberID(5), context: Array("{}".utf8))
        #expect(encoded { add.encode(into: &$0) } == [16, 0, 24, 5, 34, 2, 0x7b, 0x7d])
        let remove = ConfChange(id: 8, kind: .removeNode, node: MemberID(5))
        let joint = ConfChangeV2(
            transition: .jointExplicit,
            changes: [
                .init(kind: .addLearner, node: MemberID(1)),
                .init(kind: .removeNode, node: MemberID(.max)),
            ], context: [1])
        #expect(
            try withBytes(encoded { remove.encode(into: &$0) }, ConfChange.init(decoding:))
                == remove)
        #expect(
            try withBytes(encoded { joint.encode(into: &$0) }, ConfChangeV2.init(decoding:))
                == joint)
        #expect(throws: WireError.malformed) {
            try withBytes([16, 4], ConfChange.init(decoding:))
        }
    }

    @Test(
        "Records of real logs decode and encode to the same bytes",
        .enabled(if: Reference.shared("fixtures") != nil, "no ../shared/fixtures here"),
        arguments: [
            ("3.4.23", RaftEncoding.etcd36, 84), ("3.5.1", .etcd36, 85), ("3.7.1", .etcd37, 3085),
        ])
    func realLogs(_ version: String, _ style: RaftEncoding, _ entryCount: Int) throws {
        let name = "fixtures/etcd-\(version)/0000000000000000-0000000000000000.wal"
        let log = [UInt8](try Data(contentsOf: try #require(Reference.shared(name))))
        var entries = 0
        try withBytes(log) { bytes in
            var offset = 0
            while offset < bytes.count {
                // Frame and record: reference ondisk.md, WAL segment.
                let length = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                let size = Int(length & 0x00ff_ffff_ffff_ffff)
                let padding = length >> 63 == 1 ? Int(length >> 56 & 7) : 0
                let record = UnsafeRawBufferPointer(rebasing: bytes[offset + 8..<offset + 8 + size])
                offset += 8 + size + padding
                let (type, data) = try fields(record)
                switch type {
                case 2:
                    entries += 1
                    let entry = try Entry(decoding: data)
                    #expect(encoded { entry.encode(into: &$0, as: style) } == [UInt8](data))
                    if entry.kind == .configurationChange {
                        let change = try withBytes(entry.data, ConfChange.init(decoding:))
                        #expect(encoded { change.encode(into: &$0, as: style) } == entry.data)
                    }
                case 3:
                    let state = try HardState(decoding: data)
                    #expect(encoded { state.encode(into: &$0) } == [UInt8](data))
                default: break
                }
            }
        }
        #expect(entries == entryCount)
    }

    func fields(_ record: UnsafeRawBufferPointer) throws -> (Int64, UnsafeRawBufferPointer) {
        var reader = ProtobufReader(record)
        var type: Int64 = 0
        var data = UnsafeRawBufferPointer(start: nil, count: 0)
        while let field = try reader.next() {
            switch field.number {
            case 1: type = try field.int64()
            case 3: data = try field.bytes()
            default: break
            }
        }
        return (type, data)
    }
}

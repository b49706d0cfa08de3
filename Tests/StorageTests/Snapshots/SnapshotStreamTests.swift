// The bytes of a snapshot: what goes in comes out, and nothing else gets through.

import API
import Testing

@testable import Storage

/// A record of a snapshot.
private struct Sample: Hashable {
    var table: Table
    var key: [UInt8]
    var value: [UInt8]

    init(_ table: Table, _ key: [UInt8], _ value: [UInt8]) {
        self.table = table
        self.key = key
        self.value = value
    }

    static func revision(_ revision: Int64, _ value: [UInt8]) -> Sample {
        let key = RecordKey(RevisionPosition(main: Revision(revision), sub: 0))
        return Sample(.key, key.encoded, value)
    }

    /// As it stands in the stream.
    var bytes: [UInt8] {
        var buffer = ByteBuffer()
        buffer.append(table.snapshotNumber)
        buffer.appendVarint(UInt64(key.count))
        buffer.appendVarint(UInt64(value.count))
        buffer.append(key)
        buffer.append(value)
        return buffer.array
    }
}

private func chunks(of samples: [Sample], stream: UInt64 = 7) -> [[UInt8]] {
    var chunks: [[UInt8]] = []
    var writer = SnapshotWriter(stream: stream)
    func takeAll(_ writer: inout SnapshotWriter, _ goesOn: (borrowing SnapshotWriter) -> Bool) {
        while goesOn(writer), writer.takeChunk({ chunks.append($0 + [UInt8]($1)) }) {}
    }
    for sample in samples {
        sample.key.withUnsafeBytes { key in
            sample.value.withUnsafeBytes { writer.append(sample.table, key, $0) }
        }
        takeAll(&writer) { $0.isFull }
    }
    writer.finish()
    takeAll(&writer) { _ in true }
    return chunks
}

/// A chunk that is right in itself, whatever its content is.
private func chunk(
    _ content: [UInt8], number: UInt32 = 0, offset: UInt64 = 0, claiming size: Int? = nil
) -> [UInt8] {
    let compressor = ZstandardCompressor()
    var frame = [UInt8](repeating: 0, count: ZstandardCompressor.bound(of: content.count))
    let count = content.withUnsafeBytes { content in
        frame.withUnsafeMutableBytes { compressor.compress(content, to: $0) }
    }
    frame.removeSubrange(count...)
    let header = SnapshotChunk.Header(
        stream: 7, number: number, offset: offset, contentBytes: size ?? content.count,
        frameBytes: count, frameChecksum: frame.withUnsafeBytes { checksum($0) })
    return SnapshotChunk.encode(header) + frame
}

private struct Reading {
    var samples: [Sample] = []
    var isFinished = false
}

private func read(
    _ chunks: [[UInt8]], stream: UInt64 = 7, maximumValueBytes: Int = 1 << 20
) throws -> Reading {
    var reader = SnapshotReader(stream: stream, maximumValueBytes: maximumValueBytes)
    var reading = Reading()
    for chunk in chunks {
        try chunk.withUnsafeBytes { bytes in
            try reader.read(bytes) { (table, key, value) throws(SnapshotError) in
                reading.samples.append(Sample(table, [UInt8](key), [UInt8](value)))
            }
        }
    }
    reading.isFinished = reader.isFinished
    return reading
}

private func noise(_ count: Int, seed: UInt64) -> [UInt8] {
    var state = seed
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 33)
    }
}

@Suite("The chunks of a snapshot")
struct SnapshotStreamTests {
    private let few = [
        Sample.revision(2, Array("one".utf8)), Sample.revision(3, []),
        Sample(.meta, MetaKey.term, [1, 2, 3]), Sample(.authRoles, [0], [9]),
    ]

    private func damage(of chunks: [[UInt8]]) -> SnapshotDamage? {
        do {
            _ = try read(chunks)
            return nil
        } catch let SnapshotError.damaged(_, damage) {
            return damage
        } catch {
            Issue.record("\(error)")
            return nil
        }
    }

    @Test("give back the records, of no bytes and of several chunks")
    func roundTrip() throws {
        #expect(try read(chunks(of: few)).samples == few)
        #expect(try read(chunks(of: [])).isFinished)
        var many: [Sample] = []
        for revision in 2..<400 {
            let size = revision == 100 ? 700_000 : revision * 13 % 4000
            many.append(.revision(Int64(revision), noise(size, seed: UInt64(revision))))
        }
        let chunks = chunks(of: many)
        #expect(chunks.count > 5)
        #expect(chunks.allSatisfy { $0.count <= SnapshotChunk.maximumFrameBytes + 36 })
        let reading = try read(chunks)
        #expect(reading.samples == many && reading.isFinished)
    }

    @Test("are refused with any one bit of any byte turned")
    func everyByte() {
        let whole = chunks(of: few)
        for (number, chunk) in whole.enumerated() {
            for place in chunk.indices {
                for bit in 0..<8 {
                    var turned = whole
                    turned[number][place] ^= 1 << bit
                    #expect(damage(of: turned) != nil, "byte \(place), bit \(bit)")
                }
            }
        }
    }

    @Test("are refused when they end early, wherever")
    func truncated() throws {
        let whole = chunks(of: few)[0]
        for count in whole.indices {
            #expect(damage(of: [Array(whole[..<count])]) == .truncated, "\(count) bytes")
        }
        #expect(damage(of: [whole + [0]]) == .tooLong)
        let content = few.flatMap(\.bytes)
        for count in 1...content.count {
            let reading = try read([chunk(Array(content[..<count]))])
            #expect(!reading.isFinished)
        }
    }

    @Test("come in their order, each once, all of one snapshot, and none behind the end")
    func order() {
        let big = [Sample.revision(2, noise(600_000, seed: 1))]
        let whole = chunks(of: big)
        #expect(whole.count == 3)
        #expect(damage(of: [whole[0], whole[2]]) == .outOfOrder)
        #expect(damage(of: [whole[0], whole[0]]) == .outOfOrder)
        #expect(damage(of: [whole[1]]) == .outOfOrder)
        #expect(damage(of: whole + [whole[2]]) == .behindEnd)
        #expect(damage(of: [whole[0], chunks(of: big, stream: 8)[1]]) == .otherSnapshot)
        #expect(damage(of: [whole[0], chunk([1], number: 1, offset: 1)]) == .outOfOrder)
    }

    @Test("hold what a store can take: tables and keys in order, keys that can be")
    func records() {
        func damage(_ samples: [Sample]) -> SnapshotDamage? {
            self.damage(of: [chunk(samples.flatMap(\.bytes))])
        }
        #expect(damage(few) == nil)
        #expect(damage([few[1], few[0]]) == .unordered)
        #expect(damage([few[0], few[0]]) == .unordered)
        #expect(damage([few[2], few[0]]) == .unordered)
        #expect(damage([few[0], few[2], few[1]]) == .unordered)
        #expect(damage([Sample(.key, [1, 2, 3], [])]) == .invalidKey)
        #expect(damage([Sample(.meta, [], [])]) == .invalidKey)
        #expect(damage([Sample(.meta, noise(512, seed: 3), [])]) == .invalidKey)
        #expect(damage([Sample(.meta, noise(511, seed: 3), [])]) == nil)
        #expect(self.damage(of: [chunk([11, 1, 0, 1])]) == .unknownTable)
        #expect(self.damage(of: [chunk([2, 0xff, 0xff, 0xff, 0xff, 0xff])]) == .outOfRange)
    }

    @Test("say how much they hold")
    func totals() {
        let content = few.flatMap(\.bytes)
        func end(_ records: UInt64, _ bytes: Int, _ sum: UInt32) -> [UInt8] {
            var buffer = ByteBuffer()
            buffer.append(0)
            buffer.append(littleEndian: records)
            buffer.append(littleEndian: UInt64(bytes))
            buffer.append(littleEndian: sum)
            return buffer.array
        }
        let sum = content.withUnsafeBytes { checksum($0) }
        #expect(damage(of: [chunk(content + end(4, content.count, sum))]) == nil)
        #expect(damage(of: [chunk(content + end(5, content.count, sum))]) == .wrongTotals)
        #expect(damage(of: [chunk(content + end(4, content.count + 1, sum))]) == .wrongTotals)
        #expect(damage(of: [chunk(content + end(4, content.count, sum &+ 1))]) == .checksum)
        #expect(damage(of: [chunk(content + end(4, content.count, sum) + [0])]) == .behindEnd)
    }

    @Test("cannot make the reader spend more than they weigh")
    func bombs() {
        let zeros = [UInt8](repeating: 0, count: 2 << 20)
        #expect(damage(of: [chunk(zeros)]) == .tooLarge, "says so itself")
        #expect(damage(of: [chunk(zeros, claiming: 100)]) == .notCompressed)
        #expect(damage(of: [chunk(Array(zeros[..<100]), claiming: 262_144)]) == .notCompressed)
        #expect(damage(of: [chunk([1], claiming: 0)]) == .tooLarge)
        #expect(damage(of: [noise(400_000, seed: 2)]) == .tooLarge)
        // A value of 4 GiB that never comes.
        let greedy: [UInt8] = [2, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]
        #expect(damage(of: [chunk(greedy)]) == .tooLarge)
    }
}

@Suite("What a snapshot says of itself")
struct SnapshotDescriptionTests {
    private let description = SnapshotDescription(
        stream: 0x0123_4567_89ab_cdef, cluster: ClusterID(0xcafe), index: LogIndex(77),
        term: Term(5),
        confState: ConfState(
            voters: [MemberID(1), MemberID(.max)], learners: [MemberID(3)],
            votersOutgoing: [MemberID(4)], learnersNext: [MemberID(5)], autoLeave: true),
        revision: Revision(70), estimatedBytes: 1 << 40)

    @Test("is read as it was written")
    func roundTrip() throws {
        #expect(try SnapshotDescription(decoding: description.encoded) == description)
    }

    @Test("is refused with any bit turned, shortened or lengthened anywhere")
    func damaged() {
        let whole = description.encoded
        for place in whole.indices {
            for bit in 0..<8 {
                var turned = whole
                turned[place] ^= 1 << bit
                #expect(throws: SnapshotError.self) { try SnapshotDescription(decoding: turned) }
            }
            #expect(throws: SnapshotError.self) {
                try SnapshotDescription(decoding: Array(whole[..<place]))
            }
        }
        #expect(throws: SnapshotError.self) { try SnapshotDescription(decoding: whole + [0]) }
        #expect(throws: SnapshotError.damaged(chunk: nil, .tooLarge)) {
            try SnapshotDescription(decoding: noise(70_000, seed: 1))
        }
    }

    @Test("has no index, term or revision out of range")
    func ranges() {
        for change: (inout SnapshotDescription) -> Void in [
            { $0.index = .zero }, { $0.index = LogIndex(1 << 62) }, { $0.term = .zero },
            { $0.term = Term(.max) }, { $0.revision = Revision(0) },
            { $0.revision = Revision(-1) },
        ] {
            var wrong = description
            change(&wrong)
            #expect(throws: SnapshotError.damaged(chunk: nil, .outOfRange)) {
                try SnapshotDescription(decoding: wrong.encoded)
            }
        }
    }
}

// What is left of a log after something happened to its bytes: the decision table, cuts at every
// byte, unwritten sectors, flipped bytes.

import API
import Testing

@testable import Storage

/// One segment of a log with all that belongs in one, and where its records lie.
struct SmallLog {
    let bytes: [UInt8]
    /// Where each record begins, and last where they end.
    let offsets: [Int]
    /// Where the last write began.
    let lastWrite: Int
    let writer: LogWriter
    /// Records before the first entry.
    static let headerRecords = 3
    static let path = "data/wal/0000000000000000-0000000000000000.wal"

    init() throws {
        let disk = SimulatedDisk()
        var writer = LogWriter()
        let (store, _) = try WALStore.create(.small(disk), LogWriter.metadata)
        var lastWrite = 0
        let batches = [
            writer.append([40], commit: 1, term: 1), writer.append([0, 300], commit: 1, term: 2),
            writer.append([700, 8, 1], commit: 3), writer.append([], commit: 5),
            writer.append([], commit: 6), writer.append([511, 64, 90], term: 3),
            writer.replace(from: 8, [600, 30], term: 4), writer.append([], commit: 9),
            writer.append([13, 5, 1100, 70], commit: 9),
        ]
        for batch in batches {
            lastWrite = store.tailOffset
            store.add(batch)
            try store.commit()
            writer.acknowledge()
        }
        let end = store.tailOffset
        try store.close()
        bytes = disk.names[Self.path]?.live ?? []
        var offsets = [0]
        while let last = offsets.last, last < end {
            let field = bytes.withUnsafeBytes {
                $0.loadUnaligned(fromByteOffset: last, as: UInt64.self)
            }
            offsets.append(last + (try #require(WALFrameLength(field: field))).frame)
        }
        self.offsets = offsets
        self.lastWrite = lastWrite
        self.writer = writer
    }

    var end: Int { offsets[offsets.count - 1] }

    /// How many contents of the writer's history lie wholly before `offset`.
    func contents(before offset: Int) -> Int {
        max(1, offsets.dropFirst().count { $0 <= offset } - Self.headerRecords + 1)
    }

    enum Outcome: Equatable {
        /// Opened, with the content at a place of the history; nil if it never held that.
        case recovered(Int?, repaired: Bool)
        case refused(offset: Int)
    }

    /// Opens a log of these bytes; what was recovered must also take another write.
    func open(_ bytes: [UInt8]) throws -> Outcome {
        let disk = SimulatedDisk()
        disk.directories.insert("data/wal")
        let content = SimulatedDisk.Content()
        content.live = bytes
        disk.names[Self.path] = content
        let store: WALStore
        let recovery: WALRecovery
        do throws(WALError) {
            (store, recovery) = try WALStore.open(.small(disk), from: .snapshot(.zero, .zero))
        } catch {
            if case .snapshotNotFound = error { return .refused(offset: 0) }
            guard case .damaged(let damage) = error else { throw error }
            #expect(damage.file == Self.path)
            #expect(content.live == bytes, "a log that is refused is left alone")
            return .refused(offset: damage.offset)
        }
        let next = Entry(
            term: max(recovery.hardState.term, Term(1)),
            index: (recovery.entries.last?.index ?? .zero).next, data: [9])
        store.add(WALBatch(entries: [next], hardState: nil))
        try store.commit()
        try store.close()
        let (again, second) = try WALStore.open(.small(disk), from: .snapshot(.zero, .zero))
        #expect(second.entries == recovery.entries + [next])
        #expect(second.repair == nil)
        try again.close()
        return .recovered(writer.place(of: recovery), repaired: recovery.repair != nil)
    }
}

@Suite("WAL: what is left of a log")
struct WALTailTests {
    @Test(
        "Every fault with every evidence has one verdict: end, torn in the last segment, or damage")
    func decisionTable() {
        var verdicts: [WALTail.Verdict: Int] = [:]
        for fault in WALFault.allCases {
            for bits in 0..<16 {
                let evidence = WALFaultEvidence(
                    isLastSegment: bits & 1 != 0, onlyZerosFollow: bits & 2 != 0,
                    tearExplainsIt: bits & 4 != 0, laterWriteFollows: bits & 8 != 0)
                let verdict = WALTail.judge(fault, evidence)
                verdicts[verdict, default: 0] += 1
                let isEnd =
                    fault == .endOfFile || fault == .zeroLength && evidence.onlyZerosFollow
                #expect((verdict == .end) == isEnd)
                if verdict == .torn {
                    #expect(evidence.isLastSegment)
                    #expect(evidence.tearExplainsIt)
                    #expect(!evidence.laterWriteFollows)
                    #expect(fault != .impossibleLength && fault != .padding)
                } else if !isEnd, ![.impossibleLength, .padding].contains(fault) {
                    let couldBeTorn =
                        evidence.isLastSegment && evidence.tearExplainsIt
                        && !evidence.laterWriteFollows
                    #expect(!couldBeTorn, "\(fault) \(evidence)")
                }
            }
        }
        // endOfFile 16, zeroLength 8; torn: pastEnd 2, form 2, checksum 2, zeroLength 1.
        #expect(verdicts[.end] == 24)
        #expect(verdicts[.torn] == 7)
        #expect(verdicts.values.reduce(0, +) == 16 * WALFault.allCases.count)
    }

    @Test("Behind a tear only states, entries and one more state can be unsynced")
    func writeOrder() {
        func proves(_ torn: WALRecordKind?, _ behind: [WALRecordKind]) -> Bool {
            var order = WALWriteOrder(torn: torn)
            for kind in behind { order.follow(kind) }
            return order.provesSync
        }
        #expect(!proves(.entry, []))
        #expect(!proves(.entry, [.entry, .entry, .state]))
        #expect(proves(.entry, [.state, .entry]))
        #expect(proves(.entry, [.state, .state]))
        #expect(proves(.entry, [.snapshot]))
        #expect(!proves(.state, [.state, .state, .entry, .state]))
        #expect(!proves(.state, [.snapshot]))
        #expect(proves(.state, [.entry, .state, .entry]))
        #expect(proves(.snapshot, [.entry]))
        #expect(!proves(nil, [.state, .entry, .entry, .state]))
        #expect(proves(nil, [.entry, .state, .entry]))
        #expect(proves(nil, [.checksum]))
    }

    @Test("Cut short at any byte, a log keeps every record before the cut")
    func cutShort() throws {
        let log = try SmallLog()
        let header = log.offsets[SmallLog.headerRecords]
        for cut in 0...log.end {
            let outcome = try log.open(Array(log.bytes[..<cut]))
            if cut < header {
                // A segment is there with its first records or not at all: not a crash's doing.
                guard case .refused = outcome else {
                    Issue.record("cut at \(cut): \(outcome)")
                    continue
                }
            } else {
                let isBetween = log.offsets.contains(cut)
                #expect(
                    outcome
                        == .recovered(log.contents(before: cut) - 1, repaired: !isBetween),
                    "cut at \(cut)")
            }
        }
    }

    @Test("Zeros from any byte on: every record before stays, or the place is named")
    func zerosBehind() throws {
        let log = try SmallLog()
        for cut in log.offsets[SmallLog.headerRecords]...log.end {
            var bytes = log.bytes
            for place in cut..<log.end { bytes[place] = 0 }
            switch try log.open(bytes) {
            case .recovered(let place, _):
                // Zeros may be what stood there, so a record more may be whole.
                let least = log.contents(before: cut) - 1
                #expect(place.map { $0 == least || $0 == least + 1 } == true, "from \(cut)")
            case .refused(let offset):
                #expect(cut % 512 != 0, "a tear between sectors is repaired: \(cut)")
                #expect(offset == log.offsets.last { $0 <= cut })
            }
        }
    }

    @Test("Any sectors of the last write may be missing: all that was synced before it stays")
    func tornLastWrite() throws {
        let log = try SmallLog()
        let first = log.lastWrite / 512
        let last = (log.end - 1) / 512
        for missing in 1..<(1 << (last - first + 1)) {
            var bytes = log.bytes
            for sector in first...last where missing >> (sector - first) & 1 == 1 {
                for place in max(sector * 512, log.lastWrite)..<((sector + 1) * 512) {
                    bytes[place] = 0
                }
            }
            let outcome = try log.open(bytes)
            guard case .recovered(let place?, _) = outcome else {
                Issue.record("sectors \(missing): \(outcome)")
                continue
            }
            #expect(place >= log.contents(before: log.lastWrite) - 1)
        }
    }

    @Test("A sector lost in the middle, with later writes behind it, is damage and not a tear")
    func lostSector() throws {
        let log = try SmallLog()
        for sector in 0..<((log.lastWrite - 512) / 512) {
            var bytes = log.bytes
            for place in (sector * 512)..<((sector + 1) * 512) { bytes[place] = 0 }
            guard case .refused = try log.open(bytes) else {
                Issue.record("sector \(sector) went without a word")
                continue
            }
        }
    }

    @Test(
        "A flipped byte anywhere is refused with its place; nothing is lost without a word",
        arguments: [0x01, 0x80] as [UInt8])
    func flips(_ mask: UInt8) throws {
        let log = try SmallLog()
        for place in 0..<log.end {
            var bytes = log.bytes
            bytes[place] ^= mask
            let outcome = try log.open(bytes)
            guard case .refused(let offset) = outcome else {
                Issue.record("byte \(place) ^ \(mask): \(outcome)")
                continue
            }
            // The record itself, or one behind it that contradicts it.
            #expect(offset >= log.offsets.last { $0 <= place } ?? 0)
        }
    }

    @Test("A zero in place of any byte is refused")
    func zeroed() throws {
        let log = try SmallLog()
        for place in 0..<log.end where log.bytes[place] != 0 {
            var bytes = log.bytes
            bytes[place] = 0
            if case .recovered = try log.open(bytes) { Issue.record("byte \(place) = 0") }
        }
    }

    @Test("A record of another kind than it was written with is refused, though its checksum fits")
    func changedKind() throws {
        let log = try SmallLog()
        for offset in log.offsets.dropLast() {
            let place = offset + WALFormat.lengthFieldSize + 1
            for kind in 0...12 as ClosedRange<UInt8> where kind != log.bytes[place] {
                var bytes = log.bytes
                bytes[place] = kind
                if case .recovered = try log.open(bytes) {
                    Issue.record("the record at \(offset) as kind \(kind)")
                }
            }
        }
    }

    @Test("Something behind the end, in the zeros: nothing that was written is lost")
    func behindTheEnd() throws {
        let log = try SmallLog()
        for place in stride(from: log.end, to: log.bytes.count, by: 61) {
            var bytes = log.bytes
            bytes[place] = 0x40
            switch try log.open(bytes) {
            case .recovered(let content, let repaired):
                #expect(content == log.writer.history.count - 1)
                #expect(repaired)
            case .refused(let offset): #expect(offset == log.end)
            }
        }
    }

    @Test("A segment before the last one is never repaired, and none may be missing")
    func earlierSegments() throws {
        let disk = SimulatedDisk()
        var writer = LogWriter()
        let (store, _) = try WALStore.create(.small(disk, segment: 2048), LogWriter.metadata)
        while store.segments.count < 4 {
            store.add(writer.append([300, 500], commit: UInt64(writer.content.entries.count)))
            try store.commit()
            try store.maintain()
        }
        try store.close()
        let paths = disk.names.keys.filter { $0.hasSuffix(".wal") }.sorted()
        let (whole, recovery) = try WALStore.open(
            .small(disk, segment: 2048), from: .snapshot(.zero, .zero))
        #expect(writer.place(of: recovery) == writer.history.count - 1)
        try whole.close()

        let second = try #require(disk.names[paths[1]])
        let bytes = second.live
        for cut in [bytes.count - 1, bytes.count - 8, bytes.count - 600, 100] {
            second.live = Array(bytes[..<cut])
            #expect(throws: WALError.self, "cut at \(cut)") {
                _ = try WALStore.open(.small(disk, segment: 2048), from: .snapshot(.zero, .zero))
            }
        }
        // Even between two records: the next segment tells that there were more.
        second.live = Array(bytes[..<SmallLog.ends(of: bytes)[4]])
        do {
            _ = try WALStore.open(.small(disk, segment: 2048), from: .snapshot(.zero, .zero))
            Issue.record("records at the end of a segment went without a word")
        } catch {
            let damage = WALDamage(file: paths[2], offset: 0, reason: .brokenChain)
            #expect(wal(error) == .damaged(damage))
        }
        disk.names[paths[1]] = nil
        #expect(throws: WALError.missingSegment(directory: "data/wal", sequence: 1)) {
            _ = try WALStore.open(.small(disk, segment: 2048), from: .snapshot(.zero, .zero))
        }
    }
}

extension SmallLog {
    /// Where each record in `bytes` ends.
    static func ends(of bytes: [UInt8]) -> [Int] {
        var ends: [Int] = []
        var place = 0
        while place + 8 <= bytes.count {
            let field = bytes.withUnsafeBytes {
                $0.loadUnaligned(fromByteOffset: place, as: UInt64.self)
            }
            guard let length = WALFrameLength(field: field) else { break }
            place += length.frame
            ends.append(place)
        }
        return ends
    }
}

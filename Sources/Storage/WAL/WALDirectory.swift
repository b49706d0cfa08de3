// The segments of a log as a row of files: found, checked for gaps, read through from the first
// that matters.

import API

/// The directory that holds a log's segments.
struct WALDirectory {
    let path: String
    let files: any FileSystem

    func path(of name: WALSegmentName) -> String { "\(path)/\(name)" }

    /// Whether there is a log: a segment at least. An empty directory is none.
    func exists() throws(WALError) -> Bool { try !names().isEmpty }

    /// The segments in order.
    /// - Throws: `.notFound` when there are none, `.missingSegment` when one is missing between.
    func segments() throws(WALError) -> [WALSegmentName] {
        let names = try names()
        if names.isEmpty { throw .notFound(directory: path) }
        for (name, next) in zip(names, names.dropFirst())
        where next.sequence != name.sequence + 1 {
            throw .missingSegment(directory: path, sequence: name.sequence + 1)
        }
        return names
    }

    private func names() throws(WALError) -> [WALSegmentName] {
        try walFile { () throws(FileError) in
            guard try files.exists(path) else { return [] }
            return try files.list(path).compactMap(WALSegmentName.init).sorted()
        }
    }

    /// What a scan found besides the recovery: where to go on writing.
    struct Scan {
        var recovery: WALRecovery
        var metadata: [UInt8]
        var state: HardState
        var lastIndex: LogIndex
        var newestSnapshot: WALSnapshot
        /// What of the last segment may be in the kernel's memory alone, in bytes: up to the end
        /// of the last valid record.
        var unsynced: Range<Int>
        /// Of the last valid record.
        var checksum: UInt32
    }

    /// Reads and checks everything that `start` needs. Changes nothing.
    ///
    /// Memory: a window on one file, and the entries after the start.
    func scan(_ names: [WALSegmentName], from start: WALStart) throws(WALError) -> Scan {
        let first = try firstNeeded(names, for: start)
        var replay = WALReplay(start: start)
        var checksum: UInt32 = 0
        var end = WALSegmentEnd(unsynced: 0..<0, isTorn: false)
        for place in first..<names.count {
            // The checksum of what is not read is not known; the first segment of all has 0.
            let isSeedKnown = place > first || names[place].sequence == 0
            end = try read(
                names[place], isLast: place == names.count - 1, isSeedKnown: isSeedKnown,
                &checksum, &replay)
        }
        var recovery = try replay.finish(directory: path)
        if end.isTorn {
            recovery.repair = WALRepair(
                file: path(of: names[names.count - 1]), offset: end.unsynced.upperBound)
        }
        return Scan(
            recovery: recovery, metadata: replay.metadata?.bytes ?? [], state: replay.state,
            lastIndex: replay.lastIndex, newestSnapshot: replay.newestSnapshot,
            unsynced: end.unsynced,
            checksum: checksum)
    }

    private func firstNeeded(_ names: [WALSegmentName], for start: WALStart) throws(WALError) -> Int
    {
        switch start {
        case .newestSnapshot: return 0
        case .snapshot(let index, _):
            guard let place = names.lastIndex(where: { $0.firstIndex <= index }) else {
                throw .snapshotNotFound(directory: path, wanted: index)
            }
            return place
        }
    }

    private struct WALSegmentEnd {
        let unsynced: Range<Int>
        let isTorn: Bool
    }

    private func read(
        _ name: WALSegmentName, isLast: Bool, isSeedKnown: Bool, _ checksum: inout UInt32,
        _ replay: inout WALReplay
    ) throws(WALError) -> WALSegmentEnd {
        let file = path(of: name)
        var reader = try walFile { () throws(FileError) in
            try WALSegmentReader(
                try files.open(file, .readOnly), checksum: checksum, isLastSegment: isLast)
        }
        replay.beginSegment(name)
        var unsynced = WALUnsyncedTail()
        while true {
            let seed = reader.checksum
            switch try walFile({ () throws(FileError) in try reader.next() }) {
            case .record(let record, let offset):
                try refusing(file, offset) { () throws(WALDamage.Reason) in
                    let goesOn = !isSeedKnown || record.header.checksum == seed
                    try replay.take(record, goesOn: goesOn)
                }
                if let kind = record.kind { unsynced.follow(kind, at: offset) }
            case .stop(.damaged(let reason), let offset):
                throw .damaged(WALDamage(file: file, offset: offset, reason: reason))
            case .stop(let verdict, let offset):
                try refusing(file, offset) { () throws(WALDamage.Reason) in
                    try replay.endSegment()
                }
                checksum = reader.checksum
                return WALSegmentEnd(
                    unsynced: unsynced.begin..<offset, isTorn: verdict == .torn)
            }
        }
    }

    private func refusing(
        _ file: String, _ offset: Int, _ body: () throws(WALDamage.Reason) -> Void
    ) throws(WALError) {
        do throws(WALDamage.Reason) {
            try body()
        } catch {
            throw .damaged(WALDamage(file: file, offset: offset, reason: error))
        }
    }
}

// A crash between any two syncs: nothing acknowledged is lost, the member starts and agrees.
//
// The list is of what really is synced, LMDB's own syncs too (Tests/SyncWatch), so one that is added
// is tried. Its order is told in docs/architecture.md, "What is on disk, and in which order".

import Foundation
import Testing

@Suite("Syncs", .serialized)
struct SyncTests {
    /// CAIRN_SYNCS=all tries every one; else the first and the last of each kind.
    private static let triesAll = ProcessInfo.processInfo.environment["CAIRN_SYNCS"] == "all"

    private func chosen(_ syncs: [String]) -> [Int] {
        guard !Self.triesAll else { return Array(syncs.indices) }
        let kinds = Dictionary(grouping: syncs.indices) { syncs[$0] }
        return kinds.values.flatMap { Set([$0[0], $0[$0.count - 1]]) }.sorted()
    }

    @Test("A crash between any two syncs of a member loses nothing, and it agrees with the others")
    func crashes() throws {
        let whole = ScriptedLife()
        #expect(whole.play() == nil)
        #expect(whole.syncs.count > 80)
        for sync in chosen(whole.syncs) {
            for moment in ScriptedLife.Moment.allCases {
                let life = ScriptedLife(endingAt: (sync, moment))
                let violation = life.play()
                #expect(violation == nil, "\(moment) sync \(sync) of \(whole.syncs[sync])")
                // It is the life that was told, up to there.
                #expect(life.hasDied)
                #expect(life.syncs.prefix(sync + 1) == whole.syncs.prefix(sync + 1))
            }
        }
    }

    @Test("What is synced in a life, and in which order, is as the documents tell")
    func order() {
        let life = ScriptedLife()
        #expect(life.play() == nil)
        let syncs = life.syncs
        #expect(
            Set(syncs) == Set(Self.founding + Self.receiving + Self.segment + Self.defragmenting))
        #expect(Array(syncs.prefix(Self.founding.count)) == Self.founding)
        for told in [Self.receiving, Self.segment, Self.defragmenting] {
            #expect(Self.contains(syncs, told), "\(told) is not in \(syncs)")
        }
    }

    /// In this order, whatever lies between.
    private static func contains(_ syncs: [String], _ told: [String]) -> Bool {
        var rest = syncs[...]
        for one in told {
            guard let place = rest.firstIndex(of: one) else { return false }
            rest = rest[(place + 1)...]
        }
        return true
    }

    /// Directories, the log as a whole, what opening it reads, then the store's file, then Raft's
    /// first write.
    private static let founding = [
        "the data directory", "the data directory", "/member", "/member/wal.tmp/0.tmp",
        "/member/wal.tmp", "/member", "/member/wal/SEGMENT.wal", "/member/wal", "/member",
        "/member/snap/cairn.mdb",
        "/member/snap/cairn.mdb (synchronous write)", "/member/snap", "/member/wal/SEGMENT.wal",
    ]
    /// The file with its tables; all of it; its name; its record in the log; its place.
    private static let receiving = [
        "/member/snap/cairn.mdb.receiving", "/member/snap/cairn.mdb.receiving (synchronous write)",
        "/member/snap", "/member/snap/cairn.mdb.receiving", "/member/snap",
        "/member/wal/SEGMENT.wal", "/member/snap",
    ]
    /// The end of one, the next with its first records, its name. A release syncs the directory too.
    private static let segment = [
        "/member/wal/SEGMENT.wal", "/member/wal/0.tmp", "/member/wal", "/member/wal",
    ]
    private static let defragmenting = [
        "/member/snap/cairn.mdb", "/member/snap/cairn.mdb (synchronous write)",
        "/member/snap/cairn.mdb.defrag (synchronous write)", "/member/snap",
    ]
}

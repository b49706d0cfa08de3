// A crash between any two syncs: nothing acknowledged is lost, the member starts and agrees.
//
// The list is of what really is synced, LMDB's own syncs too (Tests/SyncWatch), so one that is added
// is tried. Its order is that of docs/architecture.md, "What is on disk".

import Foundation
import Testing

@Suite("Syncs", .serialized)
struct SyncTests {
    /// CAIRN_SYNCS=all tries every one; else the first and the last two of each kind.
    private static let triesAll = ProcessInfo.processInfo.environment["CAIRN_SYNCS"] == "all"

    private func chosen(_ syncs: [String]) -> [Int] {
        guard !Self.triesAll else { return Array(syncs.indices) }
        let kinds = Dictionary(grouping: syncs.indices) { syncs[$0] }
        return kinds.values.flatMap { Set($0.prefix(1) + $0.suffix(2)) }.sorted()
    }

    @Test("A crash between any two syncs of a member loses nothing")
    func crashes() throws {
        let whole = ScriptedLife()
        #expect(whole.play() == nil)
        let began = Date()
        for sync in chosen(whole.syncs) {
            for moment in ScriptedLife.Moment.allCases {
                let life = ScriptedLife(endingAt: (sync, moment))
                let violation = life.play()
                #expect(violation == nil, "\(moment) sync \(sync) of \(whole.syncs[sync])")
                #expect(life.syncs.prefix(sync + 1) == whole.syncs.prefix(sync + 1))
            }
        }
        print(whole.syncs.count, chosen(whole.syncs).count, Date().timeIntervalSince(began))
        print(whole.syncs.joined(separator: "\n"))
    }
}

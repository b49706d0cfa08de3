// What a watcher may be told: one story for each anomaly.

import Checkers
import TestSupport
import Testing

@Suite("Watch promises")
struct WatchCheckTests {
    /// 2: a, 3: b, 4: a and c, 5: b gone, 6: a.
    private var store: StoreHistory {
        var store = StoreHistory()
        store.call(.put("a", "1"))
        store.call(.put("b", "2"))
        store.call(.txn(when: [], then: [.put("a", "3"), .put("c", "4")], otherwise: []))
        store.call(.delete(KeySpan("b")))
        store.call(.put("a", "5"))
        return store
    }

    private func events(_ revisions: Int64...) -> WatchReceipt {
        let events = revisions.flatMap { store.events[$0] ?? [] }
        return .events(events, previous: [], isFragment: false)
    }

    private func broken(
        _ receipts: WatchReceipt..., span: KeySpan = .everything, from start: Int64 = 2,
        compactions: [Sighting] = []
    ) -> [String] {
        var record = WatchRecord("w", WatchStart(span, from: start))
        for (index, receipt) in receipts.enumerated() {
            record.receipts.append((Moment(index), receipt))
        }
        return WatchCheck.violations(record, store.replayed, compactions: compactions)
            .map(\.promise)
    }

    @Test("All that happened, in any portions")
    func good() {
        #expect(broken(.created(6), events(2, 3, 4, 5, 6), .progress(6)) == [])
        #expect(broken(.created(2), events(2), events(3), events(4, 5), events(6)) == [])
        #expect(broken(.created(4), events(5), events(6), from: 0) == [])
    }

    @Test("A missing event, at the beginning, in the middle, at the end")
    func missing() {
        #expect(broken(.created(6), events(3, 4)) == ["every event comes"])
        #expect(broken(.created(6), events(2), events(4)) == ["every event comes"])
        #expect(
            broken(.created(6), events(2, 3, 4, 5), .progress(6))
                == ["progress means that all was sent"])
    }

    @Test("An event that comes twice")
    func duplicate() {
        #expect(broken(.created(6), events(2, 3), events(3, 4)) == ["no event comes twice"])
        #expect(broken(.created(6), events(2, 2)) == ["no event comes twice"])
    }

    @Test("Events out of order, of different revisions and of one")
    func order() {
        #expect(
            broken(.created(6), events(3, 2)) == ["events are in order", "every event comes"]
                || broken(.created(6), events(3, 2)) == ["events are in order"])
        let four = (store.events[4] ?? []).reversed()
        #expect(
            broken(
                .created(6), events(2, 3),
                .events(Array(four), previous: [], isFragment: false))
                == ["events are in order"])
    }

    @Test("A revision that is torn")
    func torn() throws {
        let half = try #require(store.events[4]?.first)
        #expect(
            broken(.created(6), events(2, 3), .events([half], previous: [], isFragment: false))
                == ["a revision is told whole"])
        // In fragments it is not torn.
        let other = try #require(store.events[4]?.last)
        #expect(
            broken(
                .created(6), events(2, 3), .events([half], previous: [], isFragment: true),
                .events([other], previous: [], isFragment: false)) == [])
    }

    @Test("An event that did not happen like that")
    func wrong() throws {
        var event = try #require(store.events[2]?.first)
        event.pair.value = "9"
        #expect(
            broken(.created(6), .events([event], previous: [], isFragment: false))
                == ["an event tells what happened"])
    }

    @Test("An event from before the start")
    func early() {
        #expect(broken(.created(6), events(3, 4), from: 4) == ["no event from before the start"])
        #expect(broken(.created(4), events(4), from: 0) == ["no event comes twice"])
    }

    @Test("Progress of a revision that is not there")
    func progress() {
        #expect(
            broken(.created(6), events(2, 3, 4, 5, 6), .progress(9))
                == ["progress is of what stays"])
    }

    @Test("Only what is asked for, by range and by kind")
    func filters() {
        #expect(broken(.created(6), events(3), events(5), span: KeySpan("b")) == [])
        #expect(broken(.created(6), events(5), span: KeySpan("b")) == ["every event comes"])
        var start = WatchStart(KeySpan("b"), from: 2)
        start.isPutLeftOut = true
        var record = WatchRecord("w", start)
        record.receipts = [(0, .created(6)), (1, events(5))]
        #expect(WatchCheck.violations(record, store.replayed) == [])
    }

    @Test("The pair before")
    func previous() throws {
        var start = WatchStart(KeySpan("b"), from: 5)
        start.wantsPrevious = true
        var record = WatchRecord("w", start)
        let gone = store.events[5] ?? []
        let real = try #require(store.replayed.pair("b", at: 4))
        record.receipts = [
            (0, .created(6)), (1, .events(gone, previous: [real], isFragment: false)),
        ]
        #expect(WatchCheck.violations(record, store.replayed) == [])
        var other = real
        other.value = "?"
        record.receipts[1].receipt = .events(gone, previous: [other], isFragment: false)
        #expect(
            WatchCheck.violations(record, store.replayed).map(\.promise)
                == ["the pair before is the one before"])
    }

    @Test("Compacted, when it is true")
    func compacted() {
        let asked = [Sighting(4, at: 0)]
        #expect(broken(.created(6), .compacted(4), compactions: asked) == [])
        #expect(
            broken(.created(6), .compacted(5), compactions: asked)
                == ["only a compaction ends a watch as compacted"])
        #expect(
            broken(.created(6), events(2, 3), .compacted(4), compactions: asked)
                == ["a watch ends as compacted only if it needs what is gone"])
    }

    @Test("A watcher that is resumed goes on behind what it was told")
    func resumed() {
        var record = WatchRecord("w", WatchStart(.everything, from: 0))
        #expect(record.toldThrough == nil)
        record.receipts = [(0, .created(3))]
        #expect(record.toldThrough == 3)
        record.receipts.append((1, events(4)))
        #expect(record.toldThrough == 4)
        record.receipts.append((2, .progress(5)))
        #expect(record.toldThrough == 5)
    }

    /// Responses of a correct watcher, of which one event is left out, doubled or exchanged.
    @Test("A spoilt stream is found", arguments: 0..<60)
    func spoilt(seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        let store = StoreHistory.random(operations: 80, seed: UInt64(seed))
        let history = store.replayed
        var record = WatchRecord("w", WatchStart(.everything, from: 2))
        record.receipts.append((0, .created(1)))
        var revision: Int64 = 2
        while revision <= history.last {
            let end = min(history.last, revision + Int64.random(in: 0..<4, using: &random))
            let events = history.changes(from: revision, through: end).flatMap(\.events)
            record.receipts.append((1, .events(events, previous: [], isFragment: false)))
            revision = end + 1
        }
        record.receipts.append((2, .progress(history.last)))
        #expect(WatchCheck.violations(record, history) == [])

        let index = Int.random(in: 1..<(record.receipts.count - 1), using: &random)
        guard case .events(var events, _, _) = record.receipts[index].receipt else { return }
        let place = Int.random(in: events.indices, using: &random)
        switch seed % 3 {
        case 0: events.remove(at: place)
        case 1: events.insert(events[place], at: place)
        default: events[place].pair.key += "?"
        }
        record.receipts[index].receipt = .events(events, previous: [], isFragment: false)
        #expect(WatchCheck.violations(record, history) != [])
    }
}

// Whether calls fit the order of their revisions: one story for each anomaly.

import TestSupport
import Testing

@testable import Checkers

@Suite("Strict serializability")
struct SerializabilityTests {
    /// `a` is written twice, then `b`.
    private func small() -> StoreHistory {
        var store = StoreHistory()
        store.call(.put("a", "1"))
        store.call(.put("a", "2"))
        store.call(.put("b", "3"))
        return store
    }

    private func read(
        _ store: inout StoreHistory, _ pairs: [Pair], at revision: Int64,
        isSerializable: Bool = false
    ) {
        store.now += 3
        store.operations.append(
            Operation(
                client: 9, .range(KeySpan("a"), isSerializable: isSerializable),
                invoked: store.now, returned: store.now + 1,
                .answered(KVAnswer(at: revision, .step(.range(pairs))))))
    }

    @Test("A correct store passes", arguments: 0..<30)
    func correct(seed: Int) {
        let store = StoreHistory.random(operations: 150, seed: UInt64(seed))
        #expect(store.violations == [])
    }

    @Test("A stale read")
    func staleRead() {
        var store = small()
        let old = Pair(key: "a", value: "1", created: 2, modified: 2, version: 1)
        read(&store, [old], at: 2)
        #expect(store.broken == ["a read sees what was known before it"])
    }

    @Test("A serializable read may be stale, but sees one state")
    func serializableRead() {
        var store = small()
        let old = Pair(key: "a", value: "1", created: 2, modified: 2, version: 1)
        read(&store, [old], at: 2, isSerializable: true)
        #expect(store.broken == [])
        read(&store, [old], at: 3, isSerializable: true)
        #expect(store.broken == ["a read sees the state of its revision"])
    }

    @Test("A dirty read")
    func dirtyRead() {
        var store = small()
        read(
            &store, [Pair(key: "a", value: "9", created: 2, modified: 4, version: 3)], at: 4)
        #expect(store.broken == ["a read sees the state of its revision"])
    }

    @Test("A lost update: an acknowledged write that is nowhere")
    func lostUpdate() {
        var store = small()
        store.events[4] = nil
        #expect(store.broken == ["what was acknowledged stays"])
        var middle = small()
        middle.events[3] = [
            KeyEvent(put: Pair(key: "c", value: "9", created: 3, modified: 3, version: 1))
        ]
        #expect(
            middle.broken == [
                "a write does what it says on the state before it",
                "every change was asked for, and happens once",
            ])
    }

    @Test("Two swaps of one value that both succeed")
    func twoSwaps() {
        var store = small()
        let swap = { (value: String) in
            KVCall.txn(
                when: [Comparison("a", equals: .modified(3))], then: [.put("a", value)],
                otherwise: [])
        }
        store.call(swap("x"))
        store.call(swap("y"))
        #expect(store.broken == [])
        // The second believes that it went through, too.
        let revision = store.revision + 1
        store.events[revision] = [
            KeyEvent(
                put: Pair(key: "a", value: "y", created: 2, modified: revision, version: 4))
        ]
        store.operations[4].outcome = .answered(
            KVAnswer(at: revision, .txn(succeeded: true, [.put])))
        #expect(store.broken.contains("a write does what it says on the state before it"))
    }

    @Test("A write that happens twice")
    func twice() {
        var store = small()
        _ = store.perform(.put("b", "3"))
        #expect(store.broken == ["every change was asked for, and happens once"])
    }

    @Test("A write of unknown outcome happens once or never")
    func unknown() {
        var store = small()
        store.lose(.put("a", "lost"), isCarriedOut: false)
        store.lose(.put("a", "carried out"), isCarriedOut: true)
        store.lose(.delete(KeySpan("a", to: "c")), isCarriedOut: true)
        store.call(.range(.everything))
        #expect(store.broken == [])
        store.call(.put("b", "4"))
        _ = store.perform(.put("a", "carried out"))
        #expect(store.broken == ["every change was asked for, and happens once"])
    }

    /// Nothing but time tells the deletions apart: the first could have made either change, the
    /// second came too late for the first one.
    @Test("Of lost calls that look the same each made what it can have made")
    func twins() {
        var store = small()
        store.lose(.delete(KeySpan("a")), isCarriedOut: true)
        store.call(.put("a", "4"))
        store.lose(.delete(KeySpan("a")), isCarriedOut: true)
        store.call(.put("a", "5"))
        store.lose(.delete(KeySpan("a")), isCarriedOut: false)
        store.call(.range(.everything))
        #expect(store.broken == [])
        // The list names them in the other order.
        store.operations.swapAt(3, 5)
        #expect(store.broken == [])
        // All of them came when the first change was known.
        for index in [3, 5, 7] {
            store.operations[index].invoked = store.now
            store.operations[index].returned = store.now
        }
        #expect(store.broken == ["the order of writes is that of real time"])
    }

    @Test("A lost call comes behind what was known when it began")
    func lateLostCall() {
        var store = small()
        _ = store.perform(.delete(KeySpan("a")))
        store.call(.put("a", "4"))
        store.lose(.delete(KeySpan("a")), isCarriedOut: false)
        #expect(store.broken == ["the order of writes is that of real time"])
    }

    @Test("Matchings are the largest that there are", arguments: 0..<100)
    func matchings(seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        let candidates = (0..<6).map { _ in
            (0..<7).filter { _ in Int.random(in: 0..<3, using: &random) == 0 }
        }
        let found = Makers(candidates)
        for (change, call) in found.calls.enumerated() {
            guard let call else { continue }
            #expect(candidates[change].contains(call))
            #expect(found.changes[call] == change)
        }
        func most(_ change: Int, _ used: Set<Int>) -> Int {
            if change == candidates.count { return 0 }
            let without = most(change + 1, used)
            return candidates[change].filter { !used.contains($0) }
                .reduce(without) { max($0, 1 + most(change + 1, used.union([$1]))) }
        }
        #expect(found.calls.count { $0 != nil } == most(0, []))
    }

    @Test("A refused write that was carried out")
    func refused() {
        var store = small()
        _ = store.perform(.put("a", "refused"))
        store.operations.append(
            Operation(
                client: 1, .put("a", "refused"), invoked: store.now, returned: store.now + 1,
                .refused))
        #expect(store.broken == ["what was refused has no effect"])
    }

    @Test("The order of revisions is that of time")
    func realTime() {
        var store = small()
        // The first answer came late, after the second write's; then the calls are exchanged.
        store.operations[0].invoked = 20
        store.operations[0].returned = 21
        #expect(store.broken == ["the order of writes is that of real time"])
    }

    @Test("What a watcher was told before a read counts")
    func sightings() {
        let store = small()
        let early = Sighting(4, at: 0)
        let found = SerializabilityCheck.violations(
            store.replayed, store.operations, sightings: [early])
        #expect(
            Set(found.map(\.promise)) == ["the order of writes is that of real time"])
    }

    @Test("A lease takes all its keys, at once")
    func lease() {
        var store = small()
        store.call(.put("x", "1", lease: 7))
        store.call(.put("y", "2", lease: 7))
        var whole = store
        _ = whole.perform(.revoke(7))
        #expect(whole.broken == [])
        var half = store
        _ = half.perform(.delete(KeySpan("x")))
        #expect(half.broken == ["every change was asked for, and happens once"])
    }

    @Test("A revocation behind the deletion of the last key changes nothing")
    func idleRevocation() {
        var store = small()
        store.call(.put("x", "1", lease: 7))
        store.call(.delete(KeySpan("x")))
        store.call(.revoke(7))
        #expect(store.broken == [])
    }

    @Test("What is compacted is gone")
    func compacted() {
        var store = small()
        store.call(.range(KeySpan("a"), revision: 2))
        store.operations.append(
            Operation(
                client: 1, .compact(3), invoked: store.now + 1, returned: store.now + 2,
                .answered(KVAnswer(at: 4, .done))))
        store.now += 3
        #expect(store.broken == [])
        store.call(.range(KeySpan("a"), revision: 3))
        #expect(store.broken == [])
        store.call(.range(KeySpan("a"), revision: 2))
        #expect(store.broken == ["what is compacted is gone"])
    }

    @Test("A revision that nobody saw")
    func gap() {
        var store = small()
        store.events[6] = [
            KeyEvent(put: Pair(key: "q", value: "", created: 6, modified: 6, version: 1))
        ]
        #expect(store.broken.contains("every revision is a change that watchers see"))
    }

    @Test("Two members that tell different histories")
    func divergence() {
        var log = EventLog()
        let one = KeyEvent(put: Pair(key: "a", value: "1", created: 2, modified: 2, version: 1))
        var other = one
        other.pair.value = "2"
        log.add([one], at: 1, from: "m1")
        log.add([one], at: 2, from: "m2")
        #expect(log.violations == [])
        log.add([other], at: 3, from: "m3")
        #expect(log.violations.map(\.promise) == ["all members tell the same history"])
    }

    /// Any one answer of a correct history is spoilt.
    @Test("A spoilt answer is found", arguments: 0..<40)
    func spoilt(seed: Int) throws {
        var store = StoreHistory.random(operations: 120, seed: UInt64(seed))
        var random = SplitMix64(seed: UInt64(seed) ^ 99)
        let answered = store.operations.indices.filter { store.operations[$0].answer != nil }
        let index = try #require(answered.randomElement(using: &random))
        let call = store.operations[index].call
        var answer = try #require(store.operations[index].answer)
        switch answer.result {
        case .step(.put): answer.revision -= 1
        case .step(.deleted(let count)): answer.result = .step(.deleted(count + 1))
        case .step(.range(let pairs)):
            let made = Pair(key: "a", value: "?", created: 2, modified: 2, version: 1)
            answer.result = .step(.range(pairs.isEmpty ? [made] : []))
        case .txn(let succeeded, let steps):
            answer.result = .txn(succeeded: !succeeded, steps)
        case .done: break
        }
        store.operations[index].outcome = .answered(answer)
        #expect(store.violations != [], "\(call) with \(answer)")
    }
}

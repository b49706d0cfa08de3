import API
import TestSupport
import Testing

@testable import Services

@Suite("Keys attached to leases")
struct AttachedKeysTests {
    @Test(
        "agree with a dictionary after ten thousand random changes", arguments: [1, 2] as [UInt64])
    func model(_ seed: UInt64) {
        let random = SeededRandom(seed: seed)
        var keys = AttachedKeys()
        var model: [[UInt8]: LeaseID] = [:]
        for step in 0..<10_000 {
            let key = Array("key/\(random.next() % 300)".utf8)
            let lease = LeaseID(Int64(random.next() % 20))
            switch random.next() % 20 {
            case 0 where lease != .none:
                let expected = model.filter { $0.value == lease }.keys
                    .sorted { $0.lexicographicallyPrecedes($1) }
                #expect(keys.removeAll(of: lease) == expected, "step \(step) of seed \(seed)")
                model = model.filter { $0.value != lease }
            default:
                key.withUnsafeBytes { keys.attach($0, to: lease) }
                model[key] = lease == .none ? nil : lease
            }
            #expect(keys.count == model.count)
        }
        for number in 0..<300 {
            let key = Array("key/\(number)".utf8)
            #expect(key.withUnsafeBytes { keys.lease(of: $0) } == model[key] ?? .none)
        }
        for lease in 1..<20 {
            var found: Set<[UInt8]> = []
            keys.forEach(of: LeaseID(Int64(lease))) { found.insert([UInt8]($0)) }
            #expect(found == Set(model.filter { $0.value == LeaseID(Int64(lease)) }.keys))
        }
    }

    @Test("say by a number whether a lease's keys are the same, and can be left in between")
    func versions() {
        var keys = AttachedKeys()
        let (lease, other) = (LeaseID(1), LeaseID(2))
        var seen: Set<UInt64> = []
        func change(_ key: String, _ lease: LeaseID) {
            Array(key.utf8).withUnsafeBytes { keys.attach($0, to: lease) }
        }
        for (key, to, count) in [
            ("a", lease, 1), ("b", lease, 2), ("c", lease, 3), ("b", LeaseID.none, 2),
            ("c", .none, 1), ("c", lease, 2), ("a", other, 1),
        ] {
            change(key, to)
            #expect(keys.version(of: lease).count == count)
            let isOther = seen.insert(keys.version(of: lease).version).inserted
            #expect(isOther)
        }
        let version = keys.version(of: lease).version
        change("c", lease)
        change("d", other)
        #expect(keys.version(of: lease).version == version, "nothing of it has changed")
        var visits = 0
        keys.walk(other) { _ in
            visits += 1
            return false
        }
        #expect(visits == 1)
        _ = keys.removeAll(of: lease)
        #expect(keys.version(of: lease).count == 0)
        change("c", lease)
        let isOther = seen.insert(keys.version(of: lease).version).inserted
        #expect(isOther)
    }

    @Test("are all seen by a walk in slices that began before them, whatever comes and goes")
    func walks() {
        let lease = LeaseID(1)
        for seed: UInt64 in 1...20 {
            let random = SeededRandom(seed: seed)
            var keys = AttachedKeys()
            func change(_ number: UInt64, _ lease: LeaseID) {
                Array("key/\(number)".utf8).withUnsafeBytes { keys.attach($0, to: lease) }
            }
            for number: UInt64 in 0..<100 { change(number, lease) }
            let walk = keys.beginWalk(lease)
            var stayed = Set<UInt64>(0..<100)
            var seen: Set<String> = []
            var state = AttachedKeys.WalkState.more
            while case .more = state {
                for _ in 0..<5 {
                    let number = random.next() % 120
                    stayed.remove(number)
                    change(number, LeaseID(Int64(random.next() % 3)))
                }
                var budget = 4
                state = keys.goOn(with: walk, after: 0) { key in
                    guard budget > 0 else { return false }
                    budget -= 1
                    seen.insert(String(decoding: key, as: UTF8.self))
                    return true
                }
            }
            let missed = stayed.sorted().filter { !seen.contains("key/\($0)") }
            #expect(missed == [], "seed \(seed)")
            let again = keys.goOn(with: walk, after: 0) { _ in true }
            #expect(again == .unknown)
        }
    }
}

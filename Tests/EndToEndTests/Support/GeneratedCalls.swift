// Calls of KV out of a seed: valid ones and such as a server must refuse, over few keys, so that
// they meet.

import API
import TestSupport

enum GeneratedCall {
    case put(Put)
    case range(Range)
    case delete(Delete)

    /// What a client sees of its answer, ids and term aside.
    enum Outcome: Equatable {
        case put(revision: Int64, previous: Pair?)
        case range(revision: Int64, pairs: [Pair], more: Bool, count: Int64)
        case deleted(Int64, revision: Int64, previous: [Pair])
        case refused(Status)
    }

    func make(on client: TestClient) async throws -> Outcome {
        do {
            switch self {
            case .put(let request):
                let answer = try await client.put(request)
                return .put(revision: answer.header.revision, previous: answer.previous)
            case .range(let request):
                let answer = try await client.range(request)
                return .range(
                    revision: answer.header.revision, pairs: answer.pairs, more: answer.more,
                    count: answer.count)
            case .delete(let request):
                let answer = try await client.delete(request)
                return .deleted(
                    answer.deleted, revision: answer.header.revision, previous: answer.previous)
            }
        } catch let status as Status {
            return .refused(status)
        }
    }

    // MARK: Generating

    private static let keys = ["a", "aa", "ab", "b", "b\0", "c", "\0", "é", "zzz"]

    /// - Parameter revision: about where the store stands.
    init(_ random: inout SplitMix64, revision: Int64) {
        func chance(_ one: Int, _ random: inout SplitMix64) -> Bool {
            Int.random(in: 0..<one, using: &random) == 0
        }
        func key(_ random: inout SplitMix64) -> String {
            chance(30, &random) ? "" : Self.keys.randomElement(using: &random) ?? "a"
        }
        func end(_ random: inout SplitMix64) -> String {
            chance(2, &random) ? "" : chance(4, &random) ? "\0" : key(&random)
        }
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<5:
            var put = Put(key: key(&random), prevKV: chance(2, &random))
            put.value = chance(5, &random) ? "" : "v\(Int.random(in: 0..<1000, using: &random))"
            put.ignoreValue = chance(8, &random)
            if put.ignoreValue && chance(2, &random) { put.value = "" }
            put.ignoreLease = chance(10, &random)
            if chance(20, &random) { put.lease = 7 }
            self = .put(put)
        case 5..<9:
            var range = Range(key: key(&random), end: end(&random))
            if chance(3, &random) { range.limit = Int64.random(in: -1...4, using: &random) }
            if chance(3, &random) {
                range.revision = Int64.random(in: -1...revision + 2, using: &random)
            }
            range.isSerializable = chance(3, &random)
            range.keysOnly = chance(5, &random)
            range.countOnly = chance(6, &random)
            if chance(6, &random) { range.sortOrder = 1 }
            self = .range(range)
        default:
            self = .delete(
                Delete(key: key(&random), end: end(&random), prevKV: chance(2, &random)))
        }
    }
}

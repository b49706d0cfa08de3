import API
import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// The same writes to a member and to a real etcd, and the same watchers: equal events.
    @Suite(
        "Watch beside etcd 3.5",
        .enabled(if: Rival.isExpected, Rival.absence))
    struct WatchDifferentialTests {
        private static let keys = (0..<12).map { String(format: "k%02d", $0) }

        /// A watcher, and the event that is its last.
        private struct Order {
            let request: [UInt8]
            let lastKey: String
            let lastIsDelete: Bool

            init(_ random: inout SplitMix64, id: Int, newest: Int64) {
                let low = Int.random(in: 0..<12, using: &random)
                let high = Int.random(in: low..<12, using: &random)
                let filters: [UInt64] =
                    switch Int.random(in: 0..<6, using: &random) {
                    case 0: [0]
                    case 1: [1]
                    default: []
                    }
                request = WatchCommand.create(
                    keys[low], to: low == high ? "" : keys[high] + "+",
                    start: Int64.random(in: 0...newest + 5, using: &random), id: Int64(id),
                    filters: filters, previous: Bool.random(using: &random))
                lastKey = keys[high]
                lastIsDelete = filters != [1]
            }

            func isLast(_ event: WatchEvent) -> Bool {
                event.key == lastKey && event.isDelete == lastIsDelete
                    && (event.isDelete || event.value == "end")
            }
        }

        private static func write(_ random: inout SplitMix64, _ number: Int) -> Write {
            let key = keys.randomElement(using: &random) ?? ""
            switch Int.random(in: 0..<8, using: &random) {
            case 0: return .delete(Delete(key: key))
            case 1: return .delete(Delete(key: key, end: keys[6] + "+"))
            default: return .put(Put(key: key, value: "v\(number)"))
            }
        }

        private enum Write {
            case put(Put)
            case delete(Delete)

            func apply(to client: TestClient) async throws {
                switch self {
                case .put(let put): try await client.put(put)
                case .delete(let delete): try await client.delete(delete)
                }
            }
        }

        /// All events by watcher.
        /// - Parameter last: the revision before the last events.
        private static func events(
            _ feed: WatchFeed, _ orders: [Order], last: Int64
        ) async throws -> [Int64: [WatchEvent]] {
            var told: [Int64: [WatchEvent]] = [:]
            var open = Set(orders.indices.map { Int64($0 + 1) })
            while !open.isEmpty {
                let answer = try await feed.next()
                try #require(!answer.isCanceled, "\(answer)")
                told[answer.id, default: []] += answer.events
                let order = orders[Int(answer.id) - 1]
                if let event = answer.events.last, order.isLast(event), event.modified > last {
                    open.remove(answer.id)
                }
            }
            return told
        }

        @Test("the same events in the same order", arguments: [1, 2, 3] as [UInt64])
        func events(_ seed: UInt64) async throws {
            let servers = [try MemberProcess(), try Rival.start()]
            var random = SplitMix64(seed: seed)
            var clients: [TestClient] = []
            var feeds: [WatchFeed] = []
            for server in servers {
                clients.append(try await TestClient(server))
                feeds.append(await WatchFeed(clients[clients.count - 1]))
            }
            var orders: [Order] = []
            var number = 0
            // Watchers begin in the past, now and in the future, at several moments.
            for _ in 0..<4 {
                for _ in 0..<150 {
                    number += 1
                    let write = Self.write(&random, number)
                    for client in clients { try await write.apply(to: client) }
                }
                let newest = try await clients[0].range(Range(key: "none")).header.revision
                let new = (0..<25).map {
                    Order(&random, id: orders.count + $0 + 1, newest: newest)
                }
                for feed in feeds { await feed.send(new.map(\.request)) }
                orders += new
            }
            let last = try await clients[0].range(Range(key: "none")).header.revision
            for client in clients {
                for key in Self.keys { try await client.put(key, "end") }
                for key in Self.keys { try await client.delete(Delete(key: key)) }
            }
            let ours = try await Self.events(feeds[0], orders, last: last)
            let theirs = try await Self.events(feeds[1], orders, last: last)
            for id in orders.indices.map({ Int64($0 + 1) }) {
                #expect(ours[id] == theirs[id], "watcher \(id) of seed \(seed)")
            }
            #expect(ours.values.reduce(0) { $0 + $1.count } > 5000)
        }
    }
}

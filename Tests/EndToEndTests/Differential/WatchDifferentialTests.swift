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

        /// What one server tells all watchers.
        private final class Listener {
            private let server: MemberProcess
            let client: TestClient
            let feed: WatchFeed
            var events: [Int64: [WatchEvent]] = [:]
            /// Of those whose start is gone: the oldest revision that is left.
            var compacted: [Int64: Int64] = [:]

            init(_ server: MemberProcess) async throws {
                self.server = server
                client = try await TestClient(server)
                feed = await WatchFeed(client)
            }

            private static let firstHelper: Int64 = 10_000

            func hear() async throws -> WatchAnswer {
                let answer = try await feed.next()
                if answer.isCanceled, answer.id < Self.firstHelper {
                    try #require(answer.compacted > 0, "\(answer)")
                    compacted[answer.id] = answer.compacted
                }
                events[answer.id, default: []] += answer.events
                return answer
            }

            /// Hears what there is of the past: a watcher that comes later than the others and has
            /// heard of its past is not ahead of them.
            func catchUp(_ round: Int) async throws {
                let id = Self.firstHelper + Int64(round)
                let put = try await client.put("past", "\(round)")
                await feed.send(
                    WatchCommand.create("past", start: put.header.revision, id: id))
                while events[id, default: []].isEmpty { _ = try await hear() }
                await feed.send(WatchCommand.cancel(id))
                while true {
                    let answer = try await hear()
                    if answer.id == id, answer.isCanceled { break }
                }
                events[id] = nil
            }

            /// Hears everything up to each watcher's last event, which comes after revision `last`.
            func hearOut(_ orders: [Order], last: Int64) async throws {
                var open = Set(orders.indices.map { Int64($0 + 1) })
                open.subtract(compacted.keys)
                while !open.isEmpty {
                    let answer = try await hear()
                    open.subtract(compacted.keys)
                    guard let event = answer.events.last, event.modified > last else { continue }
                    if orders[Int(answer.id) - 1].isLast(event) { open.remove(answer.id) }
                }
            }
        }

        @Test("the same events in the same order", arguments: [1, 2, 3] as [UInt64])
        func events(_ seed: UInt64) async throws {
            var random = SplitMix64(seed: seed)
            let listeners = [
                try await Listener(try MemberProcess()), try await Listener(try Rival.start()),
            ]
            func newest() async throws -> Int64 {
                try await listeners[0].client.range(Range(key: "none")).header.revision
            }
            var orders: [Order] = []
            var number = 0
            // Watchers begin in the past, before what is left of it too, now and in the future, at
            // several moments.
            for round in 0..<4 {
                for _ in 0..<150 {
                    number += 1
                    let write = Self.write(&random, number)
                    for listener in listeners { try await write.apply(to: listener.client) }
                }
                let now = try await newest()
                let oldest = Int64.random(in: now / 2...now * 3 / 4, using: &random)
                let new = (0..<25).map { Order(&random, id: orders.count + $0 + 1, newest: now) }
                orders += new
                for listener in listeners {
                    if round % 2 == 1 {
                        _ = try await listener.client.call(
                            "/etcdserverpb.KV/Compact",
                            encoded { $0.appendField(1, int64: oldest) })
                    }
                    await listener.feed.send(new.map(\.request))
                    try await listener.catchUp(round)
                }
            }
            let last = try await newest()
            for listener in listeners {
                for key in Self.keys { try await listener.client.put(key, "end") }
                for key in Self.keys { try await listener.client.delete(Delete(key: key)) }
                try await listener.hearOut(orders, last: last)
            }
            for id in orders.indices.map({ Int64($0 + 1) }) {
                let (ours, theirs) = (listeners[0].events[id], listeners[1].events[id])
                #expect(ours == theirs, "watcher \(id) of seed \(seed)")
            }
            #expect(listeners[0].compacted == listeners[1].compacted)
            #expect(listeners[0].compacted.count > 5)
            #expect(listeners[0].events.values.reduce(0) { $0 + $1.count } > 3000)
        }
    }
}

import API
import Foundation
import TestSupport
import Testing
import Transport

extension EndToEnd {
    @Suite("Watch")
    struct WatchTests {
        @Test("half-closing the request side keeps events flowing; leaving ends them")
        func halfClose() async throws {
            let member = try MemberProcess()
            let client = try await TestClient(member)
            let feed = await WatchFeed(client)
            await feed.send(WatchCommand.create("a"))
            await feed.halfClose()
            _ = try await feed.next()
            try await client.put("a", "1")
            #expect(try await feed.read(1) == ["#0 2: a=1 @2"])
            await feed.cancel()
            await #expect(throws: Status.self) { try await feed.next() }
        }

        @Test("a stream that ends with the member says so")
        func stop() async throws {
            let member = try MemberProcess()
            let client = try await TestClient(member)
            let feed = await WatchFeed(client)
            await feed.send(WatchCommand.create("a"))
            _ = try await feed.next()
            #expect(member.end(by: SIGTERM) == 143)
            await #expect(throws: Status.stopped) { try await feed.next() }
        }

        @Test("requests that mean nothing are passed over, malformed ones end the stream")
        func oddRequests() async throws {
            let member = try MemberProcess()
            let client = try await TestClient(member)
            let feed = await WatchFeed(client)
            // Nothing at all, a union of later versions, and a cancel of nobody.
            await feed.send([], [0x7A, 0x00], WatchCommand.cancel(42), WatchCommand.create("a"))
            #expect(try await feed.read(1) == ["#0 created @1"])
            await feed.send([0x0A, 0x7F])
            let end = await #expect(throws: Status.self) { try await feed.next() }
            #expect(end?.code == .internal)
            let metrics = try Self.metrics(of: member)
            #expect(
                metrics.contains(
                    "etcd_network_server_stream_failures_total{API=\"watch\",Type=\"receive\"} 1\n")
            )
        }

        private static func metrics(of member: MemberProcess) throws -> String {
            let scrape = try RawPeer(member)
            scrape.send(
                Array("GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".utf8))
            return String(decoding: try scrape.receive(), as: UTF8.self)
        }

        @Test("interval notifications come as often as the flag says")
        func progress() async throws {
            let member = try MemberProcess(
                arguments: ["--watch-progress-notify-interval", "100ms"])
            let client = try await TestClient(member)
            let feed = await WatchFeed(client)
            await feed.send(WatchCommand.create("a", progress: true))
            #expect(try await feed.read(3) == ["#0 created @1", "#0 @1", "#0 @1"])
            try await client.put("b", "1")
            _ = try await feed.read { $0.last?.revision == 2 }
        }

        @Test("flows on beside a large Range on the same connection that nobody reads")
        func besideLargeRange() async throws {
            let member = try MemberProcess()
            let client = try await TestClient(member)
            let other = try await TestClient(member)
            let value = String(repeating: "v", count: 1_000_000)
            for number in 0..<24 { try await other.put("large\(number)", value) }
            let feed = await WatchFeed(client)
            await feed.send(WatchCommand.create("a"))
            _ = try await feed.next()

            let (ranged, done) = AsyncStream<Int>.makeStream()
            let call = await client.onLoop {
                let request = Range(key: "large", end: "largf").encoded
                let call = client.connection.unary(
                    GRPCClientMethod("/etcdserverpb.KV/Range"), request
                ) { result in
                    done.yield((try? result.get().count) ?? 0)
                    done.finish()
                }
                call.pauseReceiving()
                return call
            }
            // The Range was served before this read, on the same connection, is answered.
            _ = try await client.get("a")
            for number in 1...20 {
                try await other.put("a", "\(number)")
                let answer = try await feed.next()
                #expect(answer.events.map(\.value) == ["\(number)"])
            }
            await client.onLoop { call.resumeReceiving() }
            var size = 0
            for await bytes in ranged { size = bytes }
            #expect(size > 24_000_000)
        }

        @Test("a client that never reads costs a bounded buffer, and loses nothing")
        func neverReads() async throws {
            let member = try MemberProcess()
            let client = try await TestClient(member)
            let other = try await TestClient(member)
            let feed = await WatchFeed(client)
            await feed.send((0..<20).map { _ in WatchCommand.create("a", to: "c") })
            _ = try await feed.read(20)
            await feed.pause()
            let before = member.residentMebibytes
            let value = String(repeating: "v", count: 10_000)
            for number in 1...500 { try await other.put("a", "\(number) \(value)") }
            // Requests that are not answered wait in the client.
            await feed.send((0..<5000).map { _ in WatchCommand.create("b", id: 7) })
            try await other.put("b", "1")
            #expect(member.residentMebibytes < before + 96, "100 MB of events wait")

            await feed.resume()
            var told: [Int64: [Int64]] = [:]
            let isWhole: ([WatchAnswer]) -> Bool = { answers in
                if let last = answers.last, last.id >= 0 {
                    told[last.id, default: []] += last.events.map(\.modified)
                }
                return told.count == 20 && told.values.allSatisfy { $0.last == 502 }
            }
            _ = try await feed.read(until: isWhole)
            for watcher in 0..<20 {
                #expect(told[Int64(watcher)] == Array(2...502).map { Int64($0) })
            }
        }

        @Test("a stream cut in mid-message, again and again, leaves nothing behind")
        func cut() async throws {
            let member = try MemberProcess()
            let request = WatchCommand.create("a")
            for length in 1..<20 {
                let peer = try RawPeer(member)
                let messages = Frame.message(request) + Frame.message(request).prefix(length)
                peer.send(
                    Frame.preface + Frame.call("/etcdserverpb.Watch/Watch", on: 1)
                        + Frame.frame(Frame.data, 0, 1, messages))
                _ = try peer.receive { Frame.heads($0).contains { $0.type == Frame.data } }
                peer.reset()
            }
            let client = try await TestClient(member)
            let feed = await WatchFeed(client)
            await feed.send(WatchCommand.create("a"))
            _ = try await feed.next()
            try await client.put("a", "1")
            #expect(try await feed.read(1) == ["#0 2: a=1 @2"])
            let metrics = try Self.metrics(of: member)
            #expect(metrics.contains("etcd_debugging_mvcc_watcher_total 1\n"))
            #expect(metrics.contains("etcd_debugging_mvcc_watch_stream_total 1\n"))
        }
    }
}

import API
import Foundation
import Testing
import Transport

extension EndToEnd {
    /// Many connections, silent ones, and calls that are given up.
    @Suite("connections of a member")
    struct ConnectionTests {
        let member: MemberProcess
        let client: TestClient

        init() async throws {
            member = try MemberProcess()
            client = try await TestClient(member)
            try await client.put("before", "1")
        }

        /// Waits until the number of descriptors the member holds is as wanted. Its answers are
        /// what time is measured by: it notices what connections do while it serves.
        private func descriptors(become isWanted: (Int) -> Bool) async throws -> Bool {
            for _ in 0..<20_000 {
                if isWanted(member.descriptorCount) { return true }
                _ = try await client.get("before")
            }
            return false
        }

        @Test("10,000 connections that come and go leave nothing behind")
        func comeAndGo() async throws {
            let before = member.descriptorCount
            var resident = 0
            for slice in 0..<20 {
                var peers: [RawPeer] = []
                for number in 0..<500 {
                    let peer = try RawPeer(member)
                    switch number % 4 {
                    case 0: break
                    case 1: peer.send(Frame.preface)
                    case 2: peer.send(Array(Frame.preface.prefix(10)))
                    default:
                        peer.send(Frame.preface + Frame.call("/etcdserverpb.KV/Put", on: 1))
                    }
                    peers.append(peer)
                }
                #expect(try await descriptors(become: { $0 >= before + 500 }), "slice \(slice)")
                for peer in peers where slice % 2 == 0 { peer.reset() }
                peers = []
                #expect(try await descriptors(become: { $0 <= before }), "slice \(slice)")
                if slice == 1 { resident = member.residentMebibytes }
            }
            #expect(member.residentMebibytes <= resident + 16)
        }

        @Test("half-open connections hold up nobody")
        func halfOpen() async throws {
            let before = member.descriptorCount
            var peers: [RawPeer] = []
            for number in 0..<300 {
                let peer = try RawPeer(member)
                if number % 3 > 0 { peer.send(Frame.preface) }
                if number % 3 > 1 { peer.send(Frame.call("/etcdserverpb.KV/Range", on: 1)) }
                peers.append(peer)
            }
            for number in 0..<100 { try await client.put("key", "\(number)") }
            // Those that say that they have finished sending are let go.
            for peer in peers { peer.halfClose() }
            for peer in peers { _ = try peer.receive() }
            #expect(try await descriptors(become: { $0 <= before }))
        }

        @Test("100,000 cancelled calls on one connection do not end it")
        func cancelledCalls() async throws {
            let waiting = try await TestClient(member)
            let count = await CancelledCalls.run(100_000, on: waiting)
            #expect(count == 100_000)
            try await waiting.put("after", "2")
            #expect(try await client.get("after")?.value == "2")
            #expect(member.residentMebibytes < 200)
        }

        @Test("writes that are cancelled are made or not made, and harm no others")
        func cancelledWrites() async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<2000 {
                    group.addTask { [client] in
                        await client.cancelledPut(key: "cancelled/\(number)")
                        try await client.put("kept/\(number)", "v")
                    }
                }
                try await group.waitForAll()
            }
            let kept = try await client.range(
                Range(key: "kept/", end: after(prefix: "kept/"), countOnly: true))
            #expect(kept.count == 2000)
            let made = try await client.range(
                Range(key: "cancelled/", end: after(prefix: "cancelled/"), countOnly: true))
            #expect(made.header.revision == 2 + kept.count + made.count)
        }
    }
}

extension TestClient {
    /// Sends a put and cancels it in the next turn of the loop, once it is on its way.
    fileprivate func cancelledPut(key: String) async {
        await withCheckedContinuation { continuation in
            loop.post { [connection, loop] in
                let call = connection.unary(
                    GRPCClientMethod("/etcdserverpb.KV/Put"), Put(key: key).encoded
                ) { _ in continuation.resume() }
                _ = loop.schedule(afterNanoseconds: 0) { call.cancel() }
            }
        }
    }
}

/// Watches of the health, each cancelled as soon as the member has answered, many at a time. On
/// the loop of its client.
private final class CancelledCalls: @unchecked Sendable {
    private static let lanes = 100
    private let connection: GRPCClientConnection
    private let method = GRPCClientMethod("/grpc.health.v1.Health/Watch")
    private var left: Int
    private var open = 0
    private var cancelled = 0
    private var finish: ((Int) -> Void)?

    private init(_ count: Int, _ connection: GRPCClientConnection) {
        left = count
        self.connection = connection
    }

    /// - Returns: how many calls were answered and cancelled; less than `count` when the member
    ///   ended the connection.
    static func run(_ count: Int, on client: TestClient) async -> Int {
        await withCheckedContinuation { continuation in
            client.loop.post {
                let calls = CancelledCalls(count, client.connection)
                calls.finish = { continuation.resume(returning: $0) }
                for _ in 0..<lanes { calls.next() }
            }
        }
    }

    private func next() {
        guard left > 0, connection.unavailable == nil else {
            if open == 0 { finish?(cancelled) }
            if open == 0 { finish = nil }
            return
        }
        left -= 1
        open += 1
        let watch = Watch(self)
        let call = connection.streaming(method, handler: watch)
        watch.call = call
        call.send([])
        call.halfClose()
    }

    private final class Watch: GRPCClientStreamHandler {
        private let owner: CancelledCalls
        var call: GRPCClientCall?

        init(_ owner: CancelledCalls) { self.owner = owner }
        func received(_ message: sending UnsafeRawBufferPointer) {
            owner.cancelled += 1
            call?.cancel()
        }
        func writable() {}
        func finished(_ end: GRPCCallEnd) {
            call = nil
            owner.open -= 1
            owner.next()
        }
    }
}

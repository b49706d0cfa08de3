import API
import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// Watch requests that no sane client sends: etcd's answers, and a server that goes on.
    @Suite(
        "bad input to Watch beside etcd 3.5",
        .enabled(if: Rival.isExpected, Rival.absence))
    struct WatchInputDifferentialTests {
        let servers: [MemberProcess]

        init() async throws {
            servers = [try MemberProcess(), try Rival.start()]
            for server in servers {
                let client = try await TestClient(server)
                for value in 1...6 { try await client.put("a", "\(value)") }
                _ = try await client.call(
                    "/etcdserverpb.KV/Compact", encoded { $0.appendField(1, int64: 4) })
            }
        }

        /// Requests of one stream, and how many answers they get.
        struct Case: CustomTestStringConvertible, Sendable {
            let name: String
            let requests: [[UInt8]]
            let answers: Int
            var testDescription: String { name }
        }

        private static let ids: [Int64] = [-5, -1, 1, 7, .min, .max]

        static let cases = [
            Case(
                name: "three thousand creates for one id",
                requests: (0..<3000).map { _ in WatchCommand.create("b", id: 7) }, answers: 3000),
            Case(
                name: "cancels of ids that nobody has",
                requests: (0..<500).flatMap { _ in ids.map(WatchCommand.cancel) }, answers: 0),
            Case(
                name: "one id created and cancelled, again and again",
                requests: (0..<500).flatMap { _ in
                    [
                        WatchCommand.create("b", id: 7), WatchCommand.cancel(7),
                        WatchCommand.cancel(7),
                    ]
                }, answers: 1000),
            Case(
                name: "ids at the ends of their type",
                requests: ids.map { WatchCommand.create("b", id: $0) }
                    + ids.map { WatchCommand.create("b", id: $0) } + ids.map(WatchCommand.cancel),
                answers: 18),
            Case(
                name: "ranges the wrong way round, and empty ones",
                requests: [
                    WatchCommand.create("b", to: "a"), WatchCommand.create("b", to: "b"),
                    WatchCommand.create("b", to: "\0"), WatchCommand.create("", to: ""),
                    WatchCommand.create("", to: "\0"), WatchCommand.create("\0", to: "\0"),
                    WatchCommand.create("b", to: "b\0"),
                ], answers: 7),
            Case(
                name: "filters that there are not, twice, and all",
                requests: [[5], [0, 0], [0, 1], [.max]].map {
                    WatchCommand.create("b", filters: $0)
                }, answers: 4),
            Case(
                name: "nothing, and unions of other versions",
                requests: [[], [0x7A, 0x00], [0x0A, 0x00], [0x12, 0x00]], answers: 2),
            Case(
                name: "starts that are compacted, as old as can be, and never to come",
                requests: [1, 3, 4, 7, .max].map { WatchCommand.create("a", start: $0) },
                answers: 5 + 2 + 2),
        ]

        @Test("is answered as there", arguments: cases)
        func answers(_ bad: Case) async throws {
            var told: [[Int64: [String]]] = []
            for server in servers {
                let feed = await WatchFeed(try await TestClient(server))
                await feed.send(bad.requests)
                var answers: [Int64: [String]] = [:]
                for _ in 0..<bad.answers {
                    let answer = try await feed.next()
                    answers[answer.id, default: []].append(answer.description)
                }
                // Nothing more comes: what is asked next is answered next.
                await feed.send(WatchCommand.create("z", id: 4242))
                #expect(try await feed.read(1) == ["#4242 created @7"])
                told.append(answers)
            }
            #expect(told[0] == told[1])
        }

        @Test("a negative start is refused as compacted, which 3.5 does not do; the stream goes on")
        func negativeStart() async throws {
            let feed = await WatchFeed(try await TestClient(servers[0]))
            await feed.send([-1, .min].map { WatchCommand.create("a", start: $0) })
            let refusal =
                "#-1 created canceled (etcdserver: mvcc: required revision has been compacted) @7"
            #expect(try await feed.read(2) == [refusal, refusal])
            await feed.send(WatchCommand.create("a"))
            #expect(try await feed.read(1) == ["#0 created @7"])
        }

        @Test("a message that is none ends the stream with the same code")
        func malformed() async throws {
            for request: [UInt8] in [[0x0A, 0x7F], [0xFF], [0x0A, 0x02, 0x0A, 0x05], [0x0F]] {
                var codes: [StatusCode?] = []
                for server in servers {
                    let feed = await WatchFeed(try await TestClient(server))
                    await feed.send(WatchCommand.create("a"))
                    _ = try await feed.next()
                    await feed.send(request)
                    let end = await #expect(throws: Status.self) { try await feed.next() }
                    codes.append(end?.code)
                }
                #expect(codes[0] == codes[1] && codes[0] != nil, "\(request)")
            }
        }

        @Test("a stream whose client stops in mid-message ends, and the connection goes on")
        func cutByItsEnd() throws {
            let whole = Frame.message(WatchCommand.create("a"))
            for server in servers {
                for length in 1..<whole.count {
                    let peer = try RawPeer(server)
                    let open = Frame.call("/etcdserverpb.Watch/Watch", on: 1)
                    let cut = Frame.frame(
                        Frame.data, Frame.endStream, 1, whole + whole.prefix(length))
                    peer.send(Frame.preface + open + cut)
                    _ = try peer.receive { Frame.ends(1, in: $0) }
                    let next = Frame.call("/etcdserverpb.Watch/Watch", on: 3)
                    peer.send(next + Frame.frame(Frame.data, 0, 3, whole))
                    _ = try peer.receive { bytes in
                        Frame.heads(bytes).contains { $0.type == Frame.data && $0.stream == 3 }
                    }
                }
            }
        }
    }
}

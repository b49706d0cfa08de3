import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// `kill -9` at any moment: the promise of an acknowledgement holds.
    ///
    /// More rounds by hand: `CAIRN_CRASH_ROUNDS=1000 CAIRN_CRASH_SEED=7 swift test --filter Crash`.
    @Suite("a member that is killed")
    struct CrashTests {
        private static func number(_ variable: String, default value: Int) -> Int {
            ProcessInfo.processInfo.environment[variable].flatMap { Int($0) } ?? value
        }
        private static let rounds = number("CAIRN_CRASH_ROUNDS", default: 50)
        private static let seed = UInt64(number("CAIRN_CRASH_SEED", default: 1))

        /// How a member is run in a round: often as it ships, else so that the store commits and
        /// the log is shortened within a round.
        private static let manners: [[String]] = [
            [],
            ["--backend-batch-interval", "1ms", "--backend-batch-limit", "20"],
            ["--snapshot-count", "50", "--snapshot-catchup-entries", "10"],
            [
                "--snapshot-count", "10", "--snapshot-catchup-entries", "1",
                "--backend-batch-interval", "2ms",
            ],
        ]

        @Test("under load, at any moment, keeps all it has acknowledged")
        func underLoad() async throws {
            var random = SplitMix64(seed: Self.seed)
            var history = CrashHistory()
            let member = try MemberProcess(starts: false)
            for round in 0..<Self.rounds {
                member.arguments = Self.manners.randomElement(using: &random) ?? []
                if round % 3 == 2 { try killWhileStarting(member, &random) }
                try member.start()
                let client = try await TestClient(member)
                try await history.check(lastRoundOf: client)
                let load = await CrashLoad.run(
                    round: round, target: Int.random(in: 0..<600, using: &random), on: client,
                    kill: Self.killer(
                        of: member, on: client, after: UInt64.random(in: 0..<3000, using: &random)))
                member.waitForEnd()
                #expect(load.complaints.isEmpty, "round \(round) of seed \(Self.seed)")
                history.add(load, round: round)
            }
            try member.start()
            try await history.checkAll(of: try await TestClient(member))
            #expect(history.acknowledgedCount > Self.rounds * 50, "there was no load to speak of")
        }

        /// Kills `microseconds` after it is called, in the midst of other calls.
        private static func killer(
            of member: MemberProcess, on client: TestClient, after microseconds: UInt64
        ) -> @Sendable () -> Void {
            let process = member.processID
            return { [loop = client.loop] in
                guard microseconds >= 1000 else {
                    kill(process, SIGKILL)
                    return
                }
                _ = loop.schedule(afterNanoseconds: microseconds * 1000) { kill(process, SIGKILL) }
            }
        }

        /// Kills it at a line of its log, or at a time that no line tells.
        private func killWhileStarting(
            _ member: MemberProcess, _ random: inout SplitMix64
        ) throws {
            try member.launch()
            if Bool.random(using: &random) {
                let lines = ["starting an etcd server", "kvstore restored", "ready to serve"]
                try member.log.wait(for: lines.randomElement(using: &random) ?? lines[0])
            } else {
                usleep(UInt32.random(in: 0..<60_000, using: &random))
            }
            member.end(by: SIGKILL)
        }
    }
}

/// What clients were told over all rounds, and what therefore must be.
private struct CrashHistory {
    private var acknowledged: [UniqueWrite: Int64] = [:]
    private var lastRound: Int?
    private var highest: Int64 = 1
    private(set) var acknowledgedCount = 0

    mutating func add(_ load: CrashLoad, round: Int) {
        acknowledged.merge(load.acknowledged) { $1 }
        acknowledgedCount += load.acknowledgedCount
        highest = max(highest, load.acknowledged.values.max() ?? 0)
        lastRound = round
    }

    /// Checks what the last round wrote, and that revisions go on.
    mutating func check(lastRoundOf client: TestClient) async throws {
        guard let round = lastRound else { return }
        let (pairs, header) = try await client.all(prefix: UniqueWrite.prefix(round))
        #expect(header.revision >= highest, "the revision went back")
        compare(pairs, with: acknowledged.filter { $0.key.round == round })
        try await checkRevisionIsNumberOfWrites(client)
        highest = max(highest, header.revision)
    }

    /// Checks all that was ever acknowledged.
    func checkAll(of client: TestClient) async throws {
        let (pairs, header) = try await client.all(prefix: "r")
        #expect(header.revision >= highest, "the revision went back")
        compare(pairs, with: acknowledged)
        #expect(Set(pairs.map(\.modified)).count == pairs.count, "a revision was given twice")
        try await checkRevisionIsNumberOfWrites(client)
    }

    private func compare(_ pairs: [Pair], with expected: [UniqueWrite: Int64]) {
        var missing = expected
        for pair in pairs {
            let parts = pair.key.dropFirst().split(separator: "/").compactMap { Int($0) }
            let write = UniqueWrite(round: parts[0], sequence: parts[1])
            #expect(pair.value == write.value, "\(pair.key) has another value")
            #expect(pair.version == 1 && pair.created == pair.modified, "\(pair)")
            if let revision = missing.removeValue(forKey: write) {
                #expect(pair.modified == revision, "\(pair.key) has another revision")
            }
        }
        #expect(missing.isEmpty, "lost: \(missing.prefix(5).map { "\($0.key.key)@\($0.value)" })")
    }

    /// Every write made one revision, and nothing else did.
    private func checkRevisionIsNumberOfWrites(_ client: TestClient) async throws {
        let counter = try await client.get(CrashLoad.counter)
        let unique = try await client.range(Range(key: "r", end: "s", countOnly: true))
        #expect(unique.header.revision == 1 + unique.count + (counter?.version ?? 0))
    }
}

// Writes under way when a member is killed, and what of them must be there afterwards.

import API
import Foundation
import Glibc
import TestSupport
import Transport

/// A write that nothing else repeats: key and value follow from its numbers.
struct UniqueWrite: Hashable {
    let round: Int
    let sequence: Int

    var key: String { Self.prefix(round) + String(sequence) }
    static func prefix(_ round: Int) -> String { "r\(round)/" }

    /// Sizes differ, so that records begin and end anywhere in a page.
    var value: String {
        var random = SplitMix64(seed: UInt64(round) << 32 | UInt64(sequence))
        let size = sequence % 50 == 49 ? 20_000 : Int.random(in: 0..<700, using: &random)
        return key + "=" + String(repeating: "v", count: size)
    }
}

/// Keeps `lanes` writes of new keys under way, and one lane that writes the key `counter` again and
/// again, until the member's end. On the loop of its client.
///
/// `@unchecked Sendable`: touched on that loop only, and after the connection's end.
final class CrashLoad: @unchecked Sendable {
    static let counter = "counter"
    private static let lanes = 64

    /// The revision of each acknowledged write.
    private(set) var acknowledged: [UniqueWrite: Int64] = [:]
    private(set) var acknowledgedCount = 0
    /// Failures that a member's end does not explain.
    private(set) var complaints: [String] = []

    private let round: Int
    private let connection: GRPCClientConnection
    private let method = GRPCClientMethod("/etcdserverpb.KV/Put")
    private let target: Int
    private var nextSequence = 0
    private var reached: (() -> Void)?
    private var hasReached = false

    private init(
        round: Int, target: Int, _ connection: GRPCClientConnection, reached: @escaping () -> Void
    ) {
        self.round = round
        self.target = target
        self.connection = connection
        self.reached = reached
    }

    /// Loads the member until `kill`, which is called at the `target`-th acknowledgement, has
    /// ended it.
    static func run(
        round: Int, target: Int, on client: TestClient, kill: @escaping @Sendable () -> Void
    ) async -> CrashLoad {
        await withCheckedContinuation { continuation in
            client.loop.post {
                let load = CrashLoad(
                    round: round, target: target, client.connection, reached: kill)
                client.connection.onClosed = { _ in continuation.resume(returning: load) }
                load.begin()
            }
        }
    }

    private func begin() {
        if connection.unavailable != nil { return }
        for _ in 0..<Self.lanes { putNext() }
        putCounter()
        if target == 0 { reach() }
    }

    private func putNext() {
        let write = UniqueWrite(round: round, sequence: nextSequence)
        nextSequence += 1
        put(Put(key: write.key, value: write.value)) { [self] revision in
            acknowledged[write] = revision
            putNext()
        }
    }

    private func putCounter() {
        put(Put(key: Self.counter, value: "round \(round)")) { [self] _ in putCounter() }
    }

    private func put(_ request: Put, then: @escaping (Int64) -> Void) {
        connection.unary(method, request.encoded) { [self] result in
            switch result.map({ try? PutAnswer(Array($0)) }) {
            case .success(let answer?):
                acknowledgedCount += 1
                if acknowledgedCount == target { reach() }
                then(answer.header.revision)
            case .success(nil): complaints.append("an answer that does not decode")
            case .failure(let status):
                if !hasReached || status.code != .unavailable {
                    complaints.append("\(status)")
                }
            }
        }
    }

    private func reach() {
        hasReached = true
        reached?()
        reached = nil
    }
}

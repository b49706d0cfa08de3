// Runs of sequences, each on two new servers.

import Transport

struct SequenceComparison: Sendable {
    let habits: Habits
    /// Further flags for Cairn alone.
    var ourArguments: [String] = []

    func run(_ steps: [Step], keepsTranscript: Bool = false) async throws -> Outcome {
        let loop = try EventLoop(name: "differential")
        defer { loop.stop() }
        return try await Task(executorPreference: loop) {
            let pair = try await ServerPair(habits, ourArguments: ourArguments, on: loop)
            let runner = SequenceRunner(pair, keepsTranscript: keepsTranscript)
            return await runner.run(steps, methods: habits.weights.keys)
        }.value
    }

    /// Makes `steps`, which differ at `mismatch`, as short as it gets.
    func shrink(_ steps: [Step], failing mismatch: Mismatch) async throws -> Finding {
        var shrinker = Shrinker { try await run($0).mismatch != nil }
        let short = try await shrinker.shrink(Array(steps.prefix(mismatch.index + 1)))
        return Finding(
            steps: short, habits: habits, found: mismatch,
            outcome: try await run(short, keepsTranscript: true))
    }
}

/// A difference, and how to see it again.
struct Finding: CustomStringConvertible {
    let steps: [Step]
    let habits: Habits
    /// In the long sequence.
    let found: Mismatch
    /// Of the short one, with a transcript.
    let outcome: Outcome

    var description: String {
        let story = outcome.transcript.enumerated().map { "\($0 + 1). \($1)" }
        return """
            Cairn differs from etcd after \(found.index) steps: \(found)
            The same in \(steps.count) (--max-txn-ops \(habits.maxTxnOps), \
            --snapshot-count \(habits.snapshotCount)):
            \(story.joined(separator: "\n"))
            \(outcome.mismatch?.description ?? "Run once more, nothing differs.")
            """
    }
}

// Sends a sequence to both servers and compares what they say, until they differ.

import API

/// How a sequence ended.
struct Outcome: Sendable {
    /// Nil when both said the same to all of it.
    var mismatch: Mismatch?
    var statistics = Statistics()
    /// Each step with what Cairn answered, when it was asked for.
    var transcript: [String] = []
}

/// The first step at which the two said different things.
struct Mismatch: Sendable, CustomStringConvertible {
    let index: Int
    let request: String
    let difference: String
    let ours: String
    let theirs: String

    var description: String {
        """
        \(request)
            differ in \(difference)
            Cairn: \(ours)
            etcd:  \(theirs)
        """
    }
}

/// How many requests there were.
struct Statistics: Sendable {
    var accepted: [Method: Int] = [:]
    var refused: [Method: Int] = [:]
    var restarts = 0
    /// Those of them that the other server was not asked (the table of known differences).
    var oursAlone = 0

    var requests: Int { (Array(accepted.values) + Array(refused.values)).reduce(0, +) }

    mutating func add(_ other: Statistics) {
        accepted.merge(other.accepted, uniquingKeysWith: +)
        refused.merge(other.refused, uniquingKeysWith: +)
        restarts += other.restarts
        oursAlone += other.oursAlone
    }

    /// `put 700 + 52, range 1430 + 301`: accepted and refused ones.
    var text: String {
        Method.allCases.map { "\($0) \(accepted[$0] ?? 0) + \(refused[$0] ?? 0)" }
            .joined(separator: ", ")
    }
}

/// One run of one sequence. Used by one task, on the executor of the pair.
final class SequenceRunner {
    private let pair: ServerPair
    private let keepsTranscript: Bool
    private var moment = Moment()
    private var outcome = Outcome()
    /// Whether a compaction may still be at work. HashKV sees what it has not deleted yet when
    /// no key is left.
    private var isCompacting = false

    init(_ pair: ServerPair, keepsTranscript: Bool) {
        self.pair = pair
        self.keepsTranscript = keepsTranscript
    }

    /// Runs `steps`, then compares all that both hold as far as `methods` tell it.
    func run(_ steps: [Step], methods: some Collection<Method>) async -> Outcome {
        let last = Self.lastSteps.filter { step in
            if case .call(let method, _) = step { methods.contains(method) } else { false }
        }
        let steps = steps + last
        var index = 0
        while index < steps.count, outcome.mismatch == nil {
            if steps[index] == .restart {
                await restart(at: index)
                index += 1
            } else {
                let end = batchEnd(steps, from: index)
                await send(steps[index..<end])
                index = end
            }
        }
        return outcome
    }

    private func restart(at index: Int) async {
        do {
            try await pair.restart()
            outcome.statistics.restarts += 1
            record(.restart, "both serve again")
        } catch {
            outcome.mismatch = Mismatch(
                index: index, request: "restart", difference: "that one does not come back",
                ours: "\(error)", theirs: "(the same)")
        }
    }

    /// All that both hold, and its hash.
    private static let lastSteps: [Step] = {
        var all = Message(.range)
        all.set(1, [0])
        all.set(2, [0])
        var oldest = all
        oldest.set(4, .compacted(0))
        return [
            .call(.range, all), .call(.range, oldest), .call(.hashKV, Message(.hashKV)),
        ]
    }()

    private static let batchLimit = 16

    /// Reads with nothing but reads between them are under way together.
    private func batchEnd(_ steps: [Step], from index: Int) -> Int {
        var end = index + 1
        while steps[index].isRead, end < steps.count, steps[end].isRead,
            end - index < Self.batchLimit
        { end += 1 }
        return end
    }

    private func send(_ steps: ArraySlice<Step>) async {
        if isCompacting, steps.contains(where: \.isHash) { await settle() }
        let sent = steps.indices.filter { !KnownDifference.leavesOut(steps[$0]) }
        let requests = sent.compactMap { index -> ServerPair.Request? in
            guard case .call(let method, let request) = steps[index] else { return nil }
            return ServerPair.Request(
                method: method, bytes: request.encoded(at: moment),
                isForOursAlone: KnownDifference.isForCairnAlone(steps[index], at: moment))
        }
        let answers = await pair.exchange(requests)
        let before = moment
        for (index, answers) in zip(sent, answers) where outcome.mismatch == nil {
            take(answers, to: steps[index], at: index, sent: before)
        }
    }

    private func take(
        _ answers: ServerPair.Answers, to step: Step, at index: Int, sent: Moment
    ) {
        guard case .call(let method, let request) = step else { return }
        let ours = Answer(method, answers.ours)
        let difference: String?
        let theirs: String
        if KnownDifference.isForCairnAlone(step, at: sent) {
            let broken = KnownDifference.broken(by: ours, to: step, at: sent)
            difference = broken.map { "what 3.7 does: \($0.now)" }
            outcome.statistics.oursAlone += 1
            theirs = "(not asked)"
        } else {
            let answer = Answer(method, answers.theirs)
            difference = Comparison.difference(request, ours: ours, theirs: answer)
            theirs = answer.text
        }
        record(step, ours.text, at: sent)
        if let difference {
            outcome.mismatch = Mismatch(
                index: index, request: step.text(at: sent), difference: difference,
                ours: ours.text, theirs: theirs)
            return
        }
        if case .answered = ours {
            outcome.statistics.accepted[method, default: 0] += 1
            if method == .compact {
                moment.compactions.append(request.revision(1, at: sent))
                isCompacting = true
            }
        } else {
            outcome.statistics.refused[method, default: 0] += 1
        }
        moment.newest = max(moment.newest, ours.revision ?? 0)
    }

    /// Waits for the end of compactions: a physical one that is refused waits as well.
    private func settle() async {
        var compact = Message(.compact)
        compact.set(1, .compacted(0))
        compact.set(2, 1)
        _ = await pair.exchange([
            ServerPair.Request(method: .compact, bytes: compact.encoded(at: moment))
        ])
        isCompacting = false
    }

    private func record(_ step: Step, _ answer: String, at moment: Moment = Moment()) {
        guard keepsTranscript else { return }
        outcome.transcript.append("\(step.text(at: moment))\n        -> \(answer)")
    }
}

extension Step {
    fileprivate var isHash: Bool {
        if case .call(.hashKV, _) = self { true } else { false }
    }
}

extension KnownDifference {
    static func leavesOut(_ step: Step) -> Bool {
        all.contains {
            if case .leftOut(let applies) = $0.treatment { applies(step) } else { false }
        }
    }

    static func isForCairnAlone(_ step: Step, at moment: Moment) -> Bool {
        all.contains { $0.isForCairnAlone(step, at: moment) }
    }

    private func isForCairnAlone(_ step: Step, at moment: Moment) -> Bool {
        switch treatment {
        case .onlyCairn(let applies, _): applies(step, moment)
        case .ignore, .leftOut, .rewrite, .avoided: false
        }
    }

    /// The rule that Cairn's answer breaks, to a request that it alone has got.
    static func broken(by answer: Answer, to step: Step, at moment: Moment) -> KnownDifference? {
        all.first {
            guard case .onlyCairn(let applies, let accepts) = $0.treatment else { return false }
            return applies(step, moment) && !accepts(step, moment, answer)
        }
    }
}

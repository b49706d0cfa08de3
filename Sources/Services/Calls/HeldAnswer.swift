// Answers that take longer than a request's time: the caller waits for work in the background.

import API

/// An answer that is still to be given, once. Confined to the applier's executor, hence
/// `@unchecked Sendable`.
final class HeldAnswer: @unchecked Sendable {
    private var reply: (any Replying)?

    init(for reply: any Replying) { self.reply = reply }

    func give(_ result: Result<[UInt8], Status>) {
        guard let reply else { return }
        self.reply = nil
        switch result {
        case .success(let message): message.withUnsafeBytes { reply.respond($0) }
        case .failure(let status): reply.fail(status)
        }
    }
}

extension Applier {
    /// Whoever is told nothing else hears when the member stops.
    func hold(_ reply: any Replying) -> HeldAnswer {
        let held = HeldAnswer(for: reply)
        heldAnswers.append(held)
        return held
    }

    func give(_ held: HeldAnswer, _ result: Result<[UInt8], Status>) {
        heldAnswers.removeAll { $0 === held }
        held.give(result)
    }

    func stopHeldAnswers() {
        for held in heldAnswers { held.give(.failure(.stopped)) }
        heldAnswers = []
    }
}

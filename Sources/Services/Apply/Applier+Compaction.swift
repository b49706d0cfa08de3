// Compactions on the applied state, and those who wait until the space is free (reference:
// semantics.md, Compact).

import API
import Storage

/// The answer to a compaction that was applied, kept until its deletions are on disk.
///
/// Confined to the applier's executor, hence `@unchecked Sendable`.
final class HeldAnswer: @unchecked Sendable {
    private var reply: (any Replying)?
    private let result: Result<[UInt8], Status>

    init(_ result: Result<[UInt8], Status>, for reply: any Replying) {
        self.result = result
        self.reply = reply
    }

    var isGiven: Bool { reply == nil }

    /// - Parameter failure: why the deletions will not be done.
    func give(_ failure: Status?) {
        guard let reply else { return }
        self.reply = nil
        if let failure { return reply.fail(failure) }
        switch result {
        case .success(let message): message.withUnsafeBytes { reply.respond($0) }
        case .failure(let status): reply.fail(status)
        }
    }
}

extension Applier {
    func compact(_ request: CompactionRequest) throws(ApplyFailure) -> Result<Void, Status> {
        if let refusal = alarmRefusal(adds: false) { return .failure(refusal) }
        let revision = request.revision
        do throws(StoreError) {
            try store.enter { store throws(StoreError) in try store.compact(to: revision) }
        } catch .compacted {
            return .failure(.compacted)
        } catch .futureRevision {
            return .failure(.futureRevision)
        } catch {
            throw ApplyFailure("the store failed: \(error)")
        }
        response.bytes.appendResponseHeader(header())
        return .success(())
    }

    /// Whether the caller waits until the space is free; who is told that another was earlier waits
    /// for that one's.
    func waitsForSpace(_ proposal: ClientProposal, _ result: Result<Void, Status>) -> Bool {
        guard case .compaction(let request) = proposal.operation, request.isPhysical else {
            return false
        }
        return switch result {
        case .success: true
        case .failure(let status): status == .compacted
        }
    }

    /// Answers once all that was compacted so far is deleted on disk, however long it takes.
    func answerOnceCompacted(_ proposal: ClientProposal, _ result: Result<Void, Status>) {
        let answer: Result<[UInt8], Status> = result.map { response.bytes.array }
        response.clear()
        guard let reply = proposal.takeReply() else { return }
        let held = HeldAnswer(answer, for: reply)
        heldAnswers.append(held)
        store.assumeIsolated { store in
            store.whenCompacted { [weak self] error in
                held.give(error.map { Status($0) })
                self?.assumeIsolated { $0.heldAnswers.removeAll { $0.isGiven } }
            }
        }
    }
}

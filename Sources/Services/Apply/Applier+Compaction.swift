// Compactions on the applied state, and those who wait until the space is free (reference:
// semantics.md, Compact).

import API
import Storage

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
        let held = hold(reply)
        store.assumeIsolated { store in
            store.whenCompacted { [weak self] error in
                let failure = error.map { Status($0) }
                self?.assumeIsolated { $0.give(held, failure.map { .failure($0) } ?? answer) }
            }
        }
    }
}

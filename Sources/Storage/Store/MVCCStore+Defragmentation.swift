// Defragmentation beside traffic: the file is rewritten on the backend's thread, in the place of a
// commit. Applies go on in memory and reads in the old file until the new one takes over.

import API

/// Who waits for the file to be rewritten.
struct DefragmentationState {
    typealias Waiter = @Sendable (Result<DefragmentationReport, StoreError>) -> Void
    /// For the next run; one run serves all that came before it began.
    var waiting: [Waiter] = []
}

extension MVCCStore {
    /// Gives the space that nothing lies in back to the disk, and calls `then` once, on the
    /// store's executor. Nothing is committed meanwhile.
    package func defragment(
        _ then: @escaping @Sendable (Result<DefragmentationReport, StoreError>) -> Void
    ) {
        defragmentation.waiting.append(then)
        startDefragmentation()
    }

    /// Called when nothing is in flight any more.
    func startDefragmentation() {
        guard !defragmentation.waiting.isEmpty, !commits.isInFlight else { return }
        let served = defragmentation.waiting
        defragmentation.waiting = []
        if let failure = commits.failure {
            for then in served { then(.failure(.backend(failure))) }
            return
        }
        commits.isInFlight = true
        let began = executor.now
        commits.backend.defragment { result in
            self.executor.post {
                self.assumeIsolated { store in
                    store.finishDefragmentation(result, since: began, served)
                }
            }
        }
    }

    private func finishDefragmentation(
        _ result: Result<Environment, DefragmentationFailure>, since began: MonotonicTime,
        _ served: [DefragmentationState.Waiter]
    ) {
        commits.isInFlight = false
        let outcome: Result<DefragmentationReport, StoreError>
        switch result {
        case .failure(let failure):
            outcome = .failure(.backend(failure.error))
            if failure.isFatal { fail(failure.error) }
        case .success(let environment):
            do throws(BackendError) {
                outcome = .success(try moveTo(environment, since: began))
            } catch {
                // What is committed from now on could not be read.
                outcome = .failure(.backend(error))
                fail(error)
            }
        }
        startReplacement()
        paceCommits()
        continueCompaction()
        for then in served { then(outcome) }
        startDefragmentation()
    }

    private func moveTo(
        _ environment: Environment, since began: MonotonicTime
    ) throws(BackendError) -> DefragmentationReport {
        let before = commits.durable.size
        let size = try environment.size()
        commits.backend.close(try records.move(to: environment))
        commits.resize(size)
        return DefragmentationReport(
            before: before, after: size, nanoseconds: executor.now.nanoseconds(since: began))
    }
}

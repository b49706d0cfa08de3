// The disk below a member's log, played. Confined to the test's thread, hence unchecked.

import API
import Consensus

/// A log that finishes its writes when it is told to, and fails on demand.
final class PlayedDisk: EntryStore, @unchecked Sendable {
    typealias Completion = @Sendable (Result<Void, EntryStoreFailure>) -> Void
    private(set) var writes: [LogWrite] = []
    private var waiting: [(write: LogWrite, done: Completion)] = []
    /// What a restart finds: of finished writes only.
    private(set) var restored = RestoredState()
    /// A held disk finishes nothing by itself.
    var isHeld = false {
        didSet { if !isHeld { finish() } }
    }
    var failure: EntryStoreFailure?

    func persist(_ write: LogWrite, completion: @escaping Completion) {
        writes.append(write)
        waiting.append((write, completion))
        if !isHeld { finish() }
    }

    private func finish() {
        while !waiting.isEmpty {
            let (write, done) = waiting.removeFirst()
            if let failure {
                done(.failure(failure))
            } else {
                keep(write)
                done(.success(()))
            }
        }
    }

    private func keep(_ write: LogWrite) {
        restored.hardState = write.hardState ?? restored.hardState
        guard let first = write.entries.first else { return }
        restored.entries.removeAll { $0.index >= first.index }
        restored.entries += write.entries
    }

    /// What waited for the process is forgotten with it.
    func die() {
        waiting = []
        isHeld = false
    }
}

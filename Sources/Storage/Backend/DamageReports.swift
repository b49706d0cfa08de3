// Who is told that the store's file holds what was never written, as soon as somebody has read it.
//
// Reads fail too, each with its error. But what a member cannot read of its state it cannot apply
// entries to, compare with others or send to them, so it has to stop whoever it was that read.

import API

/// One for all files that take each other's place as the store's.
final class DamageReports: Sendable {
    private let observer = Locked<(@Sendable (StoreError) -> Void)?>(nil)

    /// Calls `observer` with all damage that is found from now on, on the thread that has found it.
    func observe(_ observer: @escaping @Sendable (StoreError) -> Void) {
        self.observer.withLock { $0 = observer }
    }

    /// Another's file takes the place of the store's.
    func takeOver(from other: DamageReports) {
        let observer = other.observer.withLock { $0 }
        self.observer.withLock { $0 = observer }
    }

    func report(_ damage: StoreError) {
        observer.withLock { $0 }?(damage)
    }
}

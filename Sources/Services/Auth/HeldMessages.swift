// Messages of calls whose callers are not known yet: their tokens are of entries to come. Anybody can
// make up such a token, so that what is kept for them is bounded.

import API
import Synchronization

/// How much is kept. One for all threads of a member.
final class HeldMessages: Sendable {
    fileprivate let bytes = Atomic<Int>(0)
    /// Of all together.
    static let limit = 16 << 20
    /// What a call that waits takes besides its message.
    static let callBytes = 1 << 10

    /// - Returns: a copy, which counts for as long as somebody has it; nil when there is no room.
    func hold(_ message: UnsafeRawBufferPointer) -> HeldMessage? {
        let size = message.count + Self.callBytes
        guard bytes.add(size, ordering: .relaxed).newValue <= Self.limit else {
            bytes.subtract(size, ordering: .relaxed)
            return nil
        }
        return HeldMessage([UInt8](message), size, of: self)
    }

    /// Kept now; for tests.
    var count: Int { bytes.load(ordering: .relaxed) }
}

/// One message.
final class HeldMessage: Sendable {
    let bytes: [UInt8]
    private let size: Int
    private let all: HeldMessages

    fileprivate init(_ bytes: [UInt8], _ size: Int, of all: HeldMessages) {
        self.bytes = bytes
        self.size = size
        self.all = all
    }

    deinit { all.bytes.subtract(size, ordering: .relaxed) }
}

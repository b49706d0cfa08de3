// Where an answer is encoded before it goes to its call.

import API

/// One buffer that is used for all answers of an executor, one at a time.
final class ResponseBuffer {
    var bytes = ByteBuffer()
    /// What is kept for the next answer.
    private static let keptBytes = 256 << 10

    /// Hands the answer to `body`, then empties the buffer.
    func take(_ body: (UnsafeRawBufferPointer) -> Void) {
        bytes.withUnsafeBytes(body)
        clear()
    }

    /// Hands over the answer with its memory.
    func takeAway() -> ByteBuffer {
        var taken = ByteBuffer()
        swap(&taken, &bytes)
        return taken
    }

    func clear() { bytes.removeAll(keepingAtMost: Self.keptBytes) }
}

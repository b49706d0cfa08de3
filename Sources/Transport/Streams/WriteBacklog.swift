// What a socket was given and the kernel has not taken.
//
// libuv wants memory that stays put until it calls back. So there are two blocks: one that libuv
// is sending, and one that gathers what is written meanwhile and flies next. They exist only
// while a reader is slower than we are; an idle connection holds neither.

import CLibuv
import Glibc

/// The bytes behind a stream that the kernel has not taken. Freed only when no write is under way.
final class WriteBacklog {
    let request = UnsafeMutablePointer<uv_write_t>.allocate(capacity: 1)
    private var flying = Block()
    private var waiting = Block()

    var isFlying: Bool { flying.count > 0 }
    /// Bytes that libuv has not been given yet.
    var waitingBytes: Int { waiting.count }

    deinit {
        request.deallocate()
        free(flying.base)
        free(waiting.base)
    }

    func append(_ bytes: UnsafeRawBufferPointer) { waiting.append(bytes) }

    /// What libuv shall send now: all that waits. Nil if nothing does.
    func takeOff() -> uv_buf_t? {
        precondition(!isFlying, "one write at a time, to keep the order")
        guard waiting.count > 0 else { return nil }
        swap(&flying, &waiting)
        return uv_buf_t(
            base: flying.base?.assumingMemoryBound(to: CChar.self), len: flying.count)
    }

    func landed() { flying.count = 0 }

    private struct Block {
        var base: UnsafeMutableRawPointer?
        var count = 0
        var capacity = 0

        mutating func append(_ bytes: UnsafeRawBufferPointer) {
            guard let source = bytes.baseAddress, bytes.count > 0 else { return }
            if capacity - count < bytes.count {
                capacity = max(16 << 10, capacity * 2, count + bytes.count)
                guard let grown = realloc(base, capacity) else {
                    preconditionFailure("out of memory")
                }
                base = grown
            }
            base?.advanced(by: count).copyMemory(from: source, byteCount: bytes.count)
            count += bytes.count
        }
    }
}

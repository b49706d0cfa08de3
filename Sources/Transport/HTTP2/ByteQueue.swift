// Bytes on their way out: written at one end, taken at the other.
//
// A Swift array would zero or copy what is about to be overwritten and cannot give its front away
// cheaply. This queue is one block of memory that is reused: a stream's response is encoded right
// into it, and a connection gathers its frames in it.

#if canImport(Glibc)
    import Glibc
#endif

/// A growing first-in, first-out queue of bytes in one block of memory.
struct ByteQueue: ~Copyable {
    private var base: UnsafeMutableRawPointer?
    private var capacity = 0
    private var start = 0
    private var end = 0

    init() {}

    deinit { free(base) }

    var count: Int { end - start }
    var isEmpty: Bool { end == start }

    /// What is queued. Valid until the next mutation.
    var bytes: UnsafeRawBufferPointer {
        guard let base else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(start: base + start, count: end - start)
    }

    /// Room for `size` bytes behind the last one. They count once `commit` says so.
    mutating func reserve(_ size: Int) -> UnsafeMutableRawPointer {
        if capacity - end < size || base == nil { makeRoom(size) }
        return base.unsafelyUnwrapped + end
    }

    /// `size` bytes of those reserved have been written.
    mutating func commit(_ size: Int) {
        precondition(size <= capacity - end, "committed \(size) bytes that were never reserved")
        end += size
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count).copyMemory(from: source, byteCount: bytes.count)
        end += bytes.count
    }

    /// Takes `size` bytes from the front.
    mutating func consume(_ size: Int) {
        precondition(size <= count, "consumed \(size) of \(count) bytes")
        start += size
        if start == end {
            start = 0
            end = 0
        }
    }

    /// Forgets all bytes. Memory beyond `limit` is given back.
    mutating func reset(keepingCapacity limit: Int = .max) {
        start = 0
        end = 0
        if capacity > limit {
            free(base)
            base = nil
            capacity = 0
        }
    }

    private mutating func makeRoom(_ size: Int) {
        let used = count
        if let base, start > 0, capacity - used >= size, start >= used {
            base.copyMemory(from: base + start, byteCount: used)
        } else {
            let wanted = max(used + size, min(2 * capacity, used + size + (8 << 20)), 256)
            // A large block that is full from its beginning is moved by its pages, not copied.
            let isFront = start == 0
            guard let grown = isFront ? realloc(base, wanted) : malloc(wanted) else {
                preconditionFailure("out of memory for \(wanted) bytes")
            }
            if !isFront {
                if let base { grown.copyMemory(from: base + start, byteCount: used) }
                free(base)
            }
            base = grown
            capacity = wanted
        }
        start = 0
        end = used
    }
}

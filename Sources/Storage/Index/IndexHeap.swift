import Glibc

/// Where the index puts what does not fit a page, histories and long keys, and counts its cost.
struct IndexHeap {
    /// Bytes taken from the allocator, its own overhead included.
    private(set) var bytes = 0

    /// glibc adds a word to a block and rounds up to 16 bytes, at least 32.
    static func cost(_ size: Int) -> Int { max(32, (size + 8 + 15) & ~15) }

    mutating func allocate(_ size: Int) -> UnsafeMutableRawPointer {
        guard let block = malloc(size) else { preconditionFailure("out of memory") }
        bytes += Self.cost(size)
        return block
    }

    mutating func resize(
        _ block: UnsafeMutableRawPointer, from old: Int, to size: Int
    ) -> UnsafeMutableRawPointer {
        guard let moved = realloc(block, size) else { preconditionFailure("out of memory") }
        bytes += Self.cost(size) - Self.cost(old)
        return moved
    }

    mutating func free(_ block: UnsafeMutableRawPointer, size: Int) {
        bytes -= Self.cost(size)
        Glibc.free(block)
    }
}

/// A key too long for a page: its length and bytes in a block of its own.
struct LongKey {
    let block: UnsafeMutableRawPointer

    init(block: UnsafeMutableRawPointer) { self.block = block }

    init(copying key: UnsafeRawBufferPointer, in heap: inout IndexHeap) {
        block = heap.allocate(8 + key.count)
        block.storeBytes(of: key.count, as: Int.self)
        UnsafeMutableRawBufferPointer(start: block + 8, count: key.count).copyMemory(from: key)
    }

    func free(in heap: inout IndexHeap) { heap.free(block, size: 8 + bytes.count) }

    /// Bytes of memory.
    var cost: Int { IndexHeap.cost(8 + bytes.count) }

    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: block + 8, count: block.load(as: Int.self))
    }
}

// Where a decoded message lives.
//
// protobuf-c allocates every message, string and list by itself. Out of an arena such an
// allocation is the bump of a pointer, and freeing a request is one reset, so that decoding
// allocates nothing once the arena has seen its usual sizes.
//
// A few bytes on the wire may ask for much more in memory (an empty element of a list takes two
// bytes there and a hundred here), so an arena has a limit; past it decoding fails in good order.

import CMessages
import Glibc

/// Memory that is given out piece by piece and taken back as a whole.
///
/// Confined to one executor. What was decoded in an arena is valid until its next `reset`, and
/// the arena must outlive it.
public final class Arena {
    /// On the heap, since protobuf-c keeps its address.
    let core: UnsafeMutablePointer<ArenaCore>

    /// - Parameter chunkBytes: what is allocated at first, and kept over a `reset` at the least.
    /// - Parameter keptBytes: what a `reset` keeps at most.
    /// - Parameter limitBytes: what may be given out between two resets.
    public init(
        chunkBytes: Int = 4096, keptBytes: Int = 256 << 10,
        limitBytes: Int = Limits.decodedMessageBytes
    ) {
        precondition(chunkBytes > 0 && keptBytes >= chunkBytes, "an arena keeps its first chunk")
        core = .allocate(capacity: 1)
        core.initialize(
            to: ArenaCore(chunkBytes: chunkBytes, keptBytes: keptBytes, limitBytes: limitBytes))
        core.pointee.allocator = ProtobufCAllocator(
            alloc: { context, size in
                context?.assumingMemoryBound(to: ArenaCore.self).pointee.allocate(size)
            },
            free: { _, _ in },
            allocator_data: UnsafeMutableRawPointer(core))
    }

    deinit {
        core.pointee.freeChunks()
        core.deinitialize(count: 1)
        core.deallocate()
    }

    /// Takes everything back. A peak beyond one chunk is remembered up to `keptBytes`, so that
    /// the next message like it needs no new chunk.
    public func reset() { core.pointee.reset() }

    /// Bytes given out since the last reset.
    public var usedBytes: Int { core.pointee.used }
    /// Bytes held from the system.
    public var heldBytes: Int { core.pointee.held }

    /// `count` bytes of unspecified content, aligned for any type; nil past the limit.
    public func allocate(_ count: Int) -> UnsafeMutableRawPointer? {
        core.pointee.allocate(count)
    }
}

/// The arena's state, with an address that C may keep.
struct ArenaCore {
    /// Stands at the start of each chunk. 16 bytes, so that what follows is aligned.
    struct ChunkHeader {
        var previous: UnsafeMutableRawPointer?
        var size: Int
    }

    var allocator = ProtobufCAllocator()
    private(set) var used = 0
    private(set) var held = 0
    /// Whether an allocation was refused since the last reset.
    private(set) var isExhausted = false
    private var chunk: UnsafeMutableRawPointer?
    private var free: UnsafeMutableRawPointer?
    private var room = 0
    private let chunkBytes: Int
    private let keptBytes: Int
    private let limitBytes: Int

    init(chunkBytes: Int, keptBytes: Int, limitBytes: Int) {
        self.chunkBytes = chunkBytes
        self.keptBytes = keptBytes
        self.limitBytes = limitBytes
    }

    mutating func allocate(_ count: Int) -> UnsafeMutableRawPointer? {
        guard count >= 0, count <= limitBytes - used else {
            isExhausted = true
            return nil
        }
        let size = max(count + 15, 16) & ~15
        if size > room, !addChunk(atLeast: size) {
            isExhausted = true
            return nil
        }
        let result = free
        free = free.unsafelyUnwrapped + size
        room -= size
        used += size
        return result
    }

    /// Chunks double, so that a large message needs few; the rest of the last one is left unused.
    private mutating func addChunk(atLeast size: Int) -> Bool {
        let header = MemoryLayout<ChunkHeader>.size
        let size = max(size, held == 0 ? chunkBytes : min(held, 1 << 20))
        guard let memory = malloc(size + header) else { return false }
        memory.storeBytes(of: ChunkHeader(previous: chunk, size: size), as: ChunkHeader.self)
        chunk = memory
        free = memory + header
        room = size
        held += size
        return true
    }

    mutating func reset() {
        guard let last = chunk else { return }
        let header = last.load(as: ChunkHeader.self)
        if header.previous != nil || header.size > keptBytes {
            let peak = used
            freeChunks()
            // The next message like this one fits into one chunk.
            if peak <= keptBytes { _ = addChunk(atLeast: min(peak + peak / 4, keptBytes)) }
        } else {
            free = last + MemoryLayout<ChunkHeader>.size
            room = header.size
        }
        used = 0
        isExhausted = false
    }

    mutating func freeChunks() {
        while let last = chunk {
            chunk = last.load(as: ChunkHeader.self).previous
            Glibc.free(last)
        }
        free = nil
        room = 0
        held = 0
    }
}

import Glibc

/// The pages of one index, by number: taken from the system in chunks, reused when freed. Memory
/// of many free pages goes back to the system, the numbers stay. Number 0 is no page.
struct PagePool: ~Copyable {
    private static let pagesPerChunkShift: UInt32 = 8
    private static let pagesPerChunk: UInt32 = 1 << pagesPerChunkShift
    private static let chunkSize = Int(pagesPerChunk) * IndexPage.size

    private var chunks: UnsafeMutablePointer<UnsafeMutableRawPointer>
    private var chunkCount = 0
    private var chunkCapacity = 16
    /// Numbers below this one have been handed out at least once.
    private var fresh: UInt32 = 1
    /// Free pages. Those beyond the first `keptFree` have no memory.
    private var free: [UInt32] = []
    private(set) var pagesInUse = 0

    /// Free pages whose memory is kept, for the next splits.
    private static let keptFree = 64

    init() { chunks = .allocate(capacity: chunkCapacity) }

    deinit {
        for i in 0..<chunkCount { munmap(chunks[i], Self.chunkSize) }
        chunks.deallocate()
    }

    /// Memory held: pages in use, free ones that keep theirs, the lists.
    var bytes: Int {
        (pagesInUse + min(free.count, Self.keptFree)) * IndexPage.size
            + chunkCapacity * MemoryLayout<UnsafeMutableRawPointer>.stride
            + free.capacity * MemoryLayout<UInt32>.stride
    }

    @inline(__always)
    subscript(number: UInt32) -> IndexPage {
        IndexPage(
            base: chunks[Int(number >> Self.pagesPerChunkShift)]
                + Int(number & (Self.pagesPerChunk - 1)) * IndexPage.size)
    }

    /// An empty page of the given level.
    mutating func allocate(level: Int) -> UInt32 {
        let number: UInt32
        if let reused = free.popLast() {
            number = reused
        } else {
            if Int(fresh >> Self.pagesPerChunkShift) >= chunkCount { addChunk() }
            number = fresh
            fresh += 1
        }
        pagesInUse += 1
        self[number].reset(level: level)
        return number
    }

    mutating func release(_ number: UInt32) {
        if free.count >= Self.keptFree {
            // Advice only: if it is not taken, the page keeps its memory.
            _ = madvise(self[number].base, IndexPage.size, MADV_DONTNEED)
        }
        free.append(number)
        pagesInUse -= 1
    }

    private mutating func addChunk() {
        if chunkCount == chunkCapacity {
            let larger = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(
                capacity: chunkCapacity * 2)
            larger.update(from: chunks, count: chunkCount)
            chunks.deallocate()
            chunks = larger
            chunkCapacity *= 2
        }
        let chunk = mmap(
            nil, Self.chunkSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let chunk, chunk != MAP_FAILED else { preconditionFailure("out of memory") }
        chunks[chunkCount] = chunk
        chunkCount += 1
    }
}

// A large message in blocks of memory, which changes hands and is never copied as a whole.
//
// A buffer that grows by doubling holds a gigabyte twice while it moves, and a queue it is copied
// into holds it once more. Blocks stay where they were written, and each is freed when it was sent.

import Synchronization

/// Bytes in blocks: written at the end, taken from the front.
///
/// `@unchecked Sendable`: one owner at a time. Whoever hands it over forgets it.
public final class ByteBlocks: @unchecked Sendable {
    private final class Block {
        let bytes: ByteBuffer
        var next: Block?
        private let meter: ByteMeter?

        init(_ bytes: consuming ByteBuffer, _ meter: ByteMeter?) {
            meter?.add(bytes.capacity)
            self.meter = meter
            self.bytes = bytes
        }

        deinit { meter?.add(-bytes.capacity) }
    }

    /// What a block is made to hold, so that it is filled within a few slices of long work.
    public static let blockBytes = 512 << 10

    private var first: Block?
    private var last: Block?
    /// Bytes of the first block that were taken.
    private var taken = 0
    /// How many bytes there are.
    public private(set) var count = 0
    private let meter: ByteMeter?

    /// - Parameter meter: counts the memory of what is appended until it is freed, whoever has it
    ///   by then.
    public init(countedBy meter: ByteMeter? = nil) { self.meter = meter }

    // One by one: a chain that lets go of itself would take a stack as deep as it is long.
    deinit { removeAll() }

    public var isEmpty: Bool { count == 0 }

    /// Appends `bytes`, whose memory is kept as it is.
    public func append(_ bytes: consuming ByteBuffer) {
        guard !bytes.isEmpty else { return }
        count += bytes.count
        let block = Block(bytes, meter)
        if let last { last.next = block } else { first = block }
        last = block
    }

    /// Appends all of `other`, which is empty afterwards.
    public func append(_ other: ByteBlocks) {
        precondition(other.taken == 0, "part of the bytes to be appended was taken")
        guard other.first != nil else { return }
        if let last { last.next = other.first } else { first = other.first }
        last = other.last
        count += other.count
        other.first = nil
        other.removeAll()
    }

    /// Calls `body` with the bytes at the front that lie in one piece; there is at least one.
    public func withFront<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        guard let first else { preconditionFailure("no bytes are left") }
        return first.bytes.withUnsafeBytes {
            body(UnsafeRawBufferPointer(rebasing: $0[taken...]))
        }
    }

    /// Takes `size` bytes from the front; a block that is used up is freed.
    public func consume(_ size: Int) {
        precondition(size >= 0 && size <= count, "consumed \(size) of \(count) bytes")
        count -= size
        taken += size
        while let block = first, taken >= block.bytes.count {
            taken -= block.bytes.count
            first = block.next
        }
        if first == nil { last = nil }
    }

    /// Forgets all.
    public func removeAll() {
        while let block = first { first = block.next }
        last = nil
        taken = 0
        count = 0
    }

    /// A copy of all bytes.
    public var array: [UInt8] {
        var array: [UInt8] = []
        array.reserveCapacity(count)
        var skipped = taken
        var next = first
        while let block = next {
            block.bytes.withUnsafeBytes { array.append(contentsOf: $0[skipped...]) }
            skipped = 0
            next = block.next
        }
        return array
    }
}

/// How much memory certain blocks take, wherever they are. From any thread.
public final class ByteMeter: Sendable {
    private let sum = Atomic(0)

    public init() {}

    /// In bytes.
    public var bytes: Int { sum.load(ordering: .relaxed) }

    fileprivate func add(_ bytes: Int) { sum.add(bytes, ordering: .relaxed) }
}

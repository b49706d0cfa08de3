// A growable run of raw bytes that messages are written into.
//
// Why not `[UInt8]`? An array checks for uniqueness on every append, zeroes what it grows by, and
// its storage cannot be kept across threads without a reference count. One owner, malloc'ed
// memory and a capacity that survives `removeAll` make writing a response free of allocations.

import CSupport
import Glibc

/// Bytes in memory of their own, with one owner; grows as needed and never shrinks by itself.
///
/// Memory: at most twice the largest content since the last `removeAll(keepingAtMost:)`.
public struct ByteBuffer: ~Copyable {
    @usableFromInline var base: UnsafeMutableRawPointer?
    @usableFromInline var used: Int
    @usableFromInline var room: Int
    /// The memory is pages of its own, not malloc's.
    @usableFromInline var isMapped: Bool

    /// An empty buffer with room for `capacity` bytes.
    public init(capacity: Int = 0) {
        base = nil
        used = 0
        room = 0
        isMapped = false
        if capacity > 0 { grow(toHold: capacity) }
    }

    /// An empty buffer whose memory is pages of its own. For large contents that come and go.
    public init(mappedCapacity capacity: Int) {
        base = nil
        used = 0
        room = 0
        isMapped = true
        grow(toHold: capacity)
    }

    deinit { Self.free(base, room, isMapped) }

    /// How many bytes the buffer holds.
    @inlinable public var count: Int { used }
    @inlinable public var isEmpty: Bool { used == 0 }
    /// How many bytes it can hold before it must grow.
    @inlinable public var capacity: Int { room }

    /// The content, valid during `body` only.
    @inlinable
    public borrowing func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: base, count: used))
    }

    /// The content, to change in place; valid during `body` only.
    @inlinable
    public mutating func withUnsafeMutableBytes<Result, Failure: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeMutableRawBufferPointer(start: base, count: used))
    }

    /// A copy of the content.
    public var array: [UInt8] { withUnsafeBytes { [UInt8]($0) } }
}

// MARK: - Growing and shrinking

extension ByteBuffer {
    /// Makes room for `additional` bytes more, so that appending them moves nothing.
    @inlinable
    public mutating func reserve(_ additional: Int) {
        if room - used < additional { grow(toHold: used + additional) }
    }

    /// Grows to twice its size or `needed`, whichever is more.
    @usableFromInline
    mutating func grow(toHold needed: Int) {
        let wanted = max(needed, room * 2, 64)
        let isLarge = isMapped || wanted >= Self.mappedFrom
        guard let moved = isLarge ? remap(to: wanted) : realloc(base, wanted) else {
            preconditionFailure("out of memory for \(wanted) bytes")
        }
        base = moved
        room = wanted
    }

    /// Contents beyond lie in pages of their own: only those written to count, they move without
    /// a copy, and they go back to the system at once, whereas malloc keeps what lies below
    /// something in use. Less is not worth the faults.
    private static var mappedFrom: Int { 1 << 20 }

    private mutating func remap(to wanted: Int) -> UnsafeMutableRawPointer? {
        let pages =
            if isMapped, let base {
                csupport_remap(base, room, wanted)
            } else {
                mmap(nil, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            }
        guard let pages, pages != MAP_FAILED else { return nil }
        if !isMapped, let base {
            pages.copyMemory(from: base, byteCount: used)
            Glibc.free(base)
        }
        isMapped = true
        return pages
    }

    private static func free(_ base: UnsafeMutableRawPointer?, _ room: Int, _ isMapped: Bool) {
        guard let base else { return }
        if isMapped { munmap(base, room) } else { Glibc.free(base) }
    }

    /// Empties the buffer and keeps its memory.
    @inlinable public mutating func removeAll() { used = 0 }

    /// Empties the buffer; memory beyond `limit` bytes is given back, so that one large message
    /// does not cost its size for ever.
    public mutating func removeAll(keepingAtMost limit: Int) {
        used = 0
        guard room > limit else { return }
        Self.free(base, room, isMapped)
        base = nil
        room = 0
        isMapped = false
    }

    /// Forgets all but the first `count` bytes.
    @inlinable
    public mutating func truncate(to count: Int) {
        precondition(count >= 0 && count <= used, "truncate to \(count) of \(used) bytes")
        used = count
    }
}

// MARK: - Appending

extension ByteBuffer {
    @inlinable
    public mutating func append(_ byte: UInt8) {
        reserve(1)
        base.unsafelyUnwrapped.storeBytes(of: byte, toByteOffset: used, as: UInt8.self)
        used += 1
    }

    /// Appends a copy of `bytes`, which must not lie in this buffer.
    @inlinable
    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count)
        (base.unsafelyUnwrapped + used).copyMemory(from: source, byteCount: bytes.count)
        used += bytes.count
    }

    @inlinable
    public mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    /// Appends the UTF-8 bytes of `text`.
    @inlinable
    public mutating func append(utf8 text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }
}

// Sound: the memory has exactly one owner, and handing over a noncopyable value hands over all of
// it; no method keeps a pointer behind.
extension ByteBuffer: @unchecked Sendable {}

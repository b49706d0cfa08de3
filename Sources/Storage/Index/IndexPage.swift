// One page of the index: keys in order, in a compact slotted form.
//
//   header | slots -> ... free ... <- entries | prefix
//
// Keys of a page share their beginning: it is stored once, at the page's end. A slot holds the
// first four bytes of the rest of its key as a number (most comparisons need no more) and where
// the entry lies. An entry is an 8-byte word and the rest of the key. In a leaf (level 0) the
// word is a LeafWord, and a settled put has a SettledLife before it; above, it is the link to the
// child right of that separator, and the header has the link to the leftmost child.
// (The form is known from LeanStore and from Graefe, "Modern B-Tree Techniques", section 3.)
//
// A key above `longKey` bytes lies in a block of its own, whole; the entry has its address.
//
// A page is a view of memory that the PagePool owns.

import API
import Glibc

struct IndexPage {
    struct Header {
        /// A leaf: the number of the next one, 0 at the end. Above: the leftmost ChildLink.
        var first: UInt64
        var count: UInt16
        /// Where the lowest entry begins.
        var entriesStart: UInt16
        /// Bytes of removed entries between others.
        var garbage: UInt16
        var prefixLength: UInt16
        /// A leaf: keys that exist now.
        var live: UInt16
        /// A leaf: keys that have a history.
        var histories: UInt16
        var level: UInt8
        /// How many inserts in a row went to the end (above 0) or the beginning (below 0).
        var run: Int8
    }
    struct Slot {
        var head: UInt32
        var offset: UInt16
        var form: UInt16

        static let longBit: UInt16 = 1 << 15
        static let settledBit: UInt16 = 1 << 14
        @inline(__always) var isLong: Bool { form & Self.longBit != 0 }
        @inline(__always) var isSettled: Bool { form & Self.settledBit != 0 }
        /// Bytes after the word: the rest of the key, or a LongKey's address.
        @inline(__always) var length: Int {
            Int(form & ~(Self.longBit | Self.settledBit))
        }
        /// Bytes of the entry.
        @inline(__always) var size: Int {
            IndexPage.wordSize + length + (isSettled ? IndexPage.settledSize : 0)
        }
    }

    static let size = 4096
    /// Keys above that many bytes have a block of their own. A page takes at least 13 entries.
    static let longKey = 256
    static let wordSize = 8
    static let settledSize = MemoryLayout<SettledLife>.size
    static let slotSize = MemoryLayout<Slot>.stride
    static let headerSize = MemoryLayout<Header>.stride

    let base: UnsafeMutableRawPointer

    @inline(__always)
    init(base: UnsafeMutableRawPointer) { self.base = base }

    @inline(__always) var header: UnsafeMutablePointer<Header> {
        base.assumingMemoryBound(to: Header.self)
    }
    @inline(__always) var slots: UnsafeMutablePointer<Slot> {
        (base + Self.headerSize).assumingMemoryBound(to: Slot.self)
    }
    @inline(__always) var count: Int { Int(header.pointee.count) }
    @inline(__always) var isLeaf: Bool { header.pointee.level == 0 }
    @inline(__always) var prefixLength: Int { Int(header.pointee.prefixLength) }
    @inline(__always) var prefix: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Self.size - prefixLength, count: prefixLength)
    }

    /// Bytes between the slots and the entries.
    @inline(__always) var gap: Int {
        Int(header.pointee.entriesStart) - Self.headerSize - count * Self.slotSize
    }
    /// Bytes in use.
    var used: Int { Self.size - gap - Int(header.pointee.garbage) }

    /// Makes the page empty, its keys beginning with `prefix`.
    func reset(level: Int, prefix: UnsafeRawBufferPointer = .init(start: nil, count: 0)) {
        let start = Self.size - prefix.count
        header.initialize(
            to: Header(
                first: 0, count: 0, entriesStart: UInt16(start), garbage: 0,
                prefixLength: UInt16(prefix.count), live: 0, histories: 0, level: UInt8(level),
                run: 0))
        UnsafeMutableRawBufferPointer(start: base + start, count: prefix.count)
            .copyMemory(from: prefix)
    }

    /// Takes over another page's whole content.
    func replaceContent(with other: IndexPage) {
        base.copyMemory(from: other.base, byteCount: Self.size)
    }
}

// MARK: Entries
extension IndexPage {
    @inline(__always)
    func word(at i: Int) -> UInt64 {
        (base + Int(slots[i].offset)).loadUnaligned(as: UInt64.self)
    }

    @inline(__always)
    func setWord(_ word: UInt64, at i: Int) {
        (base + Int(slots[i].offset)).storeBytes(of: word, as: UInt64.self)
    }

    /// The bytes after the word.
    @inline(__always)
    func storedBytes(_ slot: Slot) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: base + Int(slot.offset) + Self.wordSize, count: slot.length)
    }

    func longKey(_ slot: Slot) -> LongKey {
        let address = (base + Int(slot.offset) + Self.wordSize).loadUnaligned(as: UInt.self)
        guard let block = UnsafeMutableRawPointer(bitPattern: address) else {
            preconditionFailure("a long key at address 0")
        }
        return LongKey(block: block)
    }

    /// The part of the key after the page's prefix.
    @inline(__always)
    func suffix(at i: Int) -> UnsafeRawBufferPointer {
        let slot = slots[i]
        if !slot.isLong { return storedBytes(slot) }
        return Bytes.suffix(longKey(slot).bytes, from: prefixLength)
    }

    func keyLength(at i: Int) -> Int { prefixLength + suffix(at: i).count }

    /// The whole key, copied.
    func key(at i: Int) -> [UInt8] { Array(prefix) + Array(suffix(at: i)) }

    /// A life that its put's position does not tell.
    @inline(__always)
    func settledLife(_ slot: Slot) -> SettledLife? {
        guard slot.isSettled else { return nil }
        return (base + Int(slot.offset) - Self.settledSize).loadUnaligned(as: SettledLife.self)
    }

    @inline(__always)
    func record(at i: Int) -> LeafRecord {
        let word = LeafWord(bits: word(at: i))
        if let history = word.history { return .history(history) }
        let position = word.position
        guard let life = settledLife(slots[i]) else {
            return .single(
                IndexedVersion(modified: position, created: position.main, version: 1))
        }
        return .single(
            IndexedVersion(
                modified: position, created: Revision(life.created), version: life.version))
    }
}

// MARK: Search
extension IndexPage {
    /// The first entry at or above `key`, and whether it is `key`.
    @inline(__always)
    func search(_ key: UnsafeRawBufferPointer) -> (index: Int, found: Bool) {
        let order = Bytes.compare(
            UnsafeRawBufferPointer(rebasing: key.prefix(prefixLength)), prefix)
        if order != 0 { return (order < 0 ? 0 : count, false) }
        let rest = Bytes.suffix(key, from: prefixLength)
        let head = Bytes.head(rest)
        let slots = slots
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            let other = slots[middle].head
            if other < head {
                low = middle + 1
            } else if other > head {
                high = middle
            } else {
                let order = Bytes.compare(rest, suffix(at: middle))
                if order == 0 { return (middle, true) }
                if order > 0 { low = middle + 1 } else { high = middle }
            }
        }
        return (low, false)
    }

    /// How many bytes entry `i` has in common with `key`.
    func sharedPrefix(of i: Int, with key: UnsafeRawBufferPointer) -> Int {
        let shared = Bytes.sharedPrefix(prefix, key)
        if shared < prefixLength { return shared }
        return shared + Bytes.sharedPrefix(suffix(at: i), Bytes.suffix(key, from: shared))
    }
}

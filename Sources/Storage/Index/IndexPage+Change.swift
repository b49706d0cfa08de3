// How a page changes: entries come and go, and the shared prefix follows the keys.
//
// The prefix is as long as it was worth making it when the page was last rebuilt. A key that does
// not share it makes the page rebuild with a shorter one; a page without room tries a longer one
// before it is split.

import API

/// What an insert puts beside a key.
struct PageEntry {
    var word: UInt64
    var settled: SettledLife?
}

extension IndexPage {
    /// A rebuild that frees less is not worth its time: the next inserts would ask for another.
    private static let worthwhileGain = 256

    /// Puts `key` at place `i`, which `search` told. False when there is no room: then nothing
    /// changed, and the page must be split.
    func insert(
        _ key: UnsafeRawBufferPointer, _ entry: PageEntry, at i: Int, scratch: IndexPage,
        heap: inout IndexHeap
    ) -> Bool {
        let shared = Bytes.sharedPrefix(prefix, key)
        let fits = gap >= Self.room(for: key, entry, prefixLength: prefixLength)
        if shared < prefixLength || !fits {
            let length =
                count == 0
                ? 0
                : min(
                    Self.longKey, sharedPrefix(of: 0, with: key),
                    sharedPrefix(of: count - 1, with: key))
            let left =
                Self.size - sizeAfterRebuild(prefixLength: length)
                - Self.room(for: key, entry, prefixLength: length)
            let enough = shared < prefixLength ? 0 : Self.worthwhileGain
            guard left >= enough else { return false }
            rebuild(prefixLength: length, scratch: scratch)
        }
        place(key, entry, at: i, heap: &heap)
        noteRun(insertedAt: i)
        return true
    }

    /// Bytes that an entry and its slot take.
    static func room(
        for key: UnsafeRawBufferPointer, _ entry: PageEntry, prefixLength: Int
    ) -> Int {
        slotSize + wordSize + (entry.settled == nil ? 0 : settledSize)
            + (key.count > longKey ? 8 : key.count - prefixLength)
    }

    /// Bytes in use, were the prefix of that length.
    func sizeAfterRebuild(prefixLength length: Int) -> Int {
        Self.headerSize + length + entriesSize(prefixLength: length)
    }

    /// Bytes of all slots and entries, were the prefix of that length.
    func entriesSize(prefixLength length: Int) -> Int {
        var size = 0
        for i in 0..<count {
            let slot = slots[i]
            size += Self.slotSize + slot.size
            if !slot.isLong { size += prefixLength - length }
        }
        return size
    }

    private func noteRun(insertedAt i: Int) {
        let run = header.pointee.run
        if i == count - 1 {
            header.pointee.run = run < 0 ? 1 : min(run, 100) + 1
        } else if i == 0 {
            header.pointee.run = run > 0 ? -1 : max(run, -100) - 1
        } else {
            header.pointee.run = 0
        }
    }

    /// Writes the entry into the gap, which is large enough; `key` begins with the prefix.
    func place(
        _ key: UnsafeRawBufferPointer, _ entry: PageEntry, at i: Int, heap: inout IndexHeap
    ) {
        let rest = Bytes.suffix(key, from: prefixLength)
        if key.count > Self.longKey {
            var address = UInt(bitPattern: LongKey(copying: key, in: &heap).block)
            withUnsafeBytes(of: &address) {
                place(entry, head: Bytes.head(rest), bytes: $0, flags: Slot.longBit, at: i)
            }
        } else {
            place(entry, head: Bytes.head(rest), bytes: rest, flags: 0, at: i)
        }
    }

    private func place(
        _ entry: PageEntry, head: UInt32, bytes: UnsafeRawBufferPointer, flags: UInt16, at i: Int
    ) {
        var start = Int(header.pointee.entriesStart) - bytes.count
        UnsafeMutableRawBufferPointer(start: base + start, count: bytes.count)
            .copyMemory(from: bytes)
        start -= Self.wordSize
        (base + start).storeBytes(of: entry.word, as: UInt64.self)
        let offset = start
        var form = UInt16(bytes.count) | flags
        if let settled = entry.settled {
            start -= Self.settledSize
            (base + start).storeBytes(of: settled, as: SettledLife.self)
            form |= Slot.settledBit
        }
        header.pointee.entriesStart = UInt16(start)
        (slots + i + 1).update(from: slots + i, count: count - i)
        (slots + i).initialize(to: Slot(head: head, offset: UInt16(offset), form: form))
        header.pointee.count += 1
        if isLeaf { account(for: LeafWord(bits: entry.word), by: 1) }
        assert(gap >= 0, "a page overran")
    }

    private func account(for word: LeafWord, by n: Int) {
        if word.isLive { header.pointee.live = UInt16(Int(header.pointee.live) + n) }
        if word.bits & LeafWord.historyBit != 0 {
            header.pointee.histories = UInt16(Int(header.pointee.histories) + n)
        }
    }

    /// Removes entry `i`. Its key is freed; a history is the caller's.
    func remove(at i: Int, heap: inout IndexHeap) {
        let slot = slots[i]
        if slot.isLong { longKey(slot).free(in: &heap) }
        if isLeaf { account(for: LeafWord(bits: word(at: i)), by: -1) }
        header.pointee.garbage += UInt16(slot.size)
        (slots + i).update(from: slots + i + 1, count: count - i - 1)
        header.pointee.count -= 1
        header.pointee.run = 0
        if header.pointee.count == 0 {
            header.pointee.entriesStart = UInt16(Self.size)
            header.pointee.garbage = 0
            header.pointee.prefixLength = 0
        }
    }

    /// Gives entry `i` of a leaf a history, or a new address or state of the one it has.
    func setHistory(_ history: KeyHistory, at i: Int) {
        account(for: LeafWord(bits: word(at: i)), by: -1)
        let slot = slots[i]
        if slot.isSettled {
            // The life lies before the word: it becomes garbage, the rest stays where it is.
            header.pointee.garbage += UInt16(Self.settledSize)
            slots[i].form = slot.form & ~Slot.settledBit
        }
        let word = LeafWord(history: history, isLive: !history.endsWithDelete)
        setWord(word.bits, at: i)
        account(for: word, by: 1)
    }

    /// Replaces the history of entry `i` by its only put. False when there is no room for it: then
    /// nothing changed. The history is the caller's to free.
    func setSingle(_ version: IndexedVersion, at i: Int, scratch: IndexPage) -> Bool {
        guard let word = LeafWord(put: version.modified) else { return false }
        var settled: SettledLife?
        if version.version != 1 || version.created != version.modified.main {
            settled = SettledLife(created: version.created.rawValue, version: version.version)
        }
        let slot = slots[i]
        let size = slot.size + (settled == nil ? 0 : Self.settledSize)
        if settled != nil {
            if gap < size {
                guard gap + Int(header.pointee.garbage) >= size else { return false }
                rebuild(prefixLength: prefixLength, scratch: scratch)
            }
            moveEntry(at: i, leaving: Self.settledSize)
        }
        account(for: LeafWord(bits: self.word(at: i)), by: -1)
        if let settled {
            let life = base + Int(slots[i].offset) - Self.settledSize
            life.storeBytes(of: settled, as: SettledLife.self)
            slots[i].form |= Slot.settledBit
        }
        setWord(word.bits, at: i)
        account(for: word, by: 1)
        return true
    }

    /// Moves entry `i`, which is not settled, into the gap with `room` bytes before it.
    private func moveEntry(at i: Int, leaving room: Int) {
        let size = slots[i].size
        let offset = Int(header.pointee.entriesStart) - size
        (base + offset).copyMemory(from: base + Int(slots[i].offset), byteCount: size)
        slots[i].offset = UInt16(offset)
        header.pointee.entriesStart = UInt16(offset - room)
        header.pointee.garbage += UInt16(size)
    }
}

// MARK: Rebuilding
extension IndexPage {
    /// Writes all entries anew, without garbage and with a prefix of that length.
    func rebuild(prefixLength length: Int, scratch: IndexPage) {
        let run = header.pointee.run
        scratch.begin(like: self, prefixLength: length)
        scratch.append(from: self, 0..<count)
        replaceContent(with: scratch)
        header.pointee.run = run
    }

    /// Becomes an empty page with the first `length` bytes of another's keys as its prefix.
    private func begin(like other: IndexPage, prefixLength length: Int) {
        withUnsafeTemporaryAllocation(byteCount: Self.longKey, alignment: 1) { bytes in
            if other.count > 0 {
                other.copyKey(at: 0, from: 0, to: length, into: bytes)
            }
            let prefix = UnsafeRawBufferPointer(rebasing: bytes[..<(other.count > 0 ? length : 0)])
            reset(level: Int(other.header.pointee.level), prefix: prefix)
        }
        header.pointee.first = other.header.pointee.first
    }

    /// Copies bytes `start..<end` of the key of entry `i`.
    func copyKey(
        at i: Int, from start: Int, to end: Int, into target: UnsafeMutableRawBufferPointer
    ) {
        let inPrefix = min(end, prefixLength)
        var written = 0
        if start < inPrefix {
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: prefix[start..<inPrefix]))
            written = inPrefix - start
        }
        let from = max(0, start - prefixLength)
        if end - prefixLength > from {
            UnsafeMutableRawBufferPointer(rebasing: target[written...]).copyMemory(
                from: UnsafeRawBufferPointer(
                    rebasing: suffix(at: i)[from..<(end - prefixLength)]))
        }
    }

    /// Takes over entries of another page at its end; they begin with this page's prefix, and
    /// there is room. Long keys and histories move.
    func append(from source: IndexPage, _ range: Range<Int>) {
        let length = prefixLength
        let given = source.prefixLength
        withUnsafeTemporaryAllocation(byteCount: Self.longKey, alignment: 1) { bytes in
            for i in range {
                let slot = source.slots[i]
                let entry = PageEntry(
                    word: source.word(at: i), settled: source.settledLife(slot))
                if slot.isLong {
                    let rest = Bytes.suffix(source.longKey(slot).bytes, from: length)
                    place(
                        entry, head: Bytes.head(rest), bytes: source.storedBytes(slot),
                        flags: Slot.longBit, at: count)
                } else {
                    let rest = given + slot.length - length
                    source.copyKey(at: i, from: length, to: given + slot.length, into: bytes)
                    let key = UnsafeRawBufferPointer(rebasing: bytes[..<rest])
                    place(entry, head: Bytes.head(key), bytes: key, flags: 0, at: count)
                }
            }
        }
    }

    /// The beginning that the entries of `range` share, as far as a page would store it.
    func sharedPrefix(of range: Range<Int>) -> Int {
        guard let first = range.first, let last = range.last else { return 0 }
        if first == last { return 0 }
        return min(
            Self.longKey,
            prefixLength + Bytes.sharedPrefix(suffix(at: first), suffix(at: last)))
    }

    /// Moves the entries from `place` on to the empty page `right`; both get the longest prefix.
    func split(at place: Int, into right: IndexPage, scratch: IndexPage) {
        let all = count
        right.beginSplit(of: self, place..<all)
        right.append(from: self, place..<all)
        let first = header.pointee.first
        scratch.beginSplit(of: self, 0..<place)
        scratch.append(from: self, 0..<place)
        replaceContent(with: scratch)
        header.pointee.first = first
    }

    private func beginSplit(of source: IndexPage, _ range: Range<Int>) {
        let length = source.sharedPrefix(of: range)
        withUnsafeTemporaryAllocation(byteCount: Self.longKey, alignment: 1) { bytes in
            if length > 0 {
                source.copyKey(at: range.lowerBound, from: 0, to: length, into: bytes)
            }
            reset(
                level: Int(source.header.pointee.level),
                prefix: UnsafeRawBufferPointer(rebasing: bytes[..<length]))
        }
    }

    /// The place that parts the entries into halves of about equal size, both not empty.
    var middle: Int {
        var size = 0
        for i in 0..<count {
            size += Self.slotSize + slots[i].size
            if size >= (used - Self.headerSize - prefixLength) / 2 {
                return min(max(i, 1), count - 1)
            }
        }
        return count / 2
    }
}

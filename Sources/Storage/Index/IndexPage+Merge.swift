// Two neighbours become one page.

import API

extension IndexPage {
    /// A merged page is at most that full, or it would soon be split again.
    private static let fullEnough = size * 3 / 4

    /// Takes over all entries of `right`, the page after this one under the same parent, and in an
    /// inner page the separator between them. False when they are too large: then nothing changed.
    func absorb(
        _ right: IndexPage, separator: UnsafeRawBufferPointer, scratch: IndexPage,
        heap: inout IndexHeap
    ) -> Bool {
        let low = firstKey ?? (isLeaf ? right.firstKey : Array(separator)) ?? []
        let high = right.lastKey ?? (isLeaf ? lastKey : Array(separator)) ?? []
        let all = count + right.count + (isLeaf ? 0 : 1)
        let length =
            all < 2
            ? 0
            : low.withUnsafeBytes { low in
                high.withUnsafeBytes { min(Self.longKey, Bytes.sharedPrefix(low, $0)) }
            }
        let link = PageEntry(word: right.header.pointee.first)
        let size =
            Self.headerSize + length + entriesSize(prefixLength: length)
            + right.entriesSize(prefixLength: length)
            + (isLeaf ? 0 : Self.room(for: separator, link, prefixLength: length))
        guard size <= Self.fullEnough else { return false }
        low.withUnsafeBytes {
            scratch.reset(
                level: Int(header.pointee.level),
                prefix: UnsafeRawBufferPointer(rebasing: $0.prefix(length)))
        }
        scratch.append(from: self, 0..<count)
        if isLeaf {
            scratch.header.pointee.first = right.header.pointee.first
        } else {
            scratch.header.pointee.first = header.pointee.first
            scratch.place(separator, link, at: scratch.count, heap: &heap)
        }
        scratch.append(from: right, 0..<right.count)
        replaceContent(with: scratch)
        return true
    }

    private var firstKey: [UInt8]? { count == 0 ? nil : key(at: 0) }
    private var lastKey: [UInt8]? { count == 0 ? nil : key(at: count - 1) }
}

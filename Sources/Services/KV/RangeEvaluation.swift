// What a RangeRequest comes to (reference: semantics.md, Range), in as many slices as it takes.
//
// Most ranges are answered by the first slice, and for them this is a few words on the stack. Keys
// in their own order go straight from the store into the answer; any other order is found first,
// from what little of each pair it depends on (RangeSorting).

import API
import Storage

/// A Range under way. The request must stay where it was decoded until it is done.
struct RangeEvaluation {
    /// Pairs that went into the answer so far, unless in another order than that of the keys.
    private(set) var shown = 0
    private let request: RangeRequest
    private var query: RangeQuery
    /// Where the next slice goes on reading; nil is the beginning.
    private var from: [UInt8]?
    private var count = 0
    private var more = false
    private var isReading = true
    private let sorting: RangeSorting?

    /// Memory that is kept until the answer is whole, in bytes.
    var scratchBytes: Int { sorting?.bytes ?? 0 }

    /// How much one slice does. A pair costs about half a microsecond to find and copy, a key that
    /// is only looked at a tenth of that.
    struct Slice {
        var pairs: Int
        var bytes: Int
        var keys: Int

        static let unlimited = Slice(pairs: .max, bytes: .max, keys: .max)
        /// A quarter of a millisecond, so that others who wait out a few are not late.
        static let brief = Slice(pairs: 400, bytes: 256 << 10, keys: 4000)
    }

    /// - Parameter inKeyOrder: the order that was asked for is not heeded.
    /// - Precondition: the request passed `checkRange`, by which order and target are known.
    init(_ request: RangeRequest, inKeyOrder: Bool = false) {
        self.request = request
        query = RangeQuery(revision: request.revision > Revision(0) ? request.revision : nil)
        query.countOnly = request.countOnly
        if request.countOnly {
            sorting = nil
            return
        }
        query.keysOnly = request.keysOnly
        query.filter = RevisionFilter(request)
        let limit = request.limit > 0 ? Int(clamping: request.limit) : .max
        sorting = inKeyOrder ? nil : RangeSorting(request, limit: limit)
        if sorting == nil {
            query.limit = limit
        } else if request.sortOrder == SortOrder.none && query.filter.isOff && limit < .max {
            // etcd reads no more than tell whether there is more, then sorts those.
            query.limit = limit + 1
        }
    }

    /// All further slices read `revision`.
    /// - Parameter isPinned: whether the caller holds a pin of it. If not, it may be compacted
    ///   between two slices, and the next throws.
    mutating func goOn(at revision: Revision, isPinned: Bool) {
        query.revision = revision
        query.isPinned = isPinned
    }

    /// Appends what one slice yields to `bytes`, which begin with the header; at the end also what
    /// follows the pairs.
    /// - Returns: whether that was the end.
    mutating func step(
        _ slice: Slice, of store: isolated MVCCStore, into bytes: inout ByteBuffer
    ) throws(StoreError) -> Bool {
        if isReading { try read(slice, store, &bytes) }
        guard !isReading else { return false }
        if let sorting {
            let isDone = try sorting.emit(
                slice, of: store, keysOnly: request.keysOnly, into: &bytes)
            guard isDone else { return false }
            more = sorting.added > sorting.limit
        }
        bytes.appendRangeEnd(more: more, count: Int64(count))
        return true
    }

    private mutating func read(
        _ slice: Slice, _ store: isolated MVCCStore, _ bytes: inout ByteBuffer
    ) throws(StoreError) {
        query.maximumKeys = slice.keys
        query.maximumBytes = slice.bytes
        query.maximumPairs = sorting.map { $0.readsPairs } ?? true ? slice.pairs : .max
        let result: RangeResult
        if let from {
            result = try from.span.withUnsafeBytes { (from) throws(StoreError) in
                try read(bounds(from: from), store, &bytes)
            }
        } else {
            result = try read(bounds(from: request.key), store, &bytes)
        }
        if query.limit < .max { query.limit -= result.shown }
        shown += result.shown
        count += result.count
        if result.isCountWhole { query.wantsCount = false }
        if result.more { more = true }
        from = result.next
        isReading = from != nil
        if !isReading { try sorting?.endReading(store) }
    }

    private func bounds(from: UnsafeRawBufferPointer) -> KeyBounds {
        KeyBounds(key: from, rangeEnd: request.rangeEnd)
    }

    private func read(
        _ bounds: KeyBounds, _ store: isolated MVCCStore, _ bytes: inout ByteBuffer
    ) throws(StoreError) -> RangeResult {
        guard let sorting else {
            return try store.range(bounds, query) { bytes.appendRangePair(stored: $0.encoded) }
        }
        return try store.versions(bounds, query) { (version) throws(StoreError) in
            try sorting.add(version, of: store)
        }
    }
}

extension RevisionFilter {
    init(_ request: RangeRequest) {
        self.init()
        minModified = request.minModRevision
        maxModified = request.maxModRevision
        minCreated = request.minCreateRevision
        maxCreated = request.maxCreateRevision
    }
}

extension KeyBounds {
    /// By etcd's conventions: no end is the single key, one zero byte is all keys from `key` on.
    init(key: UnsafeRawBufferPointer, rangeEnd: UnsafeRawBufferPointer) {
        if rangeEnd.isEmpty {
            self.init(lower: key, upper: .single)
        } else if rangeEnd.count == 1 && rangeEnd[0] == 0 {
            self.init(lower: key, upper: .open)
        } else {
            self.init(lower: key, upper: .before(rangeEnd))
        }
    }
}

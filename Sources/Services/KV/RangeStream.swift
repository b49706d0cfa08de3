// A range that is sent chunk by chunk (reference: semantics.md, RangeStream).
//
// Two halves: RangeStream reads, where the store is, RangeStreamCall sends, where the connection
// is. A chunk is read once there is room for it, so a client that does not read costs one chunk
// and what fits in its stream. Such a client may take for ever, so nothing is pinned for it: if its
// revision is compacted away between two slices, that ends the stream.

import API
import Storage
import Transport

/// The reading half.
///
/// `@unchecked Sendable`: made on the thread of a connection, handed over once to the executor of
/// the applied state, and but for `next` and `cancel` touched only there from then on.
final class RangeStream: AppliedRead, @unchecked Sendable {
    let applier: Applier
    let isSerializable: Bool
    let caller: Principal
    private let request: RangeRequest
    private var arena: Arena?
    private let pool: ArenaPool
    private let call: RangeStreamCall
    private let maxRequestBytes: Int

    /// nil before it is served and when it is over.
    private var evaluation: RangeEvaluation?
    /// Of users and roles when the stream began; nil while they do not count.
    private var authRevision: UInt64?
    /// Of the last message, as it was when the stream began.
    private var header: HeaderFields?

    private var chunk = ByteBlocks()
    private var block = ByteBuffer()
    /// How many pairs the chunk at hand may have, and has.
    private var chunkLimit = 10
    private var chunkPairs = 0

    /// - Parameter arena: where `request` was decoded; goes back to `pool` in the end.
    init(
        _ request: RangeRequest, of applier: Applier, arena: Arena, from pool: ArenaPool,
        as caller: Principal, to call: RangeStreamCall, maxRequestBytes: Int
    ) {
        self.request = request
        self.applier = applier
        isSerializable = request.isSerializable
        self.arena = arena
        self.pool = pool
        self.caller = caller
        self.call = call
        self.maxRequestBytes = maxRequestBytes
    }

    func serve(from applier: isolated Applier) {
        guard arena != nil else { return }
        applier.counters.ranges.increment()
        authRevision = caller.isMember ? nil : applier.authRevision
        let header = applier.header()
        self.header = header
        var evaluation = RangeEvaluation(request, inKeyOrder: true)
        evaluation.goOn(
            at: request.revision > Revision(0) ? request.revision : header.revision,
            isPinned: false)
        self.evaluation = evaluation
        call.reads(self)
        readSlice()
    }

    func refusal(given access: KeyAccess) -> Status? {
        access.refusalToRead(request.key, request.rangeEnd)
    }

    func fail(_ status: Status) {
        guard arena != nil else { return }
        call.finish(status)
        end()
    }

    /// The next chunk is wanted. From any thread; once for each chunk that was sent.
    func next() { onExecutor { $0.goOn() } }

    /// Nobody wants more. From any thread.
    func cancel() { onExecutor { $0.end() } }

    private func onExecutor(_ work: @escaping @Sendable (RangeStream) -> Void) {
        let executor = applier.executor
        if executor.isCurrent { work(self) } else { executor.post { work(self) } }
    }

    private func goOn() { applier.executor.postSlice { [self] in readSlice() } }

    private func readSlice() {
        guard evaluation != nil else { return }
        guard !isStale else { return fail(.oldAuthRevision) }
        do throws(StoreError) {
            let isDone = try applier.store.enter(with: self) {
                (store, stream) throws(StoreError) in
                try stream.step(of: store)
            }
            if isDone {
                sendChunk(isLast: true, ends: true)
                end()
            } else if chunkPairs == chunkLimit {
                sendChunk(isLast: false, ends: false)
            } else {
                goOn()
            }
        } catch {
            fail(Status(error))
        }
    }

    /// Who may read what has changed since the stream began: what was sent was right then, and no
    /// more is.
    private var isStale: Bool {
        authRevision.map { $0 != applier.assumeIsolated { $0.authRevision } } ?? false
    }

    private func step(of store: isolated MVCCStore) throws(StoreError) -> Bool {
        guard var reading = evaluation.take() else { return true }
        defer { evaluation = reading }
        var slice = RangeEvaluation.Slice.brief
        slice.pairs = min(slice.pairs, chunkLimit - chunkPairs)
        let before = reading.shown
        if block.capacity == 0 { block = ByteBuffer(mappedCapacity: ByteBlocks.blockBytes) }
        let isDone = try reading.step(slice, of: store, into: &block)
        chunkPairs += reading.shown - before
        if block.count >= ByteBlocks.blockBytes / 2 { cutBlock() }
        return isDone
    }

    private func cutBlock() {
        var full = ByteBuffer()
        swap(&full, &block)
        chunk.append(full)
    }

    /// Sends RangeStreamResponse{range_response}. The header goes with the last one only.
    private func sendChunk(isLast: Bool, ends: Bool) {
        cutBlock()
        let header = isLast ? header : nil
        let headerSize = header.map { WireSize.element(1, byteCount: $0.encodedSize) } ?? 0
        var head = ByteBuffer(capacity: 64)
        head.appendHeader(1, byteCount: headerSize + chunk.count)
        if let header { head.appendResponseHeader(header) }
        let message = ByteBlocks()
        message.append(head)
        message.append(chunk)
        if message.count < maxRequestBytes / 2 {
            chunkLimit *= 2
        } else if message.count > 2 * maxRequestBytes {
            chunkLimit = max(1, chunkLimit / 2)
        }
        chunkPairs = 0
        call.send(message, isLast: ends)
    }

    private func end() {
        evaluation = nil
        chunk.removeAll()
        guard let arena else { return }
        self.arena = nil
        pool.putBack(arena)
    }
}

/// The sending half.
///
/// `@unchecked Sendable`: confined to the executor of the connection; `reads`, `send` and `finish`
/// are called from elsewhere and go there.
final class RangeStreamCall: StreamingHandler, @unchecked Sendable {
    private let call: any MessageTaking
    private var reader: RangeStream?
    /// The next chunk is being read.
    private var awaitsChunk = true
    private var isOver = false

    init(_ call: any MessageTaking) { self.call = call }

    // MARK: From the reader

    func reads(_ reader: RangeStream) {
        onExecutor { call in
            if call.isOver { reader.cancel() } else { call.reader = reader }
        }
    }

    func send(_ message: ByteBlocks, isLast: Bool) {
        onExecutor { call in
            guard !call.isOver else { return }
            call.call.send(message)
            call.awaitsChunk = false
            if isLast { call.end(nil) } else { call.writable() }
        }
    }

    func finish(_ status: Status) { onExecutor { $0.end(status) } }

    private func onExecutor(_ work: @escaping @Sendable (RangeStreamCall) -> Void) {
        if call.executor.isCurrent { work(self) } else { call.executor.post { work(self) } }
    }

    private func end(_ status: Status?) {
        guard !isOver else { return }
        isOver = true
        reader = nil
        call.finish(status)
    }

    // MARK: From the connection

    func writable() {
        guard !awaitsChunk, call.isWritable, let reader else { return }
        awaitsChunk = true
        reader.next()
    }

    func cancelled() {
        guard !isOver else { return }
        isOver = true
        reader?.cancel()
        reader = nil
    }

    func received(_ message: sending UnsafeRawBufferPointer) {}
    func halfClosed() {}
}

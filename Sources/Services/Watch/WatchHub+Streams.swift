// What a client asks for on its stream: watchers come and go (reference: semantics.md, Watch).

import API
import Storage

/// A watcher as it was asked for.
struct WatchOrder {
    var range: KeyRange
    var start: Revision
    var options: Watcher.Options
    var id: WatchID
}

extension WatchOrder {
    init(_ request: WatchCreateRequest) {
        // An empty key means one zero byte.
        range = KeyRange(
            key: request.key.isEmpty ? [0] : [UInt8](request.key),
            rangeEnd: [UInt8](request.rangeEnd))
        start = request.startRevision
        options = []
        if request.prevKV { options.insert(.previous) }
        if request.leavesOutPuts { options.insert(.noPuts) }
        if request.leavesOutDeletes { options.insert(.noDeletes) }
        if request.fragment { options.insert(.fragments) }
        if request.progressNotify { options.insert(.progress) }
        id = request.id
    }

    /// Whether no key can lie in the range.
    var isEmpty: Bool {
        guard case .before(let end) = range.end else { return false }
        return !range.key.lexicographicallyPrecedes(end)
    }
}

extension WatchHub {
    /// A stream begins.
    func open(_ stream: WatchStream) {
        stream.isOpen = true
        stream.rightsEpoch = rightsEpoch
        streams.insert(stream)
        counters.streams.add(1)
    }

    /// A stream is over, for whatever reason; harmless when repeated.
    func close(_ stream: WatchStream) {
        guard stream.isOpen else { return }
        stream.isOpen = false
        streams.remove(stream)
        counters.streams.add(-1)
        stream.progressTimer?.cancel()
        stream.progressTimer = nil
        for watcher in stream.watchers.inOrder { forget(watcher) }
        stream.watchers.removeAll()
        stream.dropQueues()
    }

    /// A stream that was full takes responses again.
    ///
    /// In the next turn: a client that reads as fast as it is told must not keep this one going.
    func resume(_ stream: WatchStream) {
        guard stream.isOpen, stream.isAnyToTell, !stream.isReady else { return }
        stream.isReady = true
        ready.append(stream)
        schedulePump(inThisTurn: false)
    }

    // MARK: Create

    /// Creates a watcher, or says why not: a failure ends nothing.
    func create(_ order: WatchOrder, on stream: WatchStream, as caller: Principal) {
        guard stream.isOpen else { return }
        let start = settings.stopwatch()
        defer { counters.times.control.observe(settings.stopwatch() - start) }
        let now = store.assumeIsolated { $0.revision }
        if let status = refusal(of: order.range, by: caller) {
            return refuse(WatchCancelReason.of(status), on: stream)
        }
        if let reason = refusal(of: order, on: stream) { return refuse(reason, on: stream) }
        // Those it has must have been looked at before the stream passes for looked at.
        checkRights(of: stream)
        stream.caller = caller.hasUser ? caller : nil
        if watcherCount == 0 { startObserving(now) }
        let watcher = add(order, on: stream, now)
        var answer = WatchResponseFields(watcher.id)
        answer.isCreated = true
        respond(answer, now, on: stream)
        if watcher.next <= now {
            setReadsHistory(watcher)
            wait(watcher)
        }
    }

    private func refusal(of order: WatchOrder, on stream: WatchStream) -> String? {
        if order.start < Revision(0) { return WatchCancelReason.compacted }
        if order.isEmpty { return WatchCancelReason.emptyRange }
        if order.id != .chosenByServer, stream.watchers[order.id] != nil {
            return WatchCancelReason.duplicateWatchID
        }
        return nil
    }

    private func add(_ order: WatchOrder, on stream: WatchStream, _ now: Revision) -> Watcher {
        let group = index.find(order.range) ?? makeGroup(order.range)
        let id = order.id == .chosenByServer ? stream.takeID() : order.id
        let watcher = Watcher(
            id, order.options, group: group, stream: stream, start: order.start,
            next: order.start == Revision(0) ? now.next : order.start)
        #if CAIRN_BUGS
            if DeliberateBug.made == .dropEventOnResume, order.start != Revision(0),
                order.start <= now
            {
                watcher.next = order.start.next
            }
        #endif
        group.add(watcher)
        stream.watchers[id] = watcher
        if order.start > now { stream.future[id] = watcher }
        if order.options.contains(.progress) { startProgress(of: stream) }
        watcherCount += 1
        counters.watchers.add(1)
        return watcher
    }

    private func makeGroup(_ range: KeyRange) -> WatchGroup {
        let group = WatchGroup(range)
        index.insert(range, group)
        return group
    }

    private func startObserving(_ now: Revision) {
        newest = now
        store.assumeIsolated { $0.observeChanges(self) }
    }

    // MARK: Cancel

    /// Ends a watcher. An unknown id is not answered.
    func cancel(_ id: WatchID, on stream: WatchStream) {
        guard stream.isOpen, let watcher = stream.watchers.removeValue(forKey: id) else { return }
        let start = settings.stopwatch()
        defer { counters.times.control.observe(settings.stopwatch() - start) }
        forget(watcher)
        var answer = WatchResponseFields(id)
        answer.isCanceled = true
        respond(answer, store.assumeIsolated { $0.revision }, on: stream)
    }

    /// Takes a watcher out of everything but its stream's table.
    func forget(_ watcher: Watcher) {
        let (group, stream) = (watcher.group, watcher.stream)
        clearReadsHistory(watcher)
        if !stream.future.isEmpty { stream.future[watcher.id] = nil }
        if watcher.state.contains(.ended) { stream.ended -= 1 }
        if watcher.state.contains(.waiting) {
            group.waiting -= 1
            stream.noteGone()
        }
        watcher.state.insert(.gone)
        if let missed = group.remove(watcher), !missed.state.contains(.ended) { wait(missed) }
        if group.watchers.isEmpty {
            settle(group)
            index.remove(group.range)
        }
        watcherCount -= 1
        counters.watchers.add(-1)
        if watcherCount == 0 { store.assumeIsolated { $0.observeChanges(nil) } }
    }

    /// Sends a response without events. The caller has seen to it that the stream takes it.
    func respond(_ answer: WatchResponseFields, _ revision: Revision, on stream: WatchStream) {
        var bytes = ByteBuffer()
        bytes.appendResponseHeader(fields(revision))
        bytes.appendWatchResponse(answer)
        bytes.withUnsafeBytes { bytes in
            _ = stream.sink.send(capacity: bytes.count) {
                $0.copyMemory(from: bytes)
                return bytes.count
            }
        }
    }

    func fields(_ revision: Revision) -> HeaderFields {
        HeaderFields(
            cluster: identity.cluster, member: identity.member, revision: revision, term: term)
    }

    // MARK: States

    func setReadsHistory(_ watcher: Watcher) {
        guard watcher.state.insert(.readsHistory).inserted else { return }
        watcher.stream.readingHistory += 1
        counters.slowWatchers.add(1)
    }

    func clearReadsHistory(_ watcher: Watcher) {
        guard watcher.state.remove(.readsHistory) != nil else { return }
        watcher.stream.readingHistory -= 1
        counters.slowWatchers.add(-1)
    }

    /// A watcher without events is not touched while it is told that there are none: its `next`
    /// stays behind. What it is asked for from there on would be read in vain, or be gone.
    /// - Parameter newest: what all of a range that is not due have been told of.
    func settlePosition(of watcher: Watcher, newest: Revision) {
        guard watcher.state.isDisjoint(with: [.waiting, .readsHistory, .ended]) else { return }
        let told = watcher.group.isDue ? watcher.group.dueSince : newest.next
        guard watcher.next < told else { return }
        watcher.next = told
        watcher.sentOfNext = 0
    }

    /// `watcher` has more to be told than it was, and takes its turn in its stream.
    func wait(_ watcher: Watcher) {
        settlePosition(of: watcher, newest: newest)
        guard watcher.state.insert(.waiting).inserted else { return }
        watcher.group.waiting += 1
        watcher.stream.enqueue(watcher)
        if watcher.stream.sink.isWritable { markReady(watcher.stream) }
    }

    func markReady(_ stream: WatchStream) {
        guard !stream.isReady else { return }
        stream.isReady = true
        ready.append(stream)
        schedulePump()
    }
}

// Telling watchers what happened: in slices, so that requests go in between.
//
// Two queues take turns. Ranges with new events: each watcher of the range whose stream has room is
// sent what is pending. Streams with room: their waiting watchers are sent one response each, in
// turn. What piles up meanwhile goes out together, in fewer responses.

import API
import Storage

/// A response's header, encoded once for all that carry it.
struct EncodedHeader: ~Copyable {
    private var fields: HeaderFields?
    private var bytes = ByteBuffer()

    /// Calls `body` with the encoded field; the bytes are valid during the call only.
    @inline(__always)
    mutating func with<Result>(
        _ wanted: HeaderFields, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        if fields != wanted {
            bytes.removeAll()
            bytes.appendResponseHeader(wanted)
            fields = wanted
        }
        return bytes.withUnsafeBytes(body)
    }
}

extension WatchHub {
    /// What one slice may do, in responses and half kibibytes: about a millisecond.
    private static let sliceWork = 4000
    /// Watchers of a range, and of a stream, before others have their turn.
    private static let turnWatchers = 256

    /// Sees to it that what is due is done.
    /// - Parameter inThisTurn: after its applies and before its writes.
    func schedulePump(inThisTurn: Bool = true) {
        guard !isPumping else { return }
        isPumping = true
        if inThisTurn {
            executor.atTurnEnd(.gather) { [weak self] in self?.assumeIsolated { $0.pump() } }
        } else {
            postPump()
        }
    }

    private func postPump() {
        executor.post { [weak self] in self?.assumeIsolated { $0.pump() } }
    }

    private func pump() {
        let start = settings.stopwatch()
        let before = sent
        var work = Self.sliceWork
        while work > 0, !due.isEmpty || !ready.isEmpty {
            if let group = due.popFirst() { tell(group, &work) }
            if let stream = ready.popFirst() { serve(stream, &work) }
        }
        noteTime(since: start, before)
        guard due.isEmpty, ready.isEmpty else { return postPump() }
        isPumping = false
        slices.removeAll()
        if pendingEvents == 0 { log.removeAll() }
    }

    private func noteTime(since start: UInt64, _ before: Sent) {
        let responses = sent.responses - before.responses
        guard responses > 0 else { return }
        let spent = settings.stopwatch() - start
        counters.times.response.observe(spent / UInt64(responses), times: responses)
        let events = UInt64(sent.events - before.events)
        counters.times.event.observe(spent / events, times: responses)
    }

    // MARK: Ranges

    /// Tells some watchers of `group` what is pending; the rest when its turn comes again.
    private func tell(_ group: WatchGroup, _ work: inout Int) {
        trim(group)
        work -= 1
        var left = Self.turnWatchers
        while group.passed < group.watchers.count, left > 0 {
            let watcher = group.watchers[group.passed]
            if watcher.stream.rightsEpoch != rightsEpoch {
                checkRights(of: watcher.stream)
                continue
            }
            group.passed += 1
            left -= 1
            guard watcher.next <= group.newestPending,
                watcher.state.isDisjoint(with: [.waiting, .ended])
            else { continue }
            guard watcher.stream.sink.isWritable, watcher.next > group.droppedThrough else {
                wait(watcher)
                continue
            }
            if !tellPending(watcher, &work) { wait(watcher) }
        }
        guard group.passed >= group.watchers.count else { return due.append(group) }
        group.passed = 0
        if group.needsAnotherRound {
            group.needsAnotherRound = false
            return due.append(group)
        }
        group.endRound()
        settleIfTold(group)
    }

    func trim(_ group: WatchGroup) {
        let before = group.pending.count
        group.trim(to: log)
        count(pending: group.pending.count - before)
    }

    func settle(_ group: WatchGroup) {
        count(pending: -group.pending.count)
        group.settle()
    }

    private func settleIfTold(_ group: WatchGroup) {
        if !group.isDue, group.waiting == 0 { settle(group) }
    }

    /// - Returns: whether that was all.
    func tellPending(_ watcher: Watcher, _ work: inout Int) -> Bool {
        let pending = watcher.group.pending
        return tell(watcher, pending, of: log, through: newest, isLive: true, &work)
    }

    // MARK: Streams

    private func serve(_ stream: WatchStream, _ work: inout Int) {
        stream.isReady = false
        guard stream.isOpen else { return }
        checkRights(of: stream)
        tellRefused(of: stream)
        var left = Self.turnWatchers
        while stream.sink.isWritable, left > 0, work > 0, let watcher = stream.dequeue() {
            left -= 1
            work -= 1
            let isDone = advance(watcher, &work)
            guard stream.isOpen else { return }
            if isDone { stop(waiting: watcher) } else { stream.enqueue(watcher) }
        }
        guard stream.sink.isWritable else { return }  // comes back when it is again
        if stream.isAnyWaiting { return markReady(stream) }
        if stream.owesProgress { settleProgress(of: stream, &work) }
        tellDueProgress(of: stream, &work)
    }

    private func stop(waiting watcher: Watcher) {
        watcher.state.remove(.waiting)
        watcher.group.waiting -= 1
        settleIfTold(watcher.group)
    }

    /// Sends a waiting watcher one response.
    /// - Returns: whether it has nothing to wait for any more.
    private func advance(_ watcher: Watcher, _ work: inout Int) -> Bool {
        if !watcher.state.contains(.readsHistory) {
            trim(watcher.group)
            if watcher.next > watcher.group.droppedThrough { return tellPending(watcher, &work) }
            setReadsHistory(watcher)
        }
        return advanceInHistory(watcher, &work)
    }

    // MARK: One response

    /// Sends a watcher the next response from the events of its range.
    ///
    /// - Parameters:
    ///   - events: numbers of the range's events, in order; all from `watcher.next` on.
    ///   - through: the watcher has been told of everything up to here once these are sent.
    ///   - isLive: a response that brings one revision names that one in its header.
    /// - Returns: whether all was sent.
    func tell(
        _ watcher: Watcher, _ events: [Int], of log: EventLog, through: Revision, isLive: Bool,
        _ work: inout Int
    ) -> Bool {
        let fragmentBytes = watcher.options.contains(.fragments) ? settings.fragmentBytes : nil
        var part = ResponsePart(
            watcher, events, of: log, bytes: settings.responseBytes,
            revisions: settings.responseRevisions, fragmentBytes: fragmentBytes)
        part.take()
        if part.count > 0 {
            let names = isLive && part.revisions == 1
            send(part, to: watcher, fields(names ? part.newest : newest))
            work -= 1 + part.bytes >> 9
        }
        if let rest = part.next {
            watcher.next = rest
            watcher.sentOfNext = part.sentOfNext
            return false
        }
        watcher.next = through.next
        watcher.sentOfNext = 0
        return true
    }

    private func send(_ part: borrowing ResponsePart, to watcher: Watcher, _ header: HeaderFields) {
        watcher.state.insert(.hasNews)
        counters.events.increment(by: UInt64(part.count))
        sent.responses += 1
        sent.events += part.count
        self.header.with(header) { header in
            // Tag and ten bytes of id; two bytes of fragment.
            _ = watcher.stream.sink.send(capacity: header.count + 13 + part.bytes) { buffer in
                var place = ResponsePlace(buffer)
                place.append(header)
                place.append(watcher.id, isFragment: part.isFragment)
                part.forEach { place.append($0) }
                return place.count
            }
        }
    }
}

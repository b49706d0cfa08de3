// How far watchers are, by request and from time to time (reference: semantics.md, Watch).
//
// A progress revision promises that all events up to it were sent before on that stream. So what is
// pending for the stream goes out first, and a stream that takes no more is told once it does.

import API

extension WatchHub {
    // MARK: By request

    /// Answers a progress request, at once or when what waits has been sent. Not at all while a
    /// watcher reads history, has fallen behind a compaction or is ahead of the store.
    func requestProgress(of stream: WatchStream) {
        guard stream.isOpen else { return }
        checkRights(of: stream)
        guard mayTellProgress(of: stream) else { return }
        var work = 0
        settleProgress(of: stream, &work)
    }

    private func mayTellProgress(of stream: WatchStream) -> Bool {
        guard !stream.watchers.isEmpty, stream.ended == 0, stream.readingHistory == 0 else {
            return false
        }
        if !stream.future.isEmpty {
            stream.future = stream.future.filter { $0.value.start > newest }
        }
        return stream.future.isEmpty
    }

    func settleProgress(of stream: WatchStream, _ work: inout Int) {
        stream.owesProgress = false
        if !due.isEmpty { tellAllPending(of: stream, &work) }
        guard mayTellProgress(of: stream) else { return }
        guard !stream.isAnyWaiting, stream.sink.isWritable else {
            stream.owesProgress = true
            return
        }
        respond(WatchResponseFields(.none), newest, on: stream)
    }

    /// Does for one stream what the rounds of its ranges would come to later.
    private func tellAllPending(of stream: WatchStream, _ work: inout Int) {
        for watcher in stream.watchers.inOrder {
            let group = watcher.group
            guard group.isDue, watcher.next <= group.newestPending,
                watcher.state.isDisjoint(with: [.waiting, .ended])
            else { continue }
            trim(group)
            let isTold =
                stream.sink.isWritable && watcher.next > group.droppedThrough
                && tellPending(watcher, &work)
            if !isTold { wait(watcher) }
        }
    }

    // MARK: From time to time

    /// A watcher of `stream` wants to hear of its progress.
    func startProgress(of stream: WatchStream) {
        guard stream.progressTimer == nil else { return }
        let interval = settings.progressNanoseconds
        let jitter = UInt64(Double(interval / 10) * stream.jitter)
        stream.progressTimer = executor.schedule(afterNanoseconds: interval + jitter) {
            [weak self, weak stream] in
            guard let self, let stream else { return }
            self.enter(with: stream) { hub, stream in hub.progressIsDue(stream) }
        }
    }

    private func progressIsDue(_ stream: WatchStream) {
        guard stream.isOpen else { return }
        let start = settings.stopwatch()
        defer { counters.times.progress.observe(settings.stopwatch() - start) }
        stream.progressTimer = nil
        for watcher in stream.watchers.inOrder where watcher.options.contains(.progress) {
            guard watcher.state.remove(.hasNews) == nil else { continue }
            guard watcher.state.insert(.progressDue).inserted else { continue }
            stream.progressDue.append(watcher)
        }
        let goesOn = stream.watchers.values.contains { $0.options.contains(.progress) }
        if goesOn { startProgress(of: stream) }
        if stream.sink.isWritable { markReady(stream) }
    }

    /// Tells those whose interval has passed, as many as the stream takes now.
    func tellDueProgress(of stream: WatchStream, _ work: inout Int) {
        while work > 0, stream.sink.isWritable, let watcher = stream.progressDue.popFirst() {
            work -= 1
            watcher.state.remove(.progressDue)
            let isBehind = watcher.group.isDue && watcher.next <= watcher.group.newestPending
            guard !isBehind, watcher.start <= newest,
                watcher.state.isDisjoint(with: [.gone, .ended, .waiting, .readsHistory])
            else { continue }
            respond(WatchResponseFields(watcher.id), newest, on: stream)
        }
        if !stream.progressDue.isEmpty, stream.sink.isWritable { markReady(stream) }
    }
}

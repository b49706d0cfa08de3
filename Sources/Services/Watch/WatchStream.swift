// One Watch call: its watchers and what they wait for.

import API
import DequeModule
import Transport

/// Where the responses of a stream go; a StreamingCall, or a test's.
protocol WatchSink {
    /// Whether `send` takes a response: the bytes that wait to be sent are below a bound.
    var isWritable: Bool { get }
    /// Sends a response of at most `capacity` bytes that `write` encodes in place, returning how
    /// many it wrote. False, and nothing is sent, when `isWritable` is false.
    @discardableResult
    func send(capacity: Int, _ write: (UnsafeMutableRawBufferPointer) -> Int) -> Bool
    func finish(_ status: Status?)
}

extension StreamingCall: WatchSink {}

/// Confined to the hub, which its call's executor is the executor of too.
final class WatchStream {
    let sink: any WatchSink
    /// Who watches, by what the call brought; nil for the member itself.
    let visitor: Visitor?
    /// Who it was when a watcher was created last, while auth was on.
    var caller: Principal?
    /// The state of rights that its watchers were checked at.
    var rightsEpoch = 0
    /// Watchers that lost their right, and have not been told.
    var refused: Deque<(id: WatchID, reason: String)> = []
    var watchers: [WatchID: Watcher] = [:]
    /// The id the server tries next (semantics.md, Watch: "lowest unused counter value").
    var nextID: Int64 = 0
    var isOpen = false

    /// Those with more to tell than could be told so far, in the order of their turns.
    private(set) var waiting: Deque<Watcher> = []
    /// How many in `waiting` are gone.
    private var goneWaiting = 0
    /// In the hub's queue of streams that can be told more.
    var isReady = false

    /// Watchers that read history, and those that have ended: while there are any, a progress
    /// request is not answered.
    var readingHistory = 0
    var ended = 0
    /// Watchers that began at a revision that was still to come; those it has reached are taken out
    /// when somebody asks.
    var future: [WatchID: Watcher] = [:]
    /// A progress request waits until the watchers that wait have been told.
    var owesProgress = false
    /// Watchers to be told how far they are, for the interval has passed.
    var progressDue: Deque<Watcher> = []
    var progressTimer: (any TimerHandle)?
    /// Up to a tenth of the interval, the same for all of a stream's.
    let jitter: Double

    /// - Parameter jitter: 0 to 1.
    init(_ sink: any WatchSink, of visitor: Visitor? = nil, jitter: Double = 0) {
        self.visitor = visitor
        self.sink = sink
        self.jitter = jitter
    }

    func takeID() -> WatchID {
        while watchers[WatchID(nextID)] != nil { nextID += 1 }
        defer { nextID += 1 }
        return WatchID(nextID)
    }

    // MARK: Waiting

    var isAnyWaiting: Bool { waiting.count > goneWaiting }

    /// Whether there is a reason to come back once there is room.
    var isAnyToTell: Bool {
        isAnyWaiting || owesProgress || !progressDue.isEmpty || !refused.isEmpty
    }

    func enqueue(_ watcher: Watcher) { waiting.append(watcher) }

    func dequeue() -> Watcher? {
        while let watcher = waiting.popFirst() {
            if !watcher.state.contains(.gone) { return watcher }
            goneWaiting -= 1
        }
        return nil
    }

    /// A watcher in the queue is gone. It is left there until such are many.
    func noteGone() {
        goneWaiting += 1
        guard goneWaiting > 32, goneWaiting > waiting.count / 2 else { return }
        waiting.removeAll { $0.state.contains(.gone) }
        goneWaiting = 0
    }

    /// The stream is over.
    func dropQueues() {
        waiting.removeAll()
        goneWaiting = 0
        future.removeAll()
        progressDue.removeAll()
        refused.removeAll()
    }
}

// One thread, virtual time: the world of the HTTP/2 and gRPC stories.

import API

@testable import Transport

/// An executor whose turns run when a test says so, on the test's own thread.
///
/// `@unchecked Sendable`: a test uses it from one thread; only `post` and `enqueue` come from
/// elsewhere, and go through a lock.
final class ManualExecutor: ActorExecutor, @unchecked Sendable {
    private let posted = Locked<[@Sendable () -> Void]>([])
    private var ends: [TurnPhase: [() -> Void]] = [:]
    private var timers: [ManualTimer] = []
    private var time: UInt64 = 1_000_000_000_000
    /// Set to play another thread.
    var isElsewhere = false
    private(set) var postCount = 0

    var isCurrent: Bool { !isElsewhere }
    var now: MonotonicTime { MonotonicTime(nanoseconds: time) }

    func post(_ work: @escaping @Sendable () -> Void) {
        postCount += 1
        posted.withLock { $0.append(work) }
    }
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        post { [unowned self] in
            job.runSynchronously(
                isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
        }
    }
    func atTurnEnd(_ phase: TurnPhase, _ work: @escaping () -> Void) {
        ends[phase, default: []].append(work)
    }
    func schedule(
        afterNanoseconds nanoseconds: UInt64, _ work: @escaping () -> Void
    ) -> any TimerHandle {
        let timer = ManualTimer(due: time + nanoseconds, work)
        timers.append(timer)
        return timer
    }

    /// Runs until nothing is left to do at this moment.
    func run() {
        while true {
            let work = posted.withLock { posted in
                let work = posted
                posted = []
                return work
            }
            for item in work { item() }
            let isIdle = work.isEmpty && ends.values.allSatisfy(\.isEmpty)
            while let phase = [TurnPhase.gather, .transmit].first(where: {
                ends[$0]?.isEmpty == false
            }) {
                let items = ends[phase] ?? []
                ends[phase] = []
                for item in items { item() }
            }
            if isIdle { return }
        }
    }

    /// Drops what waits: work that holds who set it would keep a finished test's world alive.
    func die() {
        posted.withLock { $0 = [] }
        ends = [:]
        for timer in timers { timer.cancel() }
        timers = []
    }

    /// Lets time pass, timer by timer.
    func advance(seconds: Double) {
        let end = time + UInt64(seconds * 1e9)
        while true {
            run()
            timers.removeAll { $0.isCancelled }
            guard let next = timers.min(by: { $0.due < $1.due }), next.due <= end else { break }
            timers.removeAll { $0 === next }
            time = max(time, next.due)
            next.fire()
        }
        time = end
        run()
    }
}

/// `@unchecked Sendable`: belongs to its executor's thread.
final class ManualTimer: TimerHandle, @unchecked Sendable {
    let due: UInt64
    /// Let go with the last use for it, as a loop's timers do: it may hold who holds the timer.
    private var work: (() -> Void)?
    var isCancelled: Bool { work == nil }
    init(due: UInt64, _ work: @escaping () -> Void) {
        self.due = due
        self.work = work
    }
    func cancel() { work = nil }
    func fire() {
        let work = work
        cancel()
        work?()
    }
}

/// One end of a wire in memory. What is written arrives in the other end's next turn, in pieces of
/// at most `pieceBytes`.
final class WireEnd: ByteStream {
    let executor: any ActorExecutor
    weak var handler: (any ByteStreamHandler)?
    let localAddress = "near"
    var remoteAddress = "far"
    weak var peer: WireEnd?
    var pieceBytes = 64 << 10
    /// While false nothing leaves this end.
    var takes = true { didSet { if takes { deliver() } } }
    private(set) var writeCount = 0
    private(set) var writtenBytes = 0
    /// All that was ever written, if wanted.
    var record: [UInt8]?
    private var waiting: [UInt8] = []
    private(set) var isReading = false
    private(set) var isClosed = false
    private var isEnding = false

    init(_ executor: any ActorExecutor) { self.executor = executor }

    static func pair(_ executor: any ActorExecutor) -> (WireEnd, WireEnd) {
        let (a, b) = (WireEnd(executor), WireEnd(executor))
        a.peer = b
        b.peer = a
        return (a, b)
    }

    var bufferedBytes: Int { waiting.count }

    func resumeReading() {
        isReading = true
        peer?.deliver()
    }
    func pauseReading() { isReading = false }

    func write(_ bytes: UnsafeRawBufferPointer) {
        guard !isClosed else { return }
        writeCount += 1
        writtenBytes += bytes.count
        record?.append(contentsOf: bytes)
        waiting.append(contentsOf: bytes)
        deliver()
    }

    private var isDelivering = false
    private func deliver() {
        guard !isDelivering else { return }
        isDelivering = true
        executor.post { [self] in
            isDelivering = false
            guard takes, let peer, peer.isReading, !peer.isClosed else {
                if isEnding && peer == nil { end() }
                return
            }
            var isLeft = !waiting.isEmpty
            while peer.isReading, !peer.isClosed, !waiting.isEmpty {
                let piece = Array(waiting.prefix(pieceBytes))
                waiting.removeFirst(piece.count)
                piece.withUnsafeBytes { peer.handler?.received($0) }
            }
            isLeft = isLeft && waiting.isEmpty
            if isLeft && !isClosed { handler?.drained() }
            if isEnding && waiting.isEmpty { end() }
        }
    }

    func close() {
        isEnding = true
        if waiting.isEmpty { end() } else { deliver() }
    }
    func abort() {
        waiting = []
        end()
    }

    private func end() {
        guard !isClosed else { return }
        isClosed = true
        executor.post { [self] in
            let other = peer
            peer = nil
            other?.peer = nil
            handler?.closed(nil)
            if let other, !other.isClosed {
                other.handler?.receivedEnd()
            }
        }
    }

    /// What was written and has not left is lost.
    func dropWaiting() { waiting = [] }

    /// The far side is lost without a word.
    func fail() {
        isClosed = true
        handler?.closed(
            TransportError(operation: "read", name: "ECONNRESET", reason: "connection reset"))
    }
}
extension WireEnd: @unchecked Sendable {}

/// Ends a test's world when the last copy of it goes.
final class EndOfWorld {
    private let executor: ManualExecutor
    private let server: GRPCServer
    private let ends: [WireEnd]

    init(_ executor: ManualExecutor, _ server: GRPCServer, _ ends: WireEnd...) {
        self.executor = executor
        self.server = server
        self.ends = ends
    }

    deinit {
        executor.isElsewhere = false
        server.abort()
        for end in ends { end.abort() }
        executor.run()
        executor.die()
    }
}

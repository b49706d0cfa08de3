// One thread of the generator: connections on an event loop, each with a number of lanes.
//
// A lane is one call after the other. In the closed loop an answer sends the lane's next request.
// In the open loop requests fall due by the clock; one that finds no free lane waits, and its
// latency counts from when it was due: a server that stalls is not spared the requests that it
// would have got meanwhile (the "coordinated omission" of HdrHistogram's author, Gil Tene).

import API
import DequeModule
import Histogram
import Transport

/// `@unchecked Sendable`: everything but `loop` is touched on `loop` only.
final class ClientLoop: @unchecked Sendable {
    let loop: EventLoop
    private var connections: [GRPCClientConnection] = []
    private var lanes: [Lane] = []

    /// Of several sizes.
    private let puts: [RequestTemplate]
    private let range: RequestTemplate
    private let serializableRange: RequestTemplate
    private let txn: RequestTemplate
    private let valueSize: Int
    private let putMethod: GRPCClientMethod
    private let rangeMethod: GRPCClientMethod
    private let txnMethod: GRPCClientMethod
    /// Nil when nothing that is sent depends on it.
    private var known: KnownRevisions?

    // The phase under way.
    private var phase: Phase?
    private var outcome = PhaseOutcome()
    private var issued = 0
    private var inFlight = 0
    private var finished: (@Sendable (PhaseOutcome) -> Void)?
    private var idle: [Lane] = []
    private var due = Deque<Due>()
    private var allCameDue = false
    private var watch: (any TimerHandle)?
    /// A server that answers nothing for so long is given up.
    private static let patienceNanoseconds: UInt64 = 30_000_000_000

    private struct Due {
        let at: UInt64
        var count: Int
    }

    /// - Parameter name: of the thread; the system keeps 15 bytes.
    init(_ workload: Workload, authority: String, name: String) throws(TransportError) {
        loop = try EventLoop(name: name)
        puts = workload.valueSizes.map { .put(keySize: workload.keySize, valueSize: $0) }
        range = .range(keySize: workload.keySize, isSerializable: false)
        serializableRange = .range(keySize: workload.keySize, isSerializable: true)
        txn = .txn(keySize: workload.keySize, valueSize: workload.valueSize)
        if workload.operation == .txn { known = KnownRevisions(keySpace: workload.keySpace) }
        valueSize = workload.valueSize
        putMethod = GRPCClientMethod("/etcdserverpb.KV/Put", authority: authority)
        rangeMethod = GRPCClientMethod("/etcdserverpb.KV/Range", authority: authority)
        txnMethod = GRPCClientMethod("/etcdserverpb.KV/Txn", authority: authority)
    }

    /// Takes the connection for the phases to come.
    /// - Parameter token: of the user whose connection it is; nil for none.
    func add(_ connection: GRPCClientConnection, streams: Int, token: [UInt8]?) {
        connections.append(connection)
        var options = GRPCCallOptions()
        if let token { options.metadata = [("token", token)] }
        for _ in 0..<streams { lanes.append(Lane(connection, options, of: self)) }
    }

    func close() {
        for connection in connections { connection.abort() }
        connections = []
        lanes = []
        idle = []
    }

    // MARK: Phases

    /// Begins a phase; `finished` is called on the loop once all of it is answered.
    func run(_ phase: Phase, finished: @escaping @Sendable (PhaseOutcome) -> Void) {
        precondition(self.phase == nil, "one phase after the other")
        self.phase = phase
        self.finished = finished
        outcome = PhaseOutcome()
        issued = 0
        inFlight = 0
        due.removeAll(keepingCapacity: true)
        allCameDue = false
        idle = lanes.filter { $0.connection.unavailable == nil }
        outcome.start = monotonicNanoseconds()
        watchProgress()
        if !phase.isPaced {
            while let lane = idle.popLast(), issueNext(on: lane, dueAt: outcome.start) {}
        }
        finishWhenDone()
    }

    /// `count` requests are due now, or were at `time` if this comes late.
    func came(due count: Int, at time: UInt64) {
        guard phase != nil, count > 0 else { return }
        due.append(Due(at: time, count: count))
        while !due.isEmpty, let lane = idle.popLast() { issueDue(on: lane) }
        finishWhenDone()
    }

    /// No more requests come due.
    func pacerEnded() {
        allCameDue = true
        finishWhenDone()
    }

    /// False when the phase has sent all of its requests.
    private func issueNext(on lane: Lane, dueAt time: UInt64) -> Bool {
        guard issued < (phase?.requests ?? 0), time < (phase?.deadline ?? 0),
            let kind = phase?.source.nextKind(), let key = phase?.source.nextKey()
        else { return false }
        issued += 1
        inFlight += 1
        lane.dueAt = time
        lane.kind = kind
        lane.key = key
        let revision = known?[key] ?? Revision(0)
        let (method, template) = message(of: kind)
        lane.connection.unary(
            method, options: lane.options, capacity: template.size,
            { template.write(key: key, revision: revision, to: $0) },
            completion: lane.completion)
        return true
    }

    private func message(of kind: RequestKind) -> (GRPCClientMethod, RequestTemplate) {
        switch kind {
        case .put: (putMethod, puts[issued % puts.count])
        case .range: (rangeMethod, range)
        case .serializableRange: (rangeMethod, serializableRange)
        case .txn: (txnMethod, txn)
        }
    }

    private func issueDue(on lane: Lane) {
        guard let first = due.first else { return }
        if first.count == 1 { due.removeFirst() } else { due[0].count -= 1 }
        _ = issueNext(on: lane, dueAt: first.at)
    }

    fileprivate func completed(_ lane: Lane, _ result: Result<UnsafeRawBufferPointer, Status>) {
        guard let phase else { return }
        let now = monotonicNanoseconds()
        inFlight -= 1
        outcome.end = now
        count(result, of: lane, nanoseconds: now - lane.dueAt)
        if lane.connection.unavailable != nil {
            // The lane is lost: its next call would fail at once, and so on for ever.
        } else if !phase.isPaced {
            if issueNext(on: lane, dueAt: now) { return }
        } else if due.isEmpty {
            idle.append(lane)
        } else {
            issueDue(on: lane)
        }
        finishWhenDone()
    }

    private func count(
        _ result: Result<UnsafeRawBufferPointer, Status>, of lane: Lane, nanoseconds: UInt64
    ) {
        switch result {
        case .success(let response):
            if let reason = problem(with: response, on: lane) { return failed(reason) }
            outcome.answered += 1
            outcome.latencies.record(min(nanoseconds, Latencies.longest))
        case .failure(let status): failed("\(status)")
        }
    }

    /// What is wrong with an answer; nil when it is as it should be.
    private func problem(with response: UnsafeRawBufferPointer, on lane: Lane) -> String? {
        do throws(WireError) {
            switch lane.kind {
            case .put: try known?.learn(lane.key, put: response)
            case .txn: try known?.learn(lane.key, txn: response)
            case .range, .serializableRange:
                if response.count < valueSize { return "the key has no value" }
            }
            return nil
        } catch {
            return "an answer cannot be read: \(error)"
        }
    }

    private func failed(_ reason: @autoclosure () -> String) {
        outcome.failed += 1
        if outcome.firstFailure == nil { outcome.firstFailure = reason() }
    }

    private func finishWhenDone() {
        guard let phase, inFlight == 0, let finished else { return }
        let isLost = connections.allSatisfy { $0.unavailable != nil }
        if phase.isPaced && !isLost { guard allCameDue && due.isEmpty else { return } }
        if isLost && issued < phase.requests && outcome.firstFailure == nil {
            outcome.firstFailure = "no connection is left"
        }
        finish(finished)
    }

    private func finish(_ finished: (PhaseOutcome) -> Void) {
        phase = nil
        self.finished = nil
        watch?.cancel()
        watch = nil
        finished(outcome)
    }

    private func watchProgress() {
        let before = outcome.answered + outcome.failed
        watch = loop.schedule(afterNanoseconds: Self.patienceNanoseconds) { [unowned self] in
            watch = nil
            guard let finished else { return }
            guard inFlight > 0, outcome.answered + outcome.failed == before else {
                return watchProgress()
            }
            outcome.failed += inFlight
            outcome.firstFailure = outcome.firstFailure ?? "no answer for 30 s"
            // First the end of the phase: what comes of the abort is counted already.
            finish(finished)
            for connection in connections { connection.abort() }
        }
    }
}

/// One call after the other on a connection.
private final class Lane {
    let connection: GRPCClientConnection
    let options: GRPCCallOptions
    /// Monotonic nanoseconds.
    var dueAt: UInt64 = 0
    var kind = RequestKind.put
    var key = 0
    /// Made once, so that a call allocates none. The loop outlives its connections' calls.
    private(set) var completion: GRPCClientConnection.UnaryCompletion = { _ in }

    init(_ connection: GRPCClientConnection, _ options: GRPCCallOptions, of client: ClientLoop) {
        self.connection = connection
        self.options = options
        completion = { [unowned self, unowned client] in client.completed(self, $0) }
    }
}

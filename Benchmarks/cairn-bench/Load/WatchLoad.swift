// Watchers by the thousand on a few streams, and puts at a constant rate beside them: counts the
// events that come, and checks that each stream is told of no revision twice or too late.

import API
import Foundation
import Transport

/// The shape of a watch load.
struct WatchPlan: Sendable {
    var connections: Int
    var streams: Int
    var watchers: Int
    var valueSize: Int
    /// Whether every watcher has a key of its own, or all the same.
    var hasDistinctKeys: Bool

    var allWatchers: Int { connections * streams * watchers }

    func key(_ number: Int) -> [UInt8] {
        let digits = String(hasDistinctKeys ? number : 0)
        return Array((String(repeating: "0", count: 32 - digits.count) + digits).utf8)
    }
}

/// `@unchecked Sendable`: everything but `loop` is touched on `loop` only.
final class WatchLoad: @unchecked Sendable {
    let loop: EventLoop
    private let plan: WatchPlan
    private var connections: [GRPCClientConnection] = []
    private var streams: [WatchedStream] = []
    private var puts: PutLane?

    private(set) var created = 0
    private(set) var events = 0
    private(set) var responses = 0
    private(set) var failure: String?

    init(_ plan: WatchPlan) throws(TransportError) {
        self.plan = plan
        loop = try EventLoop(name: LoadGenerator.threadName)
    }

    /// What was counted so far.
    struct Count: Sendable {
        var created: Int
        var events: Int
        var responses: Int
        var answered: Int
        var failure: String?
    }

    var count: Count {
        waitFor { done in
            loop.post { [self] in
                done(
                    Count(
                        created: created, events: events, responses: responses,
                        answered: puts?.answered ?? 0, failure: failure))
            }
        }
    }

    /// Connects, and asks for all watchers.
    func open(_ endpoint: Endpoint) throws {
        let opened: [Result<Void, TransportError>] = waitForAll(plan.connections + 1) {
            number, done in
            loop.post { [self] in
                Connector.connect(
                    to: endpoint, on: loop, timeoutNanoseconds: 10_000_000_000
                ) { [self] result in
                    done(result.map { use($0, number: number, authority: endpoint.description) })
                }
            }
        }
        for result in opened { try result.get() }
    }

    /// The last connection is for the puts.
    private func use(_ stream: any ByteStream, number: Int, authority: String) {
        guard let connection = GRPCClientConnection(stream) else { return failed("no memory") }
        connections.append(connection)
        guard number < plan.connections else {
            puts = PutLane(connection, plan, authority: authority, of: self)
            return
        }
        let method = GRPCClientMethod("/etcdserverpb.Watch/Watch", authority: authority)
        for place in 0..<plan.streams {
            let first = (number * plan.streams + place) * plan.watchers
            let watched = WatchedStream(plan, firstWatcher: first, of: self)
            watched.begin(connection.streaming(method, handler: watched))
            streams.append(watched)
        }
    }

    /// Puts at `rate` a second; returns at once.
    func put(_ count: Int, rate: Double) {
        let lane = waitFor { done in loop.post { [self] in done(puts) } }
        let thread = Thread { [loop] in
            let start = monotonicNanoseconds()
            for number in 0..<count {
                let due = start + UInt64(Double(number) * 1e9 / rate)
                let now = monotonicNanoseconds()
                if due > now { usleep(UInt32((due - now) / 1000)) }
                loop.post { lane?.put() }
            }
        }
        thread.start()
    }

    func close() {
        _ = waitFor { (done: @escaping @Sendable (Bool) -> Void) in
            loop.post { [self] in
                for connection in connections { connection.abort() }
                connections = []
                streams = []
                puts = nil
                done(true)
            }
        }
        loop.stop()
    }

    // MARK: Called by the streams

    fileprivate func wasCreated() { created += 1 }
    fileprivate func came(_ events: Int) {
        self.events += events
        responses += 1
    }
    fileprivate func failed(_ reason: String) { if failure == nil { failure = reason } }
}

/// One Watch call with its watchers.
private final class WatchedStream: GRPCClientStreamHandler {
    private let plan: WatchPlan
    private let first: Int
    private unowned let load: WatchLoad
    private var call: GRPCClientCall?
    private var asked = 0
    /// By watcher: the last revision it was told of.
    private var told: [Int64]

    init(_ plan: WatchPlan, firstWatcher: Int, of load: WatchLoad) {
        self.plan = plan
        first = firstWatcher
        self.load = load
        told = Array(repeating: 0, count: plan.watchers)
    }

    func begin(_ call: GRPCClientCall) {
        self.call = call
        writable()
    }

    func writable() {
        guard let call else { return }
        while asked < plan.watchers {
            var request = ByteBuffer()
            let create = request.beginMessage(1)
            request.appendField(1, bytes: plan.key(first + asked))
            request.endMessage(create)
            guard call.send(request.array) else { return }
            asked += 1
        }
    }

    func received(_ message: UnsafeRawBufferPointer) {
        do throws(WireError) { try count(message) } catch { load.failed("\(error)") }
    }

    private func count(_ message: UnsafeRawBufferPointer) throws(WireError) {
        var reader = ProtobufReader(message)
        var events = 0
        var watcher = 0
        while let field = try reader.next() {
            switch field.number {
            case 2: watcher = Int(try field.int64())
            case 3: return load.wasCreated()
            case 4: return load.failed("a watcher was canceled")
            case 11:
                events += 1
                try check(try field.bytes(), watcher)
            default: break
            }
        }
        load.came(events)
    }

    private func check(_ event: UnsafeRawBufferPointer, _ watcher: Int) throws(WireError) {
        var reader = ProtobufReader(event)
        while let field = try reader.next() {
            guard field.number == 2 else { continue }
            var pair = ProtobufReader(try field.bytes())
            while let part = try pair.next() {
                guard part.number == 3 else { continue }
                let revision = try part.int64()
                if revision <= told[watcher] { load.failed("told of \(revision) too late") }
                told[watcher] = revision
                return
            }
        }
    }

    func finished(_ end: GRPCCallEnd) {
        load.failed("a stream ended: \(end.status.map { "\($0)" } ?? "OK")")
    }
}

/// Puts, as many in flight as come due.
private final class PutLane: @unchecked Sendable {
    private let connection: GRPCClientConnection
    private let method: GRPCClientMethod
    private let template: [UInt8]
    private unowned let load: WatchLoad
    private(set) var answered = 0

    init(
        _ connection: GRPCClientConnection, _ plan: WatchPlan, authority: String,
        of load: WatchLoad
    ) {
        self.connection = connection
        self.load = load
        method = GRPCClientMethod("/etcdserverpb.KV/Put", authority: authority)
        var request = ByteBuffer()
        request.appendField(1, bytes: plan.key(0))
        request.appendField(2, bytes: [UInt8](repeating: 120, count: plan.valueSize))
        template = request.array
    }

    func put() {
        connection.unary(method, template) { [unowned self] result in
            switch result {
            case .success: answered += 1
            case .failure(let status): load.failed("a put failed: \(status)")
            }
        }
    }
}

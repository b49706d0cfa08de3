// Leases by the ten thousand: granted, given a key each, renewed at a constant rate; and puts beside
// them, of which every latency counts from when the put was due.

import API
import Foundation
import Transport

/// `@unchecked Sendable`: everything but `loop` is touched on `loop` only.
final class LeaseLoad: @unchecked Sendable {
    let loop: EventLoop
    private let authority: String
    private var connections: [GRPCClientConnection] = []
    private var renewals: [RenewalStream] = []
    private var latencies: [UInt64] = []
    private var putsUnderWay = 0
    private var putsGoOn = false
    private var failure: String?

    /// Connects; each connection has one stream of renewals, as a client of etcd has.
    init(to endpoint: Endpoint, connections: Int) throws {
        loop = try EventLoop(name: LoadGenerator.threadName)
        authority = endpoint.description
        let opened: [Result<Void, TransportError>] = waitForAll(connections) { _, done in
            loop.post { [self] in
                Connector.connect(
                    to: endpoint, on: loop, timeoutNanoseconds: 10_000_000_000
                ) { [self] result in done(result.map { use($0) }) }
            }
        }
        for result in opened { try result.get() }
    }

    private func use(_ stream: any ByteStream) {
        guard let connection = GRPCClientConnection(stream) else { return }
        connections.append(connection)
        let renewal = RenewalStream()
        renewal.call = connection.streaming(
            GRPCClientMethod("/etcdserverpb.Lease/LeaseKeepAlive", authority: authority),
            handler: renewal)
        renewals.append(renewal)
    }

    func close() {
        _ = waitFor { (done: @escaping @Sendable (Bool) -> Void) in
            loop.post { [self] in
                for connection in connections { connection.abort() }
                connections = []
                done(true)
            }
        }
        loop.stop()
    }

    // MARK: Many calls

    /// Makes one unary call for each number, as fast as they are answered.
    /// - Parameter request: writes the message of a number.
    func callAll(
        _ numbers: Range<Int>, _ path: String,
        _ request: @escaping @Sendable (Int, inout ByteBuffer) -> Void
    ) throws {
        let method = GRPCClientMethod(path, authority: authority)
        let failed: String? = waitFor { done in
            loop.post { [self] in
                let calls = ManyCalls(numbers, method, connections, request, done)
                calls.begin()
            }
        }
        if let failed { throw RunFailure(description: "\(path): \(failed)") }
    }

    func grant(_ leases: Range<Int>, ttl: Int64) throws {
        try callAll(leases, "/etcdserverpb.Lease/LeaseGrant") {
            $1.appendLeaseGrantRequest(ttl: ttl, id: Self.lease($0))
        }
    }

    func attach(_ leases: Range<Int>) throws {
        try callAll(leases, "/etcdserverpb.KV/Put") { number, request in
            Array((Self.prefix + String(number)).utf8).withUnsafeBytes {
                request.appendPutRequest(key: $0, value: $0, lease: Self.lease(number))
            }
        }
    }

    private static let prefix = "leased/"
    private static func lease(_ number: Int) -> LeaseID { LeaseID(Int64(number) + 1) }

    /// How many attached keys are left.
    func attachedKeys() throws -> Int {
        let method = GRPCClientMethod("/etcdserverpb.KV/Range", authority: authority)
        var request = ByteBuffer()
        Array(Self.prefix.utf8).withUnsafeBytes { key in
            Array("leased0".utf8).withUnsafeBytes { end in
                request.appendRangeRequest(
                    key: key, rangeEnd: end, isSerializable: true, countOnly: true)
            }
        }
        let bytes = request.array
        let result: Result<Int, Status> = waitFor { done in
            loop.post { [self] in
                connections[0].unary(method, bytes) { answer in
                    done(
                        answer.map { bytes in
                            let arena = Arena()
                            return withExtendedLifetime(arena) {
                                let response = try? RangeResponse.decode(bytes, in: arena)
                                return Int(response?.count ?? 0)
                            }
                        })
                }
            }
        }
        return try result.get()
    }

    // MARK: Renewals

    struct Renewed: Sendable {
        var sent = 0
        var answered = 0
        /// Answered with TTL 0.
        var lost = 0
    }

    var renewed: Renewed {
        waitFor { done in
            loop.post { [self] in
                done(
                    renewals.reduce(into: Renewed()) {
                        $0.sent += $1.renewed.sent
                        $0.answered += $1.renewed.answered
                        $0.lost += $1.renewed.lost
                    })
            }
        }
    }

    /// Renews the leases in turn, `rate` a second, for so long, as etcd's client does it: each
    /// connection sends what is due once in `burst` seconds. The connections take turns in that.
    func renew(_ leases: Range<Int>, rate: Double, seconds: Double, burst: Double) {
        guard burst > 0 else { return renew(leases, rate: rate, seconds: seconds) }
        let streams = renewals.count
        let size = max(1, Int(rate * burst) / streams)
        let start = Date()
        for number in 0..<Int(seconds / burst * Double(streams)) {
            let (round, stream) = number.quotientAndRemainder(dividingBy: streams)
            // Lease n is renewed on stream n modulo streams.
            let places = (round * size..<(round + 1) * size).map { $0 * streams + stream }
            Thread.sleep(
                until: start.addingTimeInterval(Double(number) * burst / Double(streams)))
            send(places, of: leases)
        }
    }

    /// Renews the leases in turn, `rate` a second, for so long; each when it is due.
    private func renew(_ leases: Range<Int>, rate: Double, seconds: Double) {
        let count = Int(rate * seconds)
        let start = monotonicNanoseconds()
        var sent = 0
        while sent < count {
            let due = min(count, Int(Double(monotonicNanoseconds() - start) * rate / 1e9))
            send(sent..<max(sent, due), of: leases)
            sent = max(sent, due)
            usleep(5000)
        }
    }

    /// Renews each lease once, as fast as it goes.
    func renewOnce(_ leases: Range<Int>) throws {
        let before = renewed.answered
        for first in stride(from: 0, to: leases.count, by: 500) {
            send(first..<min(leases.count, first + 500), of: leases)
        }
        let patience = Date(timeIntervalSinceNow: 60)
        while renewed.answered < before + leases.count {
            guard Date() < patience else { throw RunFailure(description: "renewals are lost") }
            usleep(2000)
        }
    }

    private func send(
        _ places: some Collection<Int> & Sendable, of leases: Range<Int>
    ) {
        guard !places.isEmpty else { return }
        loop.post { [self] in
            for place in places {
                let number = leases.lowerBound + place % leases.count
                renewals[number % renewals.count].renew(Self.lease(number))
            }
        }
    }

    // MARK: Puts

    /// Puts at `rate` a second, until `endPuts`.
    func beginPuts(rate: Double) {
        _ = waitFor { (done: @escaping @Sendable (Bool) -> Void) in
            loop.post { [self] in
                latencies = []
                putsGoOn = true
                putNext(due: monotonicNanoseconds(), every: UInt64(1e9 / rate))
                done(true)
            }
        }
    }

    private func putNext(due: UInt64, every interval: UInt64) {
        guard putsGoOn else { return }
        var due = due
        let method = GRPCClientMethod("/etcdserverpb.KV/Put", authority: authority)
        while due <= monotonicNanoseconds() {
            let since = due
            putsUnderWay += 1
            connections[latencies.count % connections.count].unary(method, Self.put) {
                [self] answer in
                putsUnderWay -= 1
                if case .failure(let status) = answer { failure = failure ?? "\(status)" }
                latencies.append(monotonicNanoseconds() - since)
            }
            due += interval
        }
        let now = monotonicNanoseconds()
        loop.schedule(afterNanoseconds: due > now ? due - now : 0) { [self, due] in
            putNext(due: due, every: interval)
        }
    }

    private static let put: [UInt8] = {
        var request = ByteBuffer()
        Array("put".utf8).withUnsafeBytes { key in
            [UInt8](repeating: 7, count: 256).withUnsafeBytes {
                request.appendPutRequest(key: key, value: $0)
            }
        }
        return request.array
    }()

    /// - Returns: the latencies in nanoseconds, ascending.
    func endPuts() throws -> [UInt64] {
        let taken: (latencies: [UInt64], failure: String?) = waitFor { done in
            loop.post { [self] in
                putsGoOn = false
                done((latencies.sorted(), failure))
            }
        }
        if let failure = taken.failure { throw RunFailure(description: "Put: \(failure)") }
        return taken.latencies
    }
}

/// One LeaseKeepAlive call. What the connection does not take waits here.
private final class RenewalStream: GRPCClientStreamHandler {
    var call: GRPCClientCall?
    private(set) var renewed = LeaseLoad.Renewed()
    private var waiting: [LeaseID] = []
    private let arena = Arena()
    private var request = ByteBuffer(capacity: 32)

    func renew(_ lease: LeaseID) {
        renewed.sent += 1
        guard let call, call.isWritable else { return waiting.append(lease) }
        request.removeAll()
        request.appendLeaseRequest(lease)
        request.withUnsafeBytes { bytes in
            _ = call.send(capacity: bytes.count) {
                $0.copyMemory(from: bytes)
                return bytes.count
            }
        }
    }

    func received(_ message: sending UnsafeRawBufferPointer) {
        renewed.answered += 1
        arena.reset()
        let ttl = (try? LeaseKeepAliveResponse.decode(message, in: arena))?.ttl ?? 0
        if ttl == 0 { renewed.lost += 1 }
    }

    func writable() {
        let again = waiting
        waiting = []
        renewed.sent -= again.count
        for lease in again { renew(lease) }
    }

    func finished(_ end: GRPCCallEnd) {}
}

/// Unary calls, a bounded number at a time.
private final class ManyCalls: @unchecked Sendable {
    private var left: Range<Int>
    private let method: GRPCClientMethod
    private let connections: [GRPCClientConnection]
    private let request: (Int, inout ByteBuffer) -> Void
    private var done: ((String?) -> Void)?
    private var underWay = 0
    private static let limit = 256

    init(
        _ numbers: Range<Int>, _ method: GRPCClientMethod, _ connections: [GRPCClientConnection],
        _ request: @escaping (Int, inout ByteBuffer) -> Void, _ done: @escaping (String?) -> Void
    ) {
        left = numbers
        self.method = method
        self.connections = connections
        self.request = request
        self.done = done
    }

    func begin() { while underWay < Self.limit, next() {} }

    private func next() -> Bool {
        guard let number = left.first, done != nil else { return false }
        left.removeFirst()
        underWay += 1
        var bytes = ByteBuffer()
        request(number, &bytes)
        connections[number % connections.count].unary(method, bytes.array) { [self] answer in
            underWay -= 1
            if case .failure(let status) = answer { return end("\(status)") }
            if !next(), underWay == 0 { end(nil) }
        }
        return true
    }

    private func end(_ failure: String?) {
        done?(failure)
        done = nil
    }
}

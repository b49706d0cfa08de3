// The workloads' world over real sockets: one gRPC connection to each member, dialled again when it
// is gone. All of it on one event loop.

import API
import Transport
import Workloads

final class SocketWorld: ClientWorld {
    private let loop: EventLoop
    private let doors: [Door]
    private var generator: UInt64
    private let log: (String) -> Void

    /// On `loop`.
    init(
        _ endpoints: [Endpoint], on loop: EventLoop, seed: UInt64, log: @escaping (String) -> Void
    ) {
        self.loop = loop
        self.log = log
        generator = seed
        doors = endpoints.map { Door($0, loop) }
    }

    var now: UInt64 { loop.now.nanoseconds }

    func schedule(afterNanoseconds nanoseconds: UInt64, _ work: @escaping () -> Void) {
        loop.schedule(afterNanoseconds: nanoseconds, work)
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    func random() -> UInt64 {
        generator &+= 0x9E37_79B9_7F4A_7C15
        var z = generator
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    var memberCount: Int { doors.count }

    func call(
        _ method: String, _ request: [UInt8], to member: Int, token: [UInt8]?,
        timeoutNanoseconds: UInt64, completion: @escaping (CallEnd) -> Void
    ) {
        doors[member].open { [loop] connection in
            guard let connection else { return completion(.neverSent) }
            connection.unary(
                GRPCClientMethod(method), request,
                options: GRPCCallOptions(
                    timeout: timeoutNanoseconds, metadata: token.map { [("token", $0)] } ?? [])
            ) { result in
                let end: CallEnd =
                    switch result {
                    case .success(let bytes): .answered([UInt8](bytes))
                    case .failure(let status): .failed(status)
                    }
                // Later, also when the connection turned out to be gone.
                loop.schedule(afterNanoseconds: 0) { completion(end) }
            }
        }
    }

    func openStream(
        _ method: String, to member: Int, token: [UInt8]?,
        received: @escaping ([UInt8]) -> Void, ended: @escaping (Status) -> Void
    ) -> any ClientStream {
        let stream = SocketStream(received, ended)
        doors[member].open { connection in
            guard let connection else {
                return stream.end(Status(.unavailable, "nobody takes the connection"))
            }
            stream.begin(connection, GRPCClientMethod(method), token)
        }
        return stream
    }

    func note(_ line: @autoclosure () -> String) { log(line()) }

    func close() { for door in doors { door.close() } }
}

/// The way to one member.
private final class Door {
    private let endpoint: Endpoint
    private let loop: EventLoop
    private var connection: GRPCClientConnection?
    private var waiting: [(GRPCClientConnection?) -> Void] = []
    private static let patience: UInt64 = 1_000_000_000

    init(_ endpoint: Endpoint, _ loop: EventLoop) {
        self.endpoint = endpoint
        self.loop = loop
    }

    /// `then` is called later, with a connection that was usable a moment ago, or nil.
    func open(_ then: @escaping (GRPCClientConnection?) -> Void) {
        if let connection, connection.unavailable == nil {
            loop.schedule(afterNanoseconds: 0) { then(connection) }
            return
        }
        connection = nil
        waiting.append(then)
        if waiting.count > 1 { return }
        Connector.connect(to: endpoint, on: loop, timeoutNanoseconds: Self.patience) {
            [self] result in
            if case .success(let stream) = result { connection = GRPCClientConnection(stream) }
            let all = waiting
            waiting = []
            for then in all { then(connection) }
        }
    }

    func close() { connection?.abort() }
}

private final class SocketStream: ClientStream, GRPCClientStreamHandler {
    private var call: GRPCClientCall?
    /// What was sent before there was a connection.
    private var early: [[UInt8]] = []
    private var receive: (([UInt8]) -> Void)?
    private var ended: ((Status) -> Void)?

    init(_ received: @escaping ([UInt8]) -> Void, _ ended: @escaping (Status) -> Void) {
        receive = received
        self.ended = ended
    }

    func begin(_ connection: GRPCClientConnection, _ method: GRPCClientMethod, _ token: [UInt8]?) {
        guard ended != nil else { return }  // cancelled meanwhile
        let options = GRPCCallOptions(metadata: token.map { [("token", $0)] } ?? [])
        let call = connection.streaming(method, options: options, handler: self)
        self.call = call
        for message in early { call.send(message) }
        early = []
    }

    func send(_ message: [UInt8]) {
        if let call { call.send(message) } else { early.append(message) }
    }

    func cancel() {
        call?.cancel()
        end(Status(.cancelled, "by this side"))
    }

    func end(_ status: Status) {
        let ended = self.ended
        self.ended = nil
        receive = nil
        ended?(status)
    }

    func received(_ message: UnsafeRawBufferPointer) { receive?([UInt8](message)) }
    func writable() {}
    func finished(_ end: GRPCCallEnd) { self.end(end.status ?? Status(.ok, "")) }
}

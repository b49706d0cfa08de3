// How clients reach members: over connections of their own, which they open again when they break.

import API
import Transport
import Workloads

/// The clients' side of the network. On their executor.
///
/// `@unchecked Sendable`: the world has one thread.
public final class SimClients: @unchecked Sendable {
    private unowned let cluster: SimCluster
    private let dialer: SimDialer
    private var executor: SimExecutor { cluster.clientExecutor }
    private var links: [Int: Link] = [:]
    private var methods: [String: GRPCClientMethod] = [:]
    /// Connections to each member.
    private static let linksEach = 2

    private final class Link {
        var connection: GRPCClientConnection?
        var isDialing = false
        var waiting: [(GRPCClientConnection?) -> Void] = []
        /// Calls in a row that were not answered in time.
        var silent = 0
    }

    init(_ cluster: SimCluster) {
        self.cluster = cluster
        dialer = SimDialer(cluster.network, from: 0, on: cluster.clientExecutor)
    }

    func letGo() {
        for link in links.values {
            link.connection?.abort()
            link.waiting = []
        }
        links = [:]
    }

    private func method(_ path: String) -> GRPCClientMethod {
        if let known = methods[path] { return known }
        let new = GRPCClientMethod(path)
        methods[path] = new
        return new
    }

    /// Calls of those who run the cluster, where they have to say who they are.
    var operatorCall: ((String, [UInt8], SimPlace, UInt64, @escaping (CallEnd) -> Void) -> Void)?

    /// As those who run the cluster call.
    func call(
        _ path: String, _ request: [UInt8], to place: SimPlace, timeoutNanoseconds: UInt64,
        completion: @escaping (CallEnd) -> Void
    ) {
        if let operatorCall {
            return operatorCall(path, request, place, timeoutNanoseconds, completion)
        }
        call(
            path, request, to: place, token: nil, timeoutNanoseconds: timeoutNanoseconds,
            completion: completion)
    }

    /// Calls a unary method of the member at `place`.
    /// - Parameters:
    ///   - token: says who calls.
    ///   - completion: called once, later, on the clients' executor.
    public func call(
        _ path: String, _ request: [UInt8], to place: SimPlace, token: [UInt8]?,
        timeoutNanoseconds: UInt64, completion: @escaping (CallEnd) -> Void
    ) {
        let method = method(path)
        executor.add { [self] in
            let number = Int(cluster.network.chance(UInt64(Self.linksEach)))
            let link = link(place, number)
            reach(place, link) { connection in
                guard let connection else { return completion(.neverSent) }
                connection.unary(
                    method, request,
                    options: GRPCCallOptions(timeout: timeoutNanoseconds, token: token)
                ) { result in
                    switch result {
                    case .success(let bytes):
                        link.silent = 0
                        completion(.answered(Array(bytes)))
                    case .failure(let status):
                        self.note(status, of: link)
                        completion(.failed(status))
                    }
                }
            }
        }
    }

    /// Of a connection that answers nothing any more, a new one is made.
    private func note(_ status: Status, of link: Link) {
        guard status.code == .deadlineExceeded else { return link.silent = 0 }
        link.silent += 1
        guard link.silent >= 2, let connection = link.connection else { return }
        link.connection = nil
        link.silent = 0
        executor.add { connection.abort() }
    }

    private func link(_ place: SimPlace, _ number: Int) -> Link {
        let key = place * Self.linksEach + number
        if let known = links[key] { return known }
        let new = Link()
        links[key] = new
        return new
    }

    private func reach(
        _ place: SimPlace, _ link: Link, _ then: @escaping (GRPCClientConnection?) -> Void
    ) {
        if let connection = link.connection {
            if connection.unavailable == nil { return then(connection) }
            link.connection = nil
        }
        link.waiting.append(then)
        guard !link.isDialing else { return }
        link.isDialing = true
        _ = dialer.dial(
            "http://" + SimURL.client(place), timeoutNanoseconds: 1_000_000_000
        ) { result in
            link.isDialing = false
            if case .success(let stream) = result {
                link.connection = GRPCClientConnection(stream)
            }
            let waiting = link.waiting
            link.waiting = []
            for then in waiting { then(link.connection) }
        }
    }

    /// Opens a streaming call to the member at `place`. Its callbacks come later; `ended` once, last.
    public func openStream(
        _ path: String, to place: SimPlace, token: [UInt8]?,
        received: @escaping ([UInt8]) -> Void, ended: @escaping (Status) -> Void
    ) -> SimCall {
        let call = SimCall(executor, token: token, received: received, ended: ended)
        let method = method(path)
        executor.add { [self] in
            reach(place, link(place, 0)) { connection in
                guard let connection else {
                    return call.end(Status(.unavailable, "connection refused"))
                }
                call.begin(connection, method)
            }
        }
        return call
    }
}

/// A streaming call, as its client has it.
public final class SimCall: GRPCClientStreamHandler, @unchecked Sendable {
    private let executor: SimExecutor
    private let onMessage: ([UInt8]) -> Void
    private var onEnd: ((Status) -> Void)?
    private var call: GRPCClientCall?
    private let options: GRPCCallOptions
    /// Not sent yet.
    private var unsent: [[UInt8]] = []

    init(
        _ executor: SimExecutor, token: [UInt8]?, received: @escaping ([UInt8]) -> Void,
        ended: @escaping (Status) -> Void
    ) {
        self.executor = executor
        options = GRPCCallOptions(token: token)
        onMessage = received
        onEnd = ended
    }

    func begin(_ connection: GRPCClientConnection, _ method: GRPCClientMethod) {
        guard onEnd != nil else { return }
        call = connection.streaming(method, options: options, handler: self)
        sendWaiting()
    }

    public func send(_ message: [UInt8]) {
        unsent.append(message)
        executor.add { [self] in sendWaiting() }
    }

    private func sendWaiting() {
        guard let call else { return }
        var sent = 0
        while sent < unsent.count, call.send(unsent[sent]) { sent += 1 }
        unsent.removeFirst(sent)
    }

    public func cancel() {
        executor.add { [self] in
            if let call { call.cancel() } else { end(Status(.cancelled, "context canceled")) }
        }
    }

    func end(_ status: Status) {
        let told = onEnd
        onEnd = nil
        call = nil
        told?(status)
    }

    public func received(_ message: sending UnsafeRawBufferPointer) {
        if onEnd != nil { onMessage([UInt8](message)) }
    }

    public func writable() { sendWaiting() }

    public func finished(_ end: GRPCCallEnd) {
        let status = end.status ?? Status(.cancelled, "the server has ended the call")
        executor.add { [self] in self.end(status) }
    }
}

extension GRPCCallOptions {
    /// - Parameter token: of a user who has logged in.
    init(timeout: UInt64? = nil, token: [UInt8]?) {
        self.init(timeout: timeout, metadata: token.map { [("token", $0)] } ?? [])
    }
}

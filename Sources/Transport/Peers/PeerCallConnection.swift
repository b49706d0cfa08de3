// The connection that unary calls to one member share: dialed when the first one comes.

import API

final class PeerCallConnection: PeerConnectionOwner {
    private let urls: PeerURLs
    private let dialer: any StreamDialer
    private let settings: PeerSettings
    private var connection: PeerConnection?
    private var client: GRPCClientConnection?
    /// Calls made while it is being dialed.
    private var waiting: [WaitingCall] = []
    private var callCount = 0

    init(_ urls: PeerURLs, dialer: any StreamDialer, settings: PeerSettings) {
        self.urls = urls
        self.dialer = dialer
        self.settings = settings
    }

    /// One call on a connection of its own.
    static func callOnce(
        _ urls: PeerURLs, dialer: any StreamDialer, settings: PeerSettings,
        _ method: GRPCClientMethod, _ request: [UInt8], timeout: UInt64,
        completion: @escaping GRPCClientConnection.UnaryCompletion
    ) {
        let connection = PeerCallConnection(urls, dialer: dialer, settings: settings)
        // Holds the connection until the call is over.
        connection.call(method, request, metadata: [], timeout: timeout) { result in
            completion(result)
            dialer.executor.atTurnEnd(.gather) { connection.close("the call is over") }
        }
    }

    func call(
        _ method: GRPCClientMethod, _ request: [UInt8],
        metadata: [(name: String, value: [UInt8])], timeout: UInt64,
        completion: @escaping GRPCClientConnection.UnaryCompletion
    ) {
        guard callCount < settings.maxCalls else {
            return completion(
                .failure(Status(.resourceExhausted, "too many calls to one member wait")))
        }
        callCount += 1
        let call = WaitingCall(
            method, request, metadata,
            deadline: dialer.executor.now.advanced(
                byNanoseconds: timeout)
        ) { [weak self] result in
            self?.callCount -= 1
            completion(result)
        }
        if let client, client.unavailable == nil { return call.make(on: client) }
        waiting.append(call)
        call.watchDeadline(on: dialer.executor)
        if client != nil || connection == nil { dial() }
    }

    private func dial() {
        // One that takes no more calls lives on for as long as it has some.
        connection?.leave()
        client = nil
        connection = PeerConnection(
            urls, dialer: dialer, settings: settings, pingsWhenIdle: false, owner: self)
    }

    /// All calls end with UNAVAILABLE.
    func close(_ reason: String) {
        let connection = connection
        disconnected(reason)
        connection?.close(reason)
    }

    func connected(_ client: GRPCClientConnection) {
        self.client = client
        let calls = waiting
        waiting = []
        for call in calls { call.make(on: client) }
    }

    func disconnected(_ reason: String) {
        client = nil
        connection = nil
        let calls = waiting
        waiting = []
        for call in calls { call.end(.failure(Status(.unavailable, reason))) }
    }

    func answeredPing(after nanoseconds: UInt64) {}
}

/// A call that waits for the connection.
private final class WaitingCall {
    private let method: GRPCClientMethod
    private let request: [UInt8]
    private let metadata: [(name: String, value: [UInt8])]
    private let deadline: MonotonicTime
    private var completion: GRPCClientConnection.UnaryCompletion?
    private var timer: (any TimerHandle)?

    init(
        _ method: GRPCClientMethod, _ request: [UInt8],
        _ metadata: [(name: String, value: [UInt8])], deadline: MonotonicTime,
        completion: @escaping GRPCClientConnection.UnaryCompletion
    ) {
        self.method = method
        self.request = request
        self.metadata = metadata
        self.deadline = deadline
        self.completion = completion
    }

    func watchDeadline(on executor: any ActorExecutor) {
        let left = deadline.nanoseconds(since: executor.now)
        timer = executor.schedule(afterNanoseconds: left) { [weak self] in
            self?.end(
                .failure(Status(.deadlineExceeded, "the member was not reached in time")))
        }
    }

    func make(on client: GRPCClientConnection) {
        timer?.cancel()
        guard completion != nil else { return }
        let left = max(1, deadline.nanoseconds(since: client.executor.now))
        client.unary(
            method, request, options: GRPCCallOptions(timeout: left, metadata: metadata)
        ) { self.end($0) }
    }

    func end(_ result: Result<UnsafeRawBufferPointer, Status>) {
        timer?.cancel()
        let completion = completion
        self.completion = nil
        completion?(result)
    }
}

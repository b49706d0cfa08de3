// What is counted of each method, as go-grpc-prometheus does it.

import API

/// The four kinds of gRPC method, by go-grpc-prometheus' names.
public enum GRPCMethodShape: String, Sendable {
    case unary
    case clientStream = "client_stream"
    case serverStream = "server_stream"
    case bidirectional = "bidi_stream"
}

/// The counters of one method; made once, counted on any thread.
public final class GRPCMethodCounters: Sendable {
    public let started: Counter
    let messagesReceived: Counter
    let messagesSent: Counter
    /// By the raw value of the status code.
    private let handledByCode: [Counter]
    let receivedBytes: Counter
    let sentBytes: Counter

    /// - Parameters:
    ///   - handledByCode: one for each status code, in order of `StatusCode.allCases`.
    ///   - receivedBytes: of messages, of all methods.
    public init(
        started: Counter, messagesReceived: Counter, messagesSent: Counter,
        handledByCode: [Counter], receivedBytes: Counter, sentBytes: Counter
    ) {
        precondition(handledByCode.count == StatusCode.allCases.count)
        self.started = started
        self.messagesReceived = messagesReceived
        self.messagesSent = messagesSent
        self.handledByCode = handledByCode
        self.receivedBytes = receivedBytes
        self.sentBytes = sentBytes
    }

    func received(_ bytes: Int) {
        messagesReceived.increment()
        receivedBytes.increment(by: UInt64(bytes))
    }

    func sent(_ bytes: Int) {
        messagesSent.increment()
        sentBytes.increment(by: UInt64(bytes))
    }

    public func handled(_ code: StatusCode) { handledByCode[code.rawValue].increment() }
}

// The one interface behind which transports are interchangeable: TCP, Unix socket, memory, TLS over
// any of them, and later the simulated network. What is above (HTTP/2, HTTP/1.1, peer links)
// cannot tell.

import API

/// An ordered, reliable stream of bytes in both directions, confined to one executor: every
/// method and every callback runs there.
public protocol ByteStream: AnyObject {
    var executor: any ActorExecutor { get }

    /// Who is told. Weak in the stream; the handler owns the stream.
    var handler: (any ByteStreamHandler)? { get set }

    /// Addresses as `host:port` or the path of a Unix socket, for logs.
    var localAddress: String { get }
    var remoteAddress: String { get }

    /// What is known of the other side by TLS; nil without TLS.
    var security: StreamSecurity? { get }

    /// Begins or goes on calling `received`.
    func resumeReading()
    /// No `received` after this until `resumeReading`; the other side is pushed back.
    func pauseReading()

    /// Sends `bytes`, which are copied only as far as the kernel does not take them at once.
    /// Order is kept. Callers gather what they have and write once per turn.
    func write(_ bytes: UnsafeRawBufferPointer)

    /// Bytes accepted by `write` that the kernel has not taken yet. A caller that sees more than
    /// it likes stops producing until `drained`.
    var bufferedBytes: Int { get }

    /// Sends what is buffered, then closes. Bounded by `lingerNanoseconds`; then as `abort`.
    func close()
    /// Closes at once and forgets what is buffered.
    func abort()
}

extension ByteStream {
    public var security: StreamSecurity? { nil }
}

/// What TLS says of a stream.
public struct StreamSecurity: Hashable, Sendable {
    /// The common name of the client's certificate, which was verified. Nil if it has none, and
    /// where names of certificates do not count (no -client-cert-auth).
    public let commonName: String?
    /// What both sides have agreed to speak (ALPN), such as `h2`; nil if the client did not ask.
    public let applicationProtocol: String?
    /// Whether an earlier handshake was taken up again.
    public let isResumed: Bool

    public init(
        commonName: String?, applicationProtocol: String? = nil, isResumed: Bool = false
    ) {
        self.commonName = commonName
        self.applicationProtocol = applicationProtocol
        self.isResumed = isResumed
    }
}

/// Callbacks of a stream, on its executor.
public protocol ByteStreamHandler: AnyObject {
    /// Bytes have come; the buffer is valid during the call only.
    func received(_ bytes: UnsafeRawBufferPointer)
    /// All that was buffered has been taken by the kernel.
    func drained()
    /// The other side sends no more (half-close). Writing may go on.
    func receivedEnd()
    /// The stream is gone; nothing is called after this. `error` is nil for an orderly close.
    func closed(_ error: TransportError?)
}

/// Why a stream or a listener failed.
public struct TransportError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was being done, such as `listen on 127.0.0.1:2379`.
    public let operation: String
    /// The system's name of the failure, such as `EADDRINUSE`.
    public let name: String
    public let reason: String

    public init(operation: String, name: String, reason: String) {
        self.operation = operation
        self.name = name
        self.reason = reason
    }
    public var description: String { "\(operation): \(reason) (\(name))" }
}

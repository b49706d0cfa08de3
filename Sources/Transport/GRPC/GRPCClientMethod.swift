// What a client asks for: a method, and how one call of it is made.

import API
import CNghttp2

/// A method of a server, with its request header made once for all calls.
public final class GRPCClientMethod: Sendable {
    public let path: String
    let header: HeaderBlock

    /// - Parameter path: the full method, such as `/etcdserverpb.KV/Put`.
    /// - Parameter authority: the server's name, as `host:port`.
    public init(_ path: String, authority: String = "localhost", userAgent: String = "cairn") {
        self.path = path
        header = HeaderBlock([
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", authority),
            ("content-type", "application/grpc"), ("te", "trailers"), ("user-agent", userAgent),
            ("grpc-accept-encoding", "identity,gzip"),
        ])
    }
}

/// What belongs to one call.
public struct GRPCCallOptions: Sendable {
    /// How long the call may take, in nanoseconds; nil is for ever.
    public var timeout: UInt64?
    /// Sent along, names in lower case. Values of names ending in `-bin` are sent as base64.
    public var metadata: [(name: String, value: [UInt8])] = []

    public init(timeout: UInt64? = nil, metadata: [(name: String, value: [UInt8])] = []) {
        self.timeout = timeout
        self.metadata = metadata
    }

    var isEmpty: Bool { timeout == nil && metadata.isEmpty }

    var fields: [(String, String)] {
        var fields: [(String, String)] = []
        if let timeout {
            fields.append(("grpc-timeout", GRPCTimeout.encode(nanoseconds: timeout)))
        }
        for (name, value) in metadata {
            let text =
                name.hasSuffix("-bin")
                ? Base64.encode(value) : String(decoding: value, as: UTF8.self)
            fields.append((name, text))
        }
        return fields
    }
}

/// How a call ended, as its client sees it.
public struct GRPCCallEnd: Sendable {
    /// Nil is OK.
    public let status: Status?
    /// The metadata of header and trailers, in the order they came.
    public let metadata: [(name: String, value: [UInt8])]
}

/// Who receives a streaming call's messages, on the connection's executor; held until its end.
public protocol GRPCClientStreamHandler: AnyObject {
    /// A message has come, valid during the call only.
    func received(_ message: sending UnsafeRawBufferPointer)
    /// Room for more: `isWritable` was false and is true again.
    func writable()
    /// The call is over; nothing is called after this.
    func finished(_ end: GRPCCallEnd)
}

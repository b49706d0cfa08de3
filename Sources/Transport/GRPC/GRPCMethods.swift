// Which handler answers which path.
//
// A path is looked up for every call, so it is never made a String: the bytes are hashed as they
// came and compared with those registered.

import API

/// A unary handler. It runs on the connection's executor, is given the request's bytes for the
/// duration of the call, and sees to it that the call is answered once, now or later.
///
/// The bytes are `sending` so that a handler can pass them into an actor of this executor with
/// `assumeIsolated`; they must not be kept.
public typealias UnaryHandler = @Sendable (UnaryCall, sending UnsafeRawBufferPointer) -> Void

/// Begins a server-streaming call, given the request's bytes for the duration of the call.
/// Returns nil when the call was finished at once.
public typealias ServerStreamingHandler =
    @Sendable (StreamingCall, sending UnsafeRawBufferPointer) -> (any StreamingHandler)?

/// Begins a client-streaming or bidirectional call, before its first message.
/// Returns nil when the call was finished at once.
public typealias StreamingCallHandler = @Sendable (StreamingCall) -> (any StreamingHandler)?

/// The service methods of a server. Built once and shared by the servers of all executors.
public struct GRPCMethods: Sendable {
    /// Runs before each handler, after the whole request of a unary call has come. A status ends
    /// the call without its handler. On the connection's executor.
    public var interceptor: (@Sendable (CallContext) -> Status?)?

    enum Kind: Sendable {
        case unary(UnaryHandler)
        case serverStreaming(ServerStreamingHandler)
        case streaming(StreamingCallHandler)
    }

    /// One registered method; a class, so that a call holds it by one reference.
    final class Method: Sendable {
        let path: String
        let pathBytes: [UInt8]
        let kind: Kind
        let counters: GRPCMethodCounters?
        init(_ path: String, _ kind: Kind, _ counters: GRPCMethodCounters?) {
            self.path = path
            pathBytes = Array(path.utf8)
            self.kind = kind
            self.counters = counters
        }
    }

    private var slots: [Method?]
    private var count = 0
    private var services: Set<String> = []

    /// Makes the counters of a method when it is registered.
    public typealias Instrument = @Sendable (_ path: String, GRPCMethodShape) -> GRPCMethodCounters
    private let instrument: Instrument?

    /// - Parameter instrument: nil counts nothing.
    public init(instrument: Instrument? = nil) {
        slots = Array(repeating: nil, count: 64)
        self.instrument = instrument
    }

    /// - Parameter path: the full method, such as `/etcdserverpb.KV/Put`.
    public mutating func unary(_ path: String, _ handler: @escaping UnaryHandler) {
        insert(path, .unary(handler), .unary)
    }

    public mutating func serverStreaming(
        _ path: String, _ handler: @escaping ServerStreamingHandler
    ) { insert(path, .serverStreaming(handler), .serverStream) }

    public mutating func clientStreaming(_ path: String, _ handler: @escaping StreamingCallHandler)
    { insert(path, .streaming(handler), .clientStream) }

    public mutating func bidirectional(_ path: String, _ handler: @escaping StreamingCallHandler) {
        insert(path, .streaming(handler), .bidirectional)
    }

    private mutating func insert(_ path: String, _ kind: Kind, _ shape: GRPCMethodShape) {
        let method = Method(path, kind, instrument?(path, shape))
        precondition(method.path.first == "/", "\(method.path) is not a full method path")
        if 2 * (count + 1) > slots.count {
            let old = slots
            slots = Array(repeating: nil, count: 2 * old.count)
            for method in old { if let method { place(method) } }
        }
        place(method)
        count += 1
        services.insert(Self.split(method.path).service)
    }

    private mutating func place(_ method: Method) {
        var slot = method.pathBytes.withUnsafeBytes { Self.hash($0) } & (slots.count - 1)
        while let other = slots[slot] {
            precondition(other.path != method.path, "\(method.path) is registered twice")
            slot = (slot + 1) & (slots.count - 1)
        }
        slots[slot] = method
    }

    func find(_ path: UnsafeRawBufferPointer) -> Method? {
        var slot = Self.hash(path) & (slots.count - 1)
        while let method = slots[slot] {
            if method.pathBytes.count == path.count,
                method.pathBytes.withUnsafeBytes({ $0.elementsEqual(of: path) })
            {
                return method
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    /// Mixes the length and the last 16 bytes: method names differ at their end.
    private static func hash(_ path: UnsafeRawBufferPointer) -> Int {
        var hash = UInt64(path.count) &* 0x9E37_79B9_7F4A_7C15
        var end = path.count
        for _ in 0..<2 where end >= 8 {
            hash ^= path.loadUnaligned(fromByteOffset: end - 8, as: UInt64.self)
            hash = (hash ^ (hash >> 29)) &* 0xBF58_476D_1CE4_E5B9
            end -= 8
        }
        if end > 0 && path.count < 8 {
            for byte in path { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        }
        return Int(truncatingIfNeeded: (hash ^ (hash >> 32)) & 0x7FFF_FFFF)
    }

    /// What grpc-go answers for a path that nobody registered (server.go, handleStream).
    func unknown(_ path: String) -> Status {
        let name = path.first == "/" ? String(path.dropFirst()) : path
        guard name.contains("/") else {
            return Status(.unimplemented, "malformed method name: \(quoted(path))")
        }
        let (service, method) = Self.split(path)
        return services.contains(service)
            ? Status(.unimplemented, "unknown method \(method) for service \(service)")
            : Status(.unimplemented, "unknown service \(service)")
    }

    private static func split(_ path: String) -> (service: String, method: String) {
        let name = path.first == "/" ? path.dropFirst() : path[...]
        guard let slash = name.lastIndex(of: "/") else { return (String(name), "") }
        return (String(name[..<slash]), String(name[name.index(after: slash)...]))
    }
}

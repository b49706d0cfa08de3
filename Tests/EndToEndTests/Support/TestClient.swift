// A gRPC client over a real socket, in this process: requests and answers as plain values.

import API
import Foundation
import Logging
import Transport

/// One connection to a member, on an event loop of its own.
final class TestClient: Sendable {
    let loop: EventLoop
    let connection: GRPCClientConnection

    /// Connects.
    init(_ endpoint: Endpoint) async throws {
        let loop = try EventLoop(name: "test-client")
        self.loop = loop
        do {
            connection = try await withCheckedThrowingContinuation { continuation in
                loop.post {
                    Connector.connect(to: endpoint, on: loop, timeoutNanoseconds: 10_000_000_000) {
                        continuation.resume(
                            with: $0.mapError { $0 as any Error }.flatMap { stream in
                                GRPCClientConnection(stream).map { .success($0) }
                                    ?? .failure(ProcessFailure(description: "no memory"))
                            })
                    }
                }
            }
        } catch {
            loop.stop()
            throw error
        }
    }

    /// Connects over TLS.
    init(secure url: String, _ settings: TLSSettings) async throws {
        let loop = try EventLoop(name: "test-client")
        self.loop = loop
        do {
            connection = try await withCheckedThrowingContinuation { continuation in
                loop.post {
                    do {
                        let credentials = try TLSCredentials(
                            settings, on: loop, logger: Logger(label: "test-client"))
                        _ = TLSDialer(over: SocketDialer(on: loop), credentials).dial(
                            url, timeoutNanoseconds: 10_000_000_000
                        ) {
                            continuation.resume(
                                with: $0.mapError { $0 as any Error }.flatMap { stream in
                                    GRPCClientConnection(stream).map { .success($0) }
                                        ?? .failure(ProcessFailure(description: "no memory"))
                                })
                        }
                    } catch {
                        continuation.resume(throwing: error)
                    }
                }
            }
        } catch {
            loop.stop()
            throw error
        }
    }

    convenience init(_ member: MemberProcess) async throws {
        try await self.init(member.clientEndpoint)
    }

    deinit {
        loop.post { [connection] in connection.abort() }
        loop.stop()
    }

    /// Runs `body` on the client's loop.
    func onLoop<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            loop.post { continuation.resume(returning: body()) }
        }
    }

    /// Whether the connection has ended.
    var isClosed: Bool {
        get async { await onLoop { [connection] in connection.unavailable != nil } }
    }

    /// Calls any unary method with any bytes. A member that does not answer fails the call.
    func call(
        _ path: String, _ request: [UInt8] = [],
        metadata: [(name: String, value: [UInt8])] = [], timeoutMilliseconds: UInt64 = 30_000
    ) async throws(Status) -> [UInt8] {
        try await connection.call(
            GRPCClientMethod(path), request,
            options: GRPCCallOptions(
                timeout: timeoutMilliseconds * 1_000_000, metadata: metadata))
    }

    /// Calls a server-streaming method; the messages, once it has ended well.
    func stream(_ path: String, _ request: [UInt8]) async throws(Status) -> [[UInt8]] {
        let end: Result<[[UInt8]], Status> = await withCheckedContinuation { continuation in
            loop.post { [connection] in
                let call = connection.streaming(
                    GRPCClientMethod(path),
                    options: GRPCCallOptions(timeout: 30_000_000_000),
                    handler: StreamCollector { continuation.resume(returning: $0) })
                call.send(request)
                call.halfClose()
            }
        }
        return try end.get()
    }

    // MARK: KV

    @discardableResult
    func put(_ request: Put) async throws -> PutAnswer {
        try PutAnswer(try await call("/etcdserverpb.KV/Put", request.encoded))
    }

    @discardableResult
    func put(_ key: String, _ value: String) async throws -> PutAnswer {
        try await put(Put(key: key, value: value))
    }

    func range(_ request: Range) async throws -> RangeAnswer {
        try RangeAnswer(try await call("/etcdserverpb.KV/Range", request.encoded))
    }

    /// The pair of a key, read linearizably.
    func get(_ key: String) async throws -> Pair? {
        try await range(Range(key: key)).pairs.first
    }

    @discardableResult
    func delete(_ request: Delete) async throws -> DeleteAnswer {
        try DeleteAnswer(try await call("/etcdserverpb.KV/DeleteRange", request.encoded))
    }

    /// All pairs whose keys begin with `prefix`, read page by page at one revision.
    func all(prefix: String) async throws -> (pairs: [Pair], header: Header) {
        var request = Range(key: prefix, end: after(prefix: prefix), limit: 2000)
        let first = try await range(request)
        var pairs = first.pairs
        var more = first.more
        request.revision = first.header.revision
        while more, let last = pairs.last {
            request.key = last.key + "\0"
            let page = try await range(request)
            pairs += page.pairs
            more = page.more
        }
        return (pairs, first.header)
    }
}

/// The end of the range of all keys that begin with `prefix`, of ASCII letters.
func after(prefix: String) -> String {
    var bytes = Array(prefix.utf8)
    bytes[bytes.count - 1] += 1
    return String(decoding: bytes, as: UTF8.self)
}

/// Keeps the messages of a stream until its end.
private final class StreamCollector: GRPCClientStreamHandler {
    private var messages: [[UInt8]] = []
    private let ended: (Result<[[UInt8]], Status>) -> Void

    init(_ ended: @escaping (Result<[[UInt8]], Status>) -> Void) { self.ended = ended }

    func received(_ message: UnsafeRawBufferPointer) { messages.append([UInt8](message)) }
    func writable() {}
    func finished(_ end: GRPCCallEnd) {
        ended(end.status.map { .failure($0) } ?? .success(messages))
    }
}

// What is asked of a server beside its load: how large it is, all that it holds, a compaction, a
// hash, a defragmentation.

import API
import Glibc
import Transport

/// A connection of its own. Its calls wait: not from an event loop.
final class Administrator: Sendable {
    private let loop: EventLoop
    private let connection: GRPCClientConnection

    init(port: UInt16) throws {
        let loop = try EventLoop(name: "bench-admin")
        self.loop = loop
        // Whoever reads everything is on another machine, in life: what reading costs it here is
        // not to be felt by the small requests, where somebody else wants the processor.
        loop.post { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10) }
        let opened: Result<GRPCClientConnection?, TransportError> = waitFor { done in
            loop.post {
                Connector.connect(
                    to: .tcp(host: "127.0.0.1", port: port), on: loop,
                    timeoutNanoseconds: 10_000_000_000
                ) { stream in
                    done(stream.map { GRPCClientConnection($0) })
                }
            }
        }
        guard let connection = try opened.get() else {
            throw ServerFailure(description: "out of memory")
        }
        self.connection = connection
    }

    func close() {
        let _: Bool = waitFor { done in
            loop.post { [connection] in
                connection.abort()
                done(true)
            }
        }
        loop.stop()
    }

    func call(_ path: String, _ write: (inout ByteBuffer) -> Void) throws -> [UInt8] {
        try call(path, write) { [UInt8]($0) }
    }

    /// - Parameter read: takes of the answer what is wanted, on the connection's loop.
    private func call<Value: Sendable>(
        _ path: String, _ write: (inout ByteBuffer) -> Void,
        _ read: @escaping @Sendable (UnsafeRawBufferPointer) -> Value
    ) throws -> Value {
        var buffer = ByteBuffer()
        write(&buffer)
        let request = buffer.array
        let method = GRPCClientMethod(path, authority: "localhost")
        let result: Result<Value, Status> = waitFor { done in
            loop.post { [connection] in
                connection.unary(
                    method, capacity: request.count,
                    { buffer in
                        buffer.copyBytes(from: request)
                        return request.count
                    },
                    completion: { done($0.map(read)) })
            }
        }
        do { return try result.get() } catch {
            throw ServerFailure(description: "\(path): \(error)")
        }
    }

    func revision() throws -> Revision {
        let bytes = try call("/etcdserverpb.KV/Range") { request in
            Array("0".utf8).withUnsafeBytes { request.appendRangeRequest(key: $0, countOnly: true) }
        }
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            try RangeResponse.decode(bytes, in: arena).header?.revision ?? .initial
        }
    }

    /// Reads all keys with one Range.
    /// - Returns: the size of the answer in bytes.
    func readAll() throws -> Int {
        try call("/etcdserverpb.KV/Range", Self.writeRangeOfAll) { $0.count }
    }

    /// Reads all keys with one Txn.
    /// - Returns: the size of the answer in bytes.
    func readAllInTxn() throws -> Int {
        var range = ByteBuffer()
        Self.writeRangeOfAll(to: &range)
        var operation = ByteBuffer()
        range.withUnsafeBytes { operation.appendField(1, bytes: $0) }
        return try call(
            "/etcdserverpb.KV/Txn",
            { request in operation.withUnsafeBytes { request.appendField(2, bytes: $0) } },
            { $0.count })
    }

    private static func writeRangeOfAll(to request: inout ByteBuffer) {
        let zero: [UInt8] = [0]
        zero.withUnsafeBytes { request.appendRangeRequest(key: $0, rangeEnd: $0) }
    }

    func compact(to revision: Revision, isPhysical: Bool) throws {
        _ = try call("/etcdserverpb.KV/Compact") {
            $0.appendField(1, int64: revision.rawValue)
            $0.appendField(2, bool: isPhysical)
        }
    }

    /// The hash of all keys as of now.
    func hash() throws { _ = try call("/etcdserverpb.Maintenance/HashKV") { _ in } }

    func defragment() throws { _ = try call("/etcdserverpb.Maintenance/Defragment") { _ in } }

    /// Bytes of the server's file, all and in use.
    func size() throws -> (total: Int, inUse: Int) {
        try status { (Int($0.dbSize), Int($0.dbSizeInUse)) }
    }

    /// Whether it leads, as it knows.
    func leads() throws -> Bool { try status { $0.leader == $0.header?.memberID } }

    private func status<Value>(_ read: (StatusResponse) -> Value) throws -> Value {
        let bytes = try call("/etcdserverpb.Maintenance/Status") { _ in }
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            read(try StatusResponse.decode(bytes, in: arena))
        }
    }

    /// Adds a learner that will be found at `peerURL`.
    func addLearner(_ peerURL: String) throws {
        _ = try call("/etcdserverpb.Cluster/MemberAdd") {
            $0.appendField(1, string: peerURL)
            $0.appendField(2, bool: true)
        }
    }
}

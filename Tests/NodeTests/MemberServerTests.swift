import API
import Foundation
import Services
import Testing
import Transport

@testable import Node

/// A client of a member in this process, by memory instead of a socket.
private final class Client: Sendable {
    private let loop: EventLoop
    private let connection: GRPCClientConnection

    init(_ server: MemberServer) throws {
        let loop = try EventLoop(name: "client")
        self.loop = loop
        connection = try waitFor { done in
            server.serve { main in
                let (near, far) = MemoryStream.pair(a: loop, b: main)
                loop.post {
                    let made = GRPCClientConnection(near)
                    done(made.map { .success($0) } ?? .failure(Status(.internal, "no memory")))
                }
                return far
            }
        }
    }

    func call(_ path: String, _ request: [UInt8]) throws -> [UInt8] {
        let connection = connection
        return try waitFor { done in
            loop.post {
                connection.unary(GRPCClientMethod(path), request) { result in
                    done(result.map { [UInt8]($0) }.mapError { $0 })
                }
            }
        }
    }

    /// So that the member need not wait for it.
    func leave() throws {
        let connection = connection
        try onLoop(loop) { connection.abort() }
        loop.stop()
    }
}

@Suite("A member in this process, from start to stop")
struct MemberServerTests {
    private func bytes(_ write: (inout ByteBuffer) -> Void) -> [UInt8] {
        var buffer = ByteBuffer()
        write(&buffer)
        return buffer.array
    }

    private func configuration(_ directory: TemporaryDirectory) throws -> Configuration {
        let arguments = [
            "-data-dir=\(directory.path)/data", "-listen-client-urls=http://127.0.0.1:0",
            "-advertise-client-urls=http://127.0.0.1:1", "-listen-peer-urls=http://127.0.0.1:0",
        ]
        guard case .run(let configuration, _) = CommandLineReader.read(arguments, environment: [:])
        else { throw RecoveryError(description: "\(arguments) are refused") }
        return configuration
    }

    private func put(_ key: String, _ value: String, _ client: Client) throws -> Int64 {
        let request = Array(key.utf8).withUnsafeBytes { key in
            Array(value.utf8).withUnsafeBytes { value in
                bytes { $0.appendPutRequest(key: key, value: value) }
            }
        }
        let arena = Arena()
        let response = try PutResponse.decode(
            client.call("/etcdserverpb.KV/Put", request), in: arena)
        return withExtendedLifetime(arena) { response.header?.revision.rawValue ?? 0 }
    }

    private func count(_ client: Client) throws -> Int64 {
        let request = [UInt8]([0]).withUnsafeBytes { zero in
            bytes { $0.appendRangeRequest(key: zero, rangeEnd: zero, countOnly: true) }
        }
        let arena = Arena()
        let response = try RangeResponse.decode(
            client.call("/etcdserverpb.KV/Range", request), in: arena)
        return withExtendedLifetime(arena) { response.count }
    }

    @Test("What was put is there after a stop and a start, and the revision goes on")
    func lives() throws {
        let directory = try TemporaryDirectory()
        let log = ServerLog(to: LogSink(descriptor: -1), level: .error)
        for life in 0..<3 {
            let server = try MemberServer.serving(configuration(directory), log: log)
            let client = try Client(server)
            #expect(try count(client) == Int64(life))
            #expect(try put("key\(life)", "value", client) == Int64(life) + 2)
            try client.leave()
            server.stop()
        }
    }

    @Test("A second member on the same directory does not start, and disturbs the first in nothing")
    func second() throws {
        let directory = try TemporaryDirectory()
        let log = ServerLog(to: LogSink(descriptor: -1), level: .error)
        let server = try MemberServer.serving(configuration(directory), log: log)
        defer { server.stop() }
        #expect(throws: RecoveryError.self) {
            try MemberServer.serving(configuration(directory), log: log)
        }
        let client = try Client(server)
        #expect(try put("a", "1", client) == 2)
        try client.leave()
    }
}

// A client of a played member, over gRPC in memory.

import API
import Testing
import Transport

@testable import Services

/// A client connected to a member in memory, on the member's executor.
///
/// Unchecked: confined to the test's thread.
final class PlayedClient: GRPCClientStreamHandler, @unchecked Sendable {
    private let member: PlayedMember
    private let server: GRPCServer
    private let connection: GRPCClientConnection
    private(set) var messages: [[UInt8]] = []
    private(set) var end: GRPCCallEnd?

    init(_ member: PlayedMember) throws {
        self.member = member
        let core = member.life.core
        let methods = member.life.services.methods()
        server = GRPCServer(methods, on: core)
        let (near, far) = MemoryStream.pair(a: core, b: core)
        let server = server
        connection = try #require(
            core.turn {
                server.accept(far)
                return GRPCClientConnection(near)
            })
    }

    /// The ends of a connection hold each other until one has closed.
    deinit { member.life.core.turn { connection.abort() } }

    func call(
        _ path: String, _ request: [UInt8] = [],
        metadata: [(name: String, value: [UInt8])] = []
    ) -> Result<[UInt8], Status>? {
        start(path, request, GRPCCallOptions(metadata: metadata)).result
    }

    /// What became of a unary call.
    final class Outcome {
        fileprivate(set) var result: Result<[UInt8], Status>?
    }

    /// A unary call that may take a while.
    func start(_ path: String, _ request: [UInt8], _ options: GRPCCallOptions) -> Outcome {
        let outcome = Outcome()
        _ = member.life.core.turn {
            connection.unary(GRPCClientMethod(path), request, options: options) {
                outcome.result = $0.map { [UInt8]($0) }
            }
        }
        return outcome
    }

    /// A stream with nothing asked on it yet.
    func open(
        _ path: String, metadata: [(name: String, value: [UInt8])] = []
    ) -> GRPCClientCall {
        member.life.core.turn {
            connection.streaming(
                GRPCClientMethod(path), options: GRPCCallOptions(metadata: metadata), handler: self)
        }
    }

    func watch(
        _ path: String, _ request: [UInt8], metadata: [(name: String, value: [UInt8])] = []
    ) -> GRPCClientCall {
        member.life.core.turn {
            let call = connection.streaming(
                GRPCClientMethod(path), options: GRPCCallOptions(metadata: metadata), handler: self)
            call.send(request)
            call.halfClose()
            return call
        }
    }

    /// Ends the client's streams that want a leader when there is none.
    func monitorLeader(electionMilliseconds: UInt64) -> LeaderMonitor {
        member.life.core.turn {
            member.life.services.leaderMonitor(
                of: server, electionNanoseconds: electionMilliseconds * 1_000_000)
        }
    }

    func cancel(_ call: GRPCClientCall) { member.life.core.turn { call.cancel() } }

    var openCalls: Int { member.life.core.turn { server.callCount } }

    func received(_ message: sending UnsafeRawBufferPointer) { messages.append([UInt8](message)) }
    func writable() {}
    func finished(_ end: GRPCCallEnd) { self.end = end }
}

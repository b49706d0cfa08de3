// A gRPC server and a client wired to each other in memory.

import API

@testable import Transport

/// What became of a unary call.
final class UnaryOutcome {
    var response: [UInt8]?
    var status: Status?
    var isDone: Bool { response != nil || status != nil }
    var text: String? { response.map { String(decoding: $0, as: UTF8.self) } }
    func complete(_ result: Result<UnsafeRawBufferPointer, Status>) {
        switch result {
        case .success(let bytes): response = Array(bytes)
        case .failure(let failure): status = failure
        }
    }
}

struct GRPCPair {
    let executor = ManualExecutor()
    let server: GRPCServer
    let client: GRPCClientConnection
    let serverEnd: WireEnd
    let clientEnd: WireEnd
    private let end: EndOfWorld

    init(
        _ configuration: GRPCServerConfiguration = GRPCServerConfiguration(),
        client clientConfiguration: GRPCClientConfiguration = GRPCClientConfiguration(),
        _ build: (inout GRPCMethods) -> Void
    ) {
        var methods = GRPCMethods()
        build(&methods)
        server = GRPCServer(methods, configuration: configuration, on: executor)
        (serverEnd, clientEnd) = WireEnd.pair(executor)
        client = GRPCClientConnection(clientEnd, configuration: clientConfiguration)!
        end = EndOfWorld(executor, server, serverEnd, clientEnd)
        server.accept(serverEnd)
        executor.run()
    }

    /// Calls `path`; the outcome is known after `executor.run()`.
    func start(
        _ path: String, _ request: [UInt8] = [], options: GRPCCallOptions = GRPCCallOptions()
    ) -> (UnaryOutcome, GRPCClientCall) {
        let outcome = UnaryOutcome()
        let call = client.unary(GRPCClientMethod(path), request, options: options) {
            outcome.complete($0)
        }
        return (outcome, call)
    }

    func call(
        _ path: String, _ request: [UInt8] = [], options: GRPCCallOptions = GRPCCallOptions()
    ) -> UnaryOutcome {
        let (outcome, _) = start(path, request, options: options)
        executor.run()
        return outcome
    }
}

extension GRPCMethods {
    /// `/test.Echo/Echo` answers with its request.
    mutating func echo() {
        unary("/test.Echo/Echo") { call, request in call.respond(request) }
    }
}

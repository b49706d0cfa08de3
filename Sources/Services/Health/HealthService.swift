// grpc.health.v1.Health: whether this server takes calls, for load balancers (gRPC's health
// checking protocol). Only the whole server, service "", is known, as in etcd.

import API
import Transport

struct HealthService: Sendable {
    let gate: ProposalGate
    let health: ServingHealth

    func register(in methods: inout GuardedMethods) {
        methods.unary("/grpc.health.v1.Health/Check") { call, _, bytes in check(bytes, call) }
        methods.unary("/grpc.health.v1.Health/List") { call, _, _ in list(call) }
        methods.serverStreaming("/grpc.health.v1.Health/Watch") { call, _, bytes in
            watch(bytes, call)
        }
    }

    private func service(named bytes: UnsafeRawBufferPointer) throws(RequestRefusal) -> String {
        let arena = gate.arenas.take()
        defer { gate.arenas.putBack(arena) }
        return try decodeRequest(HealthCheckRequest.self, bytes, in: arena).service
    }

    func check(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        do throws(RequestRefusal) {
            guard try service(named: bytes).isEmpty else {
                return reply.fail(Status(.notFound, "unknown service"))
            }
            reply.respond(health.status)
        } catch {
            reply.fail(error.status)
        }
    }

    func list(_ reply: any Replying) {
        // map<string, HealthCheckResponse> with the one entry "".
        var response = ByteBuffer()
        let entry = response.beginMessage(1)
        let status = response.beginMessage(2)
        response.appendHealthCheckResponse(health.status)
        response.endMessage(status)
        response.endMessage(entry)
        response.withUnsafeBytes { reply.respond($0) }
    }

    /// Tells the status now and whenever it changes; the end of the stream tells the rest.
    func watch(
        _ bytes: UnsafeRawBufferPointer, _ call: StreamingCall
    ) -> (any StreamingHandler)? {
        do throws(RequestRefusal) {
            let isKnown = try service(named: bytes).isEmpty
            let watch = HealthWatch(call, of: isKnown ? health : nil)
            if isKnown { health.add(watch) } else { watch.send(.serviceUnknown) }
            return watch
        } catch {
            call.finish(error.status)
            return nil
        }
    }
}

/// A watch of the health that lasts until the client leaves.
///
/// `@unchecked Sendable`: its state is touched on the executor of its call only.
final class HealthWatch: StreamingHandler, @unchecked Sendable {
    private let call: StreamingCall
    private let health: ServingHealth?
    /// What there was no room for.
    private var unsent: ServingStatus?

    /// - Parameter health: whom it belongs to, if to any.
    init(_ call: StreamingCall, of health: ServingHealth?) {
        self.call = call
        self.health = health
    }

    /// From any thread.
    func tell(_ status: ServingStatus) { call.executor.post { self.send(status) } }

    /// On the call's executor.
    func send(_ status: ServingStatus) {
        guard call.isOpen else { return }
        var response = ByteBuffer()
        response.appendHealthCheckResponse(status)
        unsent = response.withUnsafeBytes { call.send($0) } ? nil : status
    }

    func received(_ message: UnsafeRawBufferPointer) {}
    func halfClosed() {}
    func writable() { if let unsent { send(unsent) } }
    func cancelled() { health?.remove(self) }
}

extension Replying {
    fileprivate func respond(_ status: ServingStatus) {
        var response = ByteBuffer()
        response.appendHealthCheckResponse(status)
        response.withUnsafeBytes { respond($0) }
    }
}

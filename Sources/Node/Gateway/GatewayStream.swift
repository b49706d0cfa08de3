// A streaming call of the gateway: requests that came in one body, answers line by line.

import API
import Transport

/// Carries the messages of one call. On one loop.
final class GatewayStream: GRPCClientStreamHandler {
    private let route: GatewayRoute
    private var requests: ArraySlice<[UInt8]>
    private let reply: GatewayReply
    private let onEnd: () -> Void
    private var call: GRPCClientCall?

    /// A client that reads more slowly than this much comes is waited for.
    private static let bufferLimit = 1 << 20

    init(
        _ route: GatewayRoute, _ requests: [[UInt8]], _ reply: GatewayReply,
        onEnd: @escaping () -> Void
    ) {
        self.onEnd = onEnd
        self.route = route
        self.requests = requests[...]
        self.reply = reply
    }

    func start(_ call: GRPCClientCall) {
        self.call = call
        reply.onLeft { call.cancel() }
        reply.onDrained { call.resumeReceiving() }
        writable()
    }

    func writable() {
        guard let call else { return }
        while let request = requests.first, call.isWritable {
            call.send(request)
            requests.removeFirst()
        }
        // The end of the body ends the requests; a watch goes on.
        if requests.isEmpty { call.halfClose() }
    }

    func received(_ message: sending UnsafeRawBufferPointer) {
        do throws(WireError) {
            try reply.write(message, route.response)
        } catch {
            reply.end(Status(.internal, "\(error)"))
            call?.cancel()
        }
        if reply.bufferedBytes > Self.bufferLimit { call?.pauseReceiving() }
    }

    func finished(_ end: GRPCCallEnd) {
        reply.end(end.status)
        call = nil
        onEnd()
    }
}

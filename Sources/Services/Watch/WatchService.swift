// etcdserverpb.Watch: requests of a stream are decoded where they come in, which is on the hub's
// executor, and passed on; responses come from the hub.

import API
import Transport

struct WatchService: Sendable {
    let hub: WatchHub
    let arenas: ArenaPool

    func register(in methods: inout GRPCMethods) {
        methods.bidirectional("/etcdserverpb.Watch/Watch") { call in
            call.limitBuffer(to: hub.settings.streamBufferBytes)
            return WatchCall(call, hub: hub, arenas: arenas)
        }
    }
}

/// A client's side of a stream.
final class WatchCall: StreamingHandler {
    private let call: StreamingCall
    private let hub: WatchHub
    private let arenas: ArenaPool
    private let stream: WatchStream
    /// A request that came when the stream took no responses. At most one: receiving pauses.
    private var held: [UInt8]?

    init(_ call: StreamingCall, hub: WatchHub, arenas: ArenaPool) {
        self.call = call
        self.hub = hub
        self.arenas = arenas
        let jitter = Double(hub.random.next() >> 11) / Double(1 << 53)
        stream = WatchStream(call, jitter: jitter)
        hub.enter(with: stream) { hub, stream in hub.open(stream) }
    }

    func received(_ message: UnsafeRawBufferPointer) {
        // A request is answered at once or not at all, so it waits for room.
        if !call.isWritable {
            held = [UInt8](message)
            return call.pauseReceiving()
        }
        take(message)
    }

    private func take(_ message: UnsafeRawBufferPointer) {
        let arena = arenas.take()
        defer { arenas.putBack(arena) }
        do throws(WireError) {
            // Unknown and empty unions are passed over.
            guard let operation = try WatchRequest.decode(message, in: arena).operation else {
                return
            }
            hub.enter(with: (operation, stream)) { hub, input in
                switch input.0 {
                case .create(let request): hub.create(WatchOrder(request), on: input.1)
                case .cancel(let id): hub.cancel(id, on: input.1)
                case .progress: hub.requestProgress(of: input.1)
                }
            }
        } catch {
            hub.counters.receiveFailures.increment()
            leave()
            call.finish(.malformedMessage(error))
        }
    }

    /// Events keep flowing.
    func halfClosed() {}

    func writable() {
        if let message = held {
            held = nil
            message.withUnsafeBytes { take($0) }
        }
        hub.enter(with: stream) { hub, stream in hub.resume(stream) }
        if held == nil, call.isWritable { call.resumeReceiving() }
    }

    func cancelled() { leave() }

    private func leave() { hub.enter(with: stream) { hub, stream in hub.close(stream) } }
}

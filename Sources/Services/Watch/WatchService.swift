// etcdserverpb.Watch: requests of a stream are decoded where they come in, which is on the hub's
// executor, and passed on; responses come from the hub.

import API
import Transport

struct WatchService: Sendable {
    let hub: WatchHub
    let arenas: ArenaPool

    func register(in methods: inout GuardedMethods) {
        methods.bidirectional("/etcdserverpb.Watch/Watch") { call, visitor in
            call.limitBuffer(to: hub.settings.streamBufferBytes)
            return WatchCall(call, of: visitor, hub: hub, arenas: arenas)
        }
    }
}

/// A client's side of a stream.
///
/// `@unchecked Sendable`: confined to the executor of its connection.
final class WatchCall: StreamingHandler, @unchecked Sendable {
    private let call: StreamingCall
    private let hub: WatchHub
    private let arenas: ArenaPool
    private let stream: WatchStream
    private let visitor: Visitor
    /// A request that came when the stream took no responses. At most one: receiving pauses.
    private var held: [UInt8]?

    init(
        _ call: StreamingCall, of visitor: Visitor, hub: WatchHub, arenas: ArenaPool
    ) {
        self.call = call
        self.visitor = visitor
        self.hub = hub
        self.arenas = arenas
        let jitter = Double(hub.random.next() >> 11) / Double(1 << 53)
        stream = WatchStream(call, of: visitor, jitter: jitter)
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
            if case .create(let request) = operation { return create(request, message) }
            hub.enter(with: (operation, stream)) { hub, input in
                switch input.0 {
                case .create: break
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

    private func create(_ request: WatchCreateRequest, _ message: UnsafeRawBufferPointer) {
        switch visitor.identify(now: call.context.now) {
        case .admitted(let caller):
            hub.enter(with: (request, stream)) { hub, input in
                hub.create(WatchOrder(input.0), on: input.1, as: caller)
            }
        case .refused(let status): refuse(status)
        case .later(let index):
            // Nothing else is taken meanwhile: requests are answered in order.
            guard let message = visitor.hold(message) else { return refuse(.invalidAuthToken) }
            call.pauseReceiving()
            visitor.wait(for: index) { [self] in
                call.onExecutor { [self] in
                    message.bytes.withUnsafeBytes { take($0) }
                    if held == nil, call.isWritable { call.resumeReceiving() }
                }
            } given: { [self] in
                call.onExecutor { [self] in
                    refuse(.invalidAuthToken)
                    if held == nil, call.isWritable { call.resumeReceiving() }
                }
            }
        }
    }

    private func refuse(_ status: Status) {
        let reason = WatchCancelReason.of(status)
        hub.enter(with: stream) { hub, stream in hub.refuse(reason, on: stream) }
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

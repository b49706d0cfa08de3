// Snapshots over the links between members: each call is a stream on a connection of its own.

import API
import Transport

/// Opens snapshot calls by way of the links, and takes those that come to the peer port.
///
/// `@unchecked Sendable`: used on the main executor only, which is that of the links.
final class PeerSnapshotLane: SnapshotLane, @unchecked Sendable {
    private static let path = "/cairn.PeerLink/Snapshot"
    private static let method = GRPCClientMethod(path)
    private let links: PeerLinks

    init(_ links: PeerLinks) { self.links = links }

    func open(to member: MemberID, _ events: any SnapshotCallEvents) -> any SnapshotCall {
        let call = OutgoingSnapshotCall(events, on: links.executor)
        call.begin(links.open(member, Self.method, handler: call))
        return call
    }

    /// Adds the receiving side to the methods of the peer port.
    static func register(_ receiver: SnapshotReceiver, in methods: inout GRPCMethods) {
        methods.bidirectional(path) { call in
            let incoming = IncomingSnapshotCall(call)
            incoming.events = receiver.accept(incoming)
            return incoming
        }
    }
}

/// What both sides have in common: messages wait while the stream has no room, within the bound
/// that the snapshot's own window sets (`SnapshotMessage.windowBytes`).
private struct UnsentMessages {
    private var messages: [[UInt8]] = []

    /// Sends what waits, then `message`, as far as there is room.
    mutating func send(_ message: [UInt8]? = nil, by attempt: ([UInt8]) -> Bool) {
        if let message { messages.append(message) }
        var sent = 0
        while sent < messages.count, attempt(messages[sent]) { sent += 1 }
        messages.removeFirst(sent)
    }
}

/// The sender's end.
///
/// `@unchecked Sendable`: used on the main executor only.
private final class OutgoingSnapshotCall: SnapshotCall, GRPCClientStreamHandler,
    @unchecked Sendable
{
    private var events: (any SnapshotCallEvents)?
    private let executor: any ActorExecutor
    private var stream: PeerStream?
    private var unsent = UnsentMessages()

    init(_ events: any SnapshotCallEvents, on executor: any ActorExecutor) {
        self.events = events
        self.executor = executor
    }

    func begin(_ stream: PeerStream) {
        if stream.isOpen { self.stream = stream }
    }

    func send(_ message: [UInt8]) {
        guard let stream else { return }
        unsent.send(message) { stream.isWritable && stream.send($0) }
    }

    func end() {
        events = nil
        let ending = stream
        stream = nil
        ending?.cancel()
    }

    // MARK: GRPCClientStreamHandler

    func received(_ message: sending UnsafeRawBufferPointer) {
        events?.received([UInt8](message))
    }

    func writable() {
        guard let stream else { return }
        unsent.send { stream.isWritable && stream.send($0) }
    }

    func finished(_ end: GRPCCallEnd) {
        stream = nil
        // Perhaps within a method of this call.
        executor.post { [self] in
            let told = events
            events = nil
            told?.ended()
        }
    }
}

/// The receiver's end.
///
/// `@unchecked Sendable`: used on the main executor only.
private final class IncomingSnapshotCall: SnapshotCall, StreamingHandler, @unchecked Sendable {
    var events: (any SnapshotCallEvents)?
    private let call: StreamingCall
    private var unsent = UnsentMessages()
    private var isOver = false

    init(_ call: StreamingCall) { self.call = call }

    func send(_ message: [UInt8]) {
        guard !isOver else { return }
        unsent.send(message, by: attempt)
    }

    private func attempt(_ message: [UInt8]) -> Bool {
        call.isWritable && message.withUnsafeBytes { call.send($0) }
    }

    func end() {
        guard !isOver else { return }
        isOver = true
        events = nil
        call.finish(nil)
    }

    // MARK: StreamingHandler

    func received(_ message: sending UnsafeRawBufferPointer) {
        events?.received([UInt8](message))
    }

    func writable() { unsent.send(by: attempt) }

    func halfClosed() { ended() }

    func cancelled() {
        isOver = true
        ended()
    }

    private func ended() {
        let told = events
        events = nil
        told?.ended()
    }
}

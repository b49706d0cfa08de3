// Takes snapshots in: chunks to a file beside the store, then, once all is durable and checked, a
// message to Raft, then, when Raft's log has the record of its place, the state in place of the one
// there is (Consensus, Snapshotter; docs/architecture.md, Between members).
//
// One at a time, and the newest wins: a leader that is told to send another knows why.

import API
import Consensus
import Services
import Storage

/// On the executor of Raft and the applied state.
actor SnapshotReceiver: ExecutorActor {
    nonisolated let executor: any ActorExecutor
    nonisolated let unownedExecutor: UnownedSerialExecutor

    let settings: SnapshotSettings
    let events: any SnapshotEvents
    let place: SnapshotPlace
    private let member: MemberID
    private let applier: Applier
    private let store: MVCCStore
    /// Set once, before anything comes: it holds who holds the receiver.
    private weak var raft: RaftNode?

    /// What is being received.
    private var incoming: IncomingTransfer?
    /// What was shown to Raft, until it says what is to become of it.
    private var shown: IncomingState?
    private var isStopped = false

    /// The executor is the applier's.
    init(
        _ member: MemberID, _ applier: Applier, _ store: MVCCStore, _ place: SnapshotPlace,
        settings: SnapshotSettings, events: any SnapshotEvents
    ) {
        executor = applier.executor
        unownedExecutor = executor.asUnownedSerialExecutor()
        self.member = member
        self.applier = applier
        self.store = store
        self.place = place
        self.settings = settings
        self.events = events
    }

    func attach(_ raft: RaftNode) { self.raft = raft }

    /// Another member has opened a call.
    nonisolated func accept(_ call: any SnapshotCall) -> any SnapshotCallEvents {
        ReceiverEvents(self, call)
    }

    /// What is not finished goes.
    func stop() {
        isStopped = true
        abandon(SnapshotError.abandoned)
    }

    // MARK: The call

    fileprivate func received(_ message: SnapshotMessage?, _ call: any SnapshotCall) {
        guard !isStopped else { return call.end() }
        switch message {
        case .offer(let description, let message): offered(description, message, call)
        case .chunk(let chunk): take(chunk, call)
        case .due, .refused, .done, nil:
            events.refusedOffer("a message that cannot be read")
            guard let incoming, incoming.call === call else { return refuse(call, .malformed) }
            abandon(SnapshotError.abandoned, refusing: .malformed)
        }
    }

    fileprivate func ended(_ call: any SnapshotCall) {
        guard let incoming, incoming.call === call else { return }
        incoming.call = nil
        forgetUnlessResumed(incoming)
    }

    private func refuse(_ call: any SnapshotCall, _ reason: SnapshotMessage.Refusal) {
        call.send(SnapshotMessage.refused(reason).encoded)
    }

    private func offered(
        _ description: SnapshotDescription, _ message: Message, _ call: any SnapshotCall
    ) {
        guard description.cluster == place.cluster, message.to == member else {
            events.refusedOffer("a snapshot of another cluster, or for another member")
            return refuse(call, .malformed)
        }
        guard isNeeded(description) else { return refuse(call, .notNeeded) }
        if let incoming {
            if incoming.message.term > message.term { return refuse(call, .notNeeded) }
            if incoming.builder.description == description {
                return resume(incoming, message, call)
            }
            abandon(SnapshotError.abandoned)
        }
        guard shown == nil else { return refuse(call, .busy) }
        let builder = SnapshotBuilder(
            description, replacing: place.path, quotaBytes: place.quotaBytes, on: place.thread)
        let incoming = IncomingTransfer(builder, message, call, executor.now)
        self.incoming = incoming
        events.receiving(description, from: message.from)
        sayDue(incoming)
        giveSigns(incoming)
    }

    /// Whether it would help, and does not go back behind what is applied.
    private func isNeeded(_ description: SnapshotDescription) -> Bool {
        let applied = store.assumeIsolated { (index: $0.appliedIndex, revision: $0.revision) }
        guard description.index > applied.index, description.revision >= applied.revision,
            let raft
        else { return false }
        return raft.assumeIsolated { $0.needsSnapshot(at: description.mark.position) }
    }

    /// The call was cut, and is there again.
    private func resume(
        _ incoming: IncomingTransfer, _ message: Message, _ call: any SnapshotCall
    ) {
        if incoming.call !== call { incoming.call?.end() }
        incoming.call = call
        incoming.message = message
        // What is on its way to the file comes first: then it is known what is due.
        if incoming.pending == 0 {
            sayDue(incoming)
        } else {
            incoming.isResuming = true
        }
    }

    private func sayDue(_ incoming: IncomingTransfer) {
        incoming.isResuming = false
        incoming.call?.send(SnapshotMessage.due(incoming.due).encoded)
    }

    /// The sender takes silence for a cut link, and the last step can take a while.
    private func giveSigns(_ transfer: IncomingTransfer) {
        executor.schedule(afterNanoseconds: settings.signNanoseconds) { [weak self] in
            self?.assumeIsolated { receiver in
                guard let incoming = receiver.incoming, incoming === transfer else { return }
                if !incoming.isResuming { receiver.sayDue(incoming) }
                receiver.giveSigns(incoming)
            }
        }
    }

    /// What there is of it goes when no call comes back for it.
    private func forgetUnlessResumed(_ transfer: IncomingTransfer) {
        executor.schedule(afterNanoseconds: settings.keptNanoseconds) { [weak self] in
            self?.assumeIsolated { receiver in
                guard let incoming = receiver.incoming, incoming === transfer,
                    incoming.call == nil
                else { return }
                receiver.abandon(SnapshotError.abandoned)
            }
        }
    }

    // MARK: Chunks

    private func take(_ chunk: [UInt8], _ call: any SnapshotCall) {
        guard let incoming, incoming.call === call else { return call.end() }
        guard !incoming.isResuming, incoming.pending < SnapshotMessage.windowChunks else {
            events.refusedOffer("more chunks than were asked for")
            return abandon(SnapshotError.abandoned, refusing: .malformed)
        }
        incoming.pending += 1
        let (executor, cluster) = (executor, place.cluster)
        incoming.builder.add(chunk) { result in
            // Still on the files' thread: what takes long is done here.
            let step: Result<Step, any Error>
            switch result {
            case .success(.due(let number)): step = .success(.due(number))
            case .success(.whole(let store)):
                do {
                    step = .success(.whole(try IncomingState(reading: store, cluster: cluster)))
                } catch {
                    store.discard()
                    step = .failure(error)
                }
            case .failure(let error): step = .failure(error)
            }
            executor.post { self.assumeIsolated { $0.took(step, incoming) } }
        }
    }

    private enum Step: Sendable {
        case due(UInt32)
        case whole(IncomingState)
    }

    private func took(_ step: Result<Step, any Error>, _ transfer: IncomingTransfer) {
        guard let incoming, incoming === transfer else {
            if case .success(.whole(let state)) = step { discard(state) }
            return
        }
        incoming.pending -= 1
        switch step {
        case .success(.due(let number)):
            incoming.due = number
            if !incoming.isResuming || incoming.pending == 0 { sayDue(incoming) }
        case .success(.whole(let state)):
            isWhole(state, incoming)
        case .failure(let error):
            abandon(error, refusing: (error as? SnapshotError).map(Self.reason) ?? .malformed)
        }
    }

    private static func reason(_ error: SnapshotError) -> SnapshotMessage.Refusal {
        switch error {
        case .damaged, .store(.damaged): .malformed
        case .file, .store, .abandoned: .failed
        }
    }

    /// - Parameter reason: what the sender is told; without one, its call is cut.
    private func abandon(_ error: any Error, refusing reason: SnapshotMessage.Refusal? = nil) {
        guard let incoming else { return }
        self.incoming = nil
        incoming.builder.abandon()
        if let call = incoming.call {
            if let reason { refuse(call, reason) } else { call.end() }
        }
        report(incoming, .failure(error))
    }

    private func report(_ incoming: IncomingTransfer, _ result: Result<UInt64, any Error>) {
        events.received(
            incoming.builder.description, from: incoming.message.from,
            nanoseconds: executor.now.nanoseconds(since: incoming.began), result)
    }

    // MARK: The state

    /// All of it is durable: Raft is shown the message.
    private func isWhole(_ state: IncomingState, _ incoming: IncomingTransfer) {
        self.incoming = nil
        report(incoming, .success(state.store.nanoseconds.sync))
        guard isNeeded(state.store.description), let raft else {
            if let call = incoming.call { refuse(call, .notNeeded) }
            return discard(state)
        }
        shown = state
        raft.enter(with: incoming.message) { $0.receive([$1]) }
        incoming.call?.send(SnapshotMessage.done.encoded)
    }

    private func discard(_ state: IncomingState) {
        place.thread.post { state.store.discard() }
    }

    /// Raft does not take on what it was shown.
    func discard(_ mark: SnapshotMark) {
        guard let state = shown, state.store.description.mark == mark else { return }
        shown = nil
        discard(state)
    }

    /// The log has the record of its place.
    func install(_ mark: SnapshotMark) {
        guard let state = shown, state.store.description.mark == mark else {
            preconditionFailure("a snapshot is to be installed that was not shown")
        }
        shown = nil
        let description = state.store.description
        events.installing(description)
        let began = executor.now
        applier.assumeIsolated { applier in
            applier.become(state) { [self] in
                self.assumeIsolated { receiver in
                    receiver.events.installed(
                        description, nanoseconds: receiver.executor.now.nanoseconds(since: began))
                    receiver.raft?.assumeIsolated { $0.installed(mark) }
                }
            }
        }
    }
}

/// A snapshot on its way in.
///
/// `@unchecked Sendable` is sound: only the receiver looks into it; others hand it back.
private final class IncomingTransfer: @unchecked Sendable {
    let builder: SnapshotBuilder
    /// For Raft, once all is there.
    var message: Message
    var call: (any SnapshotCall)?
    let began: MonotonicTime
    /// Chunks on their way to the file.
    var pending = 0
    /// The chunk behind all that are in the file.
    var due: UInt32 = 0
    /// The call is new, and not told yet where to go on.
    var isResuming = false

    init(
        _ builder: SnapshotBuilder, _ message: Message, _ call: any SnapshotCall,
        _ began: MonotonicTime
    ) {
        self.builder = builder
        self.message = message
        self.call = call
        self.began = began
    }
}

/// What is heard of a call that another member has opened.
private final class ReceiverEvents: SnapshotCallEvents {
    private let receiver: SnapshotReceiver
    private let call: any SnapshotCall

    init(_ receiver: SnapshotReceiver, _ call: any SnapshotCall) {
        self.receiver = receiver
        self.call = call
    }

    func received(_ message: [UInt8]) {
        receiver.assumeIsolated { $0.received(SnapshotMessage(decoding: message), call) }
    }

    func ended() { receiver.assumeIsolated { $0.ended(call) } }
}

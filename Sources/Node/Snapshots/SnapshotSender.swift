// Sends snapshots of this member's state to members that the log does not reach any more.
//
// The state is spooled to a file once, and sent from there to whoever it is good for. Each has a
// call, a window of chunks that it has not taken yet, and a place to go on from when the call is
// cut. All together keep to one rate, so that a snapshot leaves room for what is urgent.
//
// Who is sent what is here; the way of one call is in the file beside.

import API
import Consensus
import Storage

/// On the executor of Raft and the applied state.
actor SnapshotSender: ExecutorActor {
    nonisolated let executor: any ActorExecutor
    nonisolated let unownedExecutor: UnownedSerialExecutor

    let settings: SnapshotSettings
    let events: any SnapshotEvents
    let lane: any SnapshotLane
    private let place: SnapshotPlace
    private let store: MVCCStore
    private let random: any RandomSource
    /// Set once, before anything is sent: it holds who holds the sender.
    private weak var raft: RaftNode?

    var transfers: [MemberID: SnapshotTransfer] = [:]
    var shared: SharedSpool?
    var bucket: TokenBucket

    /// The executor is the store's.
    init(
        _ store: MVCCStore, _ place: SnapshotPlace, over lane: any SnapshotLane,
        settings: SnapshotSettings, random: any RandomSource, events: any SnapshotEvents
    ) {
        executor = store.executor
        unownedExecutor = executor.asUnownedSerialExecutor()
        self.store = store
        self.place = place
        self.lane = lane
        self.settings = settings
        self.random = random
        self.events = events
        bucket = TokenBucket(
            bytesPerSecond: settings.bytesPerSecond, capacity: Int64(4 << 20),
            now: MonotonicTime(nanoseconds: 0))
    }

    func attach(_ raft: RaftNode) { self.raft = raft }

    // MARK: Orders

    func send(to member: MemberID, atLeast index: LogIndex) {
        if let earlier = transfers.removeValue(forKey: member) { drop(earlier, "another is due") }
        transfers[member] = SnapshotTransfer(member, atLeast: index)
        assign()
    }

    func cancel(to member: MemberID) {
        guard let transfer = transfers.removeValue(forKey: member) else { return }
        // It may be cancelled because it has arrived.
        let hasAll = shared.map { $0.isWhole && transfer.sent == $0.chunks } ?? false
        drop(transfer, hasAll && transfer.isStreaming ? nil : "cancelled")
        assign()
    }

    /// Ends all calls and lets the spool go.
    func stop() {
        for transfer in transfers.inOrder { drop(transfer, "stopped") }
        transfers = [:]
        releaseSpool()
    }

    // MARK: Who is sent what

    /// Sees to it that those who wait get on, as far as there is room.
    private func assign() {
        let waiting = transfers.inOrder.filter {
            if case .waiting = $0.state { true } else { false }
        }
        if let shared, shared.users.isEmpty, let description = shared.description,
            !waiting.contains(where: { description.index >= $0.least })
        {
            releaseSpool()
        }
        guard !waiting.isEmpty else { return }
        guard let shared else { return makeSpool() }
        // Those it is too old for wait until nobody needs it any more.
        guard let description = shared.description else { return }
        for transfer in waiting where description.index >= transfer.least {
            guard shared.users.count < settings.maximumSends else { return }
            begin(transfer, description)
        }
        if shared.users.isEmpty { assign() }
    }

    private func releaseSpool() {
        shared?.spool?.close()
        shared = nil
    }

    private func begin(_ transfer: SnapshotTransfer, _ description: SnapshotDescription) {
        let message = raft?.enter(with: (transfer.member, description.mark)) { raft, to in
            raft.beginSnapshot(to: to.0, to.1)
        }
        guard let message else {
            transfers[transfer.member] = nil
            return
        }
        shared?.users.insert(transfer.member)
        transfer.state = .begun(.offer(description, message))
        transfer.began = executor.now
        events.sending(description, to: transfer.member)
        openCall(transfer)
    }

    // MARK: The spool

    private func makeSpool() {
        let shared = SharedSpool(began: executor.now)
        self.shared = shared
        let stream = random.next()
        store.assumeIsolated { store in
            store.source { [self] source in
                self.assumeIsolated { sender in
                    guard let shared = sender.shared, shared.spool == nil else { return }
                    switch source {
                    case .success(let source): sender.spool(source, stream)
                    case .failure(let error): sender.spoolFailed(error)
                    }
                }
            }
        }
    }

    private func spool(_ source: SnapshotSource, _ stream: UInt64) {
        let executor = executor
        let spool = SnapshotSpool(
            of: source, cluster: place.cluster, stream: stream,
            at: SnapshotSpool.file(beside: place.path), in: place.files, on: place.thread
        ) { [weak self] event in
            executor.post { [weak self] in self?.assumeIsolated { $0.spool(stream, event) } }
        }
        shared?.spool = spool
        shared?.stream = stream
        spool.start()
    }

    private func spool(_ stream: UInt64, _ event: SnapshotSpool.Event) {
        guard let shared, shared.stream == stream else { return }
        switch event {
        case .began(let description):
            shared.state = .growing(description, chunks: 0)
            assign()
        case .grew(let chunks, let isWhole):
            shared.grew(chunks: chunks, isWhole: isWhole)
            if isWhole {
                events.spooled(nanoseconds: executor.now.nanoseconds(since: shared.began))
            }
            for member in shared.users.sorted() { transfers[member].map(pump) }
        case .failed(let error):
            spoolFailed(error)
        }
    }

    /// Nobody gets it. Raft asks again when a member gives a sign of life.
    private func spoolFailed(_ error: any Error) {
        events.notMade(error)
        releaseSpool()
        for transfer in transfers.inOrder {
            if case .failed = transfer.state { continue }
            end(transfer, "\(error)", pause: settings.failureNanoseconds)
        }
    }

    // MARK: Ends

    /// It has arrived.
    func finish(_ transfer: SnapshotTransfer) {
        transfers[transfer.member] = nil
        drop(transfer, nil)
        tellRaft(transfer.member, hasArrived: true)
        assign()
    }

    /// It will not arrive.
    func fail(_ transfer: SnapshotTransfer, _ reason: String, mayRepeat: Bool = false) {
        end(transfer, reason, pause: mayRepeat ? 0 : settings.failureNanoseconds)
        assign()
    }

    private func end(_ transfer: SnapshotTransfer, _ reason: String, pause: UInt64) {
        drop(transfer, reason)
        transfer.state = .failed
        let (member, attempt) = (transfer.member, transfer.attempt)
        executor.schedule(afterNanoseconds: pause) { [weak self] in
            self?.assumeIsolated { sender in
                guard sender.transfer(member, attempt) != nil else { return }
                sender.transfers[member] = nil
                sender.tellRaft(member, hasArrived: false)
            }
        }
    }

    private func drop(_ transfer: SnapshotTransfer, _ failure: String?) {
        transfer.call?.end()
        transfer.call = nil
        transfer.attempt += 1
        shared?.users.remove(transfer.member)
        guard case .begun(.offer(let description, _)) = transfer.state else { return }
        events.sent(
            description, to: transfer.member, bytes: transfer.bytes,
            nanoseconds: executor.now.nanoseconds(since: transfer.began), failure: failure)
    }

    private func tellRaft(_ member: MemberID, hasArrived: Bool) {
        raft?.assumeIsolated { raft in
            if hasArrived { raft.snapshotSent(to: member) } else { raft.snapshotFailed(to: member) }
        }
    }
}

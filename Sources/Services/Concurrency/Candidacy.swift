// One Lock or Campaign, from its own key to the head of the queue:
//
//     (lease) -> own key put -> wait for the predecessor's end -> ... -> first
//
// Each candidate waits for the one before it only, so that the end of a lock wakes one (reference:
// semantics.md, Lock and Election services).

import API
import Consensus
import Storage

/// A candidate. On the executor of the applied state.
///
/// `@unchecked Sendable`: made on the thread of a connection and touched on the executor of the
/// applied state only.
final class Candidacy: @unchecked Sendable {
    enum Purpose {
        case lock
        case campaign
    }

    /// The lock is held, or the leadership won.
    struct Won: Sendable {
        let header: HeaderFields
        let leader: LeaderKeyFields
    }

    private let services: InnerServices
    private let caller: Principal
    private let purpose: Purpose
    private let prefix: CandidatePrefix
    private let value: [UInt8]
    private var done: (@Sendable (Result<Won, Status>) -> Void)?

    private var lease: LeaseID
    private var key: [UInt8] = []
    private var created = Revision(0)
    private var header: HeaderFields?
    private var hasWaited = false
    private var waiting: KeyObservers.Token?

    /// - Parameter done: called once, on the executor of the applied state, unless cancelled before.
    init(
        _ purpose: Purpose, name: [UInt8], value: [UInt8] = [], lease: LeaseID,
        by services: InnerServices, as caller: Principal,
        done: @escaping @Sendable (Result<Won, Status>) -> Void
    ) {
        self.services = services
        self.caller = caller
        self.purpose = purpose
        prefix = CandidatePrefix(name: name)
        self.value = value
        self.lease = lease
        self.done = done
    }

    private var applier: Applier { services.applier }

    /// From any thread.
    func begin() {
        services.withLease(lease, as: caller) { [self] result in
            switch result {
            case .success(let lease): onExecutor { self.enter(lease) }
            case .failure(let status): onExecutor { self.finish(.failure(status)) }
            }
        }
    }

    /// Nobody waits any more: the own key is not to stand in others' way. From any thread.
    func cancel() {
        onExecutor { [self] in
            guard done != nil else { return }
            done = nil
            stopWaiting()
            leave()
        }
    }

    private func onExecutor(_ work: @escaping @Sendable () -> Void) {
        if applier.executor.isCurrent { work() } else { applier.executor.post(work) }
    }

    // MARK: The own key

    private func enter(_ lease: LeaseID) {
        guard done != nil else { return }
        self.lease = lease
        key = prefix.key(of: lease)
        // Who waits for others must be allowed to see them.
        if let refusal = applier.assumeIsolated({ $0.refusalToRead(prefix, caller) }) {
            return finish(.failure(refusal.withoutCode))
        }
        var request = ByteBuffer()
        request.appendCreatedCompare(key, Revision(0))
        request.appendTxnPut(key, value, lease: lease)
        services.txn(request, as: caller) { [self] result in
            if case .failure(let status) = result { return finish(.failure(status)) }
            // Cancelled meanwhile: the deletion of the key is on its way already.
            guard done != nil else { return }
            entered()
        }
    }

    private func entered() {
        header = applier.assumeIsolated { $0.header() }
        guard let created = read({ [key] store throws(StoreError) in try store.created(key) })
        else { return finish(.failure(.sessionExpired)) }
        self.created = created
        let isSaid = read { [key, value] store throws(StoreError) in
            try store.holds(key, value: value)
        }
        if purpose == .campaign, isSaid == false { proclaim() } else { waitForPredecessor() }
    }

    /// A campaign goes on with another value.
    private func proclaim() {
        var request = ByteBuffer()
        request.appendCreatedCompare(key, created)
        request.appendTxnPut(key, value, lease: lease)
        services.txn(request, as: caller) { [self] result in
            guard done != nil else { return }
            switch result {
            case .success(true): waitForPredecessor()
            case .success(false): fail(.electionNotLeader)
            case .failure(let status): fail(status)
            }
        }
    }

    private func leave() {
        guard !key.isEmpty else { return }
        services.delete(key, as: caller) { _ in }
    }

    private func fail(_ status: Status) {
        leave()
        finish(.failure(status))
    }

    // MARK: The queue

    private func waitForPredecessor() {
        let predecessor = read { [prefix, created] store throws(StoreError) in
            try store.predecessor(under: prefix, before: created)
        }
        guard done != nil else { return }
        guard let predecessor else { return win() }
        hasWaited = true
        waiting = applier.assumeIsolated { applier in
            applier.observers.onDeletion(of: predecessor) { _ in self.predecessorLeft() }
        }
    }

    private func predecessorLeft() {
        waiting = nil
        waitForPredecessor()
    }

    private func stopWaiting() {
        guard let waiting else { return }
        self.waiting = nil
        applier.enter(with: waiting) { $0.observers.remove($1) }
    }

    private func win() {
        // Rights may have been taken away while it waited: then nobody else removes its key.
        if let refusal = applier.assumeIsolated({ $0.refusalToRead(prefix, caller) }) {
            services.delete(key, as: .member) { _ in }
            return finish(.failure(refusal.withoutCode))
        }
        guard let entered = header else { preconditionFailure("a candidate without key won") }
        var header = entered
        if purpose == .lock, hasWaited {
            let now = read { [key] store throws(StoreError) in try store.created(key) }
            guard now == created else { return finish(.failure(.sessionExpired)) }
            header = applier.assumeIsolated { $0.header() }
        }
        finish(
            .success(
                Won(
                    header: header,
                    leader: LeaderKeyFields(
                        name: prefix.name, key: key, revision: created, lease: lease))))
    }

    private func finish(_ result: Result<Won, Status>) {
        let done = done
        self.done = nil
        stopWaiting()
        done?(result)
    }

    /// Reads the store; a failure ends the candidacy.
    private func read<Value: Sendable>(
        _ body: @Sendable (isolated MVCCStore) throws(StoreError) -> Value?
    ) -> Value? {
        do throws(StoreError) {
            return try applier.assumeIsolated { $0.store }.enter(body)
        } catch {
            fail(Status(error).withoutCode)
            return nil
        }
    }
}

// One Election.Observe: the present leader, then every change of it.

import API
import Storage
import Transport

/// A call that follows the leader of a name.
///
/// `@unchecked Sendable`: `token`, `known` and `isOver` belong to the executor of the applied state,
/// the rest to that of the connection.
final class LeaderObservation: StreamingHandler, @unchecked Sendable {
    private let prefix: CandidatePrefix
    private let caller: Principal
    private let reads: ReadGate
    private let call: StreamingCall
    /// The client did not take an answer: what leads when it takes more is sent instead.
    private var isBehind = false

    private var token: KeyObservers.Token?
    private var known: RevisionPosition?
    private var isOver = false

    private var applier: Applier { reads.applier }

    init(
        of prefix: CandidatePrefix, as caller: Principal, _ reads: ReadGate,
        _ call: StreamingCall
    ) {
        self.prefix = prefix
        self.caller = caller
        self.reads = reads
        self.call = call
    }

    func begin() {
        let read = StateRead(of: applier, isSerializable: false) { [self] applier in
            guard !isOver, look(at: applier) else { return }
            token = applier.observers.onChange(under: prefix.bytes) { [weak self] applier in
                self?.look(at: applier)
            }
        } failed: { [call] status in
            call.onExecutor { call.finish(status.withoutCode) }
        }
        reads.submit(read)
    }

    /// - Returns: whether the call goes on.
    @discardableResult
    private func look(at applier: isolated Applier) -> Bool {
        // Each time anew: rights may be taken away meanwhile.
        if let refusal = applier.refusalToRead(prefix, caller) {
            end(refusal.withoutCode, applier)
            return false
        }
        do throws(StoreError) {
            guard let leader = try applier.leader(under: prefix), leader.modified != known else {
                return true
            }
            known = leader.modified
            call.onExecutor { [self] in
                if call.isOpen, !call.send(leader.message) { isBehind = true }
            }
            return true
        } catch {
            end(Status(error).withoutCode, applier)
            return false
        }
    }

    private func end(_ status: Status, _ applier: isolated Applier) {
        letGo(applier)
        call.onExecutor { [call] in call.finish(status) }
    }

    /// Nobody else does it for a call that the server has ended.
    private func letGo(_ applier: isolated Applier) {
        isOver = true
        if let token { applier.observers.remove(token) }
        token = nil
    }

    private func onState(_ work: @escaping @Sendable (isolated Applier) -> Void) {
        let applier = applier
        if applier.executor.isCurrent { return applier.assumeIsolated(work) }
        applier.executor.post { applier.assumeIsolated(work) }
    }

    // MARK: From the client

    func received(_ message: sending UnsafeRawBufferPointer) {}
    func halfClosed() {}

    func writable() {
        guard isBehind else { return }
        isBehind = false
        onState { [self] applier in
            guard !isOver else { return }
            known = nil
            look(at: applier)
        }
    }

    func cancelled() {
        onState { [self] applier in letGo(applier) }
    }
}

extension StreamingCall {
    /// Runs `work` on the connection's executor, at once when it is the current one.
    func onExecutor(_ work: @escaping @Sendable () -> Void) {
        if executor.isCurrent { work() } else { executor.post(work) }
    }
}

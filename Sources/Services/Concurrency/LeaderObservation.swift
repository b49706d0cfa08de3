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
            guard !isOver else { return }
            token = applier.observers.onChange(under: prefix.bytes) { [weak self] applier in
                self?.look(at: applier)
            }
            look(at: applier)
        } failed: { [call] status in
            call.onExecutor { call.finish(status.withoutCode) }
        }
        reads.submit(read)
    }

    private func look(at applier: isolated Applier) {
        // Each time anew: rights may be taken away meanwhile.
        if let refusal = applier.refusalToRead(prefix, caller) {
            let status = refusal.withoutCode
            call.onExecutor { [call] in call.finish(status) }
            return
        }
        do throws(StoreError) {
            guard let leader = try applier.leader(under: prefix), leader.modified != known else {
                return
            }
            known = leader.modified
            call.onExecutor { [self] in
                if call.isOpen, !call.send(leader.message) { isBehind = true }
            }
        } catch {
            let status = Status(error).withoutCode
            call.onExecutor { [call] in call.finish(status) }
        }
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
            known = nil
            look(at: applier)
        }
    }

    func cancelled() {
        onState { [self] applier in
            isOver = true
            if let token { applier.observers.remove(token) }
            token = nil
        }
    }
}

extension StreamingCall {
    /// Runs `work` on the connection's executor, at once when it is the current one.
    func onExecutor(_ work: @escaping @Sendable () -> Void) {
        if executor.isCurrent { work() } else { executor.post(work) }
    }
}

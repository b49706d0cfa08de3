// Members compare the hashes of their keys: before they serve, and, at the leader's word, from time
// to time and after compactions. What differs gets the CORRUPT alarm (etcd: corruptionChecker).

import API
import Consensus
import Storage

/// When members compare their keys. Times in nanoseconds.
public struct CorruptionSettings: Sendable {
    /// -corrupt-check-time; nil is never.
    public var interval: UInt64?
    /// -compact-hash-check-time, if the gate CompactHashCheck is on; nil is never.
    public var compactionInterval: UInt64?
    /// How long others may take to answer.
    public var timeout: UInt64

    public init(interval: UInt64? = nil, compactionInterval: UInt64? = nil, timeout: UInt64) {
        self.interval = interval
        self.compactionInterval = compactionInterval
        self.timeout = timeout
    }
}

/// What the checker says of itself.
public enum CorruptionEvent: Hashable, Sendable {
    case startsInitialCheck(timeout: UInt64)
    case passedInitialCheck
    case checksEvery(UInt64)
    case checksCompactionsEvery(UInt64)
    case found(HashFinding)
    case checkedOthers(Int)
    case checkedCompactions(Int)
    case failed(Status)
}

/// Compares this member's keys with the others'. Runs where the applied state runs.
package actor CorruptionChecker: ExecutorActor {
    package nonisolated let executor: any ActorExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        executor.asUnownedSerialExecutor()
    }

    private let settings: CorruptionSettings
    private let applier: Applier
    private let observe: @Sendable (CorruptionEvent) -> Void
    private var timers: [Check: any TimerHandle] = [:]
    /// Checks that wait for answers. One that takes longer than its interval is not begun again.
    private var underWay: Set<Check> = []
    /// The newest compaction whose hash all members have shown.
    private var checkedThrough = Revision(0)
    private var isStopped = false

    private enum Check: Hashable { case running, compactions }

    /// - Parameter observe: called on `executor`.
    package init(
        _ settings: CorruptionSettings, of applier: Applier, on executor: any ActorExecutor,
        observe: @escaping @Sendable (CorruptionEvent) -> Void
    ) {
        self.settings = settings
        self.applier = applier
        self.executor = executor
        self.observe = observe
    }

    /// Begins to look at the clock.
    package func start() {
        guard !isStopped else { return }
        if let interval = settings.interval {
            observe(.checksEvery(interval))
            schedule(.running, every: interval)
        }
        if let interval = settings.compactionInterval {
            observe(.checksCompactionsEvery(interval))
            schedule(.compactions, every: interval)
        }
    }

    package func stop() {
        isStopped = true
        for timer in timers.values { timer.cancel() }
        timers = [:]
    }

    private func schedule(_ check: Check, every interval: UInt64) {
        timers[check] = executor.schedule(afterNanoseconds: interval) { [weak self] in
            self?.assumeIsolated { checker in
                checker.schedule(check, every: interval)
                checker.begin(check)
            }
        }
    }

    private func begin(_ check: Check) {
        guard applier.enter({ $0.leader == $0.identity.member }),
            underWay.insert(check).inserted
        else { return }
        switch check {
        case .running: compareWithOthers()
        case .compactions: compareCompactions()
        }
    }

    private func take(_ verdict: HashVerdict) {
        for finding in verdict.findings { observe(.found(finding)) }
        let corrupt = verdict.corrupt
        applier.enter { applier in
            for member in corrupt { applier.raiseCorrupt(of: member) }
        }
    }

    // MARK: Before it serves

    /// Compares with the others what this member holds, before Raft runs.
    /// - Parameter done: called once, on the executor: nil if nothing is known to be wrong, or the
    ///   reason why the member must not serve.
    package func checkAtStart(_ done: @escaping @Sendable (_ failure: String?) -> Void) {
        observe(.startsInitialCheck(timeout: settings.timeout))
        let timeout = settings.timeout
        applier.enter { [self] applier in
            let name = applier.identity.member.hex
            applier.ownHash { [self] own in
                guard case .success(let report) = own else {
                    return done("\(name) failed to fetch hash (\(Self.text(own)))")
                }
                applier.assumeIsolated { applier in
                    applier.hashesOfOthers(at: report.revision, timeoutNanoseconds: timeout) {
                        let verdict = HashComparison.atStart(report, $0)
                        self.assumeIsolated { checker in
                            for finding in verdict.findings { checker.observe(.found(finding)) }
                            guard verdict.corrupt.isEmpty else {
                                return done("\(name) found data inconsistency with peers")
                            }
                            checker.observe(.passedInitialCheck)
                            done(nil)
                        }
                    }
                }
            }
        }
    }

    private static func text(_ report: Result<HashReport, Status>) -> String {
        if case .failure(let status) = report { status.message } else { "" }
    }

    // MARK: From time to time

    /// Own hash, then the others' of the same revision, then a read barrier, then the own again.
    private func compareWithOthers() {
        let timeout = settings.timeout
        applier.enter { [self] applier in
            applier.ownHash { [self] own in
                guard let before = self.accept(own) else { return }
                applier.assumeIsolated { applier in
                    applier.hashesOfOthers(at: before.revision, timeoutNanoseconds: timeout) {
                        [self] answers in
                        self.assumeIsolated { $0.lookAgain(before, answers) }
                    }
                }
            }
        }
    }

    private func lookAgain(_ before: HashReport, _ answers: [HashAnswer]) {
        let read = StateRead(of: applier, isSerializable: false) { [self] applier in
            applier.ownHash { [self] own in
                guard let after = self.accept(own) else { return }
                self.assumeIsolated { $0.judge(before, after, answers) }
            }
        } failed: { [self] status in
            self.assumeIsolated { $0.failed(status, .running) }
        }
        applier.enter(with: read) { applier, read in
            guard let raft = applier.raft else { return read.fail(.stopped) }
            raft.enter(with: read) { raft, read in raft.readBarrier(read) }
        }
    }

    private func judge(_ before: HashReport, _ after: HashReport, _ answers: [HashAnswer]) {
        underWay.remove(.running)
        guard !isStopped else { return }
        let verdict = HashComparison.running(before: before, after: after, answers)
        take(verdict)
        observe(.checkedOthers(verdict.checked))
    }

    private nonisolated func accept(_ own: Result<HashReport, Status>) -> HashReport? {
        switch own {
        case .success(let report): return report
        case .failure(let status):
            assumeIsolated { $0.failed(status, .running) }
            return nil
        }
    }

    private func failed(_ status: Status, _ check: Check) {
        underWay.remove(check)
        if !isStopped { observe(.failed(status)) }
    }

    // MARK: After compactions

    /// Newest first, until one was seen of all members: then older ones need not be.
    private func compareCompactions() {
        let since = checkedThrough
        let own = applier.enter { applier in
            let newest = applier.store.enter { $0.revision }
            let member = applier.identity.member
            return applier.store.enter { $0.compactionHashes }
                .filter { $0.revision > since }
                .sorted { $0.revision > $1.revision }
                .map { HashReport($0, of: member, newest: newest) }
        }
        compare(own[...], checked: 0)
    }

    private func compare(_ hashes: ArraySlice<HashReport>, checked: Int) {
        guard !isStopped, let own = hashes.first else { return finishCompactions(checked) }
        let timeout = settings.timeout
        applier.enter { [self] applier in
            applier.hashesOfOthers(at: own.revision, timeoutNanoseconds: timeout) { answers in
                self.assumeIsolated { checker in
                    let verdict = HashComparison.compaction(own, answers)
                    checker.take(verdict)
                    guard verdict.isSettled(answers) else {
                        return checker.compare(hashes.dropFirst(), checked: checked + 1)
                    }
                    checker.checkedThrough = max(checker.checkedThrough, own.revision)
                    checker.finishCompactions(checked + 1)
                }
            }
        }
    }

    private func finishCompactions(_ checked: Int) {
        underWay.remove(.compactions)
        if !isStopped { observe(.checkedCompactions(checked)) }
    }
}

extension HashVerdict {
    /// Whether all that can come of it has: everybody has shown the hash, or the alarm is raised.
    fileprivate func isSettled(_ answers: [HashAnswer]) -> Bool {
        !corrupt.isEmpty || !answers.isEmpty && checked == answers.count
    }
}

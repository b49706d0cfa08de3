// What waits for the thread of passwords, and in which order.
//
// Anybody may try to log in, and each try costs tens of milliseconds. So each name has a queue of
// its own, and they take turns: guesses at one user's password hold up that user only. Who has
// gone away is passed over. Signing and root's work go ahead: who asks for those was recognized.

import API

/// Whether somebody still waits for an answer. From any thread.
final class Waiter: Sendable {
    private let gone = Locked(false)

    var isGone: Bool { gone.withLock { $0 } }
    func leave() { gone.withLock { $0 = true } }
}

/// The jobs that wait. A value; see PasswordWorker.
struct PasswordQueue {
    struct Job: Sendable {
        let work: @Sendable () -> Void
        /// Nil waits for ever.
        var waiter: Waiter?

        fileprivate var isWanted: Bool { waiter?.isGone != true }
    }

    /// Whose turn a job needs.
    enum Lane: Hashable {
        /// Ahead of all others.
        case recognized
        case login(AuthName)
    }

    /// Logins of one name: a second of work.
    static let nameLimit = 32
    /// All that may wait: a minute of work.
    static let limit = 1000

    private var recognized: [Job] = []
    private var logins: [AuthName: [Job]] = [:]
    /// The names with jobs, each once; the first is next.
    private var turns: [AuthName] = []
    private(set) var count = 0

    /// - Returns: false when too much waits.
    mutating func add(_ job: Job, _ lane: Lane) -> Bool {
        if count >= Self.limit { removeUnwanted() }
        guard count < Self.limit else { return false }
        switch lane {
        case .recognized: recognized.append(job)
        case .login(let name):
            var jobs = logins.removeValue(forKey: name) ?? []
            if jobs.isEmpty { turns.append(name) }
            let before = jobs.count
            if before >= Self.nameLimit { jobs.removeAll { !$0.isWanted } }
            count -= before - jobs.count
            let isRoom = jobs.count < Self.nameLimit
            if isRoom { jobs.append(job) }
            logins[name] = jobs
            guard isRoom else { return false }
        }
        count += 1
        return true
    }

    /// Takes the next job that is wanted.
    mutating func next() -> Job? {
        while count > 0 {
            let job = recognized.isEmpty ? takeLogin() : recognized.removeFirst()
            count -= 1
            if job.isWanted { return job }
        }
        return nil
    }

    private mutating func takeLogin() -> Job {
        let name = turns.removeFirst()
        guard var jobs = logins.removeValue(forKey: name), !jobs.isEmpty else {
            preconditionFailure("a name has its turn without a job")
        }
        let job = jobs.removeFirst()
        if !jobs.isEmpty {
            logins[name] = jobs
            turns.append(name)
        }
        return job
    }

    private mutating func removeUnwanted() {
        recognized.removeAll { !$0.isWanted }
        for name in turns { logins[name]?.removeAll { !$0.isWanted } }
        turns.removeAll { logins[$0]?.isEmpty != false }
        logins = logins.filter { !$0.value.isEmpty }
        count = recognized.count + turns.reduce(0) { $0 + (logins[$1]?.count ?? 0) }
    }
}

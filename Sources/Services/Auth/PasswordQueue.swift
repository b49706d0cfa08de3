// What waits for the thread of passwords, and in which order.
//
// Anybody may try to log in, and each try costs tens of milliseconds. So names take turns, and so do
// the connections that try one name: guesses at a user's password hold up that user little, and
// others no more. One connection may have few comparisons waiting. The same password for the same
// hash is compared once, however many wait for it. Who has gone away is passed over. Signing and
// root's work go ahead: who asks for those was recognized.

import API

/// Whether somebody still waits for an answer. From any thread.
final class Waiter: Sendable {
    private struct State {
        var isGone = false
        /// Where to tell of it, once for each comparison.
        var departures: [Departures] = []
    }
    private let state = Locked(State())

    var isGone: Bool { state.withLock { $0.isGone } }

    func leave() {
        let departures = state.withLock { state in
            defer { state = State(isGone: true) }
            return state.departures
        }
        for one in departures { one.count.withLock { $0 += 1 } }
    }

    fileprivate func tells(_ departures: Departures) {
        let isGone = state.withLock { state in
            if !state.isGone { state.departures.append(departures) }
            return state.isGone
        }
        if isGone { departures.count.withLock { $0 += 1 } }
    }
}

/// How many have gone from a queue.
private final class Departures: Sendable {
    let count = Locked(0)
}

/// The jobs that wait. A value; see PasswordWorker.
struct PasswordQueue {
    /// What tells connections apart; nil is one like any other.
    typealias Source = ObjectIdentifier?
    /// What tells comparisons apart: of hash and password.
    typealias Digest = [UInt8]

    struct Comparison: Sendable {
        let digest: Digest
        let password: [UInt8]
        let hash: [UInt8]
        fileprivate(set) var callers: [Caller] = []

        fileprivate var isWanted: Bool { callers.contains { !$0.waiter.isGone } }
    }

    struct Caller: Sendable {
        /// Once it has gone, `done` is not called.
        let waiter: Waiter
        let done: @Sendable (Result<Bool, Status>) -> Void
    }

    enum Job: Sendable {
        case work(@Sendable () -> Void)
        case comparison(Comparison)
    }

    /// Comparisons that one connection may have waiting: a second of work.
    static let sourceLimit = 16
    /// Those of one name.
    static let nameLimit = 256
    /// All that may wait: a minute of work.
    static let limit = 1000
    /// A queue that is full is looked through when so many have gone: it takes as long as hundreds
    /// of refusals, and whoever fills it can ask for as many as he likes.
    static let enoughGone = 8
    /// Who may wait for one comparison.
    static let callerLimit = 1000

    /// The comparisons of one name.
    private struct Turns {
        /// The connections with comparisons, each once; the first is next.
        var sources: [Source] = []
        var digests: [Source: [Digest]] = [:]
        var count = 0

        mutating func add(_ digest: Digest, of source: Source) {
            if digests[source] == nil { sources.append(source) }
            digests[source, default: []].append(digest)
            count += 1
        }

        mutating func take() -> (Digest, Source) {
            let source = sources.removeFirst()
            guard var waiting = digests.removeValue(forKey: source), !waiting.isEmpty else {
                preconditionFailure("a connection has its turn without a comparison")
            }
            let digest = waiting.removeFirst()
            if !waiting.isEmpty {
                digests[source] = waiting
                sources.append(source)
            }
            count -= 1
            return (digest, source)
        }
    }

    private var recognized: [@Sendable () -> Void] = []
    private var comparisons: [Digest: Comparison] = [:]
    private var logins: [AuthName: Turns] = [:]
    /// The names with comparisons, each once; the first is next.
    private var turns: [AuthName] = []
    private var countOfSource: [Source: Int] = [:]
    private let departures = Departures()
    /// When it was last looked through.
    private var departuresSeen = 0

    var count: Int { recognized.count + comparisons.count }

    /// - Returns: false when too much waits.
    mutating func add(_ work: @escaping @Sendable () -> Void) -> Bool {
        if count >= Self.limit { removeUnwanted() }
        guard count < Self.limit else { return false }
        recognized.append(work)
        return true
    }

    /// - Returns: false when too much waits.
    mutating func add(
        _ comparison: Comparison, of name: AuthName, from source: Source, for caller: Caller
    ) -> Bool {
        let digest = comparison.digest
        if let before = comparisons[digest] {
            guard before.callers.count < Self.callerLimit else { return false }
            take(caller, for: digest)
            return true
        }
        if !hasRoom(for: name, source) { removeUnwanted() }
        guard hasRoom(for: name, source) else { return false }
        comparisons[digest] = comparison
        take(caller, for: digest)
        enqueue(digest, of: name, from: source)
        return true
    }

    private mutating func take(_ caller: Caller, for digest: Digest) {
        comparisons[digest]?.callers.append(caller)
        caller.waiter.tells(departures)
    }

    private func hasRoom(for name: AuthName, _ source: Source) -> Bool {
        count < Self.limit && logins[name]?.count ?? 0 < Self.nameLimit
            && countOfSource[source] ?? 0 < Self.sourceLimit
    }

    private mutating func enqueue(_ digest: Digest, of name: AuthName, from source: Source) {
        if logins[name] == nil { turns.append(name) }
        logins[name, default: Turns()].add(digest, of: source)
        countOfSource[source, default: 0] += 1
    }

    /// Takes the next job that is wanted.
    mutating func next() -> Job? {
        if !recognized.isEmpty { return .work(recognized.removeFirst()) }
        while !turns.isEmpty {
            let comparison = takeComparison().comparison
            if comparison.isWanted { return .comparison(comparison) }
        }
        return nil
    }

    private mutating func takeComparison() -> (
        name: AuthName, source: Source, comparison: Comparison
    ) {
        let name = turns.removeFirst()
        guard var waiting = logins.removeValue(forKey: name), waiting.count > 0 else {
            preconditionFailure("a name has its turn without a comparison")
        }
        let (digest, source) = waiting.take()
        if waiting.count > 0 {
            logins[name] = waiting
            turns.append(name)
        }
        let left = (countOfSource[source] ?? 1) - 1
        countOfSource[source] = left == 0 ? nil : left
        guard let comparison = comparisons.removeValue(forKey: digest) else {
            preconditionFailure("a comparison is not there in its turn")
        }
        return (name, source, comparison)
    }

    /// Once enough have gone. Turns stay in order: all are taken, and those that are wanted come again.
    private mutating func removeUnwanted() {
        let gone = departures.count.withLock { $0 }
        guard gone - departuresSeen >= Self.enoughGone else { return }
        departuresSeen = gone
        var wanted: [(name: AuthName, source: Source, comparison: Comparison)] = []
        while !turns.isEmpty {
            let next = takeComparison()
            if next.comparison.isWanted { wanted.append(next) }
        }
        for (name, source, comparison) in wanted {
            comparisons[comparison.digest] = comparison
            enqueue(comparison.digest, of: name, from: source)
        }
    }
}

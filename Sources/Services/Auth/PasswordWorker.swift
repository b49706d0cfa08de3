// The thread that hashes passwords: bcrypt takes tens of milliseconds of CPU by design, which is for
// no loop and no apply to spend.
//
// What was found right once is remembered, so that a program that logs in a hundred times a second
// costs one hash; and so are the last wrong ones, so that one with an old password does not keep
// the thread from the others. Remembered is a keyed digest of hash and password, with a key that
// is made at the start and never leaves the process.

import API
import COpenSSL

/// Hashes and checks passwords. From any thread.
package final class PasswordWorker: Sendable {
    private struct State: Sendable {
        var known = KnownPasswords()
        var queue = PasswordQueue()
        /// The thread is at work, and looks at the queue when it has done.
        var isWorking = false
    }

    private let executor: any ActorExecutor
    private let random: any RandomSource
    private let key: [UInt8]
    private let state = Locked(State())
    /// Hashes that were computed, new ones and for comparison.
    private let hashes: Counter

    /// - Parameters:
    ///   - executor: a thread of its own.
    ///   - hashes: counts the hashes that are computed.
    package init(
        on executor: any ActorExecutor, random: any RandomSource, hashes: Counter = Counter()
    ) {
        self.executor = executor
        self.random = random
        self.hashes = hashes
        var key: [UInt8] = []
        for _ in 0..<4 {
            withUnsafeBytes(of: random.next()) { key.append(contentsOf: $0) }
        }
        self.key = key
    }

    /// Hashes a new password, for one who may set it.
    /// - Parameter done: called once, on the worker's thread or at once.
    func hash(
        _ password: [UInt8], cost: Int,
        _ done: @escaping @Sendable (Result<[UInt8], Status>) -> Void
    ) {
        if let refusal = Bcrypt.refusal(of: password) { return done(.failure(refusal)) }
        let isTaken = run { [random, hashes] in
            hashes.increment()
            do throws(Status) {
                done(.success(try Bcrypt.hash(password, cost: cost, random: random)))
            } catch {
                done(.failure(error))
            }
        }
        if !isTaken { done(.failure(.tooManyRequests)) }
    }

    /// Compares a password with the hash of `name`'s.
    /// - Parameters:
    ///   - source: the connection it came by.
    ///   - waiter: once it has gone, nothing is compared any more.
    ///   - done: called once, on the worker's thread or at once; not after `waiter` has gone.
    func verify(
        _ password: [UInt8], of name: AuthName, against hash: [UInt8],
        from source: PasswordQueue.Source, for waiter: Waiter,
        _ done: @escaping @Sendable (Result<Bool, Status>) -> Void
    ) {
        let comparison = PasswordQueue.Comparison(
            digest: digest(of: password, hash), password: password, hash: hash)
        let caller = PasswordQueue.Caller(waiter: waiter, done: done)
        let answer: Result<Bool, Status>? = state.withLock { state in
            if let isRight = state.known[comparison.digest] { return .success(isRight) }
            let isTaken = state.queue.add(comparison, of: name, from: source, for: caller)
            return isTaken ? nil : .failure(.tooManyRequests)
        }
        if let answer { done(answer) } else { wake() }
    }

    /// Runs other work that takes long, such as signing, for somebody who was recognized.
    /// - Returns: false when too much waits; then `work` is not run.
    func run(_ work: @escaping @Sendable () -> Void) -> Bool {
        guard state.withLock({ $0.queue.add(work) }) else { return false }
        wake()
        return true
    }

    // MARK: The thread

    private func wake() {
        let isAsleep = state.withLock { state in
            defer { state.isWorking = true }
            return !state.isWorking
        }
        if isAsleep { executor.post { [self] in work() } }
    }

    /// One job, and then again: the executor can be stopped in between.
    private func work() {
        let job = state.withLock { state in
            let job = state.queue.next()
            state.isWorking = job != nil
            return job
        }
        switch job {
        case .work(let work): work()
        case .comparison(let comparison): compare(comparison)
        case nil: return
        }
        executor.post { [self] in work() }
    }

    private func compare(_ comparison: PasswordQueue.Comparison) {
        let digest = comparison.digest
        // The same may have been compared since this was put in.
        let known = state.withLock { $0.known[digest] }
        let isRight = known ?? verify(comparison)
        if known == nil { state.withLock { $0.known[digest] = isRight } }
        for caller in comparison.callers where !caller.waiter.isGone {
            caller.done(.success(isRight))
        }
    }

    private func verify(_ comparison: PasswordQueue.Comparison) -> Bool {
        hashes.increment()
        return Bcrypt.verify(comparison.password, comparison.hash)
    }

    private func digest(of password: [UInt8], _ hash: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        let message = hash + [0] + password.prefix(Bcrypt.passwordBytes)
        let made = HMAC(
            EVP_sha256(), key, Int32(key.count), message, message.count, &digest, &length)
        precondition(made != nil && length == 32, "libcrypto has SHA-256")
        return digest
    }
}

/// Digests of passwords that were compared, right ones and wrong ones apart, so that nobody's
/// guesses drive out what is right.
private struct KnownPasswords {
    private var right = DigestSet(limit: 10_000)
    private var wrong = DigestSet(limit: 1000)

    subscript(digest: [UInt8]) -> Bool? {
        get { right.contains(digest) ? true : wrong.contains(digest) ? false : nil }
        set {
            if newValue == true { right.insert(digest) } else { wrong.insert(digest) }
        }
    }
}

/// The last so many that were put in.
private struct DigestSet {
    private var members: Set<[UInt8]> = []
    private var ring: [[UInt8]] = []
    private var next = 0
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    func contains(_ digest: [UInt8]) -> Bool { members.contains(digest) }

    mutating func insert(_ digest: [UInt8]) {
        guard members.insert(digest).inserted else { return }
        if ring.count < limit { return ring.append(digest) }
        members.remove(ring[next])
        ring[next] = digest
        next = (next + 1) % limit
    }
}

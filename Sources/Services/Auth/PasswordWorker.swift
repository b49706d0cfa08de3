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
    private let executor: any ActorExecutor
    private let random: any RandomSource
    private let key: [UInt8]
    private let known = Locked(KnownPasswords())
    private let queue = Locked(PasswordQueue())

    /// - Parameter executor: a thread of its own.
    package init(on executor: any ActorExecutor, random: any RandomSource) {
        self.executor = executor
        self.random = random
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
        guard password.count <= Bcrypt.passwordBytes else {
            return done(.failure(.passwordTooLong))
        }
        let isTaken = post(.recognized) { [random] in
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
    ///   - waiter: once it has gone, nothing is compared any more.
    ///   - done: called once, on the worker's thread or at once; not after `waiter` has gone.
    func verify(
        _ password: [UInt8], of name: AuthName, against hash: [UInt8], for waiter: Waiter,
        _ done: @escaping @Sendable (Result<Bool, Status>) -> Void
    ) {
        let digest = digest(of: password, hash)
        if let isRight = known.withLock({ $0[digest] }) { return done(.success(isRight)) }
        let isTaken = post(.login(name), waiter) { [known] in
            // Those who came meanwhile with the same have been waited for.
            if let isRight = known.withLock({ $0[digest] }) { return done(.success(isRight)) }
            let isRight = Bcrypt.verify(password, hash)
            known.withLock { $0[digest] = isRight }
            done(.success(isRight))
        }
        if !isTaken { done(.failure(.tooManyRequests)) }
    }

    /// Runs other work that takes long, such as signing, for somebody who was recognized.
    /// - Returns: false when too much waits; then `work` is not run.
    func run(_ work: @escaping @Sendable () -> Void) -> Bool { post(.recognized, nil, work) }

    private func post(
        _ lane: PasswordQueue.Lane, _ waiter: Waiter? = nil,
        _ work: @escaping @Sendable () -> Void
    ) -> Bool {
        let job = PasswordQueue.Job(work: work, waiter: waiter)
        guard queue.withLock({ $0.add(job, lane) }) else { return false }
        // One look at the queue for each job; those that find none were for somebody who has gone.
        executor.post { [queue] in queue.withLock { $0.next() }?.work() }
        return true
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

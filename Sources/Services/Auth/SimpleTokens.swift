// Tokens that members keep (reference: semantics.md, Auth): 16 letters and the place of the entry
// that made it, such as `bQkUyPwRXqhdWcmL.172`. All members apply that entry, so all know the token.

import API
import DequeModule

/// A token, read strictly: no other text is the same token.
struct SimpleToken: Hashable, Sendable {
    /// The letters, as they lie in memory.
    private let first: UInt64
    private let second: UInt64
    /// The entry that made it.
    let index: LogIndex

    static let letters = 16
    /// 16 letters, a dot, and at most 20 digits.
    private static let longest = letters + 1 + 20

    /// - Parameter prefix: nil unless it is just the letters.
    init?(prefix: [UInt8], index: LogIndex) {
        guard prefix.count == Self.letters, prefix.allSatisfy(Self.isLetter) else { return nil }
        (first, second) = prefix.withUnsafeBytes {
            (
                $0.loadUnaligned(as: UInt64.self),
                $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            )
        }
        self.index = index
    }

    init?(_ text: UnsafeRawBufferPointer) {
        let digits = Self.letters + 1
        guard text.count > digits, text.count <= Self.longest,
            text[Self.letters] == UInt8(ascii: "."),
            text[..<Self.letters].allSatisfy(Self.isLetter),
            text.count == digits + 1 || text[digits] != UInt8(ascii: "0")
        else { return nil }
        var index: UInt64 = 0
        for byte in text[digits...] {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            let (tens, isTooLarge) = index.multipliedReportingOverflow(by: 10)
            let (sum, isStillTooLarge) = tens.addingReportingOverflow(
                UInt64(byte - UInt8(ascii: "0")))
            guard !isTooLarge, !isStillTooLarge else { return nil }
            index = sum
        }
        first = text.loadUnaligned(as: UInt64.self)
        second = text.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        self.index = LogIndex(index)
    }

    /// Letters that members chose by chance need no others beside them to differ.
    func hash(into hasher: inout Hasher) { hasher.combine(first) }

    /// Some of the letters as a number.
    var letterBits: UInt64 { first }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    /// As clients carry it.
    var text: [UInt8] {
        withUnsafeBytes(of: first) { [UInt8]($0) } + withUnsafeBytes(of: second) { [UInt8]($0) }
            + [UInt8(ascii: ".")] + Array(String(index.rawValue).utf8)
    }

    /// Letters for a new one: 91 bits of chance.
    static func makePrefix(_ random: any RandomSource) -> [UInt8] {
        let alphabet = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
        return (0..<letters).map { _ in
            // 2^64 is so much more than 52 that the rest does not matter.
            alphabet[Int(random.next() % UInt64(alphabet.count))]
        }
    }
}

/// The tokens that are known. From any thread.
final class SimpleTokens: Sendable {
    private let table = Locked(Table())
    private let ttlNanoseconds: UInt64
    private let limit: Int

    /// - Parameters:
    ///   - ttlNanoseconds: a token is void when it was not used for so long.
    ///   - limit: tokens that there may be; beyond, the oldest go.
    init(ttlNanoseconds: UInt64, limit: Int = 500_000) {
        self.ttlNanoseconds = ttlNanoseconds
        self.limit = limit
    }

    func assign(_ token: SimpleToken, to user: AuthName, now: MonotonicTime) {
        let deadline = now.advanced(byNanoseconds: ttlNanoseconds)
        table.withLock { table in
            table.sweep(now: now)
            while table.holders.count >= limit, let oldest = table.queue.popFirst() {
                table.remove(oldest.token)
            }
            table.remove(token)
            table.add(Holder(token, user, deadline))
            table.queue.append((token, deadline))
        }
    }

    /// Whose token it is, which counts as a use.
    /// - Parameters:
    ///   - revision: of users and roles now.
    ///   - recognized: a user as known at that revision, asked when the one who is kept is of
    ///     another; without the lock, for it may take long.
    func principal(
        of token: SimpleToken, now: MonotonicTime, at revision: UInt64,
        _ recognized: (AuthName) -> Principal
    ) -> Principal? {
        let found = table.withLock { table -> (user: AuthName, principal: Principal?)? in
            guard let holder = table.holder(of: token), holder.deadline > now else { return nil }
            holder.deadline = now.advanced(byNanoseconds: ttlNanoseconds)
            guard let principal = holder.principal, principal.revision == revision else {
                return (holder.user, nil)
            }
            return (.none, principal)
        }
        guard let found else { return nil }
        if let principal = found.principal { return principal }
        let principal = recognized(found.user)
        table.withLock { $0.keep(principal, of: token) }
        return principal
    }

    func forget(_ users: Set<AuthName>) {
        table.withLock { table in
            let theirs = table.holders.values.filter { users.contains($0.user) }
            for holder in theirs { table.remove(holder.token) }
        }
    }

    func forgetAll() {
        table.withLock { $0 = Table() }
    }

    /// How many are kept; for tests.
    var count: Int { table.withLock { $0.holders.count } }
}

extension SimpleTokens {
    /// Who has a token; touched with the lock held.
    fileprivate final class Holder {
        let token: SimpleToken
        let user: AuthName
        var deadline: MonotonicTime
        /// As recognized last; only of those who are among the recent, lest all who ever came keep
        /// alive what they were permitted then.
        var principal: Principal?

        init(_ token: SimpleToken, _ user: AuthName, _ deadline: MonotonicTime) {
            self.token = token
            self.user = user
            self.deadline = deadline
        }
    }

    fileprivate struct Table {
        private(set) var holders: [SimpleToken: Holder] = [:]
        /// Each token once, by a time at which it may be due.
        var queue: Deque<(token: SimpleToken, due: MonotonicTime)> = []
        /// Whose calls came last, by the letters of their tokens: found without a search.
        private var recent: [Holder?] = Array(repeating: nil, count: 1 << recentBits)
        private static let recentBits: UInt64 = 8
    }
}

extension SimpleTokens.Table {
    /// A place among the recent, by the upper bits of a product (Fibonacci hashing).
    private static func place(_ token: SimpleToken) -> Int {
        Int((token.letterBits &* 0x9E37_79B9_7F4A_7C15) >> (64 - recentBits))
    }

    func holder(of token: SimpleToken) -> SimpleTokens.Holder? {
        if let holder = recent[Self.place(token)], holder.token == token { return holder }
        return holders[token]
    }

    mutating func add(_ holder: SimpleTokens.Holder) { holders[holder.token] = holder }

    mutating func remove(_ token: SimpleToken) {
        holders[token] = nil
        let place = Self.place(token)
        if recent[place]?.token == token { recent[place] = nil }
    }

    /// `principal` has come with `token`, if that is still there.
    mutating func keep(_ principal: Principal, of token: SimpleToken) {
        guard let holder = holders[token] else { return }
        let place = Self.place(token)
        if recent[place] !== holder {
            recent[place]?.principal = nil
            recent[place] = holder
        }
        holder.principal = principal
    }

    /// Lets go what is due; what was used meanwhile has its turn again later.
    mutating func sweep(now: MonotonicTime) {
        while let first = queue.first, first.due <= now {
            queue.removeFirst()
            guard let holder = holders[first.token] else { continue }
            if holder.deadline <= now {
                remove(first.token)
            } else {
                queue.append((first.token, max(holder.deadline, queue.last?.due ?? now)))
            }
        }
    }
}

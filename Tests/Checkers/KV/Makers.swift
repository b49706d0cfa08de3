// Which call of unknown outcome made which change: a matching of calls and changes.
//
// Calls that look the same (deletions of one key, say) are told apart by nothing but time, so that
// taking the first that fits could leave a later change with calls that came too late for it. A
// maximum matching finds an explanation if there is one (Berge, 1957: augmenting paths).

/// Calls and changes, each with one of the other at most.
struct Makers {
    /// By change: the calls that may have made it.
    private let candidates: [[Int]]
    /// By change: its call.
    private(set) var calls: [Int?]
    /// By call: its change.
    private(set) var changes: [Int: Int] = [:]

    /// Finds a call for as many changes as possible.
    init(_ candidates: [[Int]]) {
        self.candidates = candidates
        calls = Array(repeating: nil, count: candidates.count)
        for change in candidates.indices { augment(from: change) }
    }

    /// Finds a call for `first`, for which others may have to change theirs.
    private mutating func augment(from first: Int) {
        /// The change from which the search came to a call.
        var source: [Int: Int] = [:]
        var waiting = [first]
        var next = 0
        while next < waiting.count {
            let change = waiting[next]
            next += 1
            for call in candidates[change] where source[call] == nil {
                source[call] = change
                guard let holder = changes[call] else { return exchange(call, source) }
                waiting.append(holder)
            }
        }
    }

    /// Gives a free call to the change that found it, and so on back to the first.
    private mutating func exchange(_ free: Int, _ source: [Int: Int]) {
        var call: Int? = free
        while let given = call, let change = source[given] {
            call = calls[change]
            calls[change] = given
            changes[given] = change
        }
    }
}

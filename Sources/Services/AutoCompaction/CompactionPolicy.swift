// When history is forgotten by itself, and how much of it stays: etcd's two ways (reference:
// semantics.md, Compact). Pure: revisions and times in, the revision to compact to out.

import API

/// What the operator decided.
public enum CompactionPolicy: Hashable, Sendable {
    /// So many nanoseconds of history stay; above 0.
    case periodic(UInt64)
    /// So many revisions stay; above 0.
    case revisions(Int64)
}

extension CompactionPolicy {
    private static let hour: UInt64 = 3_600_000_000_000
    private static let minute: UInt64 = 60_000_000_000

    /// From one look to the next, in nanoseconds. At least a millisecond, whatever the period.
    var interval: UInt64 {
        switch self {
        case .periodic(let period): max(1_000_000, min(period, Self.hour) / 10)
        case .revisions: 5 * Self.minute
        }
    }
}

/// What a policy remembers from one look to the next.
struct CompactionSchedule {
    private let policy: CompactionPolicy
    /// Revisions at the last looks; the oldest is that of one period ago.
    private var samples: [Revision] = []
    private var last: Revision?
    private var lastSuccess: MonotonicTime
    private var hasBegun = false

    init(_ policy: CompactionPolicy, now: MonotonicTime) {
        self.policy = policy
        lastSuccess = now
    }

    /// The revision at a look.
    mutating func sample(_ revision: Revision) {
        guard case .periodic(let period) = policy else { return }
        samples.append(revision)
        if samples.count > Int(clamping: period / policy.interval) + 1 { samples.removeFirst() }
    }

    /// What to compact to now; nil when there is nothing to do.
    mutating func due(at current: Revision, now: MonotonicTime) -> Revision? {
        switch policy {
        case .revisions(let retained):
            let revision = Revision(current.rawValue - retained)
            return revision.rawValue > 0 && revision != last ? revision : nil
        case .periodic(let period):
            guard let revision = samples.first, revision != last else { return nil }
            // The first time a whole period must be over, then at most an hour.
            let wait = hasBegun ? 10 * policy.interval : period
            guard now.nanoseconds(since: lastSuccess) >= wait else { return nil }
            hasBegun = true
            return revision
        }
    }

    mutating func succeeded(_ revision: Revision, now: MonotonicTime) {
        last = revision
        lastSuccess = now
    }
}

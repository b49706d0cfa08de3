// Mistakes to make on purpose: whether the simulator finds them says what its silence is worth
// (docs/simulation.md).
//
// They are compiled in with CAIRN_BUGS in the environment of the build only (Package.swift), as by
// `make bugs`. No other build, of tests or of releases, contains any of it.

#if CAIRN_BUGS
    public enum DeliberateBug: String, CaseIterable, Sendable {
        /// A leader commits what it alone has.
        case commitWithoutQuorum = "commit-without-quorum"
        /// A leader counts copies of an earlier term's entry (Raft paper, figure 8).
        case commitEarlierTerm = "commit-earlier-term"
        /// Whom a member voted for does not outlive its process.
        case forgetVote = "forget-vote"
        /// A vote for whoever asks, however short its log.
        case voteForShorterLog = "vote-for-shorter-log"
        /// A follower takes entries without looking at the one before them.
        case appendWithoutMatch = "append-without-match"
        /// What is being written to the log counts as written.
        case acknowledgeBeforeSync = "acknowledge-before-sync"
        /// A leader does not ask whether it still is one.
        case staleRead = "stale-read"
        /// A follower that applies a change of members goes on with the old ones.
        case skipMembershipEntry = "skip-membership-entry"
        /// After a start the last entry is applied once more.
        case applyTwice = "apply-twice"
        /// Now and then a commit of the store is without the index it comes to.
        case loseConsistentIndex = "lose-consistent-index"
        /// Records of the store are shown as the disk gives them back.
        case serveSpoiltRecords = "serve-spoilt-records"
        /// A watcher that resumes misses the first revision.
        case dropEventOnResume = "drop-event-on-resume"
        /// A transaction's events are told in another order than it made them.
        case reorderEvents = "reorder-events"
        /// A renewed lease ends as if it had not been.
        case expireLeaseEarly = "expire-lease-early"
        /// Watchers go on when their user has lost the right.
        case watchAfterRevocation = "watch-after-revocation"
        /// A permission that was taken away counts until users or roles change again.
        case useAfterRevocation = "use-after-revocation"
        /// Who gets a snapshot goes on with the users and roles it had.
        case keepOldUsers = "keep-old-users"

        /// The one that is made. Set before anything runs, by a program with one thread.
        nonisolated(unsafe) public static var made: Self?
    }
#endif

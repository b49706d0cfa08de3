// Raft as a value: an event in, what follows from it out.
//
// There is no clock, disk, thread or die in here: equal cores given equal events give equal
// actions, so that any run can be replayed. The driver (RaftNode, or a simulation) ticks, keeps
// the disk, carries messages and applies.
//
// Asynchronous storage writes (thesis, section 10.2.1): a leader sends entries to its followers
// while its own disk still writes them. What may not be said before the disk has it is a promise:
// a granted vote, an accepted append, and a candidate's own request, which speaks of its term and
// of its log. The core keeps promises back itself and lets them out at `stored`; so the driver
// sends everything it finds in `Actions.send` at once and needs to know no rule.
//
// The rules are in the files beside this one: elections, replication, reads, membership, transfer,
// snapshots.

import API
import DequeModule

/// A write the core asked for, counted from 1.
public struct WriteNumber: Hashable, Comparable, Sendable {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

public struct RaftCore: Equatable, Sendable {
    public enum Role: String, Hashable, Sendable {
        case follower = "follower"
        case preCandidate = "pre-candidate"
        case candidate = "candidate"
        case leader = "leader"
    }

    public enum Event: Equatable, Sendable {
        /// A heartbeat interval has passed. An election timeout that must be drawn anew is taken
        /// from `dice`, any number by chance.
        case tick(dice: UInt64)
        /// Stand for election now.
        case campaign
        /// Count so many ticks of the election timeout as over at least, unless a leader is known.
        case advanceElection(to: Int)
        case received(Message)
        case propose([ProposedEntry])
        /// A local read asks which index it must see applied.
        case read(ReadContext)
        /// This write and all before it survive loss of power.
        case stored(WriteNumber)
        /// The disk takes no more. What is stored stays readable; nothing new is promised.
        case storageFailed
        /// The entries handed out in `Actions.apply` are applied through here, or the snapshot of
        /// `Actions.install` is the applied state.
        case applied(LogIndex)
        /// An applied entry changes the membership; before `applied` is said of it.
        case membershipChanged(ConfChangeV2)
        /// Entries through here are not needed in memory.
        case compact(through: LogIndex)
        /// Hand leadership over.
        case transferLeadership(to: MemberID)
        /// The snapshot that was ordered for a member holds the state at this place.
        case snapshotBegan(to: MemberID, at: LogIndex)
        /// The member has it, and its core was shown it.
        case snapshotSent(to: MemberID)
        case snapshotFailed(to: MemberID)
        /// A message to this member was lost for sure.
        case unreachable(MemberID)
    }

    public let id: MemberID
    let options: RaftOptions

    // What survives a crash (figure 2). `commit` is kept as well, only to be back sooner.
    public internal(set) var term: Term
    public internal(set) var vote: MemberID
    var log: RaftLog

    public internal(set) var committed: LogIndex
    public internal(set) var applied: LogIndex
    var handedToApply: LogIndex
    var membership: Membership
    /// It was changed here last, or earlier.
    var membershipSince: LogIndex
    /// A snapshot that takes the state's place.
    var install: SnapshotInstall?

    public internal(set) var role = Role.follower
    /// Whom this member takes for the leader; `.none` if it knows of none.
    public internal(set) var leader = MemberID.none

    // Elections.
    var electionElapsed = 0
    var heartbeatElapsed = 0
    /// nil until the next tick draws it.
    var electionTimeout: Int?
    /// Up to those of an election timeout; a start counts as a promise (RaftCore+Lease).
    var ticksSincePromise = 0
    var ballots: [MemberID: Bool] = [:]

    // Of a leader.
    /// Ascending by member, this one included.
    var progress: [Progress] = []
    /// No configuration change is taken on before this index is applied (thesis, section 4.1).
    var pendingChange = LogIndex.zero
    var transfer: LeaderTransfer?
    /// It has lost its vote, here at the latest, and the others may not know yet.
    var departure: LogIndex?
    var reads = ReadRounds()
    var lease = LeaderLease()
    /// Of the event at hand; nil if its driver does not say.
    var now: MonotonicTime?

    // Of the disk.
    var writes = WriteNumber(0)
    var writesInFlight: Deque<WriteInFlight> = []
    var writtenHardState: HardState
    public internal(set) var hasStorageFailed = false

    /// Gathered during a step.
    var actions = Actions()

    /// A member as it was when its process ended.
    /// - Throws: if what was restored contradicts itself.
    public init(
        id: MemberID, options: RaftOptions = RaftOptions(), restoring state: RestoredState
    ) throws(RestoreError) {
        try state.validate()
        self.id = id
        self.options = options
        term = state.hardState.term
        vote = state.hardState.vote
        #if CAIRN_BUGS
            if DeliberateBug.made == .forgetVote {
                vote = .none
            }
        #endif
        log = RaftLog(
            compacted: state.compacted, entries: state.entries, areStored: state.isWritten)
        // What was applied was committed, whether or not the disk was told so yet.
        // And a leader takes a configuration change on only when the one before is applied there:
        // who has two has the first committed, and must not campaign without it, though a torn
        // write may have taken the commit index that came with the second.
        let known = max(state.hardState.commit, state.applied)
        committed = max(known, log.changeBeforeNewest(after: known) ?? .zero)
        applied = state.applied
        handedToApply = state.applied
        membership = Membership(state.confState)
        membershipSince = state.applied
        writtenHardState = state.isWritten ? state.hardState : HardState()
        resetProgress()
    }

    /// - Parameter now: read from the monotonic clock for this event. Without it no lease is held.
    public mutating func step(_ event: Event, at now: MonotonicTime? = nil) -> Actions {
        self.now = now
        switch event {
        case .tick(let dice): tick(dice)
        case .campaign: campaignIfAllowed()
        case .advanceElection(let ticks): advanceElection(to: ticks)
        case .received(let message): receive(message)
        case .propose(let entries): actions.proposal = propose(entries)
        case .read(let context): read(ReadRequest(member: id, context: context))
        case .stored(let write): stored(write)
        case .storageFailed: storageFailed()
        case .applied(let index): applied(through: index)
        case .membershipChanged(let change): self.change(change)
        case .compact(let index): compact(through: index)
        case .transferLeadership(let member): transferLeadership(to: member)
        case .snapshotBegan(let member, let index): snapshotBegan(to: member, at: index)
        case .snapshotSent(let member): snapshotEnded(to: member, arrived: true)
        case .snapshotFailed(let member): snapshotEnded(to: member, arrived: false)
        case .unreachable(let member): unreachable(member)
        }
        return takeActions()
    }

    /// Committed entries that are on this disk but were not handed out to be applied, if any, are
    /// in the first actions; a driver asks for them before anything else.
    public mutating func start() -> Actions {
        actions.changes.append(.becameFollower(term))
        return takeActions()
    }

    public var last: LogIndex { log.last }
    public var stored: LogIndex { log.stored }
    public var confState: ConfState { membership.confState }
    public var isOnlyVoter: Bool { membership.quorum.isOnly(id) }
    public var isLearner: Bool { membership.learners.contains(id) }
    public var isVoter: Bool { membership.quorum.contains(id) }

    /// Whether somebody is known who takes proposals on: this member or another.
    public var hasOpenLeader: Bool {
        role == .leader ? isVoter && transfer == nil : leader != .none
    }

    /// Of every other member, as a leader knows it; else empty.
    public var peers: [MemberProgress] {
        guard role == .leader else { return [] }
        return progress.filter { $0.member != id }
            .map { MemberProgress($0, isLearner: !membership.quorum.contains($0.member)) }
    }
}

// MARK: - What every step ends with

extension RaftCore {
    private mutating func takeActions() -> Actions {
        if hasStorageFailed {
            actions.promises = []
        } else {
            handOutWrite()
        }
        handOutApply()
        checkInvariants()
        var taken = Actions()
        swap(&taken, &actions)
        return taken
    }

    /// Term, vote and entries are written at once; a commit index alone may wait for the next
    /// write or tick, for Raft does not need it on disk.
    private mutating func handOutWrite() {
        let now = HardState(term: term, vote: vote, commit: committed)
        let restart = actions.restart
        actions.restart = nil
        // A change of members that is committed must be remembered: whoever is removed goes away,
        // and its vote would be missed by one that forgot.
        let floor = max(writtenHardState.commit, log.compacted.index)
        let mustSync =
            restart != nil || log.hasConfigurationChange(after: floor, through: committed)
            || log.handed < log.last || now.term != writtenHardState.term
            || now.vote != writtenHardState.vote
        if mustSync || (actions.isTick && now.commit != writtenHardState.commit) {
            writes = WriteNumber(writes.rawValue + 1)
            actions.write = LogWrite(
                number: writes, snapshot: restart,
                hardState: now == writtenHardState ? nil : now, entries: log.handOut(),
                mustSync: mustSync)
            writesInFlight.append(
                WriteInFlight(number: writes, last: log.last, recordsSnapshot: restart != nil))
            writtenHardState = now
        }
        guard !actions.promises.isEmpty else { return }
        let promises = actions.promises
        actions.promises = []
        if writesInFlight.isEmpty {
            release(promises)
        } else {
            writesInFlight[writesInFlight.count - 1].promises += promises
        }
    }

    /// Only what this disk holds is applied, so that the applied state never runs ahead of the log
    /// that must carry it after a crash. One batch at a time.
    private mutating func handOutApply() {
        if let install {
            guard install.isRecorded, handedToApply == applied else { return }
            actions.install = install.mark
            handedToApply = install.mark.index
            return
        }
        let through = min(committed, log.stored)
        guard handedToApply == applied, applied < through else { return }
        actions.apply = log.slice(
            after: applied, through: through, maxBytes: options.maxApplyBytes,
            maxCount: options.maxApplyCount)
        handedToApply = applied + actions.apply.count
    }

    private mutating func applied(through index: LogIndex) {
        precondition(index <= handedToApply, "applied \(index), handed out \(handedToApply)")
        precondition(index >= applied, "applied \(index) after \(applied)")
        applied = index
        if let install, install.mark.index == index { self.install = nil }
        compactLog()
        leaveJointIfDue()
    }
}

// MARK: - The disk

/// A write that has not been acknowledged.
struct WriteInFlight: Equatable, Sendable {
    let number: WriteNumber
    /// The log's end when it was written, or less if that was overwritten since.
    var last: LogIndex
    let recordsSnapshot: Bool
    var promises: [Promise] = []
}

/// What waits for the disk.
enum Promise: Equatable, Sendable {
    case message(Message)
    /// A candidate's vote for itself, in this term.
    case ownVote(Term)
}

extension RaftCore {
    private mutating func stored(_ write: WriteNumber) {
        var due: [Promise] = []
        while let first = writesInFlight.first, first.number <= write {
            log.markStored(through: first.last)
            due += first.promises
            if first.recordsSnapshot { install?.isRecorded = true }
            writesInFlight.removeFirst()
        }
        if role == .leader {
            acknowledge(through: log.stored, by: id)
        }
        release(due)
    }

    private mutating func release(_ promises: [Promise]) {
        for promise in promises {
            switch promise {
            case .message(let message): actions.send.append(message)
            case .ownVote(let promised):
                if role == .candidate, term == promised { count(ballot: true, of: id) }
            }
        }
    }

    /// A leader that cannot write makes way for one that can, where there is one.
    private mutating func storageFailed() {
        guard !hasStorageFailed else { return }
        hasStorageFailed = true
        writesInFlight.removeAll()
        if role != .follower, !isOnlyVoter { becomeFollower(term, leader: .none) }
    }

    /// Forgets the log's end, and what writes under way would say of it.
    mutating func truncate(after index: LogIndex) {
        precondition(index >= committed, "cut after \(index), committed \(committed)")
        log.truncate(after: index)
        capWrites(at: index)
    }

    /// Forgets the whole log; it goes on behind `position`.
    mutating func restartLog(at position: LogPosition) {
        log.restart(at: position)
        capWrites(at: position.index)
    }

    private mutating func capWrites(at index: LogIndex) {
        for position in writesInFlight.indices where writesInFlight[position].last > index {
            writesInFlight[position].last = index
        }
    }
}

// MARK: - Sending

extension RaftCore {
    mutating func send(_ body: Message.Body, to member: MemberID) {
        actions.send.append(Message(from: id, to: member, term: term, body: body))
    }

    /// Sent once everything written so far, this step's writes included, is on disk.
    mutating func promise(_ body: Message.Body, to member: MemberID) {
        actions.promises.append(
            .message(Message(from: id, to: member, term: term, body: body)))
    }
}

// MARK: - Invariants

extension RaftCore {
    /// Cheap enough for every step, in release builds too.
    func checkInvariants() {
        precondition(applied <= handedToApply, "applied \(applied) past \(handedToApply)")
        precondition(handedToApply <= committed, "\(handedToApply) past commit \(committed)")
        precondition(committed <= log.last, "commit \(committed) past the end \(log.last)")
        precondition(role != .leader || leader == id, "a leader follows \(leader.hex)")
        log.checkInvariants()
    }

    /// Everything that can be said of one member, for tests.
    public func checkAllInvariants() {
        checkInvariants()
        log.checkEntries()
        precondition(
            log.compacted.index <= max(applied, install?.mark.index ?? .zero),
            "compacted past \(applied)")
        precondition(
            role == .follower || install == nil, "no follower, and its state is not there yet")
        precondition(role == .leader || transfer == nil, "hands over what it has not")
        precondition(log.end.term <= term, "an entry of a term to come")
        precondition(role == .leader || reads.isEmpty, "reads wait for one who does not lead")
        for peer in progress where role == .leader { peer.checkInvariants() }
        for (earlier, later) in zip(writesInFlight, writesInFlight.dropFirst()) {
            precondition(earlier.number < later.number, "writes are out of order")
        }
    }
}

// Several cores, their disks and the network between them, moved by hand.
//
// Nothing happens by itself: a message waits until it is delivered or dropped, a write until its
// disk is told to finish it. Scenario files and the random walk are two hands for the same world.
// Every step of any core is followed by the safety checks (SafetyChecks).

import API

@testable import Consensus

struct SimulatedCluster {
    struct Disk {
        var hardState = HardState()
        /// The snapshot the log begins behind, if it came from a leader.
        var snapshot: SnapshotMark?
        /// The first is entry 1, or follows the snapshot.
        var entries: [Entry] = []
        /// Given, not yet durable.
        var queue: [LogWrite] = []
        var isHeld = false

        var base: LogPosition { snapshot?.position ?? .start }
        var last: LogIndex { base.index + entries.count }

        /// Whether it has this very entry, or a state that contains it.
        func has(_ entry: Entry) -> Bool {
            if entry.index <= base.index { return true }
            guard entry.index <= last else { return false }
            return entries[entry.index.distance(from: base.index) - 1].term == entry.term
        }

        mutating func finishFirst() -> WriteNumber {
            let write = queue.removeFirst()
            if let mark = write.snapshot {
                snapshot = mark
                entries = []
            }
            hardState = write.hardState ?? hardState
            if let first = write.entries.first {
                entries.removeLast(last.distance(from: first.index) + 1)
                entries += write.entries
            }
            return write.number
        }
    }

    struct Member {
        let id: MemberID
        /// nil while it is down.
        var core: RaftCore?
        var disk = Disk()
        /// The state: all that ever was applied.
        var applied: [Entry] = []
        /// Is to become the state.
        var installing: SnapshotMark?
        /// What it draws its election timeouts from.
        var dice: UInt64
        /// So many parts of a thousand its clock is too fast.
        var drift: Int64 = 0

        func clock(_ time: UInt64) -> MonotonicTime {
            MonotonicTime(nanoseconds: UInt64(Int64(time) + Int64(time) / 1000 * drift))
        }
    }

    private(set) var members: [Member]
    var options: RaftOptions
    /// In nanoseconds.
    var time: UInt64 = 1_000_000_000
    /// Under way, oldest first.
    var network: [Message] = []
    /// Links, as "from, to", that carry nothing.
    var cut: Set<[MemberID]> = []
    /// Snapshots that were asked for and are not on their way yet.
    var orders: [SnapshotRequest] = []
    var holdsSnapshots = false
    /// What happened, in words, until someone takes it.
    var notes: [String] = []
    var keepsNotes = true
    var isTracing = false
    var checks = SafetyChecks()
    /// What members are born with.
    private(set) var installs = 0
    private(set) var handOvers = 0
    /// What members are born with.
    private let founding: ConfState
    private var payloads: [LogPosition: [Entry]] = [:]
    private var labels: [ReadContext: String] = [:]
    private var contexts: UInt64 = 0

    init(voters: [Int], learners: [Int] = [], spares: [Int] = [], options: RaftOptions) {
        self.options = options
        let state = ConfState(
            voters: voters.map { MemberID(UInt64($0)) },
            learners: learners.map { MemberID(UInt64($0)) })
        founding = state
        members = (voters + learners + spares).sorted().map { number in
            Member(id: MemberID(UInt64(number)), dice: UInt64(2 * (number - 1)))
        }
        for member in members { restart(member.id) }
        notes = []
    }

    func place(_ id: MemberID) -> Int {
        members.firstIndex { $0.id == id }!
    }

    subscript(id: MemberID) -> Member {
        // A plain get: what `_read` yields was found freed before it was copied (AddressSanitizer).
        get { members[place(id)] }
        _modify { yield &members[place(id)] }
    }

    // MARK: Members

    /// - Parameter surviving: how many of the writes that were not finished are on disk after all.
    mutating func crash(_ id: MemberID, surviving: Int = 0) {
        for _ in 0..<min(surviving, self[id].disk.queue.count) {
            _ = self[id].disk.finishFirst()
        }
        self[id].core = nil
        self[id].disk.queue = []
        self[id].installing = nil
        orders.removeAll { $0.from == id }
        checks.forget(id)
    }

    /// - Parameter applied: what the applied state was found to hold, by the disk's luck.
    mutating func restart(_ id: MemberID, applied: LogIndex = .zero) {
        let disk = self[id].disk
        // A snapshot that was recorded becomes the state now, if it did not before.
        if self[id].applied.count < disk.base.index.rawValue {
            self[id].applied = payloads[disk.base] ?? []
        }
        let applied = max(applied, disk.base.index)
        self[id].applied = Array(self[id].applied.prefix(Int(applied.rawValue)))
        let state = RestoredState(
            hardState: disk.hardState, confState: confState(after: self[id].applied),
            compacted: disk.base, entries: disk.entries, applied: applied)
        do {
            self[id].core = try RaftCore(id: id, options: options, restoring: state)
        } catch {
            preconditionFailure("a disk this world wrote is refused: \(error)")
        }
        perform(id, self[id].core!.start())
    }

    mutating func step(_ id: MemberID, _ event: RaftCore.Event) {
        guard self[id].core != nil else { return }
        let place = place(id)
        let now = members[place].clock(time)
        let actions = members[place].core!.step(event, at: now)
        perform(id, actions)
    }

    mutating func read(_ id: MemberID, label: String) {
        contexts += 1
        let context = ReadContext(contexts)
        labels[context] = label
        checks.readBegins(context)
        step(id, .read(context))
    }

    private mutating func perform(_ id: MemberID, _ actions: Actions) {
        for change in actions.changes { note(id, change) }
        note(id, actions.proposal)
        if let write = actions.write { self[id].disk.queue.append(write) }
        network += actions.send
        for order in actions.snapshots { take(order, of: id) }
        if let mark = actions.discard, keepsNotes {
            notes.append("\(id.hex) discards \(mark.position.text)")
        }
        checks.check(id, in: self)
        for read in actions.reads {
            checks.readIsAnswered(read)
            if keepsNotes {
                let label = labels[read.context] ?? "?"
                notes.append("\(id.hex) may read \(label) at \(read.index.rawValue)")
            }
        }
        if let mark = actions.install {
            precondition(actions.apply.isEmpty, "something is applied beside a snapshot")
            self[id].installing = mark
        }
        guard let last = actions.apply.last else { return }
        for entry in actions.apply {
            self[id].applied.append(entry)
            checks.applied(entry, by: id)
            if let change = ConfChangeV2(entry.kind, data: entry.data) {
                step(id, .membershipChanged(change))
            }
        }
        step(id, .applied(last.index))
    }

    /// Who takes part in a state.
    private func confState(after state: some Sequence<Entry>) -> ConfState {
        var membership = Membership(founding)
        for entry in state {
            guard let change = ConfChangeV2(entry.kind, data: entry.data) else { continue }
            membership = (try? membership.applying(change)) ?? membership
        }
        return membership.confState
    }

    // MARK: Snapshots

    struct SnapshotRequest: Equatable {
        let from: MemberID
        let to: MemberID
        let atLeast: LogIndex
    }

    private mutating func take(_ order: SnapshotOrder, of id: MemberID) {
        switch order {
        case .send(let member, let least):
            orders.append(SnapshotRequest(from: id, to: member, atLeast: least))
            guard keepsNotes else { return }
            notes.append("\(id.hex) orders a snapshot for \(member.hex) from \(least.rawValue) on")
        case .cancel(let member):
            orders.removeAll { $0.from == id && $0.to == member }
            if keepsNotes { notes.append("\(id.hex) cancels the snapshot for \(member.hex)") }
        }
    }

    /// Sends the first snapshot that was ordered.
    /// - Parameter index: of its state; the newest if nil.
    mutating func sendSnapshot(at index: LogIndex? = nil) {
        let order = orders.removeFirst()
        let member = self[order.from]
        guard let core = member.core else { return }
        let index = index ?? core.applied
        precondition(index >= order.atLeast && index <= core.applied, "no such state")
        let state = Array(member.applied.prefix(Int(index.rawValue)))
        let position = LogPosition(index: index, term: state.last?.term ?? .zero)
        payloads[position] = state
        step(order.from, .snapshotBegan(to: order.to, at: index))
        let mark = SnapshotMark(position: position, confState: confState(after: state))
        network.append(
            Message(from: order.from, to: order.to, term: core.term, body: .snapshot(mark)))
    }

    /// The sender of a snapshot learns how that ended.
    mutating func report(_ message: Message, arrived: Bool) {
        guard case .snapshot = message.body else { return }
        step(
            message.from,
            arrived ? .snapshotSent(to: message.to) : .snapshotFailed(to: message.to))
    }

    /// - Returns: whether there was anything.
    @discardableResult
    mutating func finishInstall(_ id: MemberID) -> Bool {
        guard self[id].core != nil, let mark = self[id].installing else { return false }
        self[id].installing = nil
        self[id].applied = payloads[mark.position] ?? []
        checks.installed(mark, by: id)
        installs += 1
        if keepsNotes { notes.append("\(id.hex) is at \(mark.position.text) by a snapshot") }
        step(id, .applied(mark.index))
        return true
    }

    // MARK: Disks

    /// Makes all that waits at this disk durable, unless it is held.
    /// - Returns: whether there was anything.
    @discardableResult
    mutating func finishWrites(_ id: MemberID, limit: Int = .max) -> Bool {
        guard !self[id].disk.isHeld, !self[id].disk.queue.isEmpty else { return false }
        var last = WriteNumber(0)
        var left = limit
        while !self[id].disk.queue.isEmpty, left > 0 {
            last = self[id].disk.finishFirst()
            left -= 1
        }
        step(id, .stored(last))
        return true
    }

    // MARK: Network

    func isCut(_ message: Message) -> Bool { cut.contains([message.from, message.to]) }

    mutating func deliver(at position: Int) {
        let message = network.remove(at: position)
        guard members.contains(where: { $0.id == message.to }), !isCut(message),
            self[message.to].core != nil
        else { return report(message, arrived: false) }
        if isTracing { notes.append(message.text) }
        if case .timeoutNow = message.body { handOvers += 1 }
        step(message.to, .received(message))
        report(message, arrived: true)
    }

    /// Disks finish and messages arrive, oldest first, until nothing moves.
    mutating func run() {
        var moved = true
        while moved {
            moved = false
            for member in members {
                if finishWrites(member.id) { moved = true }
                if finishInstall(member.id) { moved = true }
            }
            if !holdsSnapshots, !orders.isEmpty {
                sendSnapshot()
                moved = true
            }
            if !network.isEmpty {
                deliver(at: 0)
                moved = true
            }
        }
    }

    // MARK: Words

    /// How everyone stands.
    var standing: String {
        members.map { member in
            guard let core = member.core else { return "\n\(member.id.hex) down" }
            return
                "\n\(member.id.hex) \(core.role) term \(core.term.rawValue) of \(core.leader.hex)"
                + " log \(core.log.compacted.text)...\(core.log.end.text)"
                + " commit \(core.committed.rawValue) applied \(core.applied.rawValue)"
                + " \(core.confState) install \(core.install == nil ? "no" : "yes")"
                + " \(core.peers)"
        }.joined()
    }

    private mutating func note(_ id: MemberID, _ change: RaftChange) {
        guard keepsNotes else { return }
        switch change {
        case .startedElection, .becameFollower: break
        case .becamePreCandidate(let term):
            notes.append("\(id.hex) became pre-candidate at term \(term.rawValue)")
        case .becameCandidate(let term):
            notes.append("\(id.hex) became candidate at term \(term.rawValue)")
        case .becameLeader(let term):
            notes.append("\(id.hex) became leader at term \(term.rawValue)")
        case .steppedDownWithoutQuorum:
            notes.append("\(id.hex) stepped down: it hears of no quorum")
        case .memberBehindLog(let member):
            notes.append("\(id.hex) cannot serve \(member.hex) from its log")
        case .transferAborted(let target):
            notes.append("\(id.hex) gives up handing over to \(target.hex)")
        case .steppedDownRemoved:
            notes.append("\(id.hex) stepped down: it has no vote any more")
        case .membershipUnchanged(let why):
            notes.append("\(id.hex) changes nothing: \(why.rawValue)")
        case .restoring(let position):
            notes.append("\(id.hex) restores \(position.text)")
        case .ignored(let kind, let from, let why):
            notes.append("\(id.hex) ignored \(kind) from \(from.hex): \(why.rawValue)")
        }
    }

    private mutating func note(_ id: MemberID, _ outcome: ProposalOutcome?) {
        guard keepsNotes else { return }
        switch outcome {
        case nil, .appended: break
        case .forwarded(let leader): notes.append("\(id.hex) forwarded it to \(leader.hex)")
        case .refused(.invalidConfigurationChange(let why)):
            notes.append("\(id.hex) refused it: \(why.rawValue)")
        case .refused(let why): notes.append("\(id.hex) refused it: \(why)")
        }
    }
}

extension Message {
    /// For traces.
    var text: String {
        "\(from.hex)>\(to.hex) \(body.name) term \(term.rawValue)\(body.details)"
    }
}

extension LogPosition {
    /// Index and term, as `5/2`.
    var text: String { "\(index.rawValue)/\(term.rawValue)" }
}

extension Entry {
    var text: String {
        let place = LogPosition(index: index, term: term).text
        return data.isEmpty && kind == .normal ? place : "\(place) \(content)"
    }

    /// Its data, in words.
    var content: String { ProposedEntry(kind: kind, data: data).content }
}

extension ProposedEntry {
    var content: String {
        guard let change = ConfChangeV2(kind, data: data) else {
            return String(decoding: data, as: UTF8.self)
        }
        return change.text
    }
}

extension ConfChangeV2 {
    /// As in scenario files: `add 4`, `joint add 4 remove 1`, `leave`.
    init(words: [String]) {
        self.init()
        guard words != ["leave"] else { return }
        var rest = words[...]
        while let word = rest.popFirst() {
            switch word {
            case "joint": transition = .jointImplicit
            case "explicit": transition = .jointExplicit
            default:
                let kinds: [String: ConfChangeKind] = [
                    "add": .addNode, "learn": .addLearner, "remove": .removeNode,
                    "update": .updateNode,
                ]
                let node = MemberID(UInt64(rest.popFirst()!)!)
                changes.append(Single(kind: kinds[word]!, node: node))
            }
        }
    }

    var text: String {
        if leavesJoint { return "leave" }
        let names: [ConfChangeKind: String] = [
            .addNode: "add", .addLearner: "learn", .removeNode: "remove", .updateNode: "update",
        ]
        let words = changes.map { "\(names[$0.kind]!) \($0.node.hex)" }
        switch transition {
        case .auto: return words.joined(separator: " ")
        case .jointImplicit: return (["joint"] + words).joined(separator: " ")
        case .jointExplicit: return (["explicit"] + words).joined(separator: " ")
        }
    }

    /// One change of one member is proposed in the old way, as etcd does.
    var proposed: ProposedEntry {
        var buffer = ByteBuffer()
        guard transition == .auto, changes.count == 1 else {
            encode(into: &buffer)
            return ProposedEntry(kind: .configurationChangeV2, data: buffer.array)
        }
        ConfChange(kind: changes[0].kind, node: changes[0].node).encode(into: &buffer)
        return ProposedEntry(kind: .configurationChange, data: buffer.array)
    }
}

extension Message.Body {
    fileprivate var details: String {
        switch self {
        case .proposal(let entries):
            " \(entries.map(\.content).joined(separator: " "))"
        case .append(let append):
            " after \(append.previous.text) [\(append.entries.map(\.text).joined(separator: ", "))]"
                + " commit \(append.commit.rawValue)"
        case .appendResponse(.accepted(let through)): " through \(through.rawValue)"
        case .appendResponse(.rejected(let previous, let hint)):
            " rejects \(previous.rawValue), try \(hint.text)"
        case .snapshot(let mark): " \(mark.position.text)"
        case .timeoutNow: ""
        case .vote(let last, let isTransfer):
            " log ends \(last.text)" + (isTransfer ? " at the leader's wish" : "")
        case .preVote(let last): " log ends \(last.text)"
        case .voteResponse(let granted), .preVoteResponse(let granted):
            granted ? " granted" : " refused"
        case .heartbeat(let commit, let round):
            " commit \(commit.rawValue)" + (round == .none ? "" : " round \(round.rawValue)")
        case .heartbeatResponse(let round, _, let promise):
            (round == .none ? "" : " round \(round.rawValue)")
                + (promise == .none ? "" : " promise \(promise.milliseconds)")
        case .readIndex(let context): " \(context.rawValue)"
        case .readIndexResponse(let context, let index):
            " \(context.rawValue) at \(index.rawValue)"
        }
    }
}

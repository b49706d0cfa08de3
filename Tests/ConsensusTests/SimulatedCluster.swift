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
        /// The first is entry 1.
        var entries: [Entry] = []
        /// Given, not yet durable.
        var queue: [LogWrite] = []
        var isHeld = false

        func term(at index: LogIndex) -> Term? {
            guard index > .zero, index.rawValue <= UInt64(entries.count) else { return nil }
            return entries[Int(index.rawValue) - 1].term
        }

        mutating func finishFirst() -> WriteNumber {
            let write = queue.removeFirst()
            hardState = write.hardState ?? hardState
            if let first = write.entries.first {
                entries.removeLast(entries.count - Int(first.index.rawValue) + 1)
                entries += write.entries
            }
            return write.number
        }
    }

    struct Member {
        let id: MemberID
        var initial: ConfState
        /// nil while it is down.
        var core: RaftCore?
        var disk = Disk()
        var applied: [Entry] = []
        /// What it draws its election timeouts from.
        var dice: UInt64
    }

    private(set) var members: [Member]
    var options: RaftOptions
    /// Under way, oldest first.
    var network: [Message] = []
    /// Links, as "from, to", that carry nothing.
    var cut: Set<[MemberID]> = []
    /// What happened, in words, until someone takes it.
    var notes: [String] = []
    var keepsNotes = true
    var isTracing = false
    var checks = SafetyChecks()
    private var labels: [ReadContext: String] = [:]
    private var contexts: UInt64 = 0

    init(voters: [Int], learners: [Int] = [], spares: [Int] = [], options: RaftOptions) {
        self.options = options
        let state = ConfState(
            voters: voters.map { MemberID(UInt64($0)) },
            learners: learners.map { MemberID(UInt64($0)) })
        members = (voters + learners + spares).sorted().map { number in
            Member(
                id: MemberID(UInt64(number)),
                initial: spares.contains(number) ? ConfState() : state,
                dice: UInt64(2 * (number - 1)))
        }
        for member in members { restart(member.id) }
        notes = []
    }

    func place(_ id: MemberID) -> Int {
        members.firstIndex { $0.id == id }!
    }

    subscript(id: MemberID) -> Member {
        get { members[place(id)] }
        set { members[place(id)] = newValue }
    }

    // MARK: Members

    /// - Parameter surviving: how many of the writes that were not finished are on disk after all.
    mutating func crash(_ id: MemberID, surviving: Int = 0) {
        for _ in 0..<min(surviving, self[id].disk.queue.count) {
            _ = self[id].disk.finishFirst()
        }
        self[id].core = nil
        self[id].disk.queue = []
        checks.forget(id)
    }

    /// - Parameter applied: what the applied state was found to hold, by the disk's luck.
    mutating func restart(_ id: MemberID, applied: LogIndex = .zero) {
        let member = self[id]
        var state = RestoredState(
            hardState: member.disk.hardState, confState: member.initial,
            entries: member.disk.entries, applied: applied)
        var confState = Membership(member.initial)
        for entry in member.disk.entries where entry.index <= applied {
            for change in Self.changes(in: entry) { confState.apply(change) }
        }
        state.confState = confState.confState
        self[id].applied = Array(member.applied.prefix(Int(applied.rawValue)))
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
        let actions = members[place].core!.step(event)
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
        checks.check(id, in: self)
        for read in actions.reads {
            checks.readIsAnswered(read)
            if keepsNotes {
                let label = labels[read.context] ?? "?"
                notes.append("\(id.hex) may read \(label) at \(read.index.rawValue)")
            }
        }
        guard let last = actions.apply.last else { return }
        for entry in actions.apply {
            self[id].applied.append(entry)
            checks.applied(entry, by: id)
            let changes = Self.changes(in: entry)
            if !changes.isEmpty { step(id, .membershipChanged(changes)) }
        }
        step(id, .applied(last.index))
    }

    /// A configuration entry of this world says, for example, `add 4`, `learn 4` or `remove 4`.
    private static func changes(in entry: Entry) -> [MembershipChange] {
        guard entry.kind != .normal else { return [] }
        let words = String(decoding: entry.data, as: UTF8.self).split(separator: " ")
        let member = MemberID(UInt64(words[1])!)
        switch words[0] {
        case "add": return [.addVoter(member)]
        case "learn": return [.addLearner(member)]
        default: return [.remove(member)]
        }
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
        else { return }
        if isTracing { notes.append(message.text) }
        step(message.to, .received(message))
    }

    /// Disks finish and messages arrive, oldest first, until nothing moves.
    mutating func run() {
        var moved = true
        while moved {
            moved = false
            for member in members where finishWrites(member.id) { moved = true }
            if !network.isEmpty {
                deliver(at: 0)
                moved = true
            }
        }
    }

    // MARK: Words

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
        case .ignored(let kind, let from, let why):
            notes.append("\(id.hex) ignored \(kind) from \(from.hex): \(why.rawValue)")
        }
    }

    private mutating func note(_ id: MemberID, _ outcome: ProposalOutcome?) {
        guard keepsNotes else { return }
        switch outcome {
        case nil, .appended: break
        case .forwarded(let leader): notes.append("\(id.hex) forwarded it to \(leader.hex)")
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
        return data.isEmpty ? place : "\(place) \(String(decoding: data, as: UTF8.self))"
    }
}

extension Message.Body {
    fileprivate var details: String {
        switch self {
        case .proposal(let entries):
            " \(entries.map { String(decoding: $0.data, as: UTF8.self) }.joined(separator: " "))"
        case .append(let append):
            " after \(append.previous.text) [\(append.entries.map(\.text).joined(separator: ", "))]"
                + " commit \(append.commit.rawValue)"
        case .appendResponse(.accepted(let through)): " through \(through.rawValue)"
        case .appendResponse(.rejected(let previous, let hint)):
            " rejects \(previous.rawValue), try \(hint.text)"
        case .vote(let last), .preVote(let last): " log ends \(last.text)"
        case .voteResponse(let granted), .preVoteResponse(let granted):
            granted ? " granted" : " refused"
        case .heartbeat(let commit, let round):
            " commit \(commit.rawValue)" + (round == .none ? "" : " round \(round.rawValue)")
        case .heartbeatResponse(let round):
            round == .none ? "" : " round \(round.rawValue)"
        case .readIndex(let context): " \(context.rawValue)"
        case .readIndexResponse(let context, let index):
            " \(context.rawValue) at \(index.rawValue)"
        }
    }
}

// Which of our proposals stands at which place in the log, until its fate is known.
//
// A lost leadership decides nothing: the next leader may well commit what this one left behind.
// So a proposal stays here until an entry is applied at its index, its own or another, or until
// the log is cut before it.

import API
import DequeModule

struct ProposalLedger {
    private struct Line {
        let index: LogIndex
        let term: Term
        let cost: Int
        let proposal: (any Proposal)?
    }

    /// Ascending by index.
    private var lines: Deque<Line> = []
    var count: Int { lines.count }
    /// Bytes of the entries that are listed.
    private(set) var bytes = 0

    mutating func append(_ proposal: (any Proposal)?, at position: LogPosition, cost: Int) {
        lines.append(
            Line(index: position.index, term: position.term, cost: cost, proposal: proposal))
        bytes += cost
    }

    /// The proposal whose entry this is, now that the entry is applied. Whatever stood before it,
    /// or at its index in another term, is lost.
    mutating func claim(_ entry: borrowing Entry) -> (any Proposal)? {
        while let first = lines.first, first.index <= entry.index {
            lines.removeFirst()
            bytes -= first.cost
            if first.index == entry.index, first.term == entry.term { return first.proposal }
            first.proposal?.dropped(.overwritten)
        }
        return nil
    }

    /// Drops what stands at or before `index`.
    mutating func drop(through index: LogIndex, _ reason: ProposalDrop) {
        var dropped: [any Proposal] = []
        while let first = lines.first, first.index <= index {
            lines.removeFirst()
            bytes -= first.cost
            if let proposal = first.proposal { dropped.append(proposal) }
        }
        for proposal in dropped { proposal.dropped(reason) }
    }

    /// Drops what stands after `index`.
    mutating func drop(after index: LogIndex, _ reason: ProposalDrop) {
        var dropped: [any Proposal] = []
        while let last = lines.last, last.index > index {
            bytes -= last.cost
            if let proposal = last.proposal { dropped.append(proposal) }
            lines.removeLast()
        }
        for proposal in dropped.reversed() { proposal.dropped(reason) }
    }
}

// The work of a turn's end: first all batches are gathered, then each connection writes once.

import API

/// What was asked for with `atTurnEnd`, on the loop's thread.
struct TurnEnd {
    /// One piece of work: a bare closure in an array would be packed into another on the heap.
    struct Work {
        let run: () -> Void
    }

    private var gather: [Work] = []
    private var transmit: [Work] = []
    /// The storage of the batch that ran last, lent to the next.
    private var spare: [Work] = []

    var isEmpty: Bool { gather.isEmpty && transmit.isEmpty }
    func isEmpty(_ phase: TurnPhase) -> Bool {
        switch phase {
        case .gather: gather.isEmpty
        case .transmit: transmit.isEmpty
        }
    }

    mutating func add(_ phase: TurnPhase, _ work: @escaping () -> Void) {
        switch phase {
        case .gather: gather.append(Work(run: work))
        case .transmit: transmit.append(Work(run: work))
        }
    }

    /// Hands out a phase's work; what it adds while it runs comes with the next call.
    mutating func take(_ phase: TurnPhase) -> [Work] {
        switch phase {
        case .gather: swap(&gather, &spare)
        case .transmit: swap(&transmit, &spare)
        }
        defer { spare = [] }
        return spare
    }

    /// Takes back the storage of a batch that has run.
    mutating func giveBack(_ batch: consuming [Work]) {
        batch.removeAll(keepingCapacity: true)
        spare = batch
    }
}

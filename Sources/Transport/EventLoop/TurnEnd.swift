// The work of a turn's end: first all batches are gathered, then each connection writes once.

import API

/// What was asked for with `atTurnEnd`, on the loop's thread.
struct TurnEnd {
    private var gather: [() -> Void] = []
    private var transmit: [() -> Void] = []
    /// The storage of the batch that ran last, lent to the next.
    private var spare: [() -> Void] = []

    var isEmpty: Bool { gather.isEmpty && transmit.isEmpty }
    func isEmpty(_ phase: TurnPhase) -> Bool {
        switch phase {
        case .gather: gather.isEmpty
        case .transmit: transmit.isEmpty
        }
    }

    mutating func add(_ phase: TurnPhase, _ work: @escaping () -> Void) {
        switch phase {
        case .gather: gather.append(work)
        case .transmit: transmit.append(work)
        }
    }

    /// Hands out a phase's work; what it adds while it runs comes with the next call.
    mutating func take(_ phase: TurnPhase) -> [() -> Void] {
        switch phase {
        case .gather: swap(&gather, &spare)
        case .transmit: swap(&transmit, &spare)
        }
        defer { spare = [] }
        return spare
    }

    /// Takes back the storage of a batch that has run.
    mutating func giveBack(_ batch: consuming [() -> Void]) {
        batch.removeAll(keepingCapacity: true)
        spare = batch
    }
}

// Whether a watcher was told of anything that its user had no right to read.
//
// Who may read a key now may read all of its history, so what counts is the moment of telling. A
// member that tells of a write has carried out all that was decided before it. So if a right was
// taken away before the write was asked for, and nobody had asked to give it back when the watcher
// was told, the member knew that it must not tell.

public enum RightsCheck {
    /// - Parameters:
    ///   - changes: of the rights of the watcher's user, made one after the other.
    ///   - asked: when the put of a value was asked for; every value is put once.
    public static func violations(
        _ record: WatchRecord, _ changes: [RightsOperation], asked: [String: Moment]
    ) -> [Violation] {
        let without = timesWithoutReading(changes)
        var violations: [Violation] = []
        for (moment, receipt) in record.receipts {
            guard case .events(let events, _, _) = receipt else { continue }
            for event in events where !event.isDelete {
                guard let asked = asked[event.pair.value],
                    let time = without.first(where: { $0.from <= asked && moment < $0.until })
                else { continue }
                violations.append(
                    Violation(
                        "nobody is told what they may not read",
                        "\(record.name) was told at \(seconds(moment)) of \(event), written after "
                            + "\(seconds(asked)); the right was gone from \(seconds(time.from)) on")
                )
            }
        }
        return violations
    }

    /// When the user certainly could not read: from the answer to the call that took the right or
    /// the role away until somebody asks to give it back.
    static func timesWithoutReading(
        _ changes: [RightsOperation]
    ) -> [(from: Moment, until: Moment)] {
        let ordered = changes.sorted { $0.invoked < $1.invoked }
        return times(ordered) { call in
            if case .setRole(let has) = call { has } else { nil }
        }
            + times(ordered) { call in
                if case .setRight(let right) = call { right?.includes(.read) ?? false } else { nil }
            }
    }

    /// - Parameter gives: whether a call gives or takes; nil if it does neither.
    private static func times(
        _ changes: [RightsOperation], _ gives: (RightsModel.Call) -> Bool?
    ) -> [(from: Moment, until: Moment)] {
        var times: [(from: Moment, until: Moment)] = []
        var since: Moment?
        // One of unknown outcome may have its effect at any time to come.
        var mayComeBack = false
        for change in changes {
            guard let gives = gives(change.call) else { continue }
            switch (change.outcome, gives) {
            case (.refused, _): continue
            case (.answered, true), (.unknown, true):
                if let begun = since { times.append((begun, change.invoked)) }
                since = nil
                if case .unknown = change.outcome { mayComeBack = true }
            case (.answered, false):
                if !mayComeBack, since == nil { since = change.returned }
            case (.unknown, false): continue
            }
        }
        if let since { times.append((since, .max)) }
        return times
    }
}

// Whether the checks of rights see what they are for.

import Checkers
import Testing

@Suite("Rights that are given and taken")
struct RightsTests {
    private let all = RightsModel.State(hasRole: true, right: .both)

    private func operation(
        _ call: RightsModel.Call, _ times: ClosedRange<Moment>,
        _ outcome: Outcome<RightsModel.Answer>
    ) -> RightsOperation {
        RightsOperation(
            client: 1, call, invoked: times.lowerBound, returned: times.upperBound, outcome)
    }

    private func isPossible(_ history: [RightsOperation]) -> Bool {
        LinearizabilityChecker(RightsModel(initial: all)).check(history) == .linearizable
    }

    @Test("Once a right is taken, its user's calls are denied")
    func taken() {
        let revoked = operation(.setRight(nil), 10...20, .answered(.done))
        #expect(isPossible([revoked, operation(.use(.read), 30...40, .answered(.denied))]))
        #expect(!isPossible([revoked, operation(.use(.read), 30...40, .answered(.allowed))]))
        // While it is being taken both may be.
        #expect(isPossible([revoked, operation(.use(.read), 15...40, .answered(.allowed))]))
    }

    @Test("Who has a right is not denied, whatever else was taken")
    func permitted() {
        let readOnly = operation(.setRight(.read), 10...20, .answered(.done))
        #expect(!isPossible([readOnly, operation(.use(.read), 30...40, .answered(.denied))]))
        #expect(!isPossible([readOnly, operation(.use(.write), 30...40, .answered(.allowed))]))
        #expect(isPossible([readOnly, operation(.use(.both), 30...40, .answered(.denied))]))
    }

    @Test("A right without the role is none")
    func role() {
        let history = [
            operation(.setRole(false), 10...20, .answered(.done)),
            operation(.setRight(.both), 21...25, .answered(.done)),
        ]
        #expect(isPossible(history + [operation(.use(.read), 30...40, .answered(.denied))]))
        #expect(!isPossible(history + [operation(.use(.read), 30...40, .answered(.allowed))]))
        #expect(isPossible(history + [operation(.setRole(false), 30...40, .answered(.wasNot))]))
        #expect(!isPossible(history + [operation(.setRight(nil), 30...40, .answered(.wasNot))]))
    }

    @Test("A revocation of unknown outcome may count, now or later")
    func unknown() {
        let lost = operation(.setRight(nil), 10...20, .unknown)
        #expect(
            isPossible([
                lost, operation(.use(.read), 30...40, .answered(.allowed)),
                operation(.use(.read), 50...60, .answered(.denied)),
            ]))
    }

    // MARK: Watching

    /// A watcher that was told of revision 7, whose write was asked for at 30, at `moment`.
    private func told(at moment: Moment) -> WatchRecord {
        var record = WatchRecord("w", WatchStart(.prefix("g/"), from: 0))
        let pair = Pair(key: "g/1", value: "x", created: 7, modified: 7, version: 1)
        record.receipts = [
            (moment, .events([KeyEvent(put: pair)], previous: [nil], isFragment: false))
        ]
        return record
    }

    private func isFine(_ changes: [RightsOperation], toldAt moment: Moment) -> Bool {
        RightsCheck.violations(told(at: moment), changes, asked: ["x": 30]).isEmpty
    }

    @Test("A watcher is told nothing that was written after its right was taken")
    func watching() {
        for taken in [RightsModel.Call.setRight(nil), .setRight(.write), .setRole(false)] {
            let change = operation(taken, 10...20, .answered(.done))
            #expect(!isFine([change], toldAt: 40))
        }
        #expect(isFine([operation(.setRight(.read), 10...20, .answered(.done))], toldAt: 40))
        // Taken while the write was under way: it may have come before.
        #expect(isFine([operation(.setRight(nil), 25...35, .answered(.done))], toldAt: 40))
    }

    @Test("Who may read again may be told what was written meanwhile")
    func restored() {
        let taken = operation(.setRole(false), 10...20, .answered(.done))
        #expect(isFine([taken, operation(.setRole(true), 39...50, .answered(.done))], toldAt: 40))
        #expect(!isFine([taken, operation(.setRole(true), 41...50, .answered(.done))], toldAt: 40))
        #expect(!isFine([taken, operation(.setRole(true), 39...50, .refused)], toldAt: 40))
        // Asked for before, and nobody knows whether it is still to come.
        #expect(isFine([operation(.setRole(true), 1...5, .unknown), taken], toldAt: 40))
    }
}

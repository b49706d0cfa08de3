// How much memory answers to large ranges may take together.
//
// One answer may have 2 GiB, so a few at once would be the end of the process. They share a part of
// the memory; once that is used up, only the one that came first goes on, for it ends, and then the
// next. What a client does not take is memory too: when too much is left lying, and when too many
// wait, further ranges are refused.

import API
import Storage

/// The answers under construction, and the memory of all that were not sent yet. Confined to the
/// executor of the applied state.
final class LargeAnswers {
    struct Bounds {
        /// Bytes up to which all answers grow side by side.
        var shared = 256 << 20
        /// Bytes beyond which no answer is begun.
        var unsent = 4 << 30
        /// Answers under construction.
        var count = 1000
    }

    var bounds = Bounds()
    /// Of the blocks of all answers.
    let meter = ByteMeter()
    /// Memory that is needed until an answer is whole, in bytes.
    var scratchBytes = 0
    /// Whose turn it is: the first of these goes on in any case.
    private var places: [Place] = []

    /// One answer in the order in which they came, with what goes on once it may.
    final class Place {
        fileprivate var parts = 0
        fileprivate var waiting: (() -> Void)?
        fileprivate init() {}
    }

    /// A place for an answer, which counts once a part of it joins.
    /// - Throws: `.busy`, a refusal.
    func makePlace() throws(StoreError) -> Place {
        guard hasRoom else { throw .busy }
        return Place()
    }

    /// Whether another answer may be begun.
    var hasRoom: Bool { meter.bytes < bounds.unsent && places.count < bounds.count }

    /// A place for the rest of an answer to what is done already, and so cannot be refused: that is
    /// done before it is proposed, when there is no room.
    func makePlaceOfWrite() -> Place { Place() }

    func join(_ place: Place) {
        if place.parts == 0 { places.append(place) }
        place.parts += 1
    }

    /// Calls `goOn` now, or when there is room.
    func whenThereIsRoom(at place: Place, _ goOn: @escaping () -> Void) {
        if mayGoOn(place) { goOn() } else { place.waiting = goOn }
    }

    private func mayGoOn(_ place: Place) -> Bool {
        place === places.first || meter.bytes + scratchBytes < bounds.shared
    }

    /// A part that joined is read to its end or given up. With the last one the others have more
    /// room.
    func leave(_ place: Place) {
        place.parts -= 1
        guard place.parts == 0 else { return }
        places.removeAll { $0 === place }
        for place in places where place.waiting != nil && mayGoOn(place) {
            let goOn = place.waiting
            place.waiting = nil
            goOn?()
        }
    }
}

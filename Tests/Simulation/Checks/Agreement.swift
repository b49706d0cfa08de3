// Members that have applied the same have the same state.

import API
import Services
import Storage

/// After every turn: what an entry came to is the same at all members.
final class AgreementCheck {
    var violated: (String) -> Void = { _ in }
    private var revisions: [LogIndex: (revision: Revision, place: SimPlace)] = [:]
    private var rights: [LogIndex: (rights: AuthSnapshot, place: SimPlace)] = [:]
    private var last: [SimPlace: LogIndex] = [:]
    /// The revision of users and roles that was last looked at in full.
    private var lastAuth: [SimPlace: UInt64] = [:]

    /// Whether it has applied other entries than when it was last looked at.
    func isNew(_ place: SimPlace, _ applied: LogIndex) -> Bool { last[place] != applied }

    func observe(
        _ place: SimPlace, _ applied: LogIndex, _ revision: Revision, _ auth: AuthSnapshot
    ) {
        last[place] = applied
        compare(place, applied, auth)
        guard let known = revisions[applied] else {
            revisions[applied] = (revision, place)
            return
        }
        guard known.revision != revision else { return }
        violated(
            "after entry \(applied.rawValue) m\(place) is at revision \(revision.rawValue), "
                + "m\(known.place) was at \(known.revision.rawValue)")
    }

    /// Users and roles, as members have them in memory.
    private func compare(_ place: SimPlace, _ applied: LogIndex, _ auth: AuthSnapshot) {
        guard let known = rights[applied] else {
            rights[applied] = (auth, place)
            return
        }
        let isNew = lastAuth[place] != auth.revision
        lastAuth[place] = auth.revision
        guard !known.rights.isSame(as: auth, inFull: isNew) else { return }
        violated(
            "after entry \(applied.rawValue) m\(place) knows \(auth), m\(known.place) knew "
                + "\(known.rights)")
    }
}

/// At the end: all tables of all members, once they have applied the same.
final class StateComparison: @unchecked Sendable {
    private struct Told {
        let place: SimPlace
        /// The entry applied last, before and after it was asked.
        let applied: ClosedRange<LogIndex>
        let keys: KeyValueHash
        let all: UInt32
    }

    private unowned let cluster: SimCluster
    private var hashes: [Told] = []
    private var failures: [String] = []
    private var expected = 0

    init(_ cluster: SimCluster) { self.cluster = cluster }

    var isDone: Bool { hashes.count + failures.count >= expected }

    /// Whether they cannot be compared yet: an entry, as of a lease that ended, is on its way.
    var isUnsettled: Bool {
        guard failures.isEmpty, let first = hashes.first else { return false }
        return hashes.contains {
            $0.applied != first.applied || $0.applied.lowerBound != $0.applied.upperBound
        }
    }

    func begin() {
        for member in cluster.members where member.isUp && !member.isRemoved {
            expected += 1
            ask(member)
        }
    }

    private func ask(_ member: SimMember) {
        guard let life = member.life, let hosted = member.member else { return }
        let place = member.place
        life.main.enter {
            hosted.store.assumeIsolated { store in
                do throws(StoreError) {
                    let applied = store.appliedIndex
                    try store.hash(at: nil) { [self] keys in
                        hosted.store.assumeIsolated { store in
                            do throws(StoreError) {
                                try store.hashOfAllTables { [self] all in
                                    let now = hosted.store.assumeIsolated { $0.appliedIndex }
                                    took(place, applied...now, keys, all)
                                }
                            } catch {
                                failures.append("m\(place): \(error)")
                            }
                        }
                    }
                } catch {
                    failures.append("m\(place): \(error)")
                }
            }
        }
    }

    private func took(
        _ place: SimPlace, _ applied: ClosedRange<LogIndex>,
        _ keys: Result<KeyValueHash, StoreError>, _ all: Result<UInt32, StoreError>
    ) {
        switch (keys, all) {
        case (.success(let keys), .success(let all)):
            hashes.append(Told(place: place, applied: applied, keys: keys, all: all))
        case (.failure(let error), _), (_, .failure(let error)):
            failures.append("m\(place): \(error)")
        }
    }

    func conclude() {
        if !isDone { return cluster.violated("members do not say what their state is") }
        if let failure = failures.first {
            return cluster.violated("a member cannot say what its state is: \(failure)")
        }
        guard let first = hashes.first else { return cluster.violated("nobody runs at the end") }
        for other in hashes.dropFirst() {
            if other.applied != first.applied {
                cluster.violated(
                    "m\(other.place) stays at entry \(other.applied.upperBound.rawValue), "
                        + "m\(first.place) is at \(first.applied.upperBound.rawValue)")
            } else if other.keys.compacted == first.keys.compacted, other.keys != first.keys {
                cluster.violated("the keys of m\(other.place) and m\(first.place) differ")
            } else if other.all != first.all {
                cluster.violated("the tables of m\(other.place) and m\(first.place) differ")
            }
        }
    }
}

// What members say of the hash of their keys, and how it is asked for.

import API
import Storage

/// The hash of one member's keys, and what it is of.
public struct HashReport: Hashable, Sendable {
    public let member: MemberID
    public let value: UInt32
    /// Records up to here were hashed.
    public let revision: Revision
    /// The last compaction before; -1 for none.
    public let compacted: Revision
    /// The member's own revision when it was asked.
    public let newest: Revision

    init(
        member: MemberID, value: UInt32, revision: Revision, compacted: Revision, newest: Revision
    ) {
        self.member = member
        self.value = value
        self.revision = revision
        self.compacted = compacted
        self.newest = newest
    }

    init(_ hash: KeyValueHash, of member: MemberID, newest: Revision) {
        self.init(
            member: member, value: hash.value, revision: hash.revision, compacted: hash.compacted,
            newest: newest)
    }

    /// - Throws: when the answer is no HashKVResponse.
    init(decoding message: [UInt8], of member: MemberID) throws(WireError) {
        let arena = Arena()
        let response = try HashKVResponse.decode(message, in: arena)
        self = withExtendedLifetime(arena) {
            HashReport(
                member: member, value: response.hash, revision: response.hashRevision,
                compacted: response.compactRevision,
                newest: response.header?.revision ?? Revision(0))
        }
    }
}

/// What one other member answered.
public struct HashAnswer: Sendable {
    public let member: MemberID
    public let report: Result<HashReport, Status>
}

extension Applier {
    /// The hash of this member's own keys up to `revision`; nil is now. `then` is called once, on
    /// the executor, perhaps at once.
    func ownHash(
        at revision: Revision? = nil,
        _ then: @escaping @Sendable (Result<HashReport, Status>) -> Void
    ) {
        let (member, newest) = (identity.member, store.enter { $0.revision })
        do throws(StoreError) {
            try store.enter { store throws(StoreError) in
                try store.hash(at: revision) { result in
                    then(
                        result.map { HashReport($0, of: member, newest: newest) }
                            .mapError { Status($0) })
                }
            }
        } catch {
            then(.failure(Status(error)))
        }
    }

    /// Asks all other members for their hash at `revision`; `then` is called once, when all have
    /// answered or `timeoutNanoseconds` are over, in the order of their ids.
    func hashesOfOthers(
        at revision: Revision, timeoutNanoseconds: UInt64,
        _ then: @escaping @Sendable ([HashAnswer]) -> Void
    ) {
        let asked = membership.sorted.map(\.id).filter { $0 != identity.member }
        guard !asked.isEmpty else { return then([]) }
        var request = ByteBuffer()
        request.appendField(1, int64: revision.rawValue)
        let message = request.array
        let poll = HashPoll(of: asked.count, then)
        for member in asked {
            others.call(member, .hashKV, message, timeoutNanoseconds: timeoutNanoseconds) {
                let report = $0.flatMap { bytes -> Result<HashReport, Status> in
                    do throws(WireError) {
                        return .success(try HashReport(decoding: bytes, of: member))
                    } catch {
                        return .failure(.malformedRequest(error))
                    }
                }
                poll.take(HashAnswer(member: member, report: report))
            }
        }
    }
}

/// Gathers the answers of one round.
///
/// `@unchecked Sendable`: confined to the executor of the applied state.
private final class HashPoll: @unchecked Sendable {
    private var answers: [HashAnswer] = []
    private let count: Int
    private let then: @Sendable ([HashAnswer]) -> Void

    init(of count: Int, _ then: @escaping @Sendable ([HashAnswer]) -> Void) {
        self.count = count
        self.then = then
    }

    func take(_ answer: HashAnswer) {
        answers.append(answer)
        if answers.count == count { then(answers.sorted { $0.member < $1.member }) }
    }
}

// A store and its applied state, with a small history, to which transactions are applied.

import API
import Glibc
import Logging
import TestSupport

@testable import Consensus
@testable import Services
@testable import Storage

/// Nobody listens; an entry that cannot be applied is a finding.
private final class Silence: ApplierEvents {
    func membershipChanged(_ change: MembershipChange, to membership: Services.Membership) {}
    func stateReplaced(by snapshot: SnapshotDescription, _ membership: Services.Membership) {}
    func attributesPublished(_ member: ClusterMember) {}
    func clusterVersionChanged(from old: String?, to new: String) {}
    func alarmChanged(_ alarm: AlarmFields, isActive: Bool) {}
    func storeCommitted(_ event: CommitEvent) {}
    func storeCompacted(_ event: CompactionEvent) {}
    func storeDefragmentation(_ event: DefragmentationEvent) {}
    func storeHolds(_ durable: CommittedState, confState: ConfState) {}
    func leaderChanged(to leader: MemberID, term: Term) {}
    func logFailed(_ failure: EntryStoreFailure) {}
    func cannotApply(_ index: LogIndex, _ reason: String) -> Never {
        fatalError("entry \(index.rawValue) cannot be applied: \(reason)")
    }
}

/// All that is seen of a store at a revision.
struct Sight: Equatable {
    var revision: Int64
    /// In order of their keys.
    var pairs: [ModelPair]
}

/// One member's applied state on an executor in virtual time, its file in a directory of its own.
final class TxnWorld {
    private static let identity = Applier.Identity(cluster: ClusterID(0xC1), member: MemberID(0xA1))
    private let directory: String
    let core = DeterministicExecutor()
    private let committer = DeterministicExecutor()
    let store: MVCCStore
    let applier: Applier
    private let pool = ArenaPool()
    private var lastIndex = LogIndex.zero

    init() throws {
        directory = try Self.makeDirectory()
        (store, _) = try MVCCStore.open(
            StoreConfiguration(path: directory + "/cairn.mdb"), on: core, committingOn: committer)
        let (store, core) = (store, core)
        let watches = WatchHub(
            Self.identity, store: store, on: core, random: SeededRandom(seed: 1))
        applier = try core.turn {
            try Applier(
                Self.identity,
                settings: Applier.Settings(
                    name: "m0", clientURLs: [], quotaBytes: nil, reportedQuota: -1,
                    requestTimeoutNanoseconds: 7_000_000_000),
                store: store, watches: watches, leasedKeys: [],
                ids: RequestIDSource(member: Self.identity.member, startMilliseconds: 1),
                on: core, events: Silence(), logger: Logger(label: "fuzz"))
        }
        applyHistory()
        core.runUntilIdle()
    }

    deinit {
        core.die()
        committer.die()
        for name in ["/cairn.mdb", "/cairn.mdb-lock"] { _ = unlink(directory + name) }
        _ = rmdir(directory)
    }

    private static func makeDirectory() throws -> String {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/cairn-fuzz-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw Finding("no directory in \(parent): errno \(errno)")
        }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    // MARK: History

    private func applyHistory() {
        for lease in TxnHistory.leases {
            apply(.leaseGrant) { $0.appendLeaseGrantRequest(ttl: 3600, id: LeaseID(lease)) }
        }
        for change in TxnHistory.changes {
            switch change {
            case .put(let key, let value, let lease):
                apply(.put) { buffer in
                    buffer.appendField(1, string: key)
                    buffer.appendField(2, string: value)
                    buffer.appendField(3, int64: lease)
                }
            case .delete(let key): apply(.deleteRange) { $0.appendField(1, string: key) }
            }
        }
        apply(.compaction) { $0.appendField(1, int64: TxnHistory.compacted) }
    }

    private func apply(_ kind: ProposalKind, _ write: (inout ByteBuffer) -> Void) {
        var buffer = ByteBuffer()
        write(&buffer)
        apply(kind, buffer.array)
    }

    // MARK: Entries

    /// Applies an entry as a member does that did not propose it.
    func apply(_ kind: ProposalKind, _ request: [UInt8]) {
        apply(request.withUnsafeBytes { payload(kind, $0) }, nil)
    }

    /// Applies a transaction as the member does that proposed it.
    func apply(_ txn: TxnRequest, encoded bytes: UnsafeRawBufferPointer) -> Answer {
        let answer = Answer()
        let payload = payload(.txn, bytes)
        apply(
            payload,
            ClientProposal(
                id: RequestID(lastIndex.rawValue + 1), payload: payload, operation: .txn(txn),
                arena: Arena(), from: pool, as: .nobody, reply: answer, applier: applier))
        return answer
    }

    private func payload(_ kind: ProposalKind, _ request: UnsafeRawBufferPointer) -> [UInt8] {
        var payload = ByteBuffer()
        let header = ProposalHeader(id: RequestID(lastIndex.rawValue + 1))
        payload.appendProposal(header, kind, request: request)
        return payload.array
    }

    private func apply(_ payload: [UInt8], _ proposal: ClientProposal?) {
        lastIndex = lastIndex.next
        let entry = Entry(term: Term(2), index: lastIndex, data: payload)
        core.turn { _ = applier.apply([CommittedEntry(entry: entry, proposal: proposal)]) }
    }

    /// Answers a transaction that only reads, without an entry.
    func read(_ txn: TxnRequest) -> Answer {
        let answer = Answer()
        let pending = PendingTxn(
            txn, of: applier, arena: Arena(), from: ArenaPool(), as: .nobody, reply: answer)
        core.turn { applier.assumeIsolated { pending.serve(from: $0) } }
        return answer
    }

    // MARK: Seeing

    /// - Parameter revision: nil is the newest.
    func sight(at wanted: Int64? = nil) throws -> Sight {
        let store = store
        let wanted = wanted.map { Revision($0) }
        return try core.turn {
            try store.enter { store throws(StoreError) in
                var sight = Sight(revision: (wanted ?? store.revision).rawValue, pairs: [])
                let none = UnsafeRawBufferPointer(start: nil, count: 0)
                let all = KeyBounds(lower: none, upper: .open)
                _ = try store.range(all, RangeQuery(revision: wanted)) {
                    // One that cannot be read is missing.
                    if let pair = try? KeyValueView(decoding: $0.encoded) {
                        sight.pairs.append(ModelPair(pair))
                    }
                }
                return sight
            }
        }
    }
}

// A lessor without a log: what it proposes is noted, and applied when the test says so.

import API
import Consensus
import TestSupport

@testable import Services

/// Unchecked: confined to the test's thread.
final class PlayedLessor: LeaseLog, @unchecked Sendable {
    let executor = DeterministicExecutor()
    let lessor: Lessor
    /// Revocations proposed and neither applied nor dropped, in order.
    private(set) var proposed: [(lease: LeaseID, term: Term, proposal: any Proposal)] = []
    private(set) var checkpoints: [[LeaseFields]] = []
    /// Whether a proposal is taken.
    var takes = true
    private(set) var attempts = 0

    init(_ adjust: (inout LeaseSettings) -> Void = { _ in }) {
        var settings = LeaseSettings()
        adjust(&settings)
        lessor = Lessor(on: executor, settings: settings)
        executor.turn { lessor.assumeIsolated { $0.start(proposingTo: self) } }
    }

    deinit { executor.turn { lessor.assumeIsolated { $0.stop() } } }

    // MARK: LeaseLog

    func proposeRevoke(_ lease: LeaseID, in term: Term, _ proposal: any Proposal) -> Bool {
        attempts += 1
        if takes { proposed.append((lease, term, proposal)) }
        return takes
    }

    func proposeCheckpoints(_ leases: [LeaseFields], in term: Term) { checkpoints.append(leases) }

    // MARK: What the log does

    @discardableResult
    func inside<Result: Sendable>(_ body: @Sendable (isolated Lessor) -> Result) -> Result {
        executor.turn { lessor.assumeIsolated(body) }
    }

    func lead(_ term: UInt64 = 2) { inside { $0.promote(in: Term(term)) } }

    /// As an entry would: the error as a text.
    @discardableResult
    func grant(_ id: Int64, ttl: Int64) -> String {
        inside { lessor in
            do throws(LeaseError) { return "\(try lessor.grant(LeaseID(id), ttl: ttl).ttl)" } catch
            {
                return "\(error)"
            }
        }
    }

    @discardableResult
    func revoke(_ id: Int64) -> [String] {
        inside { lessor in
            do throws(LeaseError) {
                return try lessor.revoke(LeaseID(id)).map { String(decoding: $0, as: UTF8.self) }
            } catch {
                return ["\(error)"]
            }
        }
    }

    func attach(_ key: String, to lease: Int64) {
        inside { lessor in
            Array(key.utf8).withUnsafeBytes { lessor.attach($0, to: LeaseID(lease)) }
        }
    }

    /// Applies what was proposed.
    /// - Returns: the leases that went, in the order they were proposed.
    @discardableResult
    func applyAll() -> [Int64] {
        let all = proposed.map(\.lease.rawValue)
        proposed = []
        for lease in all { revoke(lease) }
        return all
    }

    /// The next leader's log holds none of what was proposed.
    func dropAll() {
        let all = proposed
        proposed = []
        executor.turn { for one in all { one.proposal.dropped(.overwritten) } }
    }

    // MARK: What clients see

    func advance(seconds: Double) { executor.advance(byNanoseconds: UInt64(seconds * 1e9)) }

    func ttl(_ id: Int64) -> Int64? { inside { $0.timeToLive(LeaseID(id))?.ttl } }
    var list: [Int64] { inside { $0.list.map(\.rawValue) } }

    func renew(_ id: Int64, _ receiver: Renewals) {
        inside { lessor in
            lessor.renew(
                LeaseID(id),
                HeaderFields(
                    cluster: ClusterID(1), member: MemberID(1), revision: Revision(1),
                    term: Term(2)),
                for: receiver)
        }
    }
}

/// Who renews, played: `id:ttl`, or the status's message. Unchecked: confined to the test's thread.
final class Renewals: RenewalReceiver, @unchecked Sendable {
    private(set) var heard: [String] = []

    func renewed(_ lease: LeaseID, _ header: HeaderFields, ttl: Result<Int64, Status>) {
        switch ttl {
        case .success(let ttl): heard.append("\(lease.rawValue):\(ttl)")
        case .failure(let status): heard.append(status.message)
        }
    }
}

// What Lock and Election ask of the other services for their clients.

import API
import Transport

extension Status {
    /// As Lock and Election tell it: etcd's servers answer what their own client told them, which
    /// has lost its code (reference: errors.tsv).
    var withoutCode: Status { Status(.unknown, message) }
}

/// What Lock and Election are made of.
struct InnerServices: Sendable {
    let kv: KVService
    let leases: LeaseService
    var applier: Applier { kv.reads.applier }

    /// The seconds of a lease that is made for a client who brings none.
    static let leaseTTL: Int64 = 60

    /// A candidate may wait for long, and go on when users and roles have changed.
    private func now(_ caller: Principal) -> Principal { applier.authority.board.renewed(caller) }

    private func call(_ then: @escaping @Sendable (Result<[UInt8], Status>) -> Void) -> InnerCall {
        InnerCall(on: applier.executor) { then($0.mapError(\.withoutCode)) }
    }

    /// Calls `then` with `lease`, or with a new one if that is none.
    func withLease(
        _ lease: LeaseID, as caller: Principal,
        _ then: @escaping @Sendable (Result<LeaseID, Status>) -> Void
    ) {
        guard lease == .none else { return then(.success(lease)) }
        leases.grant(
            ttl: Self.leaseTTL, as: now(caller),
            call { result in
                then(
                    result.flatMap { bytes in
                        let arena = Arena()
                        return withExtendedLifetime(arena) {
                            guard let answer = try? LeaseGrantResponse.decode(bytes, in: arena)
                            else { return .failure(Status(.unknown, "no lease was granted")) }
                            return .success(answer.id)
                        }
                    })
            })
    }

    /// Runs a transaction that changes keys.
    /// - Parameter then: told whether its conditions held.
    func txn(
        _ request: borrowing ByteBuffer, as caller: Principal,
        _ then: @escaping @Sendable (Result<Bool, Status>) -> Void
    ) {
        let reply = call { result in
            then(
                result.flatMap { bytes in
                    let arena = Arena()
                    return withExtendedLifetime(arena) {
                        guard let answer = try? TxnResponse.decode(bytes, in: arena) else {
                            return .failure(Status(.unknown, "no transaction was answered"))
                        }
                        return .success(answer.succeeded)
                    }
                })
        }
        request.withUnsafeBytes { kv.txn($0, as: now(caller), reply) }
    }

    func delete(
        _ key: [UInt8], as caller: Principal,
        _ then: @escaping @Sendable (Result<[UInt8], Status>) -> Void
    ) {
        var request = ByteBuffer()
        key.withUnsafeBytes { request.appendDeleteRangeRequest(key: $0) }
        let reply = call(then)
        request.withUnsafeBytes { kv.deleteRange($0, as: now(caller), reply) }
    }
}

extension ByteBuffer {
    /// The condition that `key` was created in `revision`; 0 for not at all.
    mutating func appendCreatedCompare(_ key: [UInt8], _ revision: Revision) {
        key.withUnsafeBytes {
            appendTxnCompare(key: $0, .create, .equal, .createRevision(revision))
        }
    }

    /// A put as the next operation of a transaction's success.
    mutating func appendTxnPut(_ key: [UInt8], _ value: [UInt8], lease: LeaseID) {
        let operation = beginTxnOperation(.put, in: .success)
        key.withUnsafeBytes { key in
            value.withUnsafeBytes { value in
                appendPutRequest(key: key, value: value, lease: lease)
            }
        }
        endTxnOperation(operation)
    }
}

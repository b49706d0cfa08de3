// etcdserverpb.Maintenance.

import API
import Transport

struct MaintenanceService: Sendable {
    let gate: ProposalGate
    let reads: ReadGate

    func register(in methods: inout GuardedMethods) {
        methods.unary("/etcdserverpb.Maintenance/Status") { call, _, bytes in status(bytes, call) }
        methods.unary("/etcdserverpb.Maintenance/Alarm") { call, caller, bytes in
            alarm(bytes, as: caller, call)
        }
        methods.unary("/etcdserverpb.Maintenance/Defragment") { call, _, bytes in
            defragment(bytes, call)
        }
        methods.unary("/etcdserverpb.Maintenance/Hash") { call, _, bytes in hash(bytes, call) }
        methods.unary("/etcdserverpb.Maintenance/HashKV") { call, _, bytes in hashKV(bytes, call) }
        methods.unary("/etcdserverpb.Maintenance/MoveLeader") { call, _, bytes in
            moveLeader(bytes, call)
        }
        methods.unary("/etcdserverpb.Maintenance/Downgrade") { call, caller, bytes in
            downgrade(bytes, as: caller, call)
        }
    }

    func status(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        let arena = gate.arenas.take()
        defer { gate.arenas.putBack(arena) }
        do throws(RequestRefusal) {
            _ = try decodeRequest(StatusRequest.self, bytes, in: arena)
            let read = StateRead(of: reads.applier, isSerializable: true) { applier in
                applier.response.bytes.appendStatusResponse(
                    applier.header(), applier.statusFields())
                applier.response.take { reply.respond($0) }
            } failed: {
                reply.fail($0)
            }
            reads.submit(read)
        } catch {
            reply.fail(error.status)
        }
    }

    /// Through the log, also to read: so the answer holds all that was decided before.
    func alarm(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ reply: any Replying
    ) {
        let arena = gate.arenas.take()
        do throws(RequestRefusal) {
            let request = try decodeRequest(AlarmRequest.self, bytes, in: arena)
            gate.submit(
                .alarm, request: bytes, operation: .alarm(request), arena: arena, as: caller,
                reply: reply)
        } catch {
            gate.arenas.putBack(arena)
            reply.fail(error.status)
        }
    }
}

extension Applier {
    func statusFields() -> StatusFields {
        var fields = StatusFields()
        fields.version = ServedVersion.server
        fields.leader = leader
        fields.raftTerm = term
        if let raft {
            let status = raft.assumeIsolated { $0.status }
            fields.raftIndex = status.committed
            fields.raftAppliedIndex = status.applied
        }
        let size = store.assumeIsolated { $0.durable.size }
        fields.dbSize = size.total
        fields.dbSizeInUse = size.inUse
        fields.dbSizeQuota = settings.reportedQuota
        fields.isLearner = isLearner
        if leader == .none { fields.errors.append(Status.noLeader.message) }
        fields.errors += alarms.list(.none).map(\.text)
        fields.storageVersion = storageVersion ?? ""
        let target = membership.downgradeTarget
        fields.downgrade = (isEnabled: target != nil, targetVersion: target ?? "")
        return fields
    }
}

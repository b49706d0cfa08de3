// Alarms, and what they forbid (reference: semantics.md, Maintenance).

import API
import Storage

extension Applier {
    /// What active alarms answer to a change of the store.
    /// - Parameter adds: whether it takes space.
    func alarmRefusal(adds: @autoclosure () -> Bool) -> Status? {
        if alarms.contains(.corrupt) { return .corrupt }
        if alarms.contains(.noSpace) && adds() { return .noSpace }
        return nil
    }

    /// Weighs a request against the quota before it is proposed; one that would go beyond it
    /// raises the alarm.
    func refusalForSpace(_ operation: InternalRaftRequest.Operation) -> Status? {
        guard exceedsQuota(operation) else { return nil }
        raiseNoSpace()
        return .noSpace
    }

    /// What is answered to a request that was executed. One that found less space than when it was
    /// proposed is told so all the same, and raises the alarm, as in etcd: state is changed alike
    /// on all members, and only the answer differs.
    /// - Parameter hadSpace: whether it was within the quota just before.
    func answerForSpace(
        _ result: Result<Void, Status>, hadSpace: Bool
    ) -> Result<Void, Status> {
        guard case .success = result, !hadSpace else { return result }
        raiseNoSpace()
        return .failure(.noSpace)
    }

    func exceedsQuota(_ operation: InternalRaftRequest.Operation) -> Bool {
        guard let quota = settings.quotaBytes else { return false }
        let cost = operation.spaceCost
        return cost > 0 && store.assumeIsolated { $0.bytesInUse } + cost >= quota
    }

    private var ownNoSpace: AlarmFields {
        AlarmFields(member: identity.member, alarm: .noSpace)
    }

    /// Once, not for every request that is refused until the alarm is applied.
    private func raiseNoSpace() {
        let alarm = ownNoSpace
        guard !alarms.contains(alarm), isDue(\.noSpace) else { return }
        proposeActivation(of: alarm)
    }

    /// The keys of `member` are not those of the others; `.none` stands for the whole cluster.
    func raiseCorrupt(of member: MemberID) {
        let alarm = AlarmFields(member: member, alarm: .corrupt)
        if !alarms.contains(alarm) { proposeActivation(of: alarm) }
    }

    private func proposeActivation(of alarm: AlarmFields) {
        var request = ByteBuffer()
        request.appendField(1, uint64: UInt64(AlarmAction.activate.rawValue))
        request.appendField(2, uint64: alarm.member.rawValue)
        request.appendField(3, uint64: UInt64(alarm.alarm.rawValue))
        request.withUnsafeBytes { propose(.alarm, request: $0) }
    }

    /// Applies an AlarmRequest; answers in `response`.
    func alarm(_ request: AlarmRequest) throws(ApplyFailure) -> Result<Void, Status> {
        guard let kind = request.alarm, let action = request.action else {
            response.bytes.appendAlarmResponse(header(), [])
            return .success(())
        }
        let alarm = AlarmFields(member: request.member, alarm: kind)
        var answer: [AlarmFields] = []
        switch action {
        case .get: answer = alarms.list(kind)
        case .activate:
            guard kind != .none else { break }
            answer = [alarm]
            if alarm == ownNoSpace { own.noSpace = OwnProposal() }
            if alarms.activate(alarm) { try keep(alarm, isActive: true) }
        case .deactivate:
            if alarms.deactivate(alarm) {
                answer = [alarm]
                try keep(alarm, isActive: false)
            }
        }
        response.bytes.appendAlarmResponse(header(), answer)
        return .success(())
    }

    private func keep(_ alarm: AlarmFields, isActive: Bool) throws(ApplyFailure) {
        var buffer = ByteBuffer()
        buffer.appendAlarmMember(alarm)
        let key = buffer.array
        try inStore { store throws(StoreError) in
            if isActive {
                try store.write(.alarm, key: key, value: [])
            } else {
                try store.remove(.alarm, key: key)
            }
        }
        events.alarmChanged(alarm, isActive: isActive)
    }
}

extension InternalRaftRequest.Operation {
    /// Bytes that it may add to the store, as the quota counts them.
    fileprivate var spaceCost: Int64 {
        switch self {
        case .put(let request): request.spaceCost
        case .txn(let request): request.spaceCost
        case .leaseGrant: 64
        case .range, .deleteRange, .compaction, .leaseRevoke, .leaseCheckpoint, .alarm,
            .clusterVersionSet, .clusterMemberAttrSet, .downgradeInfoSet, .auth:
            0
        }
    }
}

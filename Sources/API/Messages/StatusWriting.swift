// Responses of Maintenance, Cluster and the health service, written.

/// StatusResponse. Sizes in bytes.
public struct StatusFields: Sendable {
    public var version = ""
    /// What the store occupies on disk, free pages included.
    public var dbSize: Int64 = 0
    public var leader = MemberID.none
    public var raftIndex = LogIndex.zero
    public var raftTerm = Term.zero
    public var raftAppliedIndex = LogIndex.zero
    /// Such as active alarms or the lack of a leader.
    public var errors: [String] = []
    public var dbSizeInUse: Int64 = 0
    public var isLearner = false
    public var storageVersion = ""
    public var dbSizeQuota: Int64 = 0
    /// Whether a downgrade is under way, and to which version; nil leaves the field out.
    public var downgrade: (isEnabled: Bool, targetVersion: String)?

    public init() {}
}

/// A member of the cluster.
public struct MemberFields: Hashable, Sendable {
    public var id: MemberID
    /// Empty until the member has run.
    public var name: String
    public var peerURLs: [String]
    public var clientURLs: [String]
    public var isLearner: Bool

    public init(
        id: MemberID, name: String = "", peerURLs: [String] = [], clientURLs: [String] = [],
        isLearner: Bool = false
    ) {
        self.id = id
        self.name = name
        self.peerURLs = peerURLs
        self.clientURLs = clientURLs
        self.isLearner = isLearner
    }
}

/// An alarm and the member that raised it.
public struct AlarmFields: Hashable, Sendable {
    public var member: MemberID
    public var alarm: AlarmType

    public init(member: MemberID, alarm: AlarmType) {
        self.member = member
        self.alarm = alarm
    }
}

extension ByteBuffer {
    public mutating func appendStatusResponse(_ header: HeaderFields, _ status: StatusFields) {
        appendResponseHeader(header)
        appendField(2, string: status.version)
        appendField(3, int64: status.dbSize)
        appendField(4, uint64: status.leader.rawValue)
        appendField(5, uint64: status.raftIndex.rawValue)
        appendField(6, uint64: status.raftTerm.rawValue)
        appendField(7, uint64: status.raftAppliedIndex.rawValue)
        for error in status.errors { appendElement(8, string: error) }
        appendField(9, int64: status.dbSizeInUse)
        appendField(10, bool: status.isLearner)
        appendField(11, string: status.storageVersion)
        appendField(12, int64: status.dbSizeQuota)
        if let downgrade = status.downgrade {
            let message = beginMessage(13)
            appendField(1, bool: downgrade.isEnabled)
            appendField(2, string: downgrade.targetVersion)
            endMessage(message)
        }
    }

    /// MemberList, MemberRemove, MemberUpdate and MemberPromote are answered alike.
    public mutating func appendMemberListResponse(
        _ header: HeaderFields, _ members: [MemberFields]
    ) {
        appendResponseHeader(header)
        for member in members { appendMember(2, member) }
    }

    public mutating func appendMemberAddResponse(
        _ header: HeaderFields, added: MemberFields, _ members: [MemberFields]
    ) {
        appendResponseHeader(header)
        appendMember(2, added)
        for member in members { appendMember(3, member) }
    }

    private mutating func appendMember(_ field: Int, _ member: MemberFields) {
        let message = beginMessage(field)
        appendField(1, uint64: member.id.rawValue)
        appendField(2, string: member.name)
        for url in member.peerURLs { appendElement(3, string: url) }
        for url in member.clientURLs { appendElement(4, string: url) }
        appendField(5, bool: member.isLearner)
        endMessage(message)
    }

    public mutating func appendAlarmResponse(_ header: HeaderFields, _ alarms: [AlarmFields]) {
        appendResponseHeader(header)
        for alarm in alarms {
            let message = beginMessage(2)
            appendAlarmMember(alarm)
            endMessage(message)
        }
    }

    /// An AlarmMember without tag and length; also the key of table `alarm` in the store.
    public mutating func appendAlarmMember(_ alarm: AlarmFields) {
        appendField(1, uint64: alarm.member.rawValue)
        appendField(2, uint64: UInt64(alarm.alarm.rawValue))
    }

    public mutating func appendHashResponse(_ header: HeaderFields, hash: UInt32) {
        appendResponseHeader(header)
        appendField(2, uint64: UInt64(hash))
    }

    /// - Parameter compacted: of the last compaction before; -1 for none.
    public mutating func appendHashKVResponse(
        _ header: HeaderFields, hash: UInt32, compacted: Revision, revision: Revision
    ) {
        appendResponseHeader(header)
        appendField(2, uint64: UInt64(hash))
        appendField(3, int64: compacted.rawValue)
        appendField(4, int64: revision.rawValue)
    }

    public mutating func appendHealthCheckResponse(_ status: ServingStatus) {
        appendField(1, uint64: UInt64(status.rawValue))
    }
}

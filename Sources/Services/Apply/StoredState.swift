// The applied state besides the keys, as the store's tables hold it (reference: ondisk.md, Buckets).

import API
import Storage

/// Membership, alarms, leases and versions as of the last commit before the start.
struct StoredState: Sendable {
    var membership: Membership
    var alarms: AlarmSet
    var leases: [LeaseFields]
    var storageVersion: String?
    var auth: AuthState

    /// - Throws: `MembershipError`, `WireError` for records that are not what they should be;
    ///   `StoreError`.
    init(reading store: isolated MVCCStore, cluster: ClusterID) throws {
        try self.init(cluster: cluster) { (table, visit) throws(StoreError) in
            try store.scan(table, visit)
        }
    }

    /// As above, of a state that came from another member.
    init(reading store: IncomingStore, cluster: ClusterID) throws {
        try self.init(cluster: cluster) { (table, visit) throws(StoreError) in
            try store.scan(table, visit)
        }
    }

    /// Shows the records of a table in order of their keys, until the visit says false.
    private typealias Scan = (
        Table, (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool
    ) throws(StoreError) -> Void

    private init(cluster: ClusterID, _ scan: Scan) throws {
        var members: [ClusterMember] = []
        for record in try Self.records(.members, scan) {
            members.append(try Self.member(record))
        }
        let removed = Set(try Self.records(.membersRemoved, scan).map { try Self.id($0.key) })
        if let both = members.first(where: { removed.contains($0.id) }) {
            throw MembershipError(reason: "member \(both.id.hex) is there and removed for good")
        }
        membership = Membership(
            cluster: cluster, members: members, removed: removed,
            clusterVersion: try Self.version(.cluster, Array("clusterVersion".utf8), scan),
            downgradeTarget: try Self.downgradeTarget(scan))
        alarms = AlarmSet(Set(try Self.records(.alarm, scan).map { try Self.alarm($0.key) }))
        leases = try Self.leases(scan)
        auth = try AuthState(
            auth: Self.records(.auth, scan), users: Self.records(.authUsers, scan),
            roles: Self.records(.authRoles, scan))
        storageVersion = try Self.version(.meta, MetaKey.storageVersion, scan)
    }

    // MARK: Records

    private typealias Record = (key: [UInt8], value: [UInt8])

    private static func records(
        _ table: Table, _ scan: Scan
    ) throws(StoreError) -> [Record] {
        var records: [Record] = []
        try scan(table) { key, value in
            records.append(([UInt8](key), [UInt8](value)))
            return true
        }
        return records
    }

    /// The key tells the id too.
    private static func member(_ record: Record) throws(MembershipError) -> ClusterMember {
        let member = try ClusterMember(json: record.value)
        let id = try id(record.key)
        guard member.id == id else {
            throw MembershipError(reason: "the record of member \(id.hex) is of \(member.id.hex)")
        }
        return member
    }

    private static func id(_ key: [UInt8]) throws(MembershipError) -> MemberID {
        let text = String(decoding: key, as: UTF8.self)
        guard let id = UInt64(text, radix: 16) else {
            throw MembershipError(reason: "\"\(text)\" is no member's id")
        }
        return MemberID(id)
    }

    /// The key of table `alarm` is an AlarmMember.
    private static func alarm(_ bytes: [UInt8]) throws(WireError) -> AlarmFields {
        let arena = Arena()
        let alarm = try AlarmMember.decode(bytes, in: arena)
        let (member, kind) = withExtendedLifetime(arena) { (alarm.member, alarm.alarm) }
        guard let kind, kind != .none else { throw .malformed }
        return AlarmFields(member: member, alarm: kind)
    }

    /// There may be hundreds of thousands: one pass, and no copy of the records. The key tells the
    /// id too.
    private static func leases(_ scan: Scan) throws -> [LeaseFields] {
        let arena = Arena()
        var leases: [LeaseFields] = []
        var damaged: [UInt8]?
        try scan(.lease) { key, value in
            arena.reset()
            guard let lease = try? LeaseRecord.decode(value, in: arena).fields,
                lease.recordKey.elementsEqual(key), lease.ttl > 0, lease.remainingTTL >= 0,
                lease.ttl <= Limits.leaseTTLSeconds, lease.remainingTTL <= lease.ttl
            else {
                damaged = [UInt8](key)
                return false
            }
            leases.append(lease)
            return true
        }
        if let damaged {
            throw StoreError.damaged(place: "lease \(damaged)", reason: "not the record of a lease")
        }
        return leases
    }

    /// Nil when there is no downgrade under way.
    private static func downgradeTarget(_ scan: Scan) throws -> String? {
        let name = Array("downgrade".utf8)
        guard let record = try records(.cluster, scan).first(where: { $0.key == name }) else {
            return nil
        }
        let json: JSONValue
        do { json = try JSONValue(parsing: record.value) } catch {
            throw MembershipError(reason: "a downgrade's JSON: \(error.reason) at \(error.offset)")
        }
        return json["enabled"]?.asBool == true ? json["target-version"]?.asString : nil
    }

    /// `X.Y.Z`; nil when there is none.
    private static func version(
        _ table: Table, _ name: [UInt8], _ scan: Scan
    ) throws -> String? {
        guard let record = try records(table, scan).first(where: { $0.key == name }) else {
            return nil
        }
        let text = String(decoding: record.value, as: UTF8.self)
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, parts.allSatisfy({ UInt32($0) != nil }) else {
            throw MembershipError(reason: "\"\(text)\" is no version")
        }
        return text
    }
}

// The applied state besides the keys, as the store's tables hold it (reference: ondisk.md, Buckets).

import API
import Storage

/// Membership, alarms and versions as of the last commit before the start.
struct StoredState: Sendable {
    var membership: Membership
    var alarms: AlarmSet
    var storageVersion: String?

    /// - Throws: `MembershipError`, `WireError` for records that are not what they should be;
    ///   `StoreError`.
    init(reading store: isolated MVCCStore, cluster: ClusterID) throws {
        var members: [(key: [UInt8], json: [UInt8])] = []
        try store.scan(.members) { key, value in
            members.append(([UInt8](key), [UInt8](value)))
            return true
        }
        var removed: Set<MemberID> = []
        try store.scan(.membersRemoved) { key, _ in
            if let id = UInt64(String(decoding: key, as: UTF8.self), radix: 16) {
                removed.insert(MemberID(id))
            }
            return true
        }
        var clusterVersion: String?
        try store.scan(.cluster) { key, value in
            if key.elementsEqual("clusterVersion".utf8) {
                clusterVersion = String(decoding: value, as: UTF8.self)
            }
            return true
        }
        membership = Membership(
            cluster: cluster, members: try members.map { try ClusterMember(json: $0.json) },
            removed: removed, clusterVersion: clusterVersion)

        var active: Set<AlarmFields> = []
        var alarmKeys: [[UInt8]] = []
        try store.scan(.alarm) { key, _ in
            alarmKeys.append([UInt8](key))
            return true
        }
        for key in alarmKeys { active.insert(try Self.alarm(key)) }
        alarms = AlarmSet(active)

        var version: String?
        try store.scan(.meta) { key, value in
            if key.elementsEqual(MetaKey.storageVersion) {
                version = String(decoding: value, as: UTF8.self)
            }
            return true
        }
        storageVersion = version
    }

    /// The key of table `alarm` is an AlarmMember.
    private static func alarm(_ bytes: [UInt8]) throws -> AlarmFields {
        try bytes.withUnsafeBytes { bytes in
            var member = MemberID.none
            var kind = AlarmType.none
            var reader = ProtobufReader(bytes)
            while let field = try reader.next() {
                switch field.number {
                case 1: member = MemberID(try field.uint64())
                case 2:
                    guard
                        let known = AlarmType(
                            rawValue: UInt32(truncatingIfNeeded: try field.uint64()))
                    else { throw WireError.malformed }
                    kind = known
                default: break
                }
            }
            return AlarmFields(member: member, alarm: kind)
        }
    }
}

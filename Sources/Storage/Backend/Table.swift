// The tables of the store's file: etcd's buckets, by etcd's names.

/// A table (reference: ondisk.md, Buckets). Keys and values are etcd's, byte for byte.
public enum Table: Int, CaseIterable, Sendable {
    case key, meta, lease, alarm, cluster, members, membersRemoved, auth, authUsers, authRoles

    /// The name of the table in the file.
    public var name: String {
        switch self {
        case .key: "key"
        case .meta: "meta"
        case .lease: "lease"
        case .alarm: "alarm"
        case .cluster: "cluster"
        case .members: "members"
        case .membersRemoved: "members_removed"
        case .auth: "auth"
        case .authUsers: "authUsers"
        case .authRoles: "authRoles"
        }
    }

    /// The longest key, in bytes: LMDB's compiled-in limit. Only names of users and roles can
    /// come near it; whoever takes them from a client must refuse longer ones.
    public static let maximumKeyLength = 511
}

extension Table {
    /// In snapshots and in the checksums of records; part of their formats.
    var snapshotNumber: UInt8 {
        switch self {
        case .key: 1
        case .meta: 2
        case .lease: 3
        case .alarm: 4
        case .cluster: 5
        case .members: 6
        case .membersRemoved: 7
        case .auth: 8
        case .authUsers: 9
        case .authRoles: 10
        }
    }

    /// All, in the order in which snapshots have them.
    static let inSnapshots = Table.allCases.sorted { $0.snapshotNumber < $1.snapshotNumber }

    init?(snapshotNumber: UInt8) {
        let place = Int(snapshotNumber) - 1
        guard Table.inSnapshots.indices.contains(place) else { return nil }
        self = Table.inSnapshots[place]
    }
}

/// A write to a table other than the appended revisions. No value deletes the key.
struct TableChange: Sendable {
    let table: Table
    let key: [UInt8]
    let value: [UInt8]?
}

/// Keys of table `meta` (reference: ondisk.md, meta bucket).
public enum MetaKey {
    public static let consistentIndex = Array("consistent_index".utf8)
    public static let term = Array("term".utf8)
    public static let confState = Array("confState".utf8)
    public static let scheduledCompaction = Array("scheduledCompactRev".utf8)
    public static let finishedCompaction = Array("finishedCompactRev".utf8)
    public static let storageVersion = Array("storageVersion".utf8)
}

// The payload of a log entry: an InternalRaftRequest around a request that is encoded already.
//
// A client's request goes into the log as the bytes it came in. Fields stand in number order, as
// etcd writes them: header 100 lies between the requests of 3.0 and those of auth and cluster.

/// Which request a proposal carries. Raw values are InternalRaftRequest's field numbers.
public enum ProposalKind: Int, Sendable {
    case range = 3
    case put = 4
    case deleteRange = 5
    case txn = 6
    case compaction = 7
    case leaseGrant = 8
    case leaseRevoke = 9
    case alarm = 10
    case leaseCheckpoint = 11
    case authEnable = 1000
    case authDisable = 1011
    case authenticate = 1012
    case authStatus = 1013
    case authUserAdd = 1100
    case authUserDelete = 1101
    case authUserGet = 1102
    case authUserChangePassword = 1103
    case authUserGrantRole = 1104
    case authUserRevokeRole = 1105
    case authUserList = 1106
    case authRoleList = 1107
    case authRoleAdd = 1200
    case authRoleDelete = 1201
    case authRoleGet = 1202
    case authRoleGrantPermission = 1203
    case authRoleRevokePermission = 1204
    case clusterVersionSet = 1300
    case clusterMemberAttrSet = 1301
    case downgradeInfoSet = 1302
    case downgradeVersionTest = 9900
}

/// Who proposes.
public struct ProposalHeader: Sendable {
    public var id: RequestID
    /// The user whose rights were checked; empty while auth is off.
    public var username: AuthName
    /// The revision of the auth store they were checked at; 0 while auth is off.
    public var authRevision: UInt64

    @inlinable
    public init(id: RequestID, username: AuthName = .none, authRevision: UInt64 = 0) {
        self.id = id
        self.username = username
        self.authRevision = authRevision
    }

    var encodedSize: Int {
        WireSize.field(1, uint64: id.rawValue)
            + WireSize.field(2, byteCount: username.bytes.count)
            + WireSize.field(3, uint64: authRevision)
    }
}

extension ByteBuffer {
    /// Appends the payload that proposes `request`, the encoded message of `kind`.
    public mutating func appendProposal(
        _ header: ProposalHeader, _ kind: ProposalKind, request: UnsafeRawBufferPointer
    ) {
        reserve(request.count + header.username.bytes.count + 64)
        let headerField = 100
        if kind.rawValue < headerField { appendElement(kind.rawValue, bytes: request) }
        appendHeader(headerField, byteCount: header.encodedSize)
        appendField(1, uint64: header.id.rawValue)
        appendField(2, bytes: header.username.bytes)
        appendField(3, uint64: header.authRevision)
        if kind.rawValue > headerField { appendElement(kind.rawValue, bytes: request) }
    }

    /// Appends the payload by which a member publishes its name and client URLs.
    public mutating func appendClusterMemberAttrSet(
        _ header: ProposalHeader, member: MemberID, name: String, clientURLs: [String]
    ) {
        var request = ByteBuffer()
        request.appendField(1, uint64: member.rawValue)
        let attributes = request.beginMessage(2)
        request.appendField(1, string: name)
        for url in clientURLs { request.appendElement(2, string: url) }
        request.endMessage(attributes)
        request.withUnsafeBytes { appendProposal(header, .clusterMemberAttrSet, request: $0) }
    }

    /// Appends the payload by which the leader sets the cluster's version, such as `3.7.0`.
    public mutating func appendClusterVersionSet(_ header: ProposalHeader, version: String) {
        var request = ByteBuffer()
        request.appendField(1, string: version)
        request.withUnsafeBytes { appendProposal(header, .clusterVersionSet, request: $0) }
    }
}

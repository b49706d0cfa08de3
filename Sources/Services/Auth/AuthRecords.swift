// Users, roles and the rest as the store's tables hold them, byte for byte as etcd's buckets do
// (reference: ondisk.md, Buckets).

import API
import Storage

extension AuthUser {
    /// authpb.User. Options are a message also when they say nothing.
    var record: [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendField(1, bytes: name.bytes)
        buffer.appendField(2, bytes: password)
        for role in roles { role.bytes.withUnsafeBytes { buffer.appendElement(3, bytes: $0) } }
        if let hasNoPassword {
            let options = buffer.beginMessage(4)
            buffer.appendField(1, bool: hasNoPassword)
            buffer.endMessage(options)
        }
        return buffer.array
    }

    fileprivate init(_ record: UserRecord) {
        self.init(
            name: record.name, password: record.password, roles: record.roles.sorted(),
            hasNoPassword: record.hasNoPassword)
    }
}

extension AuthRole {
    /// authpb.Role.
    var record: [UInt8] {
        var buffer = ByteBuffer()
        buffer.appendField(1, bytes: name.bytes)
        for permission in permissions { buffer.appendPermission(2, permission) }
        return buffer.array
    }

    fileprivate init(_ record: RoleRecord) {
        self.init(name: record.name, permissions: record.permissions.map(Permission.init))
    }
}

/// A record of a table about users and roles that is not what it should be.
struct AuthRecordError: Error, CustomStringConvertible {
    let description: String
}

extension AuthState {
    typealias Record = (key: [UInt8], value: [UInt8])

    /// - Throws: `AuthRecordError`, `WireError`.
    init(auth: [Record], users: [Record], roles: [Record]) throws {
        var isEnabled = false
        var revision: UInt64 = 1
        for record in auth {
            switch record.key {
            case AuthKey.enabled: isEnabled = record.value == [1]
            case AuthKey.revision:
                guard record.value.count == 8 else {
                    throw AuthRecordError(description: "the revision of auth is no number")
                }
                revision = record.value.reduce(0) { $0 << 8 | UInt64($1) }
            default: continue
            }
        }
        self.init(
            isEnabled: isEnabled, revision: max(revision, 1),
            users: try users.map { record in
                let arena = Arena()
                let user = try withExtendedLifetime(arena) {
                    AuthUser(try UserRecord.decode(record.value, in: arena))
                }
                try Self.check(user.name, record, "user")
                return user
            },
            roles: try roles.map { record in
                let arena = Arena()
                let role = try withExtendedLifetime(arena) {
                    AuthRole(try RoleRecord.decode(record.value, in: arena))
                }
                try Self.check(role.name, record, "role")
                return role
            })
    }

    /// The key tells the name too.
    private static func check(
        _ name: AuthName, _ record: Record, _ what: String
    ) throws(AuthRecordError) {
        guard name.bytes == record.key else {
            throw AuthRecordError(
                description: "the record of \(what) \(AuthName(record.key)) is of \(name)")
        }
    }
}

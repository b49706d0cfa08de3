// Requests of the Auth service, and the records of users and roles, decoded.

import CMessages
import Glibc

/// Requests of the Auth service. What is text in them may hold NUL.
public protocol AuthRequest: WireMessage {
    /// The numbers of the fields with names and passwords.
    static var textFields: [Int] { get }
}

extension AuthRequest {
    /// Text is UTF-8 in proto3; Go's protobuf refuses other (`MessageScan` does elsewhere).
    public static func checkText(in bytes: UnsafeRawBufferPointer) throws(WireError) {
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            if textFields.contains(field.number) { try MessageScan.checkUTF8(try field.bytes()) }
        }
    }
}

/// The bytes of a name in protobuf-c's struct.
func authName(_ text: ProtobufCBinaryData) -> AuthName { AuthName([UInt8](text.bytes)) }

/// Bytes of a proto3 string, which holds no NUL (`MessageScan`).
private func bytes(_ text: UnsafeMutablePointer<CChar>?) -> [UInt8] {
    guard let text else { return [] }
    return [UInt8](UnsafeRawBufferPointer(start: text, count: strlen(text)))
}

/// Logs a user in.
public struct AuthenticateRequest: AuthRequest {
    public static var textFields: [Int] { [1, 2] }
    let raw: UnsafePointer<Etcdserverpb__AuthenticateRequest>
    public init(raw: UnsafePointer<Etcdserverpb__AuthenticateRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__authenticate_request__get_descriptor()
    }

    public var name: AuthName { authName(raw.pointee.name) }
    public var password: [UInt8] { [UInt8](raw.pointee.password.bytes) }
}

/// The same in the log: the password was checked before, by the member that proposes.
public struct InternalAuthenticateRequest: WireMessage {
    let raw: UnsafePointer<Etcdserverpb__InternalAuthenticateRequest>
    public init(raw: UnsafePointer<Etcdserverpb__InternalAuthenticateRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__internal_authenticate_request__get_descriptor()
    }

    public var name: AuthName { authName(raw.pointee.name) }
    /// What the token of this entry begins with; empty when tokens are not kept by members.
    public var simpleToken: [UInt8] { bytes(raw.pointee.simple_token) }
}

/// Makes a user.
public struct AuthUserAddRequest: AuthRequest {
    public static var textFields: [Int] { [1, 2] }
    let raw: UnsafePointer<Etcdserverpb__AuthUserAddRequest>
    public init(raw: UnsafePointer<Etcdserverpb__AuthUserAddRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__auth_user_add_request__get_descriptor()
    }

    public var name: AuthName { authName(raw.pointee.name) }
    /// Never in a log entry, but for those of etcd up to 3.4.
    public var password: [UInt8] { [UInt8](raw.pointee.password.bytes) }
    /// The user cannot log in, and is known by certificates only.
    public var hasNoPassword: Bool { raw.pointee.options?.pointee.no_password ?? 0 != 0 }
    /// Base64 of the bcrypt text; in log entries.
    public var hashedPassword: [UInt8] { bytes(raw.pointee.hashedpassword) }
}

/// Gives a user another password.
public struct AuthUserChangePasswordRequest: AuthRequest {
    public static var textFields: [Int] { [1, 2] }
    let raw: UnsafePointer<Etcdserverpb__AuthUserChangePasswordRequest>
    public init(raw: UnsafePointer<Etcdserverpb__AuthUserChangePasswordRequest>) {
        self.raw = raw
    }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__auth_user_change_password_request__get_descriptor()
    }

    public var name: AuthName { authName(raw.pointee.name) }
    /// As in `AuthUserAddRequest`.
    public var password: [UInt8] { [UInt8](raw.pointee.password.bytes) }
    public var hashedPassword: [UInt8] { bytes(raw.pointee.hashedpassword) }
}

// MARK: - Requests of names alone

public struct AuthUserGetRequest: AuthRequest {
    public static var textFields: [Int] { [1] }
    let raw: UnsafePointer<Etcdserverpb__AuthUserGetRequest>
    public init(raw: UnsafePointer<Etcdserverpb__AuthUserGetRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__auth_user_get_request__get_descriptor()
    }

    public var name: AuthName { authName(raw.pointee.name) }
}

public struct AuthUserDeleteRequest: AuthRequest {
    public static var textFields: [Int] { [1] }
    let raw: UnsafePointer<Etcdserverpb__AuthUserDeleteRequest>
    public init(raw: UnsafePointer<Etcdserverpb__AuthUserDeleteRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__auth_user_delete_request__get_descriptor()
    }

    public var name: AuthName { authName(raw.pointee.name) }
}

public struct AuthRoleAddRequest: AuthRequest {
    public static var textFields: [Int] { [1] }
    let raw: UnsafePointer<Etcdserverpb__AuthRoleAddRequest>
    public init(raw: UnsafePointer<Etcdserverpb__AuthRoleAddRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__auth_role_add_request__get_descriptor()
    }

    public var name: AuthName { authName(raw.pointee.name) }
}

public struct AuthRoleGetRequest: AuthRequest {
    public static var textFields: [Int] { [1] }
    let raw: UnsafePointer<Etcdserverpb__AuthRoleGetRequest>
    public init(raw: UnsafePointer<Etcdserverpb__AuthRoleGetRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__auth_role_get_request__get_descriptor()
    }

    public var name: AuthName { authName(raw.pointee.role) }
}

public struct AuthRoleDeleteRequest: AuthRequest {
    public static var textFields: [Int] { [1] }
    let raw: UnsafePointer<Etcdserverpb__AuthRoleDeleteRequest>
    public init(raw: UnsafePointer<Etcdserverpb__AuthRoleDeleteRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__auth_role_delete_request__get_descriptor()
    }

    public var name: AuthName { authName(raw.pointee.role) }
}

public struct AuthUserGrantRoleRequest: AuthRequest {
    public static var textFields: [Int] { [1, 2] }
    let raw: UnsafePointer<Etcdserverpb__AuthUserGrantRoleRequest>
    public init(raw: UnsafePointer<Etcdserverpb__AuthUserGrantRoleRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__auth_user_grant_role_request__get_descriptor()
    }

    public var user: AuthName { authName(raw.pointee.user) }
    public var role: AuthName { authName(raw.pointee.role) }
}

public struct AuthUserRevokeRoleRequest: AuthRequest {
    public static var textFields: [Int] { [1, 2] }
    let raw: UnsafePointer<Etcdserverpb__AuthUserRevokeRoleRequest>
    public init(raw: UnsafePointer<Etcdserverpb__AuthUserRevokeRoleRequest>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__auth_user_revoke_role_request__get_descriptor()
    }

    public var user: AuthName { authName(raw.pointee.name) }
    public var role: AuthName { authName(raw.pointee.role) }
}

/// Lets a role do something with a range of keys.
public struct AuthRoleGrantPermissionRequest: AuthRequest {
    public static var textFields: [Int] { [1] }
    let raw: UnsafePointer<Etcdserverpb__AuthRoleGrantPermissionRequest>
    public init(raw: UnsafePointer<Etcdserverpb__AuthRoleGrantPermissionRequest>) {
        self.raw = raw
    }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__auth_role_grant_permission_request__get_descriptor()
    }

    public var role: AuthName { authName(raw.pointee.name) }
    public var permission: PermissionRecord? { PermissionRecord(raw.pointee.perm) }
}

/// Takes that away.
public struct AuthRoleRevokePermissionRequest: AuthRequest {
    public static var textFields: [Int] { [1] }
    let raw: UnsafePointer<Etcdserverpb__AuthRoleRevokePermissionRequest>
    public init(raw: UnsafePointer<Etcdserverpb__AuthRoleRevokePermissionRequest>) {
        self.raw = raw
    }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__auth_role_revoke_permission_request__get_descriptor()
    }

    public var role: AuthName { authName(raw.pointee.role) }
    public var key: [UInt8] { [UInt8](raw.pointee.key.bytes) }
    public var rangeEnd: [UInt8] { [UInt8](raw.pointee.range_end.bytes) }
}

// MARK: - What the store keeps

/// authpb.User: the value of a record of table `authUsers`.
public struct UserRecord: WireMessage {
    let raw: UnsafePointer<Authpb__User>
    public init(raw: UnsafePointer<Authpb__User>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        authpb__user__get_descriptor()
    }

    public var name: AuthName { authName(raw.pointee.name) }
    /// The text of bcrypt.
    public var password: [UInt8] { [UInt8](raw.pointee.password.bytes) }
    public var roles: [AuthName] {
        (0..<(raw.pointee.roles == nil ? 0 : raw.pointee.n_roles)).map {
            authName(raw.pointee.roles[$0])
        }
    }
    /// Nil for no options, which users that were made by etcd before 3.4 have.
    public var hasNoPassword: Bool? { raw.pointee.options.map { $0.pointee.no_password != 0 } }
}

/// authpb.Permission.
public struct PermissionRecord: WireMessage {
    let raw: UnsafePointer<Authpb__Permission>
    public init(raw: UnsafePointer<Authpb__Permission>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        authpb__permission__get_descriptor()
    }

    /// 0 reading, 1 writing, 2 both; others are kept, and permit nothing.
    public var kind: UInt32 { raw.pointee.permtype.rawValue }
    public var key: [UInt8] { [UInt8](raw.pointee.key.bytes) }
    public var rangeEnd: [UInt8] { [UInt8](raw.pointee.range_end.bytes) }
}

/// authpb.Role: the value of a record of table `authRoles`.
public struct RoleRecord: WireMessage {
    let raw: UnsafePointer<Authpb__Role>
    public init(raw: UnsafePointer<Authpb__Role>) { self.raw = raw }
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        authpb__role__get_descriptor()
    }

    public var name: AuthName { authName(raw.pointee.name) }
    public var permissions: MessageList<PermissionRecord> {
        MessageList(raw.pointee.keypermission, raw.pointee.n_keypermission)
    }
}

// MARK: - Requests without a field

public struct AuthEnableRequest: AuthRequest {
    public static var textFields: [Int] { [] }
    public init(raw: UnsafePointer<Etcdserverpb__AuthEnableRequest>) {}
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__auth_enable_request__get_descriptor()
    }
}

public struct AuthDisableRequest: AuthRequest {
    public static var textFields: [Int] { [] }
    public init(raw: UnsafePointer<Etcdserverpb__AuthDisableRequest>) {}
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__auth_disable_request__get_descriptor()
    }
}

public struct AuthStatusRequest: AuthRequest {
    public static var textFields: [Int] { [] }
    public init(raw: UnsafePointer<Etcdserverpb__AuthStatusRequest>) {}
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__auth_status_request__get_descriptor()
    }
}

public struct AuthUserListRequest: AuthRequest {
    public static var textFields: [Int] { [] }
    public init(raw: UnsafePointer<Etcdserverpb__AuthUserListRequest>) {}
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__auth_user_list_request__get_descriptor()
    }
}

public struct AuthRoleListRequest: AuthRequest {
    public static var textFields: [Int] { [] }
    public init(raw: UnsafePointer<Etcdserverpb__AuthRoleListRequest>) {}
    public static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        etcdserverpb__auth_role_list_request__get_descriptor()
    }
}

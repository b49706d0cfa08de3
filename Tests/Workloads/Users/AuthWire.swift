// Calls about users and roles.

import API
import Checkers

extension WireCall {
    static func authenticate(_ user: User) -> Self {
        named("Authenticate", user.name, user.password)
    }

    static func addUser(_ user: User) -> Self { named("UserAdd", user.name, user.password) }

    static func addRole(_ name: String) -> Self { named("RoleAdd", name) }

    static func grantRole(_ role: String, to user: String) -> Self {
        named("UserGrantRole", user, role)
    }

    static func revokeRole(_ role: String, from user: String) -> Self {
        named("UserRevokeRole", user, role)
    }

    static func grant(_ right: Right, _ span: KeySpan, to role: String) -> Self {
        Self("/etcdserverpb.Auth/RoleGrantPermission") {
            $0.appendField(1, string: role)
            let permission = $0.beginMessage(2)
            $0.appendField(1, uint64: right.rawValue)
            $0.appendField(2, string: span.key)
            $0.appendField(3, string: span.end)
            $0.endMessage(permission)
        }
    }

    static func revoke(_ span: KeySpan, from role: String) -> Self {
        Self("/etcdserverpb.Auth/RoleRevokePermission") {
            $0.appendField(1, string: role)
            $0.appendField(2, string: span.key)
            $0.appendField(3, string: span.end)
        }
    }

    static let enableAuth = Self("/etcdserverpb.Auth/AuthEnable") { _ in }

    private static func named(_ method: String, _ first: String, _ second: String = "") -> Self {
        Self("/etcdserverpb.Auth/" + method) {
            $0.appendField(1, string: first)
            $0.appendField(2, string: second)
        }
    }
}

/// The token in an AuthenticateResponse: field 2. Nil when there is none.
func token(in bytes: [UInt8]) -> [UInt8]? {
    bytes.withUnsafeBytes { bytes in
        var reader = ProtobufReader(bytes)
        var token: [UInt8]?
        do {
            while let field = try reader.next() {
                if field.number == 2 { token = [UInt8](try field.bytes()) }
            }
        } catch { return nil }
        return token
    }
}

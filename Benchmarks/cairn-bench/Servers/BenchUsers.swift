// Users and roles of servers that are measured with auth on: as many as a large installation has.

import API

/// Each user has all roles, one of which permits what the load asks for.
enum BenchUsers {
    private static let users = 100
    private static let roles = 100
    private static let rangesOfRole = 10

    /// Makes them, turns auth on and logs some in.
    /// - Parameter count: users who log in.
    /// - Returns: their tokens.
    static func enable(by administrator: Administrator, loggingIn count: Int) throws -> [[UInt8]] {
        try administrator.auth("UserAdd", "root", "root")
        try administrator.auth("UserGrantRole", "root", "root")
        for role in 0..<roles {
            try administrator.auth("RoleAdd", "r\(role)")
            for range in 0..<rangesOfRole {
                // The load's keys are digits: those of role 0 are all.
                let key = role == 0 ? "\(range)" : "role\(role)/\(range)/"
                try administrator.grant("r\(role)", readsAndWritesFrom: key)
            }
        }
        for user in 0..<users {
            try administrator.auth("UserAdd", "u\(user)", "u\(user)")
            // The others only have to be there.
            for role in 0..<(user < count ? roles : 1) {
                try administrator.auth("UserGrantRole", "u\(user)", "r\(role)")
            }
        }
        try administrator.auth("AuthEnable", "", "")
        return try (0..<min(count, users)).map { try administrator.login("u\($0)", "u\($0)") }
    }
}

extension Administrator {
    func auth(_ method: String, _ first: String, _ second: String = "") throws {
        _ = try call("/etcdserverpb.Auth/\(method)") {
            $0.appendField(1, string: first)
            $0.appendField(2, string: second)
        }
    }

    /// All keys that begin with `prefix`, of ASCII.
    fileprivate func grant(_ role: String, readsAndWritesFrom prefix: String) throws {
        var end = Array(prefix.utf8)
        end[end.count - 1] += 1
        _ = try call("/etcdserverpb.Auth/RoleGrantPermission") {
            $0.appendField(1, string: role)
            let permission = $0.beginMessage(2)
            $0.appendField(1, uint64: 2)
            $0.appendField(2, string: prefix)
            $0.appendField(3, bytes: end)
            $0.endMessage(permission)
        }
    }

    fileprivate func login(_ name: String, _ password: String) throws -> [UInt8] {
        let answer = try call("/etcdserverpb.Auth/Authenticate") {
            $0.appendField(1, string: name)
            $0.appendField(2, string: password)
        }
        return try answer.withUnsafeBytes { bytes in
            var reader = ProtobufReader(bytes)
            while let field = try reader.next() {
                if field.number == 2 { return [UInt8](try field.bytes()) }
            }
            throw ServerFailure(description: "no token for \(name)")
        }
    }
}

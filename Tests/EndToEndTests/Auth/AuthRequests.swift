// Calls about users and roles, and what else a user may be refused: any method, any server.

import API

/// One unary call.
struct AuthCall: Sendable, CustomStringConvertible {
    let path: String
    let request: [UInt8]
    /// What a failed comparison says of it.
    let description: String

    init(
        _ path: String, _ description: String = "", _ write: (inout ByteBuffer) -> Void = { _ in }
    ) {
        self.path = path.hasPrefix("/") ? path : "/etcdserverpb.\(path)"
        request = encoded(write)
        self.description = "\(path) \(description)"
    }
}

// MARK: - Users and roles

extension AuthCall {
    static let enable = AuthCall("Auth/AuthEnable")
    static let disable = AuthCall("Auth/AuthDisable")
    static let status = AuthCall("Auth/AuthStatus")
    static let userList = AuthCall("Auth/UserList")
    static let roleList = AuthCall("Auth/RoleList")

    static func authenticate(_ name: String, _ password: String) -> AuthCall {
        named("Auth/Authenticate", name, password)
    }
    static func userAdd(_ name: String, _ password: String = "") -> AuthCall {
        named("Auth/UserAdd", name, password)
    }
    /// A user who is known by certificates only.
    static func userAddWithoutPassword(_ name: String) -> AuthCall {
        AuthCall("Auth/UserAdd", "\(name), no password") {
            $0.appendField(1, string: name)
            $0.appendMessage(3) { $0.appendField(1, bool: true) }
        }
    }
    static func userGet(_ name: String) -> AuthCall { named("Auth/UserGet", name) }
    static func userDelete(_ name: String) -> AuthCall { named("Auth/UserDelete", name) }
    static func changePassword(_ name: String, _ password: String) -> AuthCall {
        named("Auth/UserChangePassword", name, password)
    }
    static func grantRole(_ role: String, to user: String) -> AuthCall {
        named("Auth/UserGrantRole", user, role)
    }
    static func revokeRole(_ role: String, from user: String) -> AuthCall {
        named("Auth/UserRevokeRole", user, role)
    }
    static func roleAdd(_ name: String) -> AuthCall { named("Auth/RoleAdd", name) }
    static func roleGet(_ name: String) -> AuthCall { named("Auth/RoleGet", name) }
    static func roleDelete(_ name: String) -> AuthCall { named("Auth/RoleDelete", name) }

    enum Right: UInt64, CaseIterable, Sendable { case read, write, both }

    /// - Parameter right: any number, also those that are no right; nil for no permission at all.
    static func grant(
        _ right: UInt64?, _ key: String, to end: String = "", role: String
    ) -> AuthCall {
        let rightText = right.map(String.init) ?? "none"
        return AuthCall("Auth/RoleGrantPermission", "\(role): \(rightText) [\(key), \(end))") {
            $0.appendField(1, string: role)
            guard let right else { return }
            $0.appendMessage(2) {
                $0.appendField(1, uint64: right)
                $0.appendField(2, string: key)
                $0.appendField(3, string: end)
            }
        }
    }
    static func grant(
        _ right: Right, _ key: String, to end: String = "", role: String
    ) -> AuthCall { grant(right.rawValue, key, to: end, role: role) }

    static func revoke(_ key: String, to end: String = "", role: String) -> AuthCall {
        AuthCall("Auth/RoleRevokePermission", "\(role): [\(key), \(end))") {
            $0.appendField(1, string: role)
            $0.appendField(2, string: key)
            $0.appendField(3, string: end)
        }
    }

    private static func named(_ path: String, _ first: String, _ second: String = "") -> AuthCall {
        AuthCall(path, "\(first) \(second)") {
            $0.appendField(1, string: first)
            $0.appendField(2, string: second)
        }
    }
}

// MARK: - Keys and leases

extension AuthCall {
    static func range(
        _ key: String, to end: String = "", isSerializable: Bool = false
    ) -> AuthCall {
        AuthCall("KV/Range", "[\(key), \(end))") {
            $0.append(Range(key: key, end: end, isSerializable: isSerializable).encoded)
        }
    }
    static func put(
        _ key: String, _ value: String = "v", lease: Int64 = 0, prevKV: Bool = false,
        ignoreValue: Bool = false
    ) -> AuthCall {
        AuthCall("KV/Put", "\(key) lease \(lease) prevKV \(prevKV) ignoreValue \(ignoreValue)") {
            $0.append(
                Put(
                    key: key, value: value, lease: lease, prevKV: prevKV, ignoreValue: ignoreValue
                ).encoded)
        }
    }
    static func delete(_ key: String, to end: String = "", prevKV: Bool = false) -> AuthCall {
        AuthCall("KV/DeleteRange", "[\(key), \(end)) prevKV \(prevKV)") {
            $0.append(Delete(key: key, end: end, prevKV: prevKV).encoded)
        }
    }
    static func compact(_ revision: Int64) -> AuthCall {
        AuthCall("KV/Compact", "\(revision)") { $0.appendField(1, int64: revision) }
    }
    static func leaseGrant(_ id: Int64) -> AuthCall {
        AuthCall("Lease/LeaseGrant", "\(id)") {
            $0.appendLeaseGrantRequest(ttl: 1000, id: LeaseID(id))
        }
    }
    static func leaseRevoke(_ id: Int64) -> AuthCall {
        AuthCall("Lease/LeaseRevoke", "\(id)") { $0.appendLeaseRequest(LeaseID(id)) }
    }
    static func timeToLive(_ id: Int64, wantsKeys: Bool) -> AuthCall {
        AuthCall("Lease/LeaseTimeToLive", "\(id) keys \(wantsKeys)") {
            $0.appendLeaseTimeToLiveRequest(LeaseID(id), wantsKeys: wantsKeys)
        }
    }
    static let leases = AuthCall("Lease/LeaseLeases")

    /// A transaction that compares with `compares` and does one or the other.
    static func txn(
        if compares: [String] = [], then success: [AuthCall] = [], else failure: [AuthCall] = []
    ) -> AuthCall {
        AuthCall("KV/Txn", "if \(compares) then \(success) else \(failure)") { buffer in
            for key in compares {
                buffer.appendMessage(1) {
                    // Created after revision 0.
                    $0.appendField(1, uint64: 1)
                    $0.appendField(2, uint64: 1)
                    $0.appendField(3, string: key)
                }
            }
            for (field, operations) in [(2, success), (3, failure)] {
                for operation in operations {
                    buffer.appendMessage(field) { $0.appendMessage(operation.kind, operation) }
                }
            }
        }
    }

    /// Of RequestOp.
    private var kind: Int {
        switch path {
        case "/etcdserverpb.KV/Range": 1
        case "/etcdserverpb.KV/Put": 2
        case "/etcdserverpb.KV/DeleteRange": 3
        default: 4
        }
    }
}

extension ByteBuffer {
    mutating func appendMessage(_ field: Int, _ write: (inout ByteBuffer) -> Void) {
        let message = beginMessage(field)
        write(&self)
        endMessage(message)
    }

    fileprivate mutating func appendMessage(_ field: Int, _ call: AuthCall) {
        appendMessage(field) { $0.append(call.request) }
    }
}

// MARK: - Asking

extension TestClient {
    /// What the server says, as text: the answer's fields without what is a server's own, or the
    /// status.
    func ask(_ call: AuthCall, token: String? = nil) async -> String {
        let metadata = token.map { [(name: "token", value: Array($0.utf8))] } ?? []
        do throws(Status) {
            return AnswerText.text(
                of: try await self.call(call.path, call.request, metadata: metadata))
        } catch {
            return "\(error.code): \(error.message)"
        }
    }

    /// A token of a user who can log in.
    func login(_ name: String, _ password: String) async throws -> String {
        let call = AuthCall.authenticate(name, password)
        let answer = try await self.call(call.path, call.request)
        return try answer.withUnsafeBytes { bytes in
            var reader = ProtobufReader(bytes)
            while let field = try reader.next() {
                if field.number == 2 { return String(decoding: try field.bytes(), as: UTF8.self) }
            }
            throw ProcessFailure(description: "no token")
        }
    }
}

enum AnswerText {
    /// Any answer: the header's revision, then the other fields.
    static func text(of answer: [UInt8]) -> String {
        (try? answer.withUnsafeBytes { bytes in
            var parts: [String] = []
            var reader = ProtobufReader(bytes)
            while let field = try reader.next() {
                if field.number == 1 {
                    parts.append("at \(try revision(try field.bytes()))")
                } else if let number = try? field.uint64() {
                    parts.append("\(field.number): \(number)")
                } else {
                    parts.append("\(field.number): \(Message.text([UInt8](try field.bytes())))")
                }
            }
            return parts.joined(separator: ", ")
        }) ?? "unreadable: \(answer)"
    }

    private static func revision(_ header: UnsafeRawBufferPointer) throws -> Int64 {
        var reader = ProtobufReader(header)
        while let field = try reader.next() {
            if field.number == 3 { return try field.int64() }
        }
        return 0
    }
}

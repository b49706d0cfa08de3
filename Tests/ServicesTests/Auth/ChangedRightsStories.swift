// Users and roles change while somebody reads for long.

import API
import TestSupport
import Testing

@testable import Services

/// Users on a played member.
extension PlayedMember {
    /// An entry about users and roles, by the member itself.
    @discardableResult
    func auth(_ operation: AuthOperation) -> Caller {
        call { life, caller in
            var request = ByteBuffer()
            request.appendAuthOperation(operation)
            request.withUnsafeBytes {
                life.gate.submit(
                    operation.kind, request: $0, operation: .auth(operation),
                    arena: life.gate.arenas.take(), as: .member, reply: caller)
            }
        }
    }

    /// Turns auth on, with users root and alice, who may read keys with `k`.
    func enableAuth() {
        let (alice, reader) = (AuthName("alice"), AuthName("reader"))
        let permission = Permission(kind: 0, key: Array("k".utf8), rangeEnd: Array("l".utf8))
        for operation: AuthOperation in [
            .userAdd(.root, nil), .userGrantRole(.root, role: .root), .userAdd(alice, nil),
            .roleAdd(reader), .roleGrantPermission(reader, permission),
            .userGrantRole(alice, role: reader), .enable,
        ] {
            #expect(auth(operation).failure == nil)
        }
    }

    /// Logs somebody in.
    /// - Returns: the token, as calls carry it.
    func token(of name: String) -> [(name: String, value: [UInt8])] {
        let (prefix, index) = ("bQkUyPwRXqhdWcmL", nextIndex)
        let caller = auth(.authenticate(AuthName(name), simpleToken: Array(prefix.utf8)))
        #expect(caller.failure == nil)
        return [("token", Array("\(prefix).\(index.rawValue)".utf8))]
    }

    /// The user as she would be recognized now.
    func user(_ name: String) -> Principal {
        Principal(user: AuthName(name), revision: state { $0.authority.board.view.revision })
    }
}

/// The client of a stream.
///
/// Unchecked: confined to the test's thread.
private final class Reader: MessageTaking, @unchecked Sendable {
    let executor: any ActorExecutor
    var messages = 0
    var end: Status??
    var isWritable: Bool { true }

    init(_ executor: any ActorExecutor) { self.executor = executor }
    func send(_: ByteBlocks) -> Bool {
        messages += 1
        return true
    }
    func finish(_ status: Status?) { end = .some(status) }
}

@Suite("Rights change while somebody reads")
struct ChangedRightsStories {
    private func filled() throws -> PlayedMember {
        let member = try PlayedMember()
        for number in 0..<2000 { member.put("k\(1000 + number)", "\(number)") }
        member.enableAuth()
        member.life.core.holdsSlices = true
        return member
    }

    private func finish(_ member: PlayedMember) {
        while member.life.core.runSlice() {}
    }

    @Test("A Range in slices ends with that, whoever it is", arguments: [false, true])
    func range(_ changes: Bool) throws {
        let member = try filled()
        let alice = member.user("alice")
        let request = Request.range("k", to: "l", order: .descend, by: .value)
        let caller = member.call { life, caller in
            request.withUnsafeBytes { life.kv.range($0, as: alice, caller) }
        }
        #expect(caller.answers.isEmpty, "it takes several turns")
        if changes { member.auth(.roleAdd(AuthName("new"))) }
        finish(member)
        #expect(caller.failure == (changes ? .oldAuthRevision : nil))
        #expect((caller.message == nil) == changes)
    }

    @Test("A stream ends with that before its next chunk", arguments: [false, true])
    func stream(_ changes: Bool) throws {
        let member = try filled()
        let alice = member.user("alice")
        let reader = Reader(member.life.core)
        let request = Request.range("k", to: "l")
        let call = member.life.core.turn {
            request.withUnsafeBytes { member.life.kv.rangeStream($0, as: alice, reader) }
        }
        #expect(call != nil)
        let before = reader.messages
        if changes { member.auth(.roleAdd(AuthName("new"))) }
        finish(member)
        #expect(before < 5)
        #expect(changes ? reader.messages == before : reader.messages > 5)
        #expect(reader.end == .some(changes ? .oldAuthRevision : nil))
    }
}

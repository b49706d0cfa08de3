// Who waits for an answer, played.

import API

@testable import Services

/// Keeps what it is told, in order, more than one answer included: that would be a mistake.
///
/// Unchecked: confined to the test's thread.
final class Caller: Replying, @unchecked Sendable {
    enum Answer: Hashable {
        case message([UInt8])
        case failure(Status)
    }
    private(set) var answers: [Answer] = []
    private let onAnswer: () -> Void

    init(_ onAnswer: @escaping () -> Void = {}) { self.onAnswer = onAnswer }

    func respond(_ message: UnsafeRawBufferPointer) {
        answers.append(.message([UInt8](message)))
        onAnswer()
    }

    func fail(_ status: Status) {
        answers.append(.failure(status))
        onAnswer()
    }

    /// The one answer; nil when there is none or more.
    var answer: Answer? { answers.count == 1 ? answers[0] : nil }
    var message: [UInt8]? { if case .message(let bytes) = answer { bytes } else { nil } }
    var failure: Status? { if case .failure(let status) = answer { status } else { nil } }
}

/// The bytes that `write` appends.
func encoded(_ write: (inout ByteBuffer) -> Void) -> [UInt8] {
    var buffer = ByteBuffer()
    write(&buffer)
    return buffer.array
}

/// Requests as clients encode them.
enum Request {
    static func put(
        _ key: String, _ value: String = "", lease: Int64 = 0, prevKV: Bool = false,
        ignoreValue: Bool = false, ignoreLease: Bool = false
    ) -> [UInt8] {
        bytes(key, value) { key, value in
            encoded {
                $0.appendPutRequest(
                    key: key, value: value, lease: LeaseID(lease), prevKV: prevKV,
                    ignoreValue: ignoreValue, ignoreLease: ignoreLease)
            }
        }
    }

    static func range(
        _ key: String, to end: String = "", limit: Int64 = 0, revision: Int64? = nil,
        order: SortOrder = .none, by target: SortTarget = .key, isSerializable: Bool = false,
        keysOnly: Bool = false, countOnly: Bool = false
    ) -> [UInt8] {
        bytes(key, end) { key, end in
            encoded {
                $0.appendRangeRequest(
                    key: key, rangeEnd: end, limit: limit, revision: revision.map(Revision.init),
                    sortOrder: order, sortTarget: target, isSerializable: isSerializable,
                    keysOnly: keysOnly, countOnly: countOnly)
            }
        }
    }

    static func delete(_ key: String, to end: String = "", prevKV: Bool = false) -> [UInt8] {
        bytes(key, end) { key, end in
            encoded { $0.appendDeleteRangeRequest(key: key, rangeEnd: end, prevKV: prevKV) }
        }
    }

    static func compact(_ revision: Int64, isPhysical: Bool = false) -> [UInt8] {
        encoded {
            $0.appendField(1, int64: revision)
            $0.appendField(2, bool: isPhysical)
        }
    }

    static func alarm(
        _ action: AlarmAction, _ kind: AlarmType = .none, of member: MemberID = .none
    ) -> [UInt8] {
        encoded {
            $0.appendField(1, uint64: UInt64(action.rawValue))
            $0.appendField(2, uint64: member.rawValue)
            $0.appendField(3, uint64: UInt64(kind.rawValue))
        }
    }

    private static func bytes(
        _ first: String, _ second: String,
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> [UInt8]
    ) -> [UInt8] {
        Array(first.utf8).withUnsafeBytes { first in
            Array(second.utf8).withUnsafeBytes { second in body(first, second) }
        }
    }
}

/// Responses as a test reads them.
enum Response {
    /// `key=value created modified version`, then count and `more`.
    static func range(_ bytes: [UInt8]) throws -> String {
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            let response = try RangeResponse.decode(bytes, in: arena)
            let pairs = response.kvs.map { pair($0) }.joined(separator: ", ")
            return "[\(pairs)] count \(response.count)\(response.more ? " more" : "")"
        }
    }

    static func put(_ bytes: [UInt8]) throws -> String {
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            let response = try PutResponse.decode(bytes, in: arena)
            return header(response.header) + (response.prevKV.map { " [\(pair($0))]" } ?? "")
        }
    }

    static func delete(_ bytes: [UInt8]) throws -> String {
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            let response = try DeleteRangeResponse.decode(bytes, in: arena)
            let pairs = response.prevKVs.map { " [\(pair($0))]" }.joined()
            return "\(header(response.header)) deleted \(response.deleted)\(pairs)"
        }
    }

    static func alarms(_ bytes: [UInt8]) throws -> [AlarmFields] {
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            try AlarmResponse.decode(bytes, in: arena).alarms.map {
                AlarmFields(member: $0.member, alarm: $0.alarm ?? .none)
            }
        }
    }

    static func pair(_ pair: KeyValue) -> String {
        let view = pair.view
        let lease = view.lease == .none ? "" : " lease \(view.lease.rawValue)"
        return "\(String(decoding: view.key, as: UTF8.self))="
            + "\(String(decoding: view.value, as: UTF8.self)) "
            + "\(view.createRevision.rawValue) \(view.modRevision.rawValue) \(view.version)\(lease)"
    }

    static func header(_ header: ResponseHeader?) -> String {
        guard let header else { return "no header" }
        return "cluster \(header.clusterID.hex) member \(header.memberID.hex) "
            + "revision \(header.revision.rawValue) term \(header.raftTerm.rawValue)"
    }
}

import Glibc
import Testing

@testable import API

@Suite("Decoding requests")
struct DecodingTests {
    let arena = Arena()

    @Test("A Put with every field")
    func put() throws {
        let bytes = withBytes(Array("foo".utf8)) { key in
            withBytes(Array("bar".utf8)) { value in
                encoded {
                    $0.appendPutRequest(
                        key: key, value: value, lease: LeaseID(-5), prevKV: true,
                        ignoreValue: true, ignoreLease: true)
                }
            }
        }
        let put = try PutRequest.decode(bytes, in: arena)
        #expect(text(put.key) == "foo" && text(put.value) == "bar")
        #expect(put.lease == LeaseID(-5))
        #expect(put.prevKV && put.ignoreValue && put.ignoreLease)
    }

    @Test("No bytes are a request with nothing set")
    func empty() throws {
        let range = try RangeRequest.decode([], in: arena)
        #expect(range.key.isEmpty && range.rangeEnd.isEmpty && range.limit == 0)
        #expect(range.sortOrder == SortOrder.none && range.sortTarget == .key)
        _ = try StatusRequest.decode([], in: arena)
        #expect(try HealthCheckRequest.decode([], in: arena).service == "")
        #expect(try MemberListRequest.decode([], in: arena).isLinearizable == false)
    }

    @Test("A Range with every field; an order from the future is none that is known")
    func range() throws {
        let bytes = encoded { buffer in
            buffer.appendField(1, bytes: [1])
            buffer.appendField(2, bytes: [0])
            for field in 3...13 where field != 5 { buffer.appendField(field, uint64: 1) }
            buffer.appendField(5, uint64: 3)
        }
        let range = try RangeRequest.decode(bytes, in: arena)
        #expect([UInt8](range.key) == [1] && [UInt8](range.rangeEnd) == [0])
        #expect(range.limit == 1 && range.revision == Revision(1))
        #expect(range.sortOrder == nil && range.sortTarget == .version)
        #expect(range.isSerializable && range.keysOnly && range.countOnly)
        #expect(range.minModRevision == Revision(1) && range.maxModRevision == Revision(1))
        #expect(range.minCreateRevision == Revision(1) && range.maxCreateRevision == Revision(1))
    }

    @Test("A field that comes twice counts as it came last; unknown fields are passed over")
    func leniency() throws {
        let bytes = encoded { buffer in
            buffer.appendField(1, bytes: [1])
            buffer.appendField(99, bytes: [9, 9])
            buffer.appendField(100, uint64: 7)
            buffer.appendField(1, bytes: [2])
        }
        #expect([UInt8](try PutRequest.decode(bytes, in: arena).key) == [2])
    }

    @Test("A transaction with all its parts")
    func txn() throws {
        let bytes = encoded { buffer in
            for operand in 4...8 {
                let compare = buffer.beginMessage(1)
                buffer.appendField(1, uint64: 3)
                buffer.appendField(2, uint64: UInt64(operand - 4))
                buffer.appendField(3, bytes: [1])
                if operand == 7 {
                    buffer.appendElement(7, bytes: UnsafeRawBufferPointer(start: nil, count: 0))
                } else {
                    buffer.appendPresent(operand, uint64: 12)
                }
                buffer.appendField(64, bytes: [2])
                buffer.endMessage(compare)
            }
            for kind in 1...4 {
                let op = buffer.beginMessage(2)
                let request = buffer.beginMessage(kind)
                if kind < 4 { buffer.appendField(1, bytes: [UInt8(kind)]) }
                buffer.endMessage(request)
                buffer.endMessage(op)
            }
            buffer.endMessage(buffer.beginMessage(3))
        }
        let txn = try TxnRequest.decode(bytes, in: arena)
        #expect(txn.compare.count == 5 && txn.success.count == 4 && txn.failure.count == 1)
        for (index, compare) in txn.compare.enumerated() {
            #expect(compare.result == .notEqual && compare.target?.rawValue == UInt32(index))
            #expect([UInt8](compare.key) == [1] && [UInt8](compare.rangeEnd) == [2])
        }
        guard case .version(12) = txn.compare[0].operand,
            case .createRevision(Revision(12)) = txn.compare[1].operand,
            case .modRevision(Revision(12)) = txn.compare[2].operand,
            case .value(let value) = txn.compare[3].operand,
            case .lease(LeaseID(12)) = txn.compare[4].operand
        else {
            Issue.record("an operand is another than was sent")
            return
        }
        #expect(value.isEmpty)
        guard case .range(let range) = txn.success[0].operation,
            case .put(let put) = txn.success[1].operation,
            case .deleteRange(let delete) = txn.success[2].operation,
            case .txn(let inner) = txn.success[3].operation
        else {
            Issue.record("an operation is another than was sent")
            return
        }
        #expect([range.key[0], put.key[0], delete.key[0]] == [1, 2, 3])
        #expect(inner.compare.isEmpty)
        #expect(txn.failure[0].operation == nil)
    }

    @Test("Alarms, compactions and member lists")
    func others() throws {
        let alarm = try AlarmRequest.decode([8, 2, 16, 7, 24, 1], in: arena)
        #expect(alarm.action == .deactivate && alarm.member == MemberID(7))
        #expect(alarm.alarm == .noSpace)
        let compaction = try CompactionRequest.decode([8, 9, 16, 1], in: arena)
        #expect(compaction.revision == Revision(9) && compaction.isPhysical)
        let delete = try DeleteRangeRequest.decode([10, 1, 5, 18, 1, 6, 24, 1], in: arena)
        #expect(delete.key[0] == 5 && delete.rangeEnd[0] == 6 && delete.prevKV)
        let lease = try StoredLease.decode([8, 9, 16, 60, 24, 30], in: arena)
        #expect(lease.id == LeaseID(9) && lease.ttlSeconds == 60 && lease.remainingTTLSeconds == 30)
    }
}

@Suite("Hostile messages")
struct HostileMessageTests {
    let arena = Arena()

    @Test(
        "A known field with another wire type is refused",
        arguments: [
            [0x08, 1], [0x09, 0, 0, 0, 0, 0, 0, 0, 0], [0x1a, 1, 1], [0x1d, 0, 0, 0, 0],
        ])
    func wireTypes(_ bytes: [UInt8]) {
        #expect(throws: WireError.malformed) { try PutRequest.decode(bytes, in: arena) }
    }

    @Test(
        "Text must be UTF-8",
        arguments: [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]])
    func utf8(_ name: [UInt8]) {
        #expect(throws: WireError.invalidUTF8) {
            try HealthCheckRequest.decode(encoded { $0.appendField(1, bytes: name) }, in: arena)
        }
        // Deep inside, too: the version of a cluster.
        let proposal = encoded { buffer in
            let version = buffer.beginMessage(1300)
            buffer.appendField(1, bytes: name)
            buffer.endMessage(version)
        }
        #expect(throws: WireError.invalidUTF8) {
            try InternalRaftRequest.decode(proposal, in: arena)
        }
        for number in 1...2 {
            let user = encoded { $0.appendField(number, bytes: name) }
            #expect(throws: WireError.invalidUTF8) { try checkText(AuthUserAddRequest.self, user) }
        }
    }

    @Test("A NUL does not cut a name short")
    func nul() {
        #expect(throws: WireError.malformed) {
            try HealthCheckRequest.decode(
                encoded { $0.appendField(1, string: "root\0x") }, in: arena)
        }
    }

    private func checkText(_ type: (some AuthRequest).Type, _ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { bytes throws in try type.checkText(in: bytes) }
    }

    @Test("Names of users and roles, and passwords, are what they are, NUL included")
    func nulInNames() throws {
        let name = Array("root\0x".utf8)
        let request = encoded {
            $0.appendField(1, bytes: name)
            $0.appendField(2, bytes: name)
        }
        try checkText(AuthUserAddRequest.self, request)
        let add = try AuthUserAddRequest.decode(request, in: arena)
        #expect(add.name == AuthName(name) && add.password == name)
        let grant = try AuthUserGrantRoleRequest.decode(request, in: arena)
        #expect(grant.user == AuthName(name) && grant.role == AuthName(name))
        let proposal = encoded { buffer in
            let header = buffer.beginMessage(100)
            buffer.appendField(2, bytes: name)
            buffer.endMessage(header)
        }
        let entry = try InternalRaftRequest.decode(proposal, in: arena)
        #expect(entry.username == AuthName(name))
        let user = encoded {
            $0.appendField(1, bytes: name)
            $0.appendField(3, bytes: name)
        }
        #expect(try UserRecord.decode(user, in: arena).roles == [AuthName(name)])
    }

    /// Transactions inside transactions; the innermost message is at depth 2 * `levels`.
    static func nested(_ levels: Int) -> [UInt8] {
        // From the inside out: built from its end, since each length is that of what follows.
        var reversed: [UInt8] = []
        func prepend(tag: UInt8) {
            let header = encoded { buffer in
                buffer.append(tag)
                buffer.appendVarint(UInt64(reversed.count))
            }
            reversed.append(contentsOf: header.reversed())
        }
        for _ in 0..<levels {
            prepend(tag: 0x22)  // RequestOp.request_txn
            prepend(tag: 0x12)  // TxnRequest.success
        }
        return reversed.reversed()
    }

    @Test("The deepest transaction that can be within the limits decodes")
    func deepEnough() throws {
        var txn = try TxnRequest.decode(Self.nested(Limits.txnOperations), in: arena)
        var depth = 0
        while case .txn(let inner) = txn.success.first?.operation {
            txn = inner
            depth += 1
        }
        #expect(depth == Limits.txnOperations)
    }

    @Test("Deeper ones are refused before the stack is spent", arguments: [150, 5000, 200_000])
    func tooDeep(_ levels: Int) {
        #expect(throws: WireError.nestedTooDeeply) {
            try TxnRequest.decode(Self.nested(levels), in: arena)
        }
    }

    @Test("The nesting that is allowed fits a small stack")
    func smallStack() {
        // 149 levels are 299 messages in messages.
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, 1 << 20)
        var thread = pthread_t()
        let started = pthread_create(
            &thread, &attributes,
            { _ in
                let arena = Arena()
                let decoded = try? TxnRequest.decode(HostileMessageTests.nested(149), in: arena)
                return decoded == nil ? nil : UnsafeMutableRawPointer(bitPattern: 1)
            }, nil)
        #expect(started == 0)
        var result: UnsafeMutableRawPointer?
        pthread_join(thread, &result)
        #expect(result != nil)
    }

    @Test("Two bytes on the wire must not take a hundred in memory a million times over")
    func amplification() throws {
        let bytes = [UInt8](repeating: 0, count: 2 << 20).enumerated()
            .map { $0.offset % 2 == 0 ? UInt8(0x12) : 0 }
        #expect(throws: WireError.tooLarge) { try TxnRequest.decode(bytes, in: arena) }
        #expect(arena.heldBytes <= 2 * Limits.decodedMessageBytes)
        arena.reset()
        #expect(arena.heldBytes <= 256 << 10)
        #expect(try TxnRequest.decode(Array(bytes.prefix(200)), in: arena).success.count == 100)
    }

    @Test("A message that is sent on and on decodes without new memory")
    func steady() throws {
        let bytes = encoded { buffer in
            buffer.appendField(1, bytes: [UInt8](repeating: 1, count: 20))
            buffer.appendField(2, bytes: [UInt8](repeating: 2, count: 10_000))
        }
        for _ in 0..<3 {
            arena.reset()
            _ = try PutRequest.decode(bytes, in: arena)
        }
        let held = arena.heldBytes
        for _ in 0..<100 {
            arena.reset()
            #expect(try PutRequest.decode(bytes, in: arena).value.count == 10_000)
        }
        #expect(arena.heldBytes == held)
    }
}

import Testing

@testable import API

/// Everything that decodes bytes from outside, and touches all it decoded.
enum Decoders {
    typealias Decoder = @Sendable (UnsafeRawBufferPointer, Arena) throws -> Int

    /// Sums what a value holds, so that every pointer is followed.
    static func weigh(_ bytes: UnsafeRawBufferPointer) -> Int {
        bytes.reduce(0) { $0 &+ Int($1) }
    }

    static func weigh(_ pair: KeyValueView?) -> Int {
        pair.map { weigh($0.key) &+ weigh($0.value) &+ Int($0.version) } ?? 0
    }

    static func weigh(_ range: RangeRequest) -> Int {
        weigh(range.key) &+ weigh(range.rangeEnd) &+ Int(range.limit)
    }

    static func weigh(_ txn: TxnRequest) -> Int {
        var sum = 0
        for compare in txn.compare {
            sum &+= weigh(compare.key) &+ weigh(compare.rangeEnd)
            if case .value(let value) = compare.operand { sum &+= weigh(value) }
        }
        for operation in Array(txn.success) + Array(txn.failure) {
            switch operation.operation {
            case .range(let range): sum &+= weigh(range)
            case .put(let put): sum &+= weigh(put.key) &+ weigh(put.value)
            case .deleteRange(let delete): sum &+= weigh(delete.key) &+ weigh(delete.rangeEnd)
            case .txn(let inner): sum &+= weigh(inner)
            case nil: break
            }
        }
        return sum
    }

    static func weigh(_ request: InternalRaftRequest) -> Int {
        let sum = request.username.bytes.count
        switch request.operation {
        case .txn(let txn): return sum &+ weigh(txn)
        case .put(let put): return sum &+ weigh(put.key) &+ weigh(put.value)
        case .clusterMemberAttrSet(let set):
            return sum &+ (set.attributes?.clientURLs.joined().utf8.count ?? 0)
        case .clusterVersionSet(let set): return sum &+ set.version.utf8.count
        default: return sum
        }
    }

    static let all: [Decoder] = [
        { (b, a) in weigh(try PutRequest.decode(b, in: a).key) },
        { (b, a) in weigh(try RangeRequest.decode(b, in: a)) },
        { (b, a) in weigh(try TxnRequest.decode(b, in: a)) },
        { (b, a) in weigh(try InternalRaftRequest.decode(b, in: a)) },
        { (b, a) in
            try HealthCheckRequest.decode(b, in: a).service.utf8.count
        },
        { (b, a) in
            try RangeResponse.decode(b, in: a).kvs.reduce(0) { $0 &+ weigh($1.view) }
        },
        { (b, a) in
            try StatusResponse.decode(b, in: a).errors.joined().utf8.count
        },
        { (b, a) in
            try MemberListResponse.decode(b, in: a).members
                .reduce(0) { $0 + $1.name.utf8.count + $1.peerURLs.joined().utf8.count }
        },
        { (b, _) in weigh(try KeyValueView(decoding: b)) },
        { (b, _) in try Entry(decoding: b).data.count },
        { (b, _) in try HardState(decoding: b).isEmpty ? 0 : 1 },
        { (b, _) in try ConfState(decoding: b).voters.count },
        { (b, _) in try ConfChange(decoding: b).context.count },
        { (b, _) in try ConfChangeV2(decoding: b).changes.count },
    ]
}

@Suite("Whatever comes in")
struct FuzzTests {
    /// Messages that are whole, to be damaged: with nesting, lists, unions and text.
    static func samples() -> [[UInt8]] {
        var samples = [
            HostileMessageTests.nested(5),
            encoded {
                $0.appendClusterMemberAttrSet(
                    ProposalHeader(id: RequestID(1), username: AuthName("alice")),
                    member: MemberID(2),
                    name: "m0", clientURLs: ["http://127.0.0.1:2379", "http://[::1]:2379"])
            },
            encoded {
                $0.appendMemberListResponse(
                    HeaderFields(
                        cluster: ClusterID(1), member: MemberID(2), revision: Revision(3),
                        term: Term(4)),
                    [MemberFields(id: MemberID(2), name: "grün", peerURLs: ["http://x"])])
            },
            encoded {
                ConfState(
                    voters: [MemberID(1), MemberID(2)], learners: [MemberID(3)], autoLeave: true
                ).encode(into: &$0)
            },
        ]
        samples.append(
            encoded { buffer in
                let compare = buffer.beginMessage(1)
                buffer.appendField(3, bytes: [1, 2, 3])
                buffer.appendField(7, bytes: [4, 5])
                buffer.appendField(4, uint64: 6)
                buffer.endMessage(compare)
                for kind in 1...4 {
                    let op = buffer.beginMessage(3)
                    for request in [kind, 5 - kind, kind] {
                        let body = buffer.beginMessage(request)
                        buffer.appendField(1, bytes: [7])
                        buffer.endMessage(body)
                    }
                    buffer.endMessage(op)
                }
            })
        return samples
    }

    /// Gives `bytes` to every decoder, from memory that ends where they end.
    static func decodeEverywhere(_ bytes: [UInt8], _ arena: Arena) -> Int {
        var accepted = 0
        for decode in Decoders.all {
            arena.reset()
            withBytes(bytes) { input in
                if (try? decode(input, arena)) != nil { accepted += 1 }
            }
        }
        return accepted
    }

    @Test("Bytes by chance crash nothing")
    func noise() {
        var chance = SeededGenerator(state: 1)
        let arena = Arena()
        var accepted = 0
        for _ in 0..<3000 {
            let length = Int.random(in: 0..<64, using: &chance)
            accepted += Self.decodeEverywhere(chance.bytes(length), arena)
        }
        #expect(accepted > 0)
    }

    @Test("Whole messages cut anywhere crash nothing")
    func cut() {
        let arena = Arena()
        for sample in Self.samples() {
            #expect(Self.decodeEverywhere(sample, arena) > 0)
            for length in 0..<sample.count {
                _ = Self.decodeEverywhere(Array(sample.prefix(length)), arena)
            }
        }
    }

    @Test("Whole messages with bytes changed, moved and doubled crash nothing")
    func damage() {
        var chance = SeededGenerator(state: 2)
        let arena = Arena()
        for sample in Self.samples() {
            for _ in 0..<400 {
                var bytes = sample
                for _ in 0..<Int.random(in: 1...4, using: &chance) {
                    let place = Int.random(in: 0..<bytes.count, using: &chance)
                    switch Int.random(in: 0..<4, using: &chance) {
                    case 0: bytes[place] = UInt8.random(in: 0...255, using: &chance)
                    case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &chance)
                    case 2: bytes.insert(contentsOf: bytes[place...].prefix(9), at: place)
                    default: if bytes.count > 1 { bytes.remove(at: place) }
                    }
                }
                _ = Self.decodeEverywhere(bytes, arena)
            }
        }
    }

    @Test("A message that needs more than its arena has fails in good order")
    func shortOfMemory() {
        let small = Arena(chunkBytes: 64, keptBytes: 64, limitBytes: 200)
        for sample in Self.samples() { _ = Self.decodeEverywhere(sample, small) }
        for limit in stride(from: 0, to: 3000, by: 24) {
            let arena = Arena(chunkBytes: 64, keptBytes: 64, limitBytes: limit)
            for sample in Self.samples() { _ = Self.decodeEverywhere(sample, arena) }
        }
    }
}

// Answers as values that can be compared.

import API

struct Header: Hashable {
    let cluster: UInt64
    let member: UInt64
    let revision: Int64
    let term: UInt64

    init(_ header: ResponseHeader?) throws {
        guard let header else { throw ProcessFailure(description: "an answer without a header") }
        cluster = header.clusterID.rawValue
        member = header.memberID.rawValue
        revision = header.revision.rawValue
        term = header.raftTerm.rawValue
    }
}

struct Pair: Hashable {
    var key: String
    var value: String
    var created: Int64
    var modified: Int64
    var version: Int64
    var lease: Int64 = 0
}

extension Pair {
    init(_ pair: KeyValue) {
        let pair = pair.view
        self.init(
            key: String(decoding: pair.key, as: UTF8.self),
            value: String(decoding: pair.value, as: UTF8.self),
            created: pair.createRevision.rawValue, modified: pair.modRevision.rawValue,
            version: pair.version, lease: pair.lease.rawValue)
    }
}

struct PutAnswer: Equatable {
    let header: Header
    let previous: Pair?

    init(_ bytes: [UInt8]) throws {
        let arena = Arena()
        let answer = try PutResponse.decode(bytes, in: arena)
        header = try Header(answer.header)
        previous = answer.prevKV.map(Pair.init)
    }
}

struct RangeAnswer: Equatable {
    let header: Header
    let pairs: [Pair]
    let more: Bool
    let count: Int64

    init(_ bytes: [UInt8]) throws {
        let arena = Arena()
        let answer = try RangeResponse.decode(bytes, in: arena)
        header = try Header(answer.header)
        pairs = answer.kvs.map(Pair.init)
        more = answer.more
        count = answer.count
    }
}

struct DeleteAnswer: Equatable {
    let header: Header
    let deleted: Int64
    let previous: [Pair]

    init(_ bytes: [UInt8]) throws {
        let arena = Arena()
        let answer = try DeleteRangeResponse.decode(bytes, in: arena)
        header = try Header(answer.header)
        deleted = answer.deleted
        previous = answer.prevKVs.map(Pair.init)
    }
}

// Where etcd 3.5.1 is not what Cairn is built after (etcd 3.7.1): the whole list. All else must be
// equal, field by field.

import API

/// A difference that is meant to be.
struct KnownDifference: Sendable {
    /// What etcd 3.7 does, and so Cairn.
    let now: String
    /// What etcd 3.5.1 does.
    let then: String
    let treatment: Treatment

    enum Treatment: Sendable {
        /// These fields are not looked at.
        case ignore([(MessageType, Int)])
        /// Such a request goes to Cairn alone, whose answer must be one of those.
        case onlyCairn(
            @Sendable (Step, Moment) -> Bool, accepts: @Sendable (Step, Moment, Answer) -> Bool)
        /// Such a request goes to neither.
        case leftOut(@Sendable (Step) -> Bool)
        /// Both answers to a request are brought to a form in which they must be equal.
        case rewrite(@Sendable (_ request: Message, _ answer: inout Message) -> Void)
        /// Nothing is done; it says why something else is as it is.
        case avoided
    }

    static let all: [KnownDifference] = [
        KnownDifference(
            now: "ids and terms are each cluster's own", then: "the same",
            treatment: .ignore([(.header, 1), (.header, 2), (.header, 4)])),
        KnownDifference(
            now: "HashKV says which revision it hashed (since 3.6)", then: "no such field",
            treatment: .ignore([(.hashKVAnswer, 4)])),
        KnownDifference(
            now: "a range with a sort outside the enums is refused (since 3.6)",
            then: "it is not sorted, and within a Txn the Txn is executed",
            treatment: .onlyCairn(
                { step, _ in step.request?.hasInvalidSort == true },
                accepts: { step, _, answer in
                    guard case .refused(let status) = answer else { return false }
                    // Within a Txn another fault may be found first.
                    guard case .call(.range, let range) = step, !range.bytes(1).isEmpty else {
                        return status.code == .invalidArgument
                    }
                    return status
                        == Status(.invalidArgument, "etcdserver: invalid sort option")
                })),
        KnownDifference(
            now: "RangeStream sends a Range in chunks, but none that is sorted or filtered",
            then: "there is none: it gets the same Range",
            treatment: .onlyCairn(
                { step, _ in
                    guard case .call(.rangeStream, let range) = step else { return false }
                    return range.isSorted || range.hasRevisionFilter
                },
                accepts: { step, _, answer in
                    guard let range = step.request, case .refused(let status) = answer else {
                        return false
                    }
                    if range.bytes(1).isEmpty || range.hasInvalidSort {
                        return status.code == .invalidArgument || status.code == .unimplemented
                    }
                    let what = range.isSorted ? "custom sort orders" : "revision filters"
                    return status
                        == Status(.unimplemented, "RangeStream does not support \(what)")
                })),
        KnownDifference(
            now: "RangeStream with a target and no order goes through; its order is undefined",
            then: "there is none",
            treatment: .leftOut { step in
                guard case .call(.rangeStream, let range) = step else { return false }
                return range.number(5) == 0 && range.number(6) != 0
            }),
        KnownDifference(
            now: "HashKV of a compact revision is answered: of the newest from the store, of "
                + "those before it from the hashes that compactions left, ten and until a restart",
            then: "it is refused as compacted",
            treatment: .onlyCairn(
                { step, moment in
                    guard case .call(.hashKV, let request) = step else { return false }
                    let revision = request.revision(1, at: moment)
                    return revision != 0 && moment.compactions.contains(revision)
                },
                accepts: { step, moment, answer in
                    switch answer {
                    case .answered: true
                    case .unreadable: false
                    case .refused(let status):
                        step.request?.revision(1, at: moment) != moment.compacted
                            && status.code == .outOfRange
                    }
                })),
        KnownDifference(
            now: "keys_only has no lease", then: "it has",
            treatment: .rewrite { request, answer in
                guard request.type == .range, request.number(8) != 0 else { return }
                answer.rewriteMessages(2) { $0.fields.removeAll { $0.number == 6 } }
            }),
        KnownDifference(
            now: "what a sort leaves equal stands in any order",
            then: "the same, but up to six pairs in the order of their keys",
            treatment: .rewrite { request, answer in
                guard request.type == .range, answer.number(4) > 6 else { return }
                answer.forgetOrderOfTies(of: request)
            }),
        KnownDifference(
            now: "a Txn that deletes a key and then puts it with ignore_value or ignore_lease "
                + "writes it anew",
            then: "the server ends itself, and again at each start (of all members; 3.7 too): "
                + "only a delete from a key on gets past the check for duplicate keys",
            treatment: .leftOut { step in
                guard case .call(.txn, let txn) = step else { return false }
                return txn.hasInside { $0.type == .delete && $0.bytes(2) == [0] }
                    && txn.hasInside { $0.type == .put && $0.number(5) + $0.number(6) != 0 }
            }),
        KnownDifference(
            now: "an empty range_end is none, on the wire or not",
            then: "an empty one on the wire, which no client sends, means from the key on",
            treatment: .avoided),
        KnownDifference(
            now: "what was acknowledged is there after any end",
            then: "a kill loses writes (up to 3.5.2, etcd issue 13766): it is asked to end",
            treatment: .avoided),
    ]

    /// Whether a field is not looked at.
    static func ignores(_ type: MessageType, _ field: Int) -> Bool {
        ignored.contains { (known, number) in known == type && number == field }
    }

    private static let ignored: [(MessageType, Int)] = all.flatMap { known in
        if case .ignore(let fields) = known.treatment { return fields }
        return []
    }
}

// MARK: - Where they apply

extension Step {
    var request: Message? {
        guard case .call(_, let request) = self else { return nil }
        return request
    }
}

extension Message {
    /// The number in a field as it is sent at `moment`.
    func revision(_ field: Int, at moment: Moment) -> Int64 {
        guard case .revision(let choice)? = fields.last(where: { $0.number == field })?.value
        else { return number(field) }
        return choice.resolved(at: moment)
    }

    /// Whether it is, or has anywhere inside, such a message.
    fileprivate func hasInside(_ isSuch: (Message) -> Bool) -> Bool {
        if isSuch(self) { return true }
        return fields.contains {
            if case .message(let message) = $0.value { message.hasInside(isSuch) } else { false }
        }
    }

    /// Whether a range in it sorts by what the enums do not have.
    fileprivate var hasInvalidSort: Bool {
        hasInside {
            $0.type == .range
                && (!(0...2).contains($0.number(5)) || !(0...4).contains($0.number(6)))
        }
    }

    /// Of a Range: whether it asks for another order than that of the keys.
    fileprivate var isSorted: Bool {
        number(5) != 0 && !(number(5) == 1 && number(6) == 0)
    }

    fileprivate var hasRevisionFilter: Bool {
        fields.contains { field in
            (10...13).contains(field.number) && field.value != .number(0)
        }
    }

    fileprivate mutating func rewriteMessages(_ field: Int, _ rewrite: (inout Message) -> Void) {
        for index in fields.indices where fields[index].number == field {
            guard case .message(var message) = fields[index].value else { continue }
            rewrite(&message)
            fields[index].value = .message(message)
        }
    }

    /// Of a RangeResponse: brings pairs that the sort of `request` leaves equal into the order of
    /// their keys. Of those that `limit` cut in two, any may be there.
    fileprivate mutating func forgetOrderOfTies(of request: Message) {
        let sortedBy = [0: nil, 1: 4, 2: 2, 3: 3, 4: 5][Int(clamping: request.number(6))] ?? nil
        guard let sortedBy else { return }
        let isCut = number(3) != 0
        let isHidden = sortedBy == 5 && request.number(8) != 0
        func tie(_ pair: Message) -> Field? {
            isHidden ? nil : pair.fields.first { $0.number == sortedBy }
        }
        let pairs = messages(2)
        let last = pairs.last.map(tie)
        var groups: [[Message]] = []
        for pair in pairs {
            if let first = groups.last?.first, tie(first) == tie(pair) {
                groups[groups.count - 1].append(pair)
            } else {
                groups.append([pair])
            }
        }
        var settled: [Message] = []
        for group in groups {
            if isCut, group.first.map(tie) == last {
                settled += group.map { pair in
                    var rest = Message(.keyValue)
                    rest.fields = tie(pair).map { [$0] } ?? []
                    return rest
                }
            } else {
                settled += group.sorted { $0.bytes(1).lexicographicallyPrecedes($1.bytes(1)) }
            }
        }
        fields.removeAll { $0.number == 2 }
        for pair in settled { set(2, pair) }
    }
}

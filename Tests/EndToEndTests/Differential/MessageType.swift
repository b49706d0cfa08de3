// The schema of what is compared: names for reports, and which field is a message of its own.
//
// Written a second time, beside that of the API module, so that both cannot be wrong in the same
// way. From etcd 3.7's .proto files; reference/api-messages.tsv lists them.

/// A message of KV, or of Maintenance's HashKV and Defragment.
enum MessageType: Int, Sendable {
    case header, keyValue
    case put, putAnswer, range, rangeAnswer, delete, deleteAnswer
    case txn, txnAnswer, compare, operation, operationAnswer
    case compact, compactAnswer, hashKV, hashKVAnswer, defragment, defragmentAnswer

    /// A field's name and what stands in it.
    struct Field: Sendable {
        let name: String
        let kind: Kind

        enum Kind: Sendable {
            case number, flag, bytes
            case names([String])
            case message(MessageType)
        }
    }

    /// The field of a number; nil when the schema has none.
    func field(_ number: Int) -> Field? { Self.fields[rawValue][number] }

    /// How a report calls the message.
    var name: String {
        switch self {
        case .header: "Header"
        case .keyValue: "KeyValue"
        case .put: "Put"
        case .putAnswer: "PutResponse"
        case .range: "Range"
        case .rangeAnswer: "RangeResponse"
        case .delete: "DeleteRange"
        case .deleteAnswer: "DeleteRangeResponse"
        case .txn: "Txn"
        case .txnAnswer: "TxnResponse"
        case .compare: "Compare"
        case .operation: "Op"
        case .operationAnswer: "ResponseOp"
        case .compact: "Compact"
        case .compactAnswer: "CompactionResponse"
        case .hashKV: "HashKV"
        case .hashKVAnswer: "HashKVResponse"
        case .defragment: "Defragment"
        case .defragmentAnswer: "DefragmentResponse"
        }
    }

    private static let fields: [[Int: Field]] = {
        var table = [[Int: Field]](repeating: [:], count: MessageType.defragmentAnswer.rawValue + 1)
        func add(_ type: MessageType, _ fields: [(Int, String, Field.Kind)]) {
            for (number, name, kind) in fields {
                table[type.rawValue][number] = Field(name: name, kind: kind)
            }
        }
        let header = (1, "header", Field.Kind.message(.header))
        add(
            .header,
            [
                (1, "cluster_id", .number), (2, "member_id", .number), (3, "revision", .number),
                (4, "raft_term", .number),
            ])
        add(
            .keyValue,
            [
                (1, "key", .bytes), (2, "create_revision", .number), (3, "mod_revision", .number),
                (4, "version", .number), (5, "value", .bytes), (6, "lease", .number),
            ])
        add(
            .put,
            [
                (1, "key", .bytes), (2, "value", .bytes), (3, "lease", .number),
                (4, "prev_kv", .flag), (5, "ignore_value", .flag), (6, "ignore_lease", .flag),
            ])
        add(.putAnswer, [header, (2, "prev_kv", .message(.keyValue))])
        add(
            .range,
            [
                (1, "key", .bytes), (2, "range_end", .bytes), (3, "limit", .number),
                (4, "revision", .number), (5, "sort_order", .names(["NONE", "ASCEND", "DESCEND"])),
                (6, "sort_target", .names(["KEY", "VERSION", "CREATE", "MOD", "VALUE"])),
                (7, "serializable", .flag), (8, "keys_only", .flag), (9, "count_only", .flag),
                (10, "min_mod_revision", .number), (11, "max_mod_revision", .number),
                (12, "min_create_revision", .number), (13, "max_create_revision", .number),
            ])
        add(
            .rangeAnswer,
            [header, (2, "kvs", .message(.keyValue)), (3, "more", .flag), (4, "count", .number)])
        add(.delete, [(1, "key", .bytes), (2, "range_end", .bytes), (3, "prev_kv", .flag)])
        add(
            .deleteAnswer, [header, (2, "deleted", .number), (3, "prev_kvs", .message(.keyValue))])
        add(
            .txn,
            [
                (1, "compare", .message(.compare)), (2, "success", .message(.operation)),
                (3, "failure", .message(.operation)),
            ])
        add(
            .txnAnswer,
            [header, (2, "succeeded", .flag), (3, "responses", .message(.operationAnswer))])
        add(
            .compare,
            [
                (1, "result", .names(["EQUAL", "GREATER", "LESS", "NOT_EQUAL"])),
                (2, "target", .names(["VERSION", "CREATE", "MOD", "VALUE", "LEASE"])),
                (3, "key", .bytes), (4, "version", .number), (5, "create_revision", .number),
                (6, "mod_revision", .number), (7, "value", .bytes), (8, "lease", .number),
                (64, "range_end", .bytes),
            ])
        add(
            .operation,
            [
                (1, "range", .message(.range)), (2, "put", .message(.put)),
                (3, "delete_range", .message(.delete)), (4, "txn", .message(.txn)),
            ])
        add(
            .operationAnswer,
            [
                (1, "range", .message(.rangeAnswer)), (2, "put", .message(.putAnswer)),
                (3, "delete_range", .message(.deleteAnswer)), (4, "txn", .message(.txnAnswer)),
            ])
        add(.compact, [(1, "revision", .number), (2, "physical", .flag)])
        add(.compactAnswer, [header])
        add(.hashKV, [(1, "revision", .number)])
        add(
            .hashKVAnswer,
            [
                header, (2, "hash", .number), (3, "compact_revision", .number),
                (4, "hash_revision", .number),
            ])
        return table
    }()
}

// What a client that guards its writes knows: the revision at which each key was last seen.
//
// Kubernetes' API server writes so: compare the key's mod revision with the last one seen, put if
// it is still that, else get what is there now.

import API

/// The mod revisions of all keys, as their answers tell them; 0 is none. One loop's own keys only:
/// others do not change them.
struct KnownRevisions {
    private var revisions: [Int64]

    init(keySpace: Int) { revisions = Array(repeating: 0, count: keySpace) }

    subscript(key: Int) -> Revision { Revision(revisions[key]) }

    /// Takes in the answer to a put of `key`.
    mutating func learn(_ key: Int, put response: UnsafeRawBufferPointer) throws(WireError) {
        var reader = ProtobufReader(response)
        while let field = try reader.next(), field.number == 1 {
            revisions[key] = try Self.revision(header: field)
        }
    }

    /// Takes in the answer to a guarded put of `key`.
    mutating func learn(_ key: Int, txn response: UnsafeRawBufferPointer) throws(WireError) {
        var written: Int64 = 0
        var succeeded = false
        var found: Int64 = 0
        var reader = ProtobufReader(response)
        while let field = try reader.next() {
            switch field.number {
            case 1: written = try Self.revision(header: field)
            case 2: succeeded = try field.bool()
            case 3: found = try Self.modRevision(operation: field.bytes())
            default: break
            }
        }
        revisions[key] = succeeded ? written : found
    }

    private static func revision(header: WireField) throws(WireError) -> Int64 {
        var reader = ProtobufReader(try header.bytes())
        while let field = try reader.next(), field.number <= 3 {
            if field.number == 3 { return try field.int64() }
        }
        return 0
    }

    /// Of the pair that a Range within the transaction has found.
    private static func modRevision(
        operation: UnsafeRawBufferPointer
    ) throws(WireError) -> Int64 {
        var reader = ProtobufReader(operation)
        guard let range = try reader.next(), range.number == TxnOperationKind.range.rawValue else {
            return 0
        }
        var inside = ProtobufReader(try range.bytes())
        while let field = try inside.next() {
            if field.number == 2 {
                return try KeyValueView(decoding: field.bytes()).modRevision.rawValue
            }
        }
        return 0
    }
}

// Walking the records in the file, for what looks at all of them: compactions and hashes.

import API

/// A record of table `key` as it lies in the file. Valid during the visit only.
struct FileRecord {
    let key: RecordKey
    /// `key` as the file has it.
    let rawKey: UnsafeRawBufferPointer
    /// The encoded KeyValue.
    let encoded: UnsafeRawBufferPointer
    /// Whose change it is; empty in a record that `snapshot restore --bump-revision` left.
    let userKey: UnsafeRawBufferPointer
}

extension MVCCStore {
    /// Shows the records from `position` on, until `visit` says false. As of the last commit: what
    /// is in memory only is not shown, what waits to be deleted is.
    func forEachRecord(
        from position: RevisionPosition, _ visit: (FileRecord) -> Bool
    ) throws(StoreError) {
        var failure: StoreError?
        let start = RecordKey(position)
        try backend { () throws(BackendError) in
            try records.scanRevisions(from: start) { rawKey, encoded in
                do throws(StoreError) {
                    return visit(try Self.record(rawKey, encoded))
                } catch {
                    failure = error
                    return false
                }
            }
        }
        if let failure { throw failure }
    }

    private static func record(
        _ rawKey: UnsafeRawBufferPointer, _ encoded: UnsafeRawBufferPointer
    ) throws(StoreError) -> FileRecord {
        guard let key = RecordKey(decoding: rawKey) else {
            throw .damaged(place: "key \([UInt8](rawKey))", reason: "not a revision key")
        }
        do throws(WireError) {
            let pair = try KeyValueView(decoding: encoded)
            return FileRecord(key: key, rawKey: rawKey, encoded: encoded, userKey: pair.key)
        } catch {
            throw .damaged(key.position, "not a KeyValue: \(error)")
        }
    }
}

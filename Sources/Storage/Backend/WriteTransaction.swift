// Writing the store's file: all of it, or nothing.

import CLMDB

/// The one write in progress. Leaving scope without `commit`, by a throw too, undoes it.
///
/// Begun and ended on one thread, for LMDB's writer lock belongs to it.
struct WriteTransaction: ~Copyable {
    private let environment: Environment
    private var handle: OpaquePointer?

    init(_ environment: Environment) throws(BackendError) {
        precondition(environment.hasChecksums, "a file of an old format is converted, not written")
        var begun: OpaquePointer?
        try environment.require(mdb_txn_begin(environment.handle, nil, 0, &begun), "begin writing")
        handle = begun
        self.environment = environment
    }

    deinit { if let handle { mdb_txn_abort(handle) } }

    /// Returns once all that was written is durable.
    consuming func commit() throws(BackendError) {
        let committing = handle
        handle = nil  // LMDB frees it, whatever comes out
        try environment.require(mdb_txn_commit(committing), "commit")
    }

    func put(
        _ table: Table, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(BackendError) {
        try environment.require(write(table, key, value, 0), "write table \(table.name)")
    }

    /// LMDB makes room for the record (MDB_RESERVE), which is then written where it is to lie.
    private func write(
        _ table: Table, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer,
        _ flags: Int32
    ) -> Int32 {
        var name = MDB_val(key)
        var place = MDB_val(mv_size: value.count + StoredRecord.checksumBytes, mv_data: nil)
        let code = mdb_put(
            handle, environment.handle(of: table), &name, &place, UInt32(flags | MDB_RESERVE))
        if code == MDB_SUCCESS { StoredRecord.write(table, key, value, to: place.mv_data) }
        return code
    }

    /// Deletes `key`; does nothing if it is not there.
    func delete(_ table: Table, _ key: UnsafeRawBufferPointer) throws(BackendError) {
        var key = MDB_val(key)
        let code = mdb_del(handle, environment.handle(of: table), &key, nil)
        guard code != MDB_NOTFOUND else { return }
        try environment.require(code, "delete from table \(table.name)")
    }

    /// Deletes records of table `key`; those that are not there count as deleted.
    func delete(_ records: [RecordKey]) throws(BackendError) {
        for record in records {
            try RecordKey.Encoded(record).withBytes { (key) throws(BackendError) in
                try delete(.key, key)
            }
        }
    }

    /// Writes the records of `buffer` behind all others of table `key`.
    ///
    /// They are younger than what is there, so LMDB need not search their place and fills each page
    /// to its end (MDB_APPEND). It refuses a record that is not: the file is not what we took it
    /// for.
    func append(_ buffer: borrowing RevisionBuffer) throws(BackendError) {
        let operation = "append revisions"
        var cursor: OpaquePointer?
        try environment.require(
            mdb_cursor_open(handle, environment.handle(of: .key), &cursor), operation)
        defer { mdb_cursor_close(cursor) }
        for index in 0..<buffer.count {
            let record = buffer.record(at: index)
            let code = RecordKey.Encoded(record.key).withBytes { bytes in
                var key = MDB_val(bytes)
                var place = MDB_val(
                    mv_size: record.encoded.count + StoredRecord.checksumBytes, mv_data: nil)
                let code = mdb_cursor_put(
                    cursor, &key, &place, UInt32(MDB_APPEND | MDB_RESERVE))
                if code == MDB_SUCCESS {
                    StoredRecord.write(.key, bytes, record.encoded, to: place.mv_data)
                }
                return code
            }
            try environment.require(code, operation)
        }
    }

    /// Writes a record behind all others of its table (MDB_APPEND, as above).
    func append(
        _ table: Table, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(BackendError) {
        try environment.require(
            write(table, key, value, MDB_APPEND), "append to table \(table.name)")
    }
}

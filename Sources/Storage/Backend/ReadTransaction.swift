// Reading the store's file: a pinned view of the last commit.

import CLMDB

/// A pinned view of the last commit. Leaving scope, by a throw too, unpins its pages.
///
/// While it is pinned, pages freed by later commits are not reused: renew it after each commit, or
/// let it go. Stays with the actor that began it.
struct ReadTransaction: ~Copyable {
    private let environment: Environment
    private let handle: OpaquePointer

    init(_ environment: Environment) throws(BackendError) {
        var begun: OpaquePointer?
        try check(
            mdb_txn_begin(environment.handle, nil, UInt32(MDB_RDONLY), &begun), "begin reading")
        guard let begun else { throw BackendError("begin reading", code: MDB_PANIC) }
        handle = begun
        self.environment = environment
        OpenReaders.count.add(1)
    }

    deinit {
        mdb_txn_abort(handle)
        OpenReaders.count.add(-1)
    }

    /// Moves the view to the last commit. What was read before is no longer valid.
    ///
    /// After a failure the view is unpinned and must not be read.
    mutating func renew() throws(BackendError) {
        mdb_txn_reset(handle)
        try check(mdb_txn_renew(handle), "renew reading")
    }

    /// The value of `key`, nil if there is none. The bytes are the file's own, valid until the view
    /// is renewed or gone.
    @inline(__always)
    func get(
        _ table: Table, _ key: UnsafeRawBufferPointer
    ) throws(BackendError) -> UnsafeRawBufferPointer? {
        var wanted = MDB_val(key)
        var found = MDB_val()
        let code = mdb_get(handle, environment.handle(of: table), &wanted, &found)
        if code == MDB_NOTFOUND { return nil }
        try check(code, "read table \(table.name)")
        return UnsafeRawBufferPointer(found)
    }

    /// Calls `visit` with the records of `table` in order of their keys, from `start` on if given,
    /// until it says false. The bytes are valid as those of `get`.
    func forEach(
        in table: Table, from start: [UInt8]? = nil,
        _ visit: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool
    ) throws(BackendError) {
        try walk(environment.handle(of: table), from: start, "scan table \(table.name)", visit)
    }

    /// The last key of `table`, nil if it is empty. Valid as the bytes of `get`.
    func lastKey(of table: Table) throws(BackendError) -> UnsafeRawBufferPointer? {
        let operation = "read the end of table \(table.name)"
        var cursor: OpaquePointer?
        try check(mdb_cursor_open(handle, environment.handle(of: table), &cursor), operation)
        defer { mdb_cursor_close(cursor) }
        var key = MDB_val()
        var value = MDB_val()
        let code = mdb_cursor_get(cursor, &key, &value, MDB_LAST)
        if code == MDB_NOTFOUND { return nil }
        try check(code, operation)
        return UnsafeRawBufferPointer(key)
    }

    /// How many pages the file could reuse.
    ///
    /// LMDB keeps them in its first, unnamed table: per transaction a list that begins with its
    /// length (mdb.c, `FREE_DBI`; `mdb_stat -f` counts the same way).
    func freePages() throws(BackendError) -> Int {
        let freeTable: MDB_dbi = 0
        var pages = 0
        var isDamaged = false
        try walk(freeTable, from: nil, "count free pages") { _, list in
            guard list.count >= MemoryLayout<UInt>.size else {
                isDamaged = true
                return false
            }
            pages += Int(clamping: list.loadUnaligned(as: UInt.self))
            return true
        }
        guard !isDamaged else { throw BackendError("count free pages", code: MDB_CORRUPTED) }
        return pages
    }

    private func walk(
        _ table: MDB_dbi, from start: [UInt8]?, _ operation: @autoclosure () -> String,
        _ visit: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Bool
    ) throws(BackendError) {
        var cursor: OpaquePointer?
        try check(mdb_cursor_open(handle, table, &cursor), operation())
        defer { mdb_cursor_close(cursor) }
        var key = MDB_val()
        var value = MDB_val()
        var code: Int32
        if let start {
            code = start.withUnsafeBytes { bytes in
                key = MDB_val(bytes)
                return mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE)
            }
        } else {
            code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST)
        }
        while code != MDB_NOTFOUND {
            try check(code, operation())
            guard visit(UnsafeRawBufferPointer(key), UnsafeRawBufferPointer(value)) else { return }
            code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)
        }
    }
}

extension MDB_val {
    /// For handing bytes to LMDB, which does not write through the pointer.
    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer) {
        self.init(
            mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    }
}

extension UnsafeRawBufferPointer {
    @inline(__always)
    init(_ value: MDB_val) {
        self.init(start: value.mv_data, count: value.mv_size)
    }
}

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

    /// The value of `key`, nil if there is none; never another than was written: a record that does
    /// not match its checksum is an error here and in all that follows. The bytes are the file's
    /// own, valid until the view is renewed or gone.
    @inline(__always)
    func get(
        _ table: Table, _ key: UnsafeRawBufferPointer
    ) throws(BackendError) -> UnsafeRawBufferPointer? {
        var wanted = MDB_val(key)
        var found = MDB_val()
        let code = mdb_get(handle, environment.handle(of: table), &wanted, &found)
        if code == MDB_NOTFOUND { return nil }
        try checkRead(code, "read table \(table.name)")
        return try value(table, key, UnsafeRawBufferPointer(found))
    }

    /// What was written in the place of `stored`, which was found under `key`.
    @inline(__always)
    private func value(
        _ table: Table, _ key: UnsafeRawBufferPointer, _ stored: UnsafeRawBufferPointer
    ) throws(BackendError) -> UnsafeRawBufferPointer {
        guard environment.hasChecksums else { return stored }
        guard let value = StoredRecord.value(table, key, stored) else {
            throw damaged("\(Self.name(of: key, in: table)) does not match its checksum")
        }
        return value
    }

    /// A record as an operator can look for it.
    private static func name(of key: UnsafeRawBufferPointer, in table: Table) -> String {
        let name: String
        if table == .key, let record = RecordKey(decoding: key) {
            let position = record.position
            name = "of revision \(position.main.rawValue).\(position.sub)"
        } else if key.allSatisfy({ (0x20..<0x7f).contains($0) }) {
            name = "\"\(String(decoding: key, as: UTF8.self))\""
        } else {
            name = "\([UInt8](key))"
        }
        return "record \(name) of table \(table.name)"
    }

    /// The file is not as it was written. Whoever is told of damage knows when this returns.
    private func damaged(_ detail: String) -> BackendError {
        let error = environment.damage(detail)
        environment.reports.report(.backend(error))
        return error
    }

    @inline(__always)
    private func checkRead(
        _ code: Int32, _ operation: @autoclosure () -> String
    ) throws(BackendError) {
        guard code == MDB_SUCCESS else {
            let error = BackendError(operation(), code: code)
            throw error.kind == .damaged ? damaged("cannot \(operation()): \(error.reason)") : error
        }
    }

    /// Calls `visit` with all records of `table` in order of their keys, until it says false. The
    /// bytes are valid as those of `get`. At the end there were as many as LMDB has counted.
    func forEach(
        in table: Table,
        _ visit: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool
    ) throws(BackendError) {
        var scan = TableScan(table)
        try advance(&scan, visit)
    }

    /// As above from where `scan` is; the record at which `visit` says false is the first of the
    /// next part.
    func advance(
        _ scan: inout TableScan,
        _ visit: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool
    ) throws(BackendError) {
        precondition(!scan.isAtEnd, "a walk over a table that is at its end")
        let table = scan.table
        let first = scan.next
        var count = 0
        var isDisplaced = false
        var pause: [UInt8]?
        try forEach(in: table, from: first) { key, value in
            if count == 0, let first, !key.elementsEqual(first) {
                isDisplaced = true
                return false
            }
            guard visit(key, value) else {
                pause = [UInt8](key)
                return false
            }
            count += 1
            return true
        }
        if isDisplaced { throw damaged("table \(table.name) lacks a record that it had") }
        if let pause { return scan.pause(before: pause, after: count) }
        scan.finish(after: count)
        let expected = try entries(of: table)
        guard scan.count == expected else {
            throw damaged("table \(table.name) has \(scan.count) of its \(expected) records")
        }
    }

    /// Calls `visit` with the records of `table` in order of their keys, from `start` on, until it
    /// says false. The bytes are valid as those of `get`. Nobody knows how many there should be.
    func forEach(
        in table: Table, from start: [UInt8]?,
        _ visit: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool
    ) throws(BackendError) {
        let handle = environment.handle(of: table)
        var failure: BackendError?
        var last = UnsafeRawBufferPointer(start: nil, count: 0)
        try walk(handle, from: start, "scan table \(table.name)") { key, stored in
            do throws(BackendError) {
                let value = try value(table, key, stored)
                guard last.baseAddress == nil || Bytes.compare(last, key) < 0 else {
                    throw damaged("\(Self.name(of: key, in: table)) is out of order")
                }
                last = key
                return visit(key, value)
            } catch {
                failure = error
                return false
            }
        }
        if let failure { throw failure }
    }

    /// How many records LMDB has counted in `table`.
    func entries(of table: Table) throws(BackendError) -> Int {
        var statistics = MDB_stat()
        try checkRead(
            mdb_stat(handle, environment.handle(of: table), &statistics),
            "measure table \(table.name)")
        return statistics.ms_entries
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
        try checkRead(code, operation)
        _ = try self.value(table, UnsafeRawBufferPointer(key), UnsafeRawBufferPointer(value))
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
        guard !isDamaged else { throw damaged("a list of free pages is too short") }
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
            try checkRead(code, operation())
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

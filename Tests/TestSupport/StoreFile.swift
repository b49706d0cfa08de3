// A store's file as LMDB has it, past the code that is tested: where each record lies, so that a
// bit of it can be flipped, and files as earlier versions wrote them.

import CLMDB
import Glibc

/// Where a record lies in a file. Offsets and counts in bytes.
public struct StoredPlace: Sendable {
    public let table: String
    public let key: [UInt8]
    public let keyOffset: Int
    /// As it is stored, with its checksum.
    public let value: [UInt8]
    public let valueOffset: Int
}

public struct StoreFile {
    public struct Failure: Error {
        public let operation: String
        public let code: Int32
    }
    public let path: String

    public init(_ path: String) { self.path = path }

    private func check(_ code: Int32, _ operation: String) throws(Failure) {
        guard code == MDB_SUCCESS else { throw Failure(operation: operation, code: code) }
    }

    private func withTransaction<Result>(
        _ flags: Int32, _ body: (_ environment: OpaquePointer?, OpaquePointer?) throws -> Result
    ) throws -> Result {
        var environment: OpaquePointer?
        try check(mdb_env_create(&environment), "create")
        defer { mdb_env_close(environment) }
        try check(mdb_env_set_maxdbs(environment, 32), "maxdbs")
        try check(mdb_env_set_mapsize(environment, 1 << 30), "mapsize")
        let all = UInt32(flags | MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS)
        try check(mdb_env_open(environment, path, all, 0o600), "open")
        var transaction: OpaquePointer?
        try check(
            mdb_txn_begin(environment, nil, UInt32(flags & MDB_RDONLY), &transaction), "begin")
        do {
            let result = try body(environment, transaction)
            try check(mdb_txn_commit(transaction), "commit")
            return result
        } catch {
            mdb_txn_abort(transaction)
            throw error
        }
    }

    /// All records as of the last commit, in order. Those of LMDB's main table, by the name "", are
    /// the tables.
    public func places() throws -> [StoredPlace] {
        try withTransaction(MDB_RDONLY) { environment, transaction in
            let map = try mapBase(environment, transaction)
            let tables = try records(of: nil, transaction, map)
            return try tables
                + tables.flatMap {
                    try records(of: String(decoding: $0.key, as: UTF8.self), transaction, map)
                }
        }
    }

    /// The lists of free pages, by the name "".
    public func freeLists() throws -> [StoredPlace] {
        try withTransaction(MDB_RDONLY) { environment, transaction in
            try records(
                ofHandle: 0, named: "", transaction, try mapBase(environment, transaction))
        }
    }

    /// Where the file is mapped: the pages of the main table begin with their numbers.
    private func mapBase(
        _ environment: OpaquePointer?, _ transaction: OpaquePointer?
    ) throws -> UnsafeRawPointer {
        var statistics = MDB_stat()
        try check(mdb_env_stat(environment, &statistics), "stat")
        var main = MDB_dbi()
        try check(mdb_dbi_open(transaction, nil, 0, &main), "main")
        var cursor: OpaquePointer?
        try check(mdb_cursor_open(transaction, main, &cursor), "cursor")
        defer { mdb_cursor_close(cursor) }
        var key = MDB_val()
        try check(mdb_cursor_get(cursor, &key, nil, MDB_FIRST), "first")
        let size = Int(statistics.ms_psize)
        let place = Int(bitPattern: key.mv_data)
        let page = place - place % size
        let number = UnsafeRawPointer(bitPattern: page)?.load(as: Int.self) ?? 0
        guard let base = UnsafeRawPointer(bitPattern: page - number * size) else {
            throw Failure(operation: "find the map", code: MDB_CORRUPTED)
        }
        return base
    }

    private func records(
        of table: String?, _ transaction: OpaquePointer?, _ map: UnsafeRawPointer
    ) throws -> [StoredPlace] {
        var handle = MDB_dbi()
        try check(mdb_dbi_open(transaction, table, 0, &handle), "table")
        return try records(ofHandle: handle, named: table ?? "", transaction, map)
    }

    private func records(
        ofHandle handle: MDB_dbi, named table: String, _ transaction: OpaquePointer?,
        _ map: UnsafeRawPointer
    ) throws -> [StoredPlace] {
        var cursor: OpaquePointer?
        try check(mdb_cursor_open(transaction, handle, &cursor), "cursor")
        defer { mdb_cursor_close(cursor) }
        var (key, value) = (MDB_val(), MDB_val())
        var places: [StoredPlace] = []
        var code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST)
        while code != MDB_NOTFOUND {
            try check(code, "next")
            places.append(
                StoredPlace(
                    table: table, key: bytes(key), keyOffset: offset(key, map),
                    value: bytes(value), valueOffset: offset(value, map)))
            code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)
        }
        return places
    }

    private func bytes(_ value: MDB_val) -> [UInt8] {
        [UInt8](UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size))
    }

    private func offset(_ value: MDB_val, _ map: UnsafeRawPointer) -> Int {
        UnsafeRawPointer(value.mv_data) - map
    }

    /// Flips a bit, also in a file that others have open.
    public func flip(bit: Int, at offset: Int) {
        let file = open(path, O_RDWR)
        defer { close(file) }
        var byte: UInt8 = 0
        guard pread(file, &byte, 1, offset) == 1 else { return }
        byte ^= 1 << UInt8(bit)
        _ = pwrite(file, &byte, 1, offset)
    }

    /// Flips the bit of a page's header by which the page with the record at `offset` seems to have
    /// the fewest records, but one (mdb.c, `mp_lower`).
    /// - Returns: how many are hidden by that.
    @discardableResult
    public func hideRecords(besideRecordAt offset: Int) -> Int {
        let (page, header, place) = (offset / 4096 * 4096, 16, 12)
        let file = open(path, O_RDWR)
        defer { close(file) }
        var lower: UInt16 = 0
        guard pread(file, &lower, 2, page + place) == 2 else { return 0 }
        let flipped = (0..<16).map { lower ^ 1 << UInt16($0) }
            .filter { $0 < lower && Int($0) >= header + 2 && $0.isMultiple(of: 2) }.min()
        guard var flipped else { return 0 }
        _ = pwrite(file, &flipped, 2, page + place)
        return Int(lower - flipped) / 2
    }

    /// Changes a byte of a record's value as a bug of ours would, not a disk: with the checksum
    /// (the last four bytes) to match.
    public func alter(_ place: StoredPlace, at index: Int, by mask: UInt8) {
        let end = place.value.count - 4
        // A CRC is linear: that of the change is what it changes.
        var sum: UInt32 = 0
        for byte in index..<end {
            sum ^= byte == index ? UInt32(mask) : 0
            for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0x82F6_3B78 : sum >> 1 }
        }
        var value = place.value
        value[index] ^= mask
        for byte in 0..<4 { value[end + byte] ^= UInt8(truncatingIfNeeded: sum >> (8 * byte)) }
        let file = open(path, O_RDWR)
        defer { close(file) }
        _ = pwrite(file, value, value.count, place.valueOffset)
    }

    /// Makes a file of records that lie as they are given here.
    public func create(
        tables: [String], _ records: [(table: String, key: [UInt8], value: [UInt8])]
    ) throws {
        try withTransaction(0) { _, transaction in
            var handles: [String: MDB_dbi] = [:]
            for table in tables {
                var handle = MDB_dbi()
                try check(mdb_dbi_open(transaction, table, UInt32(MDB_CREATE), &handle), "table")
                handles[table] = handle
            }
            for record in records {
                guard let handle = handles[record.table] else { continue }
                var (key, value) = (record.key, record.value)
                let code = key.withUnsafeMutableBytes { key in
                    value.withUnsafeMutableBytes { value in
                        var name = MDB_val(mv_size: key.count, mv_data: key.baseAddress)
                        var place = MDB_val(mv_size: value.count, mv_data: value.baseAddress)
                        return mdb_put(transaction, handle, &name, &place, 0)
                    }
                }
                try check(code, "put")
            }
        }
    }
}

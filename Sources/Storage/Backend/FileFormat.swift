// Whether the records of a store's file have checksums: an empty table says so, by its name.
//
// Why a table and not a record? A record whose key was damaged is not there, and the file would be
// taken for one without checksums. The names of all tables are looked at together: one that is not
// known, one that is missing, or fewer than LMDB has counted is damage. All versions made all
// tables in a file's first commit, so one without any has no commit.

import API
import CLMDB

enum FileFormat {
    /// The name of the table that is in a file whose records have checksums (StoredRecord).
    static let mark = "checksums.1"

    /// Named tables of a file, at most.
    static let tableCount = Table.allCases.count + 1

    enum Contents: Hashable {
        /// Nothing was ever committed to it.
        case nothing
        case records(haveChecksums: Bool)
    }

    /// What the tables of a file, by name, tell of it.
    /// - Parameter isUntouched: nothing was ever committed to it.
    /// - Throws: `.damaged` when they are not those that any version made.
    static func contents(
        _ names: [String], isUntouched: Bool, at path: String
    ) throws(BackendError) -> Contents {
        if names.isEmpty, isUntouched { return .nothing }
        let known = Table.allCases.map(\.name)
        if let name = names.first(where: { $0 != mark && !known.contains($0) }) {
            throw BackendError(damaged: path, "it has a table \"\(name)\", which is not known")
        }
        if let name = known.first(where: { !names.contains($0) }) {
            throw BackendError(damaged: path, "it has no table \"\(name)\"")
        }
        return .records(haveChecksums: names.contains(mark))
    }

    /// LMDB keeps tables as records of its main table, which has no name.
    /// - Throws: `.damaged` when there are not as many as LMDB has counted.
    static func tableNames(
        _ transaction: OpaquePointer?, at path: String
    ) throws(BackendError) -> [String] {
        let operation = "read the names of tables"
        var main = MDB_dbi()
        try check(mdb_dbi_open(transaction, nil, 0, &main), operation)
        var statistics = MDB_stat()
        try check(mdb_stat(transaction, main, &statistics), operation)
        var cursor: OpaquePointer?
        try check(mdb_cursor_open(transaction, main, &cursor), operation)
        defer { mdb_cursor_close(cursor) }
        var names: [String] = []
        var key = MDB_val()
        var code = mdb_cursor_get(cursor, &key, nil, MDB_FIRST)
        while code != MDB_NOTFOUND {
            try check(code, operation)
            names.append(String(decoding: UnsafeRawBufferPointer(key), as: UTF8.self))
            code = mdb_cursor_get(cursor, &key, nil, MDB_NEXT)
        }
        guard names.count == statistics.ms_entries else {
            throw BackendError(
                damaged: path, "it has \(names.count) of its \(statistics.ms_entries) tables")
        }
        return names
    }
}

// A store's file that ends before its last page.
//
// Whoever reads the map behind the file's end is killed by the system (SIGBUS), so the file becomes
// one that lacks the contents of its last pages. A search that comes to such a page is refused by
// LMDB, a walk ends in an assertion (Environment), and a record's checksum does not match, but for
// one of four thousand million.
//
// Why not refuse it? LMDB does not write pages that a transaction has taken at the end and freed
// again, but counts them (mdb.c, P_LOOSE; `mdb_env_copyfd0` looks out for it): a file may be short
// and whole. What is missing is found by reading, which a start does.

import CLMDB
import Glibc

/// How a file was when it was opened.
struct FileExtent {
    private(set) var bytes = 0
    /// By how much it ended before its last page.
    private(set) var missingBytes = 0
    private var lastCommit = 0

    init() {}

    /// - Throws: `.damaged` when it has a last page that no file can have.
    init(
        of environment: OpaquePointer, pageBytes: Int, at path: String
    ) throws(BackendError) {
        var info = MDB_envinfo()
        var file = stat()
        try check(mdb_env_info(environment, &info), "measure")
        guard fstat(lmdbDescriptor(of: environment), &file) == 0 else {
            throw BackendError("measure", code: errno)
        }
        guard (0..<info.me_mapsize / pageBytes).contains(info.me_last_pgno) else {
            throw BackendError(damaged: path, "its last page has the number \(info.me_last_pgno)")
        }
        bytes = Int(file.st_size)
        missingBytes = max(0, (info.me_last_pgno + 1) * pageBytes - bytes)
        lastCommit = info.me_last_txnid
    }

    /// Makes up for what is missing.
    func coverMap(of environment: OpaquePointer) throws(BackendError) {
        guard missingBytes > 0 else { return }
        guard ftruncate(lmdbDescriptor(of: environment), bytes + missingBytes) == 0 else {
            throw BackendError("make up for missing pages", code: errno)
        }
    }

    /// Undoes that before the file is closed, unless something was written to it: the next start is
    /// to say that the file is too short.
    func giveBack(_ environment: OpaquePointer) {
        var info = MDB_envinfo()
        guard missingBytes > 0, mdb_env_info(environment, &info) == MDB_SUCCESS,
            info.me_last_txnid == lastCommit
        else { return }
        _ = ftruncate(lmdbDescriptor(of: environment), bytes)
    }
}

/// Of the file that LMDB has open; before it has opened one, a number that no call takes.
func lmdbDescriptor(of environment: OpaquePointer) -> Int32 {
    var descriptor: Int32 = -1
    return mdb_env_get_fd(environment, &descriptor) == MDB_SUCCESS ? descriptor : -1
}

// The store's file: one LMDB environment with one table per bucket of etcd's.
//
// Map size. LMDB maps the file read-only, at a size fixed when it is opened; the map costs address
// space, not memory or disk. It must exceed all the file can grow to, which is more than the
// quota: the quota counts bytes in use, and pages that are freed but still seen by a reader come on
// top. So four times the quota and at least 64 GiB; 1 TiB when the quota is off. Where a limit on
// address space forbids it (`ulimit -v`, a sanitizer), half is tried, and half again.
//
// Durability. No MDB_NOSYNC (but for a file that is still being built, `beginUnsynced`), no
// MDB_WRITEMAP: a commit writes the pages, syncs, and only then
// writes the meta page through a synchronous descriptor. A full disk is an error of `write`, never
// a signal, and a crash leaves the last commit or the one before it.
//
// Readers. MDB_NOTLS ties a reader to its transaction object instead of the thread, so a reader
// may live beside a writer on one thread and be renewed for as long as the store is open.

import CLMDB
import Glibc

/// How much of the disk the store takes, in bytes.
public struct BackendSize: Hashable, Sendable {
    /// All pages of the file, free ones included.
    public let total: Int64
    /// Without the free pages.
    public let inUse: Int64
}

/// An open store file.
///
/// `@unchecked Sendable` is sound: the handle and the table handles never change after `open`, and
/// LMDB lets any thread begin transactions on one environment. A transaction object stays with
/// the actor that began it and keeps the environment open.
final class Environment: @unchecked Sendable {
    let handle: OpaquePointer
    /// Where the file is, or will be once it takes the place of the one it is a copy of.
    let path: String
    /// Whether each record has one (StoredRecord). Without, the file is an earlier version's, and
    /// is read only.
    let hasChecksums: Bool
    /// Where records can lie.
    let bounds: PageBounds
    /// Told of damage that is found in what is read.
    let reports: DamageReports
    private let tables: [MDB_dbi]
    private let pageSize: Int64
    /// How the file was when it was opened.
    private let extent: FileExtent

    /// Opens or creates the file at `path`, whose directory exists, with all tables in it.
    ///
    /// Must be the only one to open it in this process (LMDB, Caveats); between processes the lock
    /// on the data directory sees to it. Blocks on the disk.
    convenience init(path: String, quotaBytes: Int64) throws(BackendError) {
        try self.init(path: path, mapBytes: Self.mapBytes(quotaBytes))
    }

    private static func mapBytes(_ quotaBytes: Int64) -> Int {
        let largest: Int64 = 1 << 44  // times four is half of what a process can address
        return quotaBytes < 0 ? 1 << 40 : max(1 << 36, Int(min(quotaBytes, largest)) * 4)
    }

    /// Creates a file at `place`, which may take the place of the one at `path`.
    convenience init(
        replacing path: String, at place: String, quotaBytes: Int64
    ) throws(BackendError) {
        try self.init(opening: place, as: path, mapBytes: Self.mapBytes(quotaBytes))
    }

    /// As above with the size of the map given: a test can fill a small one.
    convenience init(path: String, mapBytes: Int) throws(BackendError) {
        try self.init(opening: path, as: path, mapBytes: mapBytes)
    }

    /// Opens a copy of `other` at `place`, which will be renamed to the original's path.
    convenience init(copyOf other: Environment, at place: String) throws(BackendError) {
        var info = MDB_envinfo()
        try check(mdb_env_info(other.handle, &info), "measure")
        try self.init(
            opening: place, as: other.path, mapBytes: Int(info.me_mapsize), reports: other.reports)
    }

    private init(
        opening place: String, as path: String, mapBytes: Int,
        reports: DamageReports = DamageReports()
    ) throws(BackendError) {
        self.path = path
        self.reports = reports
        let isNew = access(place, F_OK) != 0
        handle = try Self.open(place, mapBytes: mapBytes)
        var extent = FileExtent()
        do throws(BackendError) {
            pageSize = try Self.pageSize(handle, of: path)
            // Slots of readers that died with an earlier process would pin their pages forever.
            try check(mdb_reader_check(handle, nil), "clear stale readers of \(path)")
            extent = try FileExtent(of: handle, pageBytes: Int(pageSize), at: path)
            self.extent = extent
            try extent.coverMap(of: handle)
            let pageBytes = Int(pageSize)
            (tables, hasChecksums) = try Self.openTables(
                handle, PageBounds(pageBytes: pageBytes, fileBytes: .max), of: path)
            bounds = PageBounds(
                pageBytes: pageBytes, fileBytes: hasChecksums ? .max : extent.bytes)
            if isNew { try Self.syncDirectory(of: place) }
        } catch {
            extent.giveBack(handle)
            mdb_env_close(handle)
            guard error.kind == .damaged else { throw error }
            let found = Self.damage(error.damage, path, extent.missingBytes)
            reports.report(.backend(found))
            throw found
        }
        mdb_env_set_userctx(handle, Unmanaged.passUnretained(self).toOpaque())
    }

    deinit {
        extent.giveBack(handle)
        mdb_env_close(handle)
    }

    /// Commits are written and not synced from now on, until `sync`: a crash before may leave
    /// anything.
    func beginUnsynced() throws(BackendError) {
        try check(mdb_env_set_flags(handle, UInt32(MDB_NOSYNC), 1), "build \(path)")
    }

    /// Begins to bring to the disk what was written, once what was there before is on its way: the
    /// disk has never much to do when another file is synced. Only of use without syncs.
    func trickle() {
        // What fails here fails in `sync`.
        _ = sync_file_range(
            lmdbDescriptor(of: handle), 0, 0, UInt32(CLMDB_WAIT_BEFORE | CLMDB_WRITE))
    }

    /// All that was committed is durable when this returns, and so is every later commit.
    func sync() throws(BackendError) {
        try check(mdb_env_sync(handle, 1), "sync \(path)")
        try check(mdb_env_set_flags(handle, UInt32(MDB_NOSYNC), 0), "sync \(path)")
    }

    /// What to throw when the file is not as it was written.
    func damage(_ detail: String) -> BackendError { Self.damage(detail, path, extent.missingBytes) }

    /// As above. Whoever is told of damage knows when this returns.
    func foundDamage(_ detail: String) -> BackendError {
        let error = damage(detail)
        reports.report(.backend(error))
        return error
    }

    /// Throws unless LMDB says that `operation` succeeded. Whoever is told of damage knows then.
    @inline(__always)
    func require(
        _ code: Int32, _ operation: @autoclosure () -> String
    ) throws(BackendError) {
        guard code == MDB_SUCCESS else {
            let error = BackendError(operation(), code: code)
            // A commit that failed before is no damage of the file.
            guard error.kind == .damaged, code != MDB_PANIC else { throw error }
            throw foundDamage(error.damage)
        }
    }

    private static func damage(
        _ detail: String, _ path: String, _ missingBytes: Int
    ) -> BackendError {
        let size = missingBytes == 0 ? "" : "; the file is \(missingBytes) bytes too short"
        return BackendError(damaged: path, detail + size + "; " + advice)
    }

    /// What is left to do: nothing in the file is repaired by guessing.
    static let advice =
        "the member cannot go on from this file: remove it from its cluster and add it again with "
        + "an empty data directory, or restore a backup"

    func handle(of table: Table) -> MDB_dbi { tables[table.rawValue] }

    /// Size as of the last commit. Reads the list of free pages: a record per few hundred of them.
    func size() throws(BackendError) -> BackendSize {
        let reader = try ReadTransaction(self)
        let free = Int64(try reader.freePages())
        var info = MDB_envinfo()  // never older than what was read
        try check(mdb_env_info(handle, &info), "measure")
        let pages = Int64(info.me_last_pgno) + 1
        guard free < pages else { throw foundDamage("\(free) of its \(pages) pages are free") }
        return BackendSize(total: pages * pageSize, inUse: (pages - free) * pageSize)
    }

    /// The error as the disk means it: LMDB reports a write that the disk took only in part as EIO
    /// (mdb.c, `mdb_page_flush`: "short write, filesystem full?").
    func explain(_ error: BackendError) -> BackendError {
        var disk = statvfs()
        guard error.code == EIO, statvfs(path, &disk) == 0,
            Int(disk.f_bavail) * Int(disk.f_frsize) < Self.fullBelow
        else { return error }
        return BackendError(error.operation, code: ENOSPC)
    }

    /// A disk with less than that to give is full: a commit of one large value needs more.
    private static let fullBelow = 1 << 20

    private static let smallestMap = 1 << 28

    private static func open(_ path: String, mapBytes: Int) throws(BackendError) -> OpaquePointer {
        var bytes = mapBytes
        while true {
            var created: OpaquePointer?
            try check(mdb_env_create(&created), "create environment")
            guard let environment = created else {
                throw BackendError("create environment", code: ENOMEM)
            }
            var code = mdb_env_set_maxdbs(environment, MDB_dbi(FileFormat.tableCount))
            if code == MDB_SUCCESS { code = mdb_env_set_mapsize(environment, bytes) }
            if code == MDB_SUCCESS {
                code = mdb_env_set_assert(environment) { Environment.assertionFailed($0, $1) }
            }
            if code == MDB_SUCCESS {
                code = mdb_env_open(environment, path, UInt32(MDB_NOSUBDIR | MDB_NOTLS), 0o600)
            }
            if code == MDB_SUCCESS { return environment }
            mdb_env_close(environment)
            guard code == ENOMEM || code == EINVAL, bytes / 2 >= smallestMap else {
                throw BackendError("open \(path)", code: code)
            }
            bytes /= 2
        }
    }

    /// The map begins at a multiple of the system's: of another, nobody could tell where a page is.
    private static func pageSize(
        _ environment: OpaquePointer, of path: String
    ) throws(BackendError) -> Int64 {
        var statistics = MDB_stat()
        try check(mdb_env_stat(environment, &statistics), "measure")
        let size = Int64(statistics.ms_psize)
        guard size == sysconf(Int32(_SC_PAGESIZE)) else {
            throw BackendError(damaged: path, "its pages are of \(size) bytes, not the system's")
        }
        return size
    }

    /// LMDB has found what it does not expect of a file, and ends the process when this returns. If
    /// nobody is told of damage, as at a start, standard error is.
    private static func assertionFailed(
        _ handle: OpaquePointer?, _ message: UnsafePointer<CChar>?
    ) {
        var path: UnsafePointer<CChar>?
        mdb_env_get_path(handle, &path)
        let detail =
            "LMDB does not know what it found: " + (message.map { String(cString: $0) } ?? "")
        let error: BackendError
        if let context = mdb_env_get_userctx(handle) {
            let environment = Unmanaged<Environment>.fromOpaque(context).takeUnretainedValue()
            error = environment.foundDamage(detail)
        } else {
            error = damage(detail, path.map { String(cString: $0) } ?? "", 0)
        }
        let line = "fatal: \(error)\n"
        _ = line.utf8.withContiguousStorageIfAvailable {
            write(STDERR_FILENO, $0.baseAddress, $0.count)
        }
    }

    /// Writes to a new file only.
    /// - Returns: handles by number, and whether records have checksums.
    private static func openTables(
        _ environment: OpaquePointer, _ bounds: PageBounds, of path: String
    ) throws(BackendError) -> (tables: [MDB_dbi], hasChecksums: Bool) {
        var info = MDB_envinfo()
        try check(mdb_env_info(environment, &info), "measure")
        let isUntouched = info.me_last_txnid == 0
        return try within(environment, isUntouched ? 0 : MDB_RDONLY) { begun throws(BackendError) in
            let names = try FileFormat.tableNames(begun, bounds, at: path)
            let contents = try FileFormat.contents(names, isUntouched: isUntouched, at: path)
            let flags = contents == .nothing ? MDB_CREATE : 0
            if contents == .nothing { _ = try openTable(FileFormat.mark, flags, begun) }
            var handles: [MDB_dbi] = []
            for table in Table.allCases { handles.append(try openTable(table.name, flags, begun)) }
            return (handles, contents != .records(haveChecksums: false))
        }
    }

    /// Handles that `body` opens stay open.
    private static func within<Result>(
        _ environment: OpaquePointer, _ flags: Int32,
        _ body: (OpaquePointer?) throws(BackendError) -> Result
    ) throws(BackendError) -> Result {
        var begun: OpaquePointer?
        try check(mdb_txn_begin(environment, nil, UInt32(flags), &begun), "begin")
        do throws(BackendError) {
            let result = try body(begun)
            let code = mdb_txn_commit(begun)
            begun = nil
            try check(code, "open tables")
            return result
        } catch {
            mdb_txn_abort(begun)
            throw error
        }
    }

    private static func openTable(
        _ name: String, _ flags: Int32, _ transaction: OpaquePointer?
    ) throws(BackendError) -> MDB_dbi {
        var handle = MDB_dbi()
        try check(mdb_dbi_open(transaction, name, UInt32(flags), &handle), "open table \(name)")
        return handle
    }

    /// Whether the file that is open here has the name `place`.
    func isFile(at place: String) -> Bool {
        var (own, other) = (stat(), stat())
        return fstat(lmdbDescriptor(of: handle), &own) == 0 && stat(place, &other) == 0
            && own.st_dev == other.st_dev && own.st_ino == other.st_ino
    }

    func syncDirectory() throws(BackendError) { try Self.syncDirectory(of: path) }

    /// A new file survives loss of power only once its name does.
    private static func syncDirectory(of path: String) throws(BackendError) {
        let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let descriptor = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw BackendError("open \(directory)", code: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw BackendError("sync \(directory)", code: errno) }
    }
}

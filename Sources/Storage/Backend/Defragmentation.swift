// Giving free pages back to the disk: the file is written anew without them, then takes the place
// of the old one.
//
// At every step the file at the store's path is whole and says the same: first the old one, then,
// from one rename on, the new one, which was synced before. A crash leaves at most a copy beside
// it, which the next start removes. The new environment is opened before the rename, under the
// name of the copy: should it fail to open, nothing has happened.
//
// LMDB keeps its readers in a file beside, found by name when an environment is opened. The new
// environment has one of its own, which is renamed first; the old environment goes on with the
// one it has open, and two environments never share one.

import API
import CLMDB
import Glibc

/// What a defragmentation did. Sizes in bytes.
public struct DefragmentationReport: Hashable, Sendable {
    public let before: BackendSize
    public let after: BackendSize
    public let nanoseconds: UInt64
}

/// A defragmentation that came to nothing.
struct DefragmentationFailure: Error {
    let error: BackendError
    /// Whether nobody knows which of the two files a crash would leave: nothing may be committed
    /// to either any more.
    let isFatal: Bool
}

struct Defragmentation {
    /// What has been done, for tests: each is a state that a crash can leave.
    enum Step: CaseIterable {
        case began, copied, opened, renamedLock, renamed, synced
    }
    let environment: Environment
    var observe: (Step) -> Void = { _ in }

    private var path: String { environment.path }
    private var copy: String { Self.copy(of: path) }

    private static func copy(of path: String) -> String { path + ".defrag" }
    private static func lock(of path: String) -> String { path + "-lock" }

    /// Removes what a crash during a defragmentation of the file at `path` has left.
    static func removeLeftovers(of path: String) {
        unlink(copy(of: path))
        unlink(lock(of: copy(of: path)))
    }

    /// Blocks while all of the file is read and written. Nothing may be committed meanwhile.
    /// - Returns: the environment of the new file, to be used instead of the old one.
    func run() throws(DefragmentationFailure) -> Environment {
        Self.removeLeftovers(of: path)
        let new: Environment
        do throws(BackendError) {
            observe(.began)
            try writeCopy()
            observe(.copied)
            new = try Environment(copyOf: environment, at: copy)
            observe(.opened)
            try rename(Self.lock(of: copy), to: Self.lock(of: path))
            observe(.renamedLock)
            try rename(copy, to: path)
            observe(.renamed)
        } catch {
            Self.removeLeftovers(of: path)
            throw DefragmentationFailure(error: environment.explain(error), isFatal: false)
        }
        do throws(BackendError) { try environment.syncDirectory() } catch {
            throw DefragmentationFailure(error: error, isFatal: true)
        }
        observe(.synced)
        return new
    }

    /// Each write is on disk before the next, LMDB's are of a megabyte: one sync at the end would
    /// have the log's wait for all of the file.
    private func writeCopy() throws(BackendError) {
        let file = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_DSYNC, 0o600)
        guard file >= 0 else { throw BackendError("create \(copy)", code: errno) }
        defer { close(file) }
        // What cannot be copied is damaged here, and was found by reading.
        try environment.require(
            mdb_env_copyfd2(environment.handle, file, UInt32(MDB_CP_COMPACT)), "write \(copy)")
        guard fsync(file) == 0 else { throw BackendError("sync \(copy)", code: errno) }
    }

    private func rename(_ old: String, to new: String) throws(BackendError) {
        guard Glibc.rename(old, new) == 0 else {
            throw BackendError("rename \(old)", code: errno)
        }
    }
}

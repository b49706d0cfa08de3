// What the store's file can fail with, said so that an operator can act on it.

import CLMDB
import Glibc

/// A failed operation on the store's file: what was being done, and LMDB's or the system's reason.
public struct BackendError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What a caller may want to tell apart.
    public enum Kind: Hashable, Sendable {
        /// The file would outgrow the map it was opened with.
        case mapFull
        /// The disk or its quota is full.
        case diskFull
        /// The disk failed to read or write.
        case inputOutput
        /// The file is damaged, or no store of ours.
        case damaged
        /// An earlier commit failed: nothing is believed until the store is opened again.
        case failedBefore
        case other
    }

    /// What was being done, such as `commit`.
    public let operation: String
    /// LMDB's return code: negative is its own, positive an errno.
    public let code: Int32
    public let kind: Kind
    /// What LMDB has no words for.
    private let detail: String?

    /// What is wrong with a damaged file.
    var damage: String { detail ?? "cannot \(operation): \(reason)" }

    init(_ operation: String, code: Int32) {
        self.operation = operation
        self.code = code
        detail = nil
        kind =
            switch code {
            case MDB_MAP_FULL: .mapFull
            case ENOSPC, EDQUOT, EFBIG: .diskFull
            case EIO: .inputOutput
            // The last is what LMDB says when a table's root is not to be found (mdb.c,
            // `mdb_cursor_init`): nobody goes on with a transaction that has failed.
            case MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_INVALID, MDB_VERSION_MISMATCH, MDB_PANIC,
                MDB_INCOMPATIBLE, MDB_BAD_TXN:
                .damaged
            default: .other
            }
    }

    private init(failedBefore first: BackendError) {
        operation = first.operation
        code = first.code
        detail = first.detail
        kind = .failedBefore
    }

    /// The file at `path` holds what was never written: `detail` says where and what.
    init(damaged path: String, _ detail: String) {
        operation = "read \(path)"
        code = MDB_CORRUPTED
        kind = .damaged
        self.detail = detail
    }

    /// The answer to everything that comes after this failure.
    var asEarlierFailure: BackendError { BackendError(failedBefore: self) }

    /// The reason, in LMDB's words if it is LMDB's.
    public var reason: String { detail ?? String(cString: mdb_strerror(code)) }

    public var description: String {
        let what = kind == .failedBefore ? "refused since it failed to" : "failed to"
        return "store \(what) \(operation): \(reason)\(detail == nil ? " (\(code))" : "")"
    }
}

/// Throws unless LMDB says that `operation` succeeded.
@inline(__always)
func check(_ code: Int32, _ operation: @autoclosure () -> String) throws(BackendError) {
    guard code == MDB_SUCCESS else { throw BackendError(operation(), code: code) }
}

// Why the system refused something about a file: said so that an operator can act on it.

import CSupport
import Glibc

/// A failed operation on a file: what was tried, on which path, and the system's answer.
public struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was tried.
    public enum Operation: String, Hashable, Sendable {
        case open, size, read, write, sync, preallocate, truncate, lock
        case list, rename, remove
        case createDirectory = "create directory"
        case syncDirectory = "sync directory"
    }
    public let operation: Operation
    public let path: String
    /// The errno of the system call.
    public let code: Int32

    public init(_ operation: Operation, _ path: String, code: Int32) {
        self.operation = operation
        self.path = path
        self.code = code
    }

    /// The symbolic name of `code`, such as `ENOSPC`.
    public var name: String {
        csupport_errno_name(code).map { String(cString: $0) } ?? "errno \(code)"
    }

    /// The disk, or this user's share of it, is full.
    public var isDiskFull: Bool { code == ENOSPC || code == EDQUOT }

    public var description: String {
        "\(operation.rawValue) \(path): \(String(cString: strerror(code))) (\(name))"
    }
}

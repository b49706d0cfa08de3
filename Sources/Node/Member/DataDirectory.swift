// The directory of a member: made whole, and held by one process at a time.

import Storage

/// Where a member's data lies (etcd's layout; reference: ondisk.md, Data directory).
struct DataDirectory {
    private let configuration: Configuration
    private let files: any FileSystem

    init(_ configuration: Configuration, _ files: any FileSystem) {
        self.configuration = configuration
        self.files = files
    }

    /// Makes what is missing of it, with its parents, as etcd does. A name that is made here
    /// survives loss of power before anything is kept below it.
    func create() throws(FileError) {
        let member = configuration.memberDirectory
        try make(member + "/snap")
        try make(Self.parent(of: configuration.walDirectory))
        // Perhaps made, or moved to its place, by a process that was killed before it synced it.
        for directory in [configuration.dataDirectory, member, member + "/snap"] {
            try files.syncDirectory(directory)
        }
    }

    /// - Throws: `RecoveryError` when another process has it; `FileError`.
    func lock() throws -> DirectoryLock {
        try DirectoryLock(configuration.memberDirectory + "/lock", files)
    }

    private func make(_ path: String) throws(FileError) {
        if try files.exists(path) { return }
        let parent = Self.parent(of: path)
        try make(parent)
        try files.createDirectory(path)
        try files.syncDirectory(parent)
    }

    /// Of a relative name it is the working directory.
    private static func parent(of path: String) -> String {
        var path = path[...]
        while path.count > 1, path.last == "/" { path.removeLast() }
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

/// A lock on a data directory, given back when it goes away.
///
/// `@unchecked Sendable`: nothing is done with the file but to keep it open.
final class DirectoryLock: @unchecked Sendable {
    private let file: any File

    /// - Throws: `RecoveryError` when another process has it.
    init(_ path: String, _ files: any FileSystem) throws {
        file = try files.open(path, .createOrKeep)
        guard try file.tryLock() else {
            throw RecoveryError(
                description: "\(path) is locked: the data directory is in use by another process")
        }
    }
}

// A file system that is soon full: a tmpfs of a chosen size.

import Foundation

/// Mounted as long as the value lives.
final class TinyDisk {
    let directory: TemporaryDirectory
    var url: URL { directory.url }

    init(mebibytes: Int) throws {
        directory = try TemporaryDirectory()
        try Self.mount(["-t", "tmpfs", "-o", "size=\(mebibytes)m", "tmpfs", directory.path])
    }

    deinit { _ = try? run("/bin/umount", ["--lazy", directory.path]) }

    /// Makes it larger.
    func grow(toMebibytes size: Int) throws {
        try Self.mount(["-o", "remount,size=\(size)m", directory.path])
    }

    private static func mount(_ arguments: [String]) throws {
        let result = try run("/bin/mount", arguments)
        guard result.status == 0 else { throw ProcessFailure(description: result.errors) }
    }

    /// Whether this process may mount.
    static let isPossible = (try? TinyDisk(mebibytes: 1)) != nil
}

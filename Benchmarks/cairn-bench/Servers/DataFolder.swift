// Where measured members keep their data: the same disk for all of them.

import Foundation

/// A folder of this run's own inside the one that was asked for.
struct DataFolder: Sendable {
    static let standard = ".build-bench"
    let url: URL
    private let parent: URL

    init(_ path: String) throws {
        parent = URL(fileURLWithPath: path)
        url = parent.appendingPathComponent("run-\(getpid())")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    /// Removes the folder, and the one around it if that is empty then.
    func remove() {
        try? FileManager.default.removeItem(at: url)
        rmdir(parent.path)
    }
}

import Foundation

/// Facts and fixtures of etcd, which lie beside the repository on a developer's machine.
enum Reference {
    static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// A file under `../shared`, also looked for beside worktrees one folder further up; nil when
    /// there is none.
    static func shared(_ path: String) -> URL? {
        var folder = root
        for _ in 0..<2 {
            folder.deleteLastPathComponent()
            let candidate = folder.appending(path: "shared/\(path)")
            if FileManager.default.fileExists(atPath: candidate.path()) { return candidate }
        }
        return nil
    }

    /// The rows of a tab-separated reference file, comment and head line left out.
    static func rows(_ path: String) throws -> [[String]] {
        guard let file = shared("reference/\(path)") else { return [] }
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
            .filter { !$0.hasPrefix("#") }.dropFirst()
            .map { $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init) }
    }
}

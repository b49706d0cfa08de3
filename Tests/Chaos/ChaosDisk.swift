// The disk of one member: a file system of its own that another fills up. Where this process may
// not mount, it is an ordinary directory that is never full.

import Foundation

final class ChaosDisk {
    let url: URL
    private var isMounted = false
    private var filler: URL { url.appendingPathComponent("filler") }
    private static let mebibytes = 192

    init(_ url: URL) throws {
        self.url = url
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        isMounted = Self.run(
            "/bin/mount", ["-t", "tmpfs", "-o", "size=\(Self.mebibytes)m", "tmpfs", url.path])
    }

    deinit {
        if isMounted { _ = Self.run("/bin/umount", ["--lazy", url.path]) }
    }

    var canBeFull: Bool { isMounted }

    /// Takes all that is left. False when it cannot.
    func fill() -> Bool {
        guard isMounted, FileManager.default.createFile(atPath: filler.path, contents: nil),
            let file = FileHandle(forWritingAtPath: filler.path)
        else { return false }
        let block = Data(repeating: 0x5A, count: 64 << 10)
        while (try? file.write(contentsOf: block)) != nil {}
        try? file.close()
        return true
    }

    func free() { try? FileManager.default.removeItem(at: filler) }

    private static func run(_ path: String, _ arguments: [String]) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}

// The file system of one life of a member. What lies below `member/snap` is LMDB's, which maps real
// files: those are on the machine's own (in memory, where there is such a file system).

import API
import Glibc
import Storage

/// `@unchecked Sendable`: the world has one thread.
final class SimFiles: FileSystem, @unchecked Sendable {
    let disk: SimDisk
    private let real = SystemFiles()
    private let root: String
    private let realPrefix: String
    /// The process is gone: nothing that is left of it reaches the disk.
    var isDead = false

    /// - Parameter root: the data directory.
    init(_ disk: SimDisk, root: String) {
        self.disk = disk
        self.root = root
        realPrefix = root + "/member/snap"
    }

    private func isReal(_ path: String) -> Bool { path.hasPrefix(realPrefix) }

    fileprivate func check(_ operation: FileError.Operation, _ path: String) throws(FileError) {
        if isDead { throw FileError(operation, path, code: EIO) }
    }

    func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
        try check(.open, path)
        return isReal(path) ? try real.open(path, mode) : try disk.open(path, mode, by: self)
    }

    func list(_ directory: String) throws(FileError) -> [String] {
        try check(.list, directory)
        return isReal(directory) ? try real.list(directory).sorted() : try disk.list(directory)
    }

    func exists(_ path: String) throws(FileError) -> Bool {
        if isReal(path) { return try real.exists(path) }
        return disk.exists(path) || !path.hasPrefix(root)
    }

    func createDirectory(_ path: String) throws(FileError) {
        try check(.createDirectory, path)
        if isReal(path) { try real.createDirectory(path) } else { disk.createDirectory(path) }
    }

    func rename(_ path: String, to target: String) throws(FileError) {
        try check(.rename, path)
        if isReal(path) { try real.rename(path, to: target) } else { disk.rename(path, to: target) }
    }

    func remove(_ path: String) throws(FileError) {
        try check(.remove, path)
        if isReal(path) { try real.remove(path) } else { disk.remove(path) }
    }

    func syncDirectory(_ path: String) throws(FileError) {
        try check(.syncDirectory, path)
        if !isReal(path) { try disk.syncDirectory(path) }
    }
}

/// A file on a simulated disk, as one life has it open.
final class SimFile: File {
    private let disk: SimDisk
    private let content: SimDisk.Content
    private let files: SimFiles
    let path: String

    init(_ disk: SimDisk, _ content: SimDisk.Content, _ path: String, _ files: SimFiles) {
        self.disk = disk
        self.content = content
        self.path = path
        self.files = files
    }

    deinit { close() }

    func size() throws(FileError) -> Int { content.live.count }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        try files.check(.read, path)
        disk.read()
        let count = max(0, min(buffer.count, content.live.count - offset))
        guard count > 0 else { return 0 }
        content.live.withUnsafeBytes { live in
            buffer.copyMemory(
                from: UnsafeRawBufferPointer(rebasing: live[offset..<(offset + count)]))
        }
        return count
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
        try files.check(.write, path)
        try disk.write(bytes, at: offset, to: content, path)
    }

    func syncData() throws(FileError) {
        try files.check(.sync, path)
        try disk.sync(content, path)
    }

    func preallocate(through size: Int) throws(FileError) {
        try files.check(.preallocate, path)
        try disk.grow(content, to: size, .preallocate, path)
    }

    func truncate(to size: Int) throws(FileError) {
        try files.check(.truncate, path)
        if size > content.live.count {
            try disk.grow(content, to: size, .truncate, path)
        } else {
            disk.truncate(content, to: size)
        }
    }

    func tryLock() throws(FileError) -> Bool {
        if let holder = content.holder, holder !== files { return false }
        content.holder = files
        return true
    }

    func close() {
        if content.holder === files { content.holder = nil }
    }
}

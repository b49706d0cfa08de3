// A disk that does what disks do: it keeps what was synced, and of the rest whatever it likes.
//
// Writes change sectors of 512 bytes, each of which survives a crash or not. A name that was made,
// moved or removed survives once its directory was synced; before that, changes of names survive
// in order up to some point (a journal). It fails when told to, and fills up.

import API
import Glibc

@testable import Storage

final class SimulatedDisk: FileSystem, @unchecked Sendable {  // used from one thread by each test
    final class Content {
        var live: [UInt8] = []
        var durable: [UInt8] = []
        /// Sectors a sync failed to write: as Linux does, they are held for clean from then on.
        var forgotten: Set<Int> = []
        var isLocked = false
    }
    struct NameChange {
        let directory: String
        let apply: (inout [String: Content]) -> Void
    }

    var names: [String: Content] = [:]
    var directories: Set<String> = ["data"]
    private var durableNames: [String: Content] = [:]
    private var pending: [NameChange] = []
    private(set) var syncs = 0
    private(set) var writes = 0

    /// Changes that succeed before power fails; nil is for ever.
    var changesUntilPowerFails: Int?
    /// The errno that a call is to fail with.
    var fault: ((FileError.Operation, String) -> Int32?)?
    /// Bytes that all files together may have.
    var capacity: Int?
    var random: SplitMix

    init(seed: UInt64 = 1) { random = SplitMix(state: seed) }

    var used: Int { names.values.reduce(0) { $0 + $1.live.count } }

    /// What the disk shows after loss of power.
    func crash() {
        let kept = Int(random.next() % UInt64(pending.count + 1))
        for change in pending.prefix(kept) { change.apply(&durableNames) }
        pending = []
        names = durableNames
        for content in names.values {
            content.live = survivor(content)
            content.durable = content.live
            content.forgotten = []
            content.isLocked = false
        }
        directories = Set(names.keys.map(parent)).union(["data"])
        changesUntilPowerFails = nil
        fault = nil
    }

    /// The process dies; the kernel, and so every write, lives.
    func kill() {
        for content in names.values { content.isLocked = false }
        changesUntilPowerFails = nil
        fault = nil
    }

    private func survivor(_ content: Content) -> [UInt8] {
        let sizes = [content.live.count, content.durable.count]
        let size = sizes[Int(random.next() % 2)]
        var result = [UInt8](repeating: 0, count: size)
        for start in stride(from: 0, to: size, by: 512) {
            let isWritten = !content.forgotten.contains(start / 512) && random.next() % 2 == 0
            let source = isWritten ? content.live : content.durable
            for place in start..<min(start + 512, size) where place < source.count {
                result[place] = source[place]
            }
        }
        return result
    }

    func change(_ operation: FileError.Operation, _ path: String) throws(FileError) {
        if let left = changesUntilPowerFails {
            if left == 0 { throw FileError(operation, path, code: EIO) }
            changesUntilPowerFails = left - 1
        }
        if let code = fault?(operation, path) { throw FileError(operation, path, code: code) }
    }

    func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
        if let content = names[path] {
            if mode == .createEmpty {
                try change(.open, path)
                content.live = []
            }
            return SimulatedFile(self, content, path)
        }
        guard mode == .createEmpty || mode == .createOrKeep, directories.contains(parent(path))
        else { throw FileError(.open, path, code: ENOENT) }
        try change(.open, path)
        let content = Content()
        rename(in: parent(path)) { $0[path] = content }
        return SimulatedFile(self, content, path)
    }

    func list(_ directory: String) throws(FileError) -> [String] {
        guard directories.contains(directory) else {
            throw FileError(.list, directory, code: ENOENT)
        }
        return names.keys.filter { parent($0) == directory }
            .map { String($0.dropFirst(directory.count + 1)) }
    }

    func exists(_ path: String) throws(FileError) -> Bool {
        names[path] != nil || directories.contains(path)
    }

    func createDirectory(_ path: String) throws(FileError) {
        try change(.createDirectory, path)
        directories.insert(path)
    }

    func rename(_ path: String, to target: String) throws(FileError) {
        try change(.rename, path)
        if directories.remove(path) != nil { directories.insert(target) }
        rename(in: parent(target)) { names in
            for (name, content) in names where name == path || name.hasPrefix(path + "/") {
                names[name] = nil
                names[target + name.dropFirst(path.count)] = content
            }
        }
    }

    func remove(_ path: String) throws(FileError) {
        try change(.remove, path)
        rename(in: parent(path)) { $0[path] = nil }
    }

    func syncDirectory(_ path: String) throws(FileError) {
        try change(.syncDirectory, path)
        for change in pending where change.directory == path { change.apply(&durableNames) }
        pending.removeAll { $0.directory == path }
    }

    private func rename(in directory: String, _ apply: @escaping (inout [String: Content]) -> Void)
    {
        apply(&names)
        pending.append(NameChange(directory: directory, apply: apply))
    }

    fileprivate func countSync() { syncs += 1 }
    fileprivate func countWrite() { writes += 1 }

    private func parent(_ path: String) -> String {
        String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }
}

private final class SimulatedFile: File {
    let disk: SimulatedDisk
    let content: SimulatedDisk.Content
    let path: String
    private var holdsLock = false

    init(_ disk: SimulatedDisk, _ content: SimulatedDisk.Content, _ path: String) {
        self.disk = disk
        self.content = content
        self.path = path
    }

    deinit { close() }

    func size() throws(FileError) -> Int { content.live.count }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        let count = max(0, min(buffer.count, content.live.count - offset))
        if count > 0 { buffer.copyBytes(from: content.live[offset..<(offset + count)]) }
        return count
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
        disk.countWrite()
        do throws(FileError) {
            try disk.change(.write, path)
            try grow(to: offset + bytes.count, .write)
            put(bytes, at: offset)
        } catch {
            // A write that fails may have written any part of itself. One that is cut short by
            // the end of the process or of power stops between sectors.
            var part = Int(disk.random.next() % UInt64(bytes.count + 1))
            if disk.changesUntilPowerFails == 0 {
                part = max(0, (offset + part) / 512 * 512 - offset)
            }
            let room = min(part, max(0, content.live.count - offset))
            put(UnsafeRawBufferPointer(rebasing: bytes[..<room]), at: offset)
            throw error
        }
    }

    private func put(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        guard bytes.count > 0 else { return }
        content.live.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
        content.forgotten.subtract(offset / 512...(offset + bytes.count - 1) / 512)
    }

    func syncData() throws(FileError) {
        do throws(FileError) {
            try disk.change(.sync, path)
        } catch {
            // Power that fails fails every call from then on; this one failed alone.
            if disk.changesUntilPowerFails == nil { content.forgotten.formUnion(unsynced) }
            throw error
        }
        disk.countSync()
        var synced = content.live
        for sector in content.forgotten {
            let end = min(sector * 512 + 512, synced.count, content.durable.count)
            guard sector * 512 < end else { continue }
            synced.replaceSubrange(sector * 512..<end, with: content.durable[sector * 512..<end])
        }
        content.durable = synced
    }

    private var unsynced: [Int] {
        stride(from: 0, to: content.live.count, by: 512).filter { start in
            let range = start..<min(start + 512, content.live.count)
            return content.durable.count < range.upperBound
                || content.live[range] != content.durable[range]
        }.map { $0 / 512 }
    }

    func preallocate(through size: Int) throws(FileError) {
        try disk.change(.preallocate, path)
        try grow(to: size, .preallocate)
    }

    private func grow(to size: Int, _ operation: FileError.Operation) throws(FileError) {
        let missing = size - content.live.count
        guard missing > 0 else { return }
        if let capacity = disk.capacity, disk.used + missing > capacity {
            throw FileError(operation, path, code: ENOSPC)
        }
        content.live.append(contentsOf: repeatElement(0, count: missing))
    }

    func truncate(to size: Int) throws(FileError) {
        try disk.change(.truncate, path)
        if size <= content.live.count {
            content.live.removeLast(content.live.count - size)
            content.forgotten = content.forgotten.filter { $0 < size / 512 }
        } else {
            try grow(to: size, .truncate)
        }
    }

    func tryLock() throws(FileError) -> Bool {
        if content.isLocked { return holdsLock }
        content.isLocked = true
        holdsLock = true
        return true
    }

    func close() {
        if holdsLock { content.isLocked = false }
        holdsLock = false
    }
}

/// Numbers from a seed (SplitMix64, public domain, Sebastiano Vigna).
struct SplitMix {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

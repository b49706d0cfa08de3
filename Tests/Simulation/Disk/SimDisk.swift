// A disk that does what disks do: it keeps what was synced, and of the rest whatever it likes.
//
// A write changes sectors of 512 bytes, each of which survives a crash or not, as long as no sync
// has ended since. A name that was made, moved or removed survives once its directory was synced;
// before that, changes of names survive in order up to some point, as in a journal. A sync takes
// time, and a crash in that time leaves any part of it done.

import API
import Glibc
import Storage
import TestSupport

/// Of one member, through all its lives.
final class SimDisk: @unchecked Sendable {
    /// What a file holds, and what it held before the writes that are not synced.
    final class Content {
        var live: [UInt8] = []
        /// By sector, as of the last sync.
        var before: [Int: [UInt8]] = [:]
        /// By sector, as the disk has it: a sync of what was written over it failed. As Linux
        /// does, it is held for clean from then on, until it is written again.
        var forgotten: [Int: [UInt8]] = [:]
        var durableSize = 0
        var holder: SimFiles?
    }
    private struct NameChange {
        let directory: String
        let apply: (inout [String: Content]) -> Void
    }
    /// The last sync: its end is not certain until the disk is used again, or time has passed.
    private struct Sync {
        let content: Content
        let before: [Int: [UInt8]]
        let durableSize: Int
        let end: UInt64
    }

    private(set) var names: [String: Content] = [:]
    private var directories: Set<String> = []
    private var durableNames: [String: Content] = [:]
    private var pending: [NameChange] = []
    private var lastSync: Sync?
    private let kernel: SimKernel
    var dice: SplitMix64

    // Faults.
    /// How long a sync takes, in nanoseconds.
    var syncTime = SimDisk.usualSyncTime
    static let usualSyncTime: ClosedRange<UInt64> = 50_000...400_000
    /// Syncs that are still to fail.
    var failingSyncs = 0
    /// Bytes that all files together may have.
    var capacity = Int.max
    /// Told before and after every sync; may end the process then.
    var watchSync: ((_ path: String, _ isDone: Bool) throws(FileError) -> Void)?

    init(_ kernel: SimKernel, seed: UInt64) {
        self.kernel = kernel
        dice = SplitMix64(seed: seed)
    }

    var used: Int { names.values.reduce(0) { $0 + $1.live.count } }

    // MARK: Crashes

    /// What is there after loss of power.
    func crash() {
        if let sync = lastSync, sync.end > kernel.time {
            // Any part of what was being synced may be missing. What is older counts.
            for (sector, bytes) in sync.before { sync.content.before[sector] = bytes }
            sync.content.durableSize = sync.durableSize
        }
        lastSync = nil
        let kept = Int(dice.next() % UInt64(pending.count + 1))
        for change in pending.prefix(kept) { change.apply(&durableNames) }
        pending = []
        names = durableNames
        for name in names.keys.sorted() { names[name].map(tear) }
        directories = directories.filter { directory in
            names.keys.contains { $0.hasPrefix(directory + "/") }
        }
    }

    /// The process dies, the kernel lives, and with it every write.
    func kill() {
        lastSync = nil
        for content in names.values { content.holder = nil }
    }

    private func tear(_ content: Content) {
        for sector in content.before.keys.sorted() where dice.next() % 2 == 0 {
            content.before[sector].map { restore($0, to: sector, of: content) }
        }
        if content.live.count > content.durableSize, dice.next() % 2 == 0 {
            content.live.removeLast(content.live.count - content.durableSize)
        }
        for sector in content.forgotten.keys.sorted() {
            content.forgotten[sector].map { restore($0, to: sector, of: content) }
        }
        content.before = [:]
        content.forgotten = [:]
        content.durableSize = content.live.count
        content.holder = nil
    }

    private func restore(_ old: [UInt8], to sector: Int, of content: Content) {
        kernel.trace.counts.add("seen: sectors lost")
        let start = sector * 512
        let end = min(start + old.count, content.live.count)
        guard start < end else { return }
        content.live.replaceSubrange(start..<end, with: old[..<(end - start)])
    }

    /// Flips a bit in what `path`'s file holds before the zeros at its end.
    /// - Returns: where, in bytes; nil if there is nothing.
    func flipBit(in path: String) -> Int? {
        guard let content = names[path],
            let last = content.live.lastIndex(where: { $0 != 0 }), last > 64
        else { return nil }
        let place = Int(dice.next() % UInt64(last + 1))
        content.live[place] ^= 1 << (dice.next() % 8)
        return place
    }

    /// All is gone: the disk was replaced.
    func wipe() {
        names = [:]
        durableNames = [:]
        pending = []
        directories = []
        lastSync = nil
    }

    /// What was synced so far is so for good.
    func settle() { lastSync = nil }

    // MARK: Names

    func open(_ path: String, _ mode: FileMode, by files: SimFiles) throws(FileError) -> SimFile {
        if let content = names[path] {
            if mode == .createEmpty { truncate(content, to: 0) }
            return SimFile(self, content, path, files)
        }
        guard mode == .createEmpty || mode == .createOrKeep else {
            throw FileError(.open, path, code: ENOENT)
        }
        settle()
        let content = Content()
        change(in: Self.parent(path)) { $0[path] = content }
        return SimFile(self, content, path, files)
    }

    func list(_ directory: String) throws(FileError) -> [String] {
        guard directories.contains(directory) || !inside(directory).isEmpty else {
            throw FileError(.list, directory, code: ENOENT)
        }
        return inside(directory).map { String($0.dropFirst(directory.count + 1)) }.sorted()
    }

    private func inside(_ directory: String) -> [String] {
        names.keys.filter { Self.parent($0) == directory }
    }

    func exists(_ path: String) -> Bool {
        names[path] != nil || directories.contains(path)
            || names.keys.contains { $0.hasPrefix(path + "/") }
    }

    func createDirectory(_ path: String) {
        settle()
        directories.insert(path)
    }

    func rename(_ path: String, to target: String) {
        settle()
        if directories.remove(path) != nil { directories.insert(target) }
        change(in: Self.parent(target)) { names in
            for name in names.keys.filter({ $0 == path || $0.hasPrefix(path + "/") }).sorted() {
                names[target + name.dropFirst(path.count)] = names.removeValue(forKey: name)
            }
        }
    }

    func remove(_ path: String) {
        settle()
        directories.remove(path)
        change(in: Self.parent(path)) { $0[path] = nil }
    }

    func syncDirectory(_ path: String) throws(FileError) {
        settle()
        try beginSync(path)
        for change in pending where change.directory == path { change.apply(&durableNames) }
        pending.removeAll { $0.directory == path }
        try watchSync?(path, true)
    }

    private func change(in directory: String, _ apply: @escaping (inout [String: Content]) -> Void)
    {
        apply(&names)
        pending.append(NameChange(directory: directory, apply: apply))
    }

    private static func parent(_ path: String) -> String {
        String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }

    // MARK: Contents

    func write(
        _ bytes: UnsafeRawBufferPointer, at offset: Int, to content: Content, _ path: String
    ) throws(FileError) {
        settle()
        do throws(FileError) {
            try grow(content, to: offset + bytes.count, .write, path)
        } catch {
            // A write that fails may have written any part of itself.
            let room = max(0, content.live.count - offset)
            let part = min(Int(dice.next() % UInt64(bytes.count + 1)), room)
            put(UnsafeRawBufferPointer(rebasing: bytes[..<part]), at: offset, to: content)
            throw error
        }
        put(bytes, at: offset, to: content)
    }

    private func put(_ bytes: UnsafeRawBufferPointer, at offset: Int, to content: Content) {
        guard bytes.count > 0 else { return }
        remember(offset / 512...(offset + bytes.count - 1) / 512, of: content)
        content.live.withUnsafeMutableBytes { live in
            UnsafeMutableRawBufferPointer(rebasing: live[offset..<(offset + bytes.count)])
                .copyMemory(from: bytes)
        }
    }

    func grow(
        _ content: Content, to size: Int, _ operation: FileError.Operation, _ path: String
    ) throws(FileError) {
        let missing = size - content.live.count
        guard missing > 0 else { return }
        if capacity < .max, used + missing > capacity {
            kernel.trace.counts.add("seen: writes to a full disk")
            throw FileError(operation, path, code: ENOSPC)
        }
        content.live.append(contentsOf: repeatElement(0, count: missing))
    }

    func truncate(_ content: Content, to size: Int) {
        settle()
        guard size < content.live.count else { return }
        remember(size / 512...(content.live.count - 1) / 512, of: content)
        content.live.removeLast(content.live.count - size)
    }

    /// What the disk has of these sectors, which are about to change.
    private func remember(_ sectors: ClosedRange<Int>, of content: Content) {
        for sector in sectors where content.before[sector] == nil {
            let start = sector * 512
            content.before[sector] =
                content.forgotten.removeValue(forKey: sector)
                ?? Array(content.live[start..<min(start + 512, content.live.count)])
        }
    }

    func sync(_ content: Content, _ path: String) throws(FileError) {
        settle()
        try beginSync(path, of: content)
        lastSync = Sync(
            content: content, before: content.before, durableSize: content.durableSize,
            end: kernel.current?.busyUntil ?? kernel.time)
        content.before = [:]
        content.durableSize = content.live.count
        try watchSync?(path, true)
    }

    /// A sync failed: any part of it was done, and the rest is never tried again.
    private func forget(_ content: Content) {
        for sector in content.before.keys.sorted() where dice.next() % 2 == 0 {
            content.forgotten[sector] = content.before.removeValue(forKey: sector)
        }
        content.before = [:]
    }

    func drawSyncTime() -> UInt64 {
        syncTime.lowerBound + dice.next() % (syncTime.upperBound - syncTime.lowerBound + 1)
    }

    /// Somebody reads, and has to wait for it if the disk is slow.
    func read() {
        guard syncTime != Self.usualSyncTime else { return }
        kernel.trace.counts.add("seen: slow reads")
        kernel.current?.block(drawSyncTime())
    }

    private func beginSync(_ path: String, of content: Content? = nil) throws(FileError) {
        kernel.current?.block(drawSyncTime())
        try watchSync?(path, false)
        guard failingSyncs > 0 else { return }
        failingSyncs -= 1
        kernel.trace.counts.add("seen: syncs failed")
        content.map(forget)
        throw FileError(.sync, path, code: EIO)
    }
}

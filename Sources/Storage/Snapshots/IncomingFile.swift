// A store's file on its way to the place of the one that is there.
//
//     cairn.mdb.receiving   being written: of no use after a crash
//     cairn.mdb.incoming    whole and durable, waiting for its record in the log
//     cairn.mdb.converting  the store's records in this version's format: of no use after a crash
//     cairn.mdb             the store
//
// At every step the file at the store's path is whole: the old state, then, from one rename on, the
// new one. The file's lock goes with it, before it, as in a defragmentation.

import API
import Glibc

/// A file that may become the store's. It is open, and stays so through all renames.
struct IncomingFile: Sendable {
    /// What has been done, for tests: each is a state that a crash can leave.
    enum Step: CaseIterable, Sendable {
        case kept, began, renamedLock, renamed, synced
    }
    let environment: Environment
    /// Only tests set it.
    var observe: @Sendable (Step) -> Void = { _ in }

    private var path: String { environment.path }

    static func receiving(_ path: String) -> String { path + ".receiving" }
    static func incoming(_ path: String) -> String { path + ".incoming" }
    static func converting(_ path: String) -> String { path + ".converting" }
    private static func lock(of path: String) -> String { path + "-lock" }

    /// An empty file, in the place of whatever an earlier one has left.
    init(replacing path: String, quotaBytes: Int64) throws(BackendError) {
        try self.init(at: Self.receiving(path), replacing: path, quotaBytes: quotaBytes)
    }

    /// As above, for the records of the file that is there.
    init(converting path: String, quotaBytes: Int64) throws(BackendError) {
        try self.init(at: Self.converting(path), replacing: path, quotaBytes: quotaBytes)
    }

    private init(at place: String, replacing path: String, quotaBytes: Int64) throws(BackendError) {
        Self.remove(place)
        environment = try Environment(replacing: path, at: place, quotaBytes: quotaBytes)
        try environment.beginUnsynced()
    }

    /// The one that was kept before a crash.
    init(keptFor path: String) throws(BackendError) {
        environment = try Environment(
            replacing: path, at: Self.incoming(path), quotaBytes: 0)
    }

    /// It is whole and durable: from now on it is found after a crash.
    func keep() throws(BackendError) {
        try environment.sync()
        try move(from: Self.receiving(path), to: Self.incoming(path))
        try environment.syncDirectory()
        observe(.kept)
    }

    /// Makes it the store's file.
    func install() throws(BackendError) { try install(from: Self.incoming(path)) }

    /// Makes it the store's file once it has all that the one there has.
    func installConverted() throws(BackendError) {
        try environment.sync()
        try install(from: Self.converting(path))
    }

    private func install(from place: String) throws(BackendError) {
        observe(.began)
        try move(from: place, to: path)
        observe(.renamed)
        try environment.syncDirectory()
        observe(.synced)
    }

    private func move(from old: String, to new: String) throws(BackendError) {
        try Self.rename(Self.lock(of: old), to: Self.lock(of: new))
        if new == path { observe(.renamedLock) }
        try Self.rename(old, to: new)
    }

    /// It is not to be finished. The name may be the next one's already once this one was kept.
    func removeReceiving() { Self.remove(Self.receiving(path)) }

    /// It was kept, and is not needed. The name may be the next one's already, which was kept since:
    /// that one stays. On the thread of all that are kept.
    func removeIncoming() {
        let place = Self.incoming(path)
        if environment.isFile(at: place) { Self.remove(place) }
    }

    static func remove(_ path: String) {
        unlink(path)
        unlink(lock(of: path))
    }

    private static func rename(_ old: String, to new: String) throws(BackendError) {
        guard Glibc.rename(old, new) == 0 else {
            throw BackendError("rename \(old)", code: errno)
        }
    }
}

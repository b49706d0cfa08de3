// All that storage asks of a file system, as protocols, so that tests can put a disk behind it that
// tears writes, loses what was not synced, fills up and fails on demand.
//
// The calls block, and so belong on a thread that may block. One call moves a batch, never a
// single entry: the existential costs nothing that counts.

/// How a file is opened.
public enum FileMode: Hashable, Sendable {
    case readOnly
    /// Must exist.
    case readWrite
    /// Created with mode 0600, or emptied if it exists.
    case createEmpty
    /// Created with mode 0600 unless it exists.
    case createOrKeep
}

/// Directories and names.
public protocol FileSystem: Sendable {
    func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File
    /// The names in a directory, in no order, without `.` and `..`.
    func list(_ directory: String) throws(FileError) -> [String]
    func exists(_ path: String) throws(FileError) -> Bool
    /// Mode 0700. No error when the directory exists; its parent must.
    func createDirectory(_ path: String) throws(FileError)
    /// Replaces `target` in one step. Durable after `syncDirectory` of the parent.
    func rename(_ path: String, to target: String) throws(FileError)
    /// Removes a file or an empty directory. Durable after `syncDirectory` of the parent.
    func remove(_ path: String) throws(FileError)
    /// Makes created, renamed and removed names in `path` survive loss of power.
    func syncDirectory(_ path: String) throws(FileError)
}

/// An open file. Confined to whoever opened it; closed when dropped.
public protocol File: AnyObject {
    var path: String { get }
    /// In bytes.
    func size() throws(FileError) -> Int
    /// Fills `buffer` from `offset` on; fewer bytes only at the end of the file.
    /// - Returns: How many bytes were read.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int
    /// Writes all of `bytes`, or throws: then any part of them may have been written.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError)
    /// What was written, and a size it needs, survives loss of power once this returns. After an
    /// error nothing that was written since the last success may be believed to be on disk.
    func syncData() throws(FileError)
    /// Reserves space up to `size` and makes the file at least that long; what is new reads as
    /// zeros.
    func preallocate(through size: Int) throws(FileError)
    func truncate(to size: Int) throws(FileError)
    /// Takes the exclusive lock on the file, held until `close`.
    /// - Returns: False when another holder has it, in this process or another one.
    func tryLock() throws(FileError) -> Bool
    /// Harmless when repeated.
    func close()
}

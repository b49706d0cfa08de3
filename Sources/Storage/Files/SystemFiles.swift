// The real file system: the one place in Storage that makes system calls on files.
//
// Every call is repeated on EINTR. A short write is continued. Everything else the kernel says is
// thrown with the path and the errno; nobody above retries (a failed sync cannot be repeated:
// Linux reports a lost page once and then forgets it).

import CSupport
import Glibc

/// The file system of this machine.
public struct SystemFiles: FileSystem {
    public init() {}

    public func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
        let flags: Int32 =
            switch mode {
            case .readOnly: O_RDONLY
            case .readWrite: O_RDWR
            case .createEmpty: O_RDWR | O_CREAT | O_TRUNC
            case .createOrKeep: O_RDWR | O_CREAT
            }
        let descriptor = try retried(.open, path) { Glibc.open(path, flags | O_CLOEXEC, 0o600) }
        return SystemFile(descriptor: descriptor, path: path)
    }

    public func list(_ directory: String) throws(FileError) -> [String] {
        guard let stream = opendir(directory) else {
            throw FileError(.list, directory, code: errno)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0  // how readdir tells the end from an error
            guard let entry = readdir(stream) else { break }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        if errno != 0 { throw FileError(.list, directory, code: errno) }
        return names
    }

    public func exists(_ path: String) throws(FileError) -> Bool {
        if access(path, F_OK) == 0 { return true }
        if errno == ENOENT { return false }
        throw FileError(.open, path, code: errno)
    }

    public func createDirectory(_ path: String) throws(FileError) {
        if mkdir(path, 0o700) != 0 && errno != EEXIST {
            throw FileError(.createDirectory, path, code: errno)
        }
    }

    public func rename(_ path: String, to target: String) throws(FileError) {
        _ = try retried(.rename, path) { Glibc.rename(path, target) }
    }

    public func remove(_ path: String) throws(FileError) {
        _ = try retried(.remove, path) { Glibc.remove(path) }
    }

    public func syncDirectory(_ path: String) throws(FileError) {
        let descriptor = try retried(.syncDirectory, path) {
            Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        }
        defer { _ = Glibc.close(descriptor) }
        _ = try retried(.syncDirectory, path) { fsync(descriptor) }
    }
}

/// Repeats `call` while a signal interrupts it; a negative result is thrown.
private func retried<Number: SignedInteger>(
    _ operation: FileError.Operation, _ path: String, _ call: () -> Number
) throws(FileError) -> Number {
    while true {
        let result = call()
        if result >= 0 { return result }
        if errno != EINTR { throw FileError(operation, path, code: errno) }
    }
}

private final class SystemFile: File {
    let path: String
    /// -1 once closed.
    private var descriptor: Int32
    private var isLocked = false

    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close() }

    func close() {
        // Said aloud: a child of this process that has not come to its exec has the descriptor
        // too, and would keep the lock.
        if isLocked { _ = setLock(F_UNLCK) }
        isLocked = false
        // Not repeated on EINTR: Linux has released the number by then (close(2)).
        if descriptor >= 0 { _ = Glibc.close(descriptor) }
        descriptor = -1
    }

    func size() throws(FileError) -> Int {
        var status = stat()
        _ = try retried(.size, path) { fstat(descriptor, &status) }
        return Int(status.st_size)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let count = try retried(.read, path) {
                pread(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let count = try retried(.write, path) {
                pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
            }
            // A write of something that writes nothing and says no reason would loop for ever.
            if count == 0 { throw FileError(.write, path, code: EIO) }
            done += count
        }
    }

    func syncData() throws(FileError) {
        _ = try retried(.sync, path) { fdatasync(descriptor) }
    }

    func preallocate(through size: Int) throws(FileError) {
        do {
            _ = try retried(.preallocate, path) { csupport_fallocate(descriptor, Int64(size)) }
        } catch  where error.code == EOPNOTSUPP || error.code == ENOSYS {
            // A file system that cannot reserve: only make the file as long (as etcd does).
            if try self.size() < size { try truncate(to: size) }
        }
    }

    func truncate(to size: Int) throws(FileError) {
        _ = try retried(.truncate, path) { ftruncate(descriptor, off_t(size)) }
    }

    func tryLock() throws(FileError) -> Bool {
        do {
            _ = try retried(.lock, path) { setLock(F_WRLCK) }
            isLocked = true
            return true
        } catch  where error.code == EAGAIN || error.code == EACCES {
            return false
        }
    }

    /// An open-file-description lock, as etcd takes on its WAL segments: it also keeps apart two
    /// openings by one process, and an etcd and us.
    private func setLock(_ type: Int32) -> Int32 {
        let setOpenFileDescriptionLock: Int32 = 37  // F_OFD_SETLK, hidden behind _GNU_SOURCE
        var whole = flock()
        whole.l_type = Int16(type)
        whole.l_whence = Int16(SEEK_SET)
        return fcntl(descriptor, setOpenFileDescriptionLock, &whole)
    }
}

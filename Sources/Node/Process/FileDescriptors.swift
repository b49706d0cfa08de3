// How many files and sockets this process may have open, and has.

import Glibc

public enum FileDescriptors {
    /// The limit in force.
    public static var limit: UInt64 {
        var limits = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) == 0 else { return 0 }
        return UInt64(limits.rlim_cur)
    }

    /// Raises the limit as far as it goes without privilege, for servers with many connections
    /// (Go programs do the same at start).
    /// - Returns: the limit in force afterwards.
    @discardableResult
    public static func raiseLimit() -> UInt64 {
        var limits = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(resource, &limits) == 0 else { return 0 }
        if limits.rlim_cur < limits.rlim_max {
            limits.rlim_cur = limits.rlim_max
            _ = setrlimit(resource, &limits)
        }
        return limit
    }

    /// Those open now, without the one that it takes to count; nil where /proc cannot be read.
    public static var openCount: Int? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        return max(0, count - 3)  // ".", ".." and the directory itself
    }
}

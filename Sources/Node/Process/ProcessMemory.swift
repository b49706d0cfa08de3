// How the process holds its memory.

import CSupport
import Glibc

public enum ProcessMemory {
    /// Has malloc give large blocks back to the system as soon as they are freed. Left alone, it
    /// learns from each of them to keep the next ones, up to 32 MiB each and twice that in all,
    /// for every thread: a burst of large values would be paid for ever.
    public static func giveBackLargeBlocks() {
        csupport_bound_malloc(1 << 20, 8 << 20)
    }

    /// -memory-mlock: keeps present and future pages in RAM.
    /// - Returns: nil, or why not, most often for want of privilege.
    public static func lock() -> String? {
        mlockall(MCL_CURRENT | MCL_FUTURE) == 0
            ? nil : "mlockall: \(String(cString: strerror(errno)))"
    }
}

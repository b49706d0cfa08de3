// -memory-mlock: no page of the process goes to swap.

import Glibc

public enum ProcessMemory {
    /// Keeps present and future pages in RAM.
    /// - Returns: nil, or why not, most often for want of privilege.
    public static func lock() -> String? {
        mlockall(MCL_CURRENT | MCL_FUTURE) == 0
            ? nil : "mlockall: \(String(cString: strerror(errno)))"
    }
}

// What would make two runs of one seed differ, and is not the world's: the order of sets.

import Glibc

public enum Deterministic {
    /// Starts this program anew, as it was called, with an order of dictionaries and sets that is
    /// the same each time. Returns when that is so already.
    public static func restart() {
        guard getenv("SWIFT_DETERMINISTIC_HASHING") == nil else { return }
        setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
        var arguments = CommandLine.arguments.map { strdup($0) } + [nil]
        execv("/proc/self/exe", &arguments)
    }
}

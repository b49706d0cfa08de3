// glibc keeps what thousands of connections have freed, in small pieces: it gives it back when told
// to, which takes milliseconds.

import Glibc

enum FreedMemory {
    /// To the system. Only after most of much has been freed.
    static func giveBack() { _ = trim?(0) }

    /// `malloc_trim`, which Swift's Glibc module lacks and other C libraries do too.
    private static let trim: (@convention(c) (Int) -> Int32)? =
        dlsym(nil, "malloc_trim").map {
            unsafeBitCast($0, to: (@convention(c) (Int) -> Int32).self)
        }
}

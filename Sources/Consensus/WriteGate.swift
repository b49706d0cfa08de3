// Group commit: a few writes are with the disk, and what comes meanwhile becomes one write.
//
// Entries of the merged writes simply follow each other: a later entry replaces what is at and
// after its index, on disk as in the log.

struct WriteGate {
    private let limit: Int
    private var inFlight = 0
    private var waiting: LogWrite?

    /// - Parameter limit: writes with the disk at a time. With two, the disk need not idle while
    ///   the first's completion travels.
    init(limit: Int) { self.limit = limit }

    /// - Returns: what to give to the disk now.
    mutating func offer(_ write: LogWrite) -> LogWrite? {
        if waiting != nil {
            waiting?.absorb(write)
            return nil
        }
        guard inFlight < limit else {
            waiting = write
            return nil
        }
        inFlight += 1
        return write
    }

    /// - Returns: what to give to the disk next.
    mutating func completed() -> LogWrite? {
        guard let next = waiting else {
            inFlight -= 1
            return nil
        }
        waiting = nil
        return next
    }
}

extension LogWrite {
    fileprivate mutating func absorb(_ later: LogWrite) {
        number = later.number
        hardState = later.hardState ?? hardState
        if let restart = later.snapshot {
            snapshot = restart
            entries = later.entries
        } else {
            entries += later.entries
        }
        mustSync = mustSync || later.mustSync
    }
}

// From a store's file without checksums (FileFormat), as versions before wrote it, to one with: all
// records are written to a new file, which takes the place of the old one when it is whole and
// durable. A crash before leaves the old file, and the next start begins again.

import API

/// How a store's file is brought to this version's format.
package enum ConversionEvent: Hashable, Sendable {
    case began(bytes: Int64)
    /// So many are in the new file. Once for each quarter of a million.
    case wrote(records: Int)
    case finished(records: Int)
}

struct Conversion {
    let old: Environment
    let quotaBytes: Int64
    let observe: (ConversionEvent) -> Void
    /// Only tests set it.
    var observeStep: @Sendable (IncomingFile.Step) -> Void = { _ in }

    /// So much is written between two commits: what LMDB holds in memory until then.
    private static let commitBytes = 4 << 20
    private static let reportedRecords = 250_000

    /// Removes what a crash during a conversion of the file at `path` has left.
    static func removeLeftovers(of path: String) {
        IncomingFile.remove(IncomingFile.converting(path))
    }

    /// Blocks while all of the file is read and written.
    /// - Returns: the new file, to be used instead of the old one.
    func run() throws(BackendError) -> Environment {
        observe(.began(bytes: try old.size().total))
        var file = try IncomingFile(converting: old.path, quotaBytes: quotaBytes)
        file.observe = observeStep
        do throws(BackendError) {
            let records = try copy(to: file)
            try file.installConverted()
            observe(.finished(records: records))
            return file.environment
        } catch {
            Self.removeLeftovers(of: old.path)
            throw file.environment.explain(error)
        }
    }

    private func copy(to file: IncomingFile) throws(BackendError) -> Int {
        let view = try ReadTransaction(old)
        var count = 0
        for table in Table.allCases {
            var next: [UInt8]?
            repeat {
                next = try copyPart(of: table, from: next, view, to: file, &count)
            } while next != nil
        }
        return count
    }

    /// Copies what one commit takes.
    /// - Returns: the key to go on with; nil at the table's end.
    private func copyPart(
        of table: Table, from start: [UInt8]?, _ view: borrowing ReadTransaction,
        to file: IncomingFile, _ count: inout Int
    ) throws(BackendError) -> [UInt8]? {
        let transaction = try WriteTransaction(file.environment)
        var next: [UInt8]?
        var bytes = 0
        var failure: BackendError?
        try view.forEach(in: table, from: start) { key, value in
            if bytes >= Self.commitBytes {
                next = [UInt8](key)
                return false
            }
            do throws(BackendError) { try transaction.append(table, key, value) } catch {
                failure = error
                return false
            }
            bytes += key.count + value.count
            count += 1
            if count.isMultiple(of: Self.reportedRecords) { observe(.wrote(records: count)) }
            return true
        }
        if let failure { throw failure }
        try transaction.commit()
        file.environment.trickle()
        return next
    }
}

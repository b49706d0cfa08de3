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
            var scan = TableScan(table)
            while !scan.isAtEnd { try copyPart(&scan, view, to: file, &count) }
        }
        try compare(view, with: ReadTransaction(file.environment))
        return count
    }

    /// Copies what one commit takes.
    private func copyPart(
        _ scan: inout TableScan, _ view: borrowing ReadTransaction, to file: IncomingFile,
        _ count: inout Int
    ) throws(BackendError) {
        let table = scan.table
        let transaction = try WriteTransaction(file.environment)
        var bytes = 0
        var failure: BackendError?
        try view.advance(&scan) { key, value in
            guard bytes < Self.commitBytes else { return false }
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
    }

    /// From now on each record has a checksum that says it is right: all must be there.
    private func compare(
        _ view: borrowing ReadTransaction, with new: borrowing ReadTransaction
    ) throws(BackendError) {
        for table in Table.allCases {
            let (expected, written) = (try view.entries(of: table), try new.entries(of: table))
            guard written == expected else {
                throw old.damage(
                    "\(written) of the \(expected) records of table \(table.name) were written")
            }
        }
    }
}

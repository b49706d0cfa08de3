// Files as versions before checksums wrote them.

import Foundation
import TestSupport

@testable import Storage

extension StoreFile {
    /// Puts the records of the store in a file in which they lie as they are, without more.
    func makeOld() throws {
        let tables = Table.allCases.map(\.name)
        let places = try places().filter { tables.contains($0.table) }
        try FileManager.default.removeItem(atPath: path)
        try create(
            tables: tables,
            places.map {
                ($0.table, $0.key, Array($0.value.dropLast(StoredRecord.checksumBytes)))
            })
    }

    var hasChecksums: Bool {
        get throws { try places().contains { $0.key == Array(FileFormat.mark.utf8) } }
    }
}

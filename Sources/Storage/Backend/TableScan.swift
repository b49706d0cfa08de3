// A walk over all records of a table, in parts: what it has seen in the end is what is there.
//
// A leaf whose header says that it has fewer records than it has hides them, and no checksum tells:
// each of the others is right. So whoever makes something of a whole table (a snapshot, a hash, a
// new file, the index) counts the records over all its parts. A read of a few cannot.

/// How far a walk over all of `table` has come. All its parts are over one view, which stays as it
/// is meanwhile (ReadTransaction.advance).
struct TableScan {
    let table: Table
    /// With which record the next part begins; nil at the table's beginning and at its end.
    private(set) var next: [UInt8]?
    /// Records that were seen.
    private(set) var count = 0
    private(set) var isAtEnd = false

    init(_ table: Table) { self.table = table }

    /// A part came to an end before the record `key`, after `count` records.
    mutating func pause(before key: [UInt8], after count: Int) {
        next = key
        self.count += count
    }

    /// A part has reached the table's end, after `count` records.
    mutating func finish(after count: Int) {
        next = nil
        self.count += count
        isAtEnd = true
    }
}

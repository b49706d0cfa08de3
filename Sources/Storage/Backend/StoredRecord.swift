// A record as the store's file has it: the value, and behind it a checksum of all of the record.
//
// LMDB has no checksums: a bit that flips on the disk, on its way or in the page cache would be
// served as if it had been written. The checksum covers the key too, for a value under another key
// is as wrong, and begins with the table's number, for so is a record in another table. It is made
// where a record is written (WriteTransaction) and looked at wherever one is read
// (ReadTransaction); nobody else knows that it is there.
//
// Format: the value; CRC-32C of the table's number in snapshots (as its start), the key and the
// value, 4 bytes, little-endian. A file has it in all records or, if a version before wrote it, in
// none: FileFormat.

import API

enum StoredRecord {
    static let checksumBytes = 4

    @inline(__always)
    private static func sum(
        _ table: Table, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) -> UInt32 {
        checksum(value, from: checksum(key, from: UInt32(table.snapshotNumber)))
    }

    /// Writes the record of `key` to `place`, which has room for `checksumBytes` besides the value.
    @inline(__always)
    static func write(
        _ table: Table, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer,
        to place: UnsafeMutableRawPointer
    ) {
        if let bytes = value.baseAddress {
            place.copyMemory(from: bytes, byteCount: value.count)
        }
        (place + value.count).storeBytes(of: sum(table, key, value).littleEndian, as: UInt32.self)
    }

    /// The value in what the file has for `key`; nil if that is not what was written. Some 15 ns
    /// for 256 bytes.
    @inline(__always)
    static func value(
        _ table: Table, _ key: UnsafeRawBufferPointer, _ stored: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer? {
        let count = stored.count - checksumBytes
        guard count >= 0 else { return nil }
        let value = UnsafeRawBufferPointer(rebasing: stored[..<count])
        #if CAIRN_BUGS
            if DeliberateBug.made == .serveSpoiltRecords { return value }
        #endif
        guard stored.littleEndian(at: count, as: UInt32.self) == sum(table, key, value) else {
            return nil
        }
        return value
    }
}

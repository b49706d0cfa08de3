// The key of a record in table `key`: which change it is, in bytes that sort by age.
//
// Format (reference: ondisk.md, Revision key): main revision, big endian, 8 bytes; `_`; sub
// revision, big endian, 8 bytes; and `t` for deletions.

import API

/// A record of table `key`: the change at `position`, a put or a deletion.
struct RecordKey: Hashable, Sendable {
    let position: RevisionPosition
    let isTombstone: Bool

    @inline(__always)
    init(_ position: RevisionPosition, isTombstone: Bool = false) {
        self.position = position
        self.isTombstone = isTombstone
    }
}

extension RecordKey {
    static let length = 17
    static let tombstoneLength = 18

    /// The key's bytes, held in words so that a lookup allocates nothing.
    struct Encoded {
        private let first: UInt64
        private let second: UInt64
        private let third: UInt16
        private let count: Int

        init(_ key: RecordKey) {
            let sub = UInt64(bitPattern: key.position.sub)
            first = UInt64(bitPattern: key.position.main.rawValue).bigEndian
            second = (UInt64(UInt8(ascii: "_")) << 56 | sub >> 8).bigEndian
            third = (UInt16(truncatingIfNeeded: sub) << 8 | UInt16(UInt8(ascii: "t"))).bigEndian
            count = key.isTombstone ? RecordKey.tombstoneLength : RecordKey.length
        }

        /// The bytes are valid during the call only.
        @inline(__always)
        func withBytes<Result: ~Copyable, Failure: Error>(
            _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
        ) throws(Failure) -> Result {
            // The three fields lie without a gap at offsets 0, 8 and 16: natural alignment.
            try withUnsafePointer(to: self) { (pointer) throws(Failure) -> Result in
                try body(UnsafeRawBufferPointer(start: pointer, count: count))
            }
        }
    }

    /// - Returns: nil when `bytes` are no revision key.
    init?(decoding bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.length || bytes.count == Self.tombstoneLength,
            bytes[8] == UInt8(ascii: "_")
        else { return nil }
        let main = Int64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: Int64.self))
        let sub = Int64(bigEndian: bytes.loadUnaligned(fromByteOffset: 9, as: Int64.self))
        guard main >= 0, sub >= 0 else { return nil }
        let isTombstone = bytes.count == Self.tombstoneLength
        guard !isTombstone || bytes[17] == UInt8(ascii: "t") else { return nil }
        self.init(RevisionPosition(main: Revision(main), sub: sub), isTombstone: isTombstone)
    }

    /// The bytes, for what is written rarely.
    var encoded: [UInt8] { Encoded(self).withBytes { [UInt8]($0) } }
}

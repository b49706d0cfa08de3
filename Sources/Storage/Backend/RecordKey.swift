// The key of a record in table `key`: which change it is, in bytes that sort by age.
//
// Format (reference: ondisk.md, Revision key): main revision, big endian, 8 bytes; `_`; sub
// revision, big endian, 8 bytes; and `t` for deletions.

import API

/// One change of the key space: the `sub`th change, from 0, of the transaction that made `main`.
public struct RecordKey: Hashable, Comparable, Sendable {
    public let main: Revision
    public let sub: UInt32
    public let isTombstone: Bool

    @inlinable public init(main: Revision, sub: UInt32, isTombstone: Bool = false) {
        self.main = main
        self.sub = sub
        self.isTombstone = isTombstone
    }

    /// By age. A change is either a put or a deletion, so the mark does not take part.
    @inlinable public static func < (a: Self, b: Self) -> Bool {
        (a.main, a.sub) < (b.main, b.sub)
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
            let sub = UInt64(key.sub)
            first = UInt64(bitPattern: key.main.rawValue).bigEndian
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
        let sub = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 9, as: UInt64.self))
        guard main >= 0, let sub = UInt32(exactly: sub) else { return nil }
        let isTombstone = bytes.count == Self.tombstoneLength
        guard !isTombstone || bytes[17] == UInt8(ascii: "t") else { return nil }
        self.init(main: Revision(main), sub: sub, isTombstone: isTombstone)
    }

    /// The bytes, for what is written rarely.
    var encoded: [UInt8] { Encoded(self).withBytes { [UInt8]($0) } }
}

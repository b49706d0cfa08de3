// One record of the log, as bytes: walpb.Record {type = 1, crc = 2, data = 3}.
//
// The kind and the length are outside the checksum. What we read is therefore held to the one way
// in which etcd has ever written a record (fields in order, nothing unknown), so that a changed
// byte there is noticed by its form.

import API

/// A record with its content, exactly as on disk: absent data and empty data are different bytes.
struct WALRecord: Hashable, Sendable {
    var kind: WALRecordKind
    var checksum: UInt32
    var data: [UInt8]?
}

/// What stands before a record's data.
struct WALRecordHeader: Hashable, Sendable {
    /// The kind as on disk; may be none we know.
    let kind: UInt64
    let checksum: UInt32
    /// Bytes from the record's start to its data, or to its end if it has none.
    let size: Int
    /// In bytes; nil when the record has no data field.
    let dataSize: Int?

    var recordSize: Int { size + (dataSize ?? 0) }

    enum Parsed: Hashable {
        case complete(WALRecordHeader)
        /// A header as far as the bytes go.
        case cutShort
        case malformed
    }

    /// - Parameter visible: The record's first bytes, `recordHeaderLimit` of them if there are
    ///   as many; bytes behind the record do no harm.
    /// - Parameter recordSize: As the length field says; tells a record without data.
    static func parse(_ visible: UnsafeRawBufferPointer, recordSize: Int) -> Parsed {
        let bytes = UnsafeRawBufferPointer(rebasing: visible.prefix(recordSize))
        let isCut = visible.count < recordSize
        var reader = ProtobufReader(bytes)
        do throws(WireError) {
            guard try reader.varint() == 0x08 else { return .malformed }
            let kind = try reader.varint()
            guard try reader.varint() == 0x10 else { return .malformed }
            guard let checksum = UInt32(exactly: try reader.varint()) else { return .malformed }
            let end = reader.offset
            if end == recordSize {
                return .complete(
                    WALRecordHeader(kind: kind, checksum: checksum, size: end, dataSize: nil))
            }
            guard try reader.varint() == 0x1a else { return .malformed }
            guard let size = Int(exactly: try reader.varint()), size <= 1 << 56 else {
                return .malformed
            }
            return .complete(
                WALRecordHeader(
                    kind: kind, checksum: checksum, size: reader.offset, dataSize: size))
        } catch {
            return error == .truncated && isCut ? .cutShort : .malformed
        }
    }
}

/// A record in a buffer that somebody else holds; not to be kept.
struct WALRecordView {
    let header: WALRecordHeader
    let data: UnsafeRawBufferPointer?

    /// - Returns: nil when `bytes` are not one record and nothing else.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard case .complete(let header) = WALRecordHeader.parse(bytes, recordSize: bytes.count),
            header.recordSize == bytes.count
        else { return nil }
        self.header = header
        data = header.dataSize.map { size in
            UnsafeRawBufferPointer(rebasing: bytes[header.size..<(header.size + size)])
        }
    }

    /// nil when it is none we know.
    var kind: WALRecordKind? { UInt8(exactly: header.kind).flatMap(WALRecordKind.init(rawValue:)) }

    /// A copy to keep; nil when the kind is unknown.
    var owned: WALRecord? {
        kind.map { kind in
            WALRecord(kind: kind, checksum: header.checksum, data: data.map { Array($0) })
        }
    }
}

// Reads one segment record by record; says what stands where no record does.

import API
import CSupport

/// The records of one segment, in order.
struct WALSegmentReader {
    enum Step {
        /// A valid record; its bytes are in the reader's window until the next step.
        case record(WALRecordView, offset: Int)
        /// No valid record: `offset` is the end of the valid ones.
        case stop(WALTail.Verdict, offset: Int)
    }

    private let window: FileWindow
    private let isLastSegment: Bool
    /// Where the next record begins.
    private(set) var offset = 0
    /// Of the records read so far. A checksum record replaces it; whether it may is for the
    /// caller to judge, who knows what the segment before ended with.
    private(set) var checksum: UInt32

    /// - Parameter checksum: Of the segment before; 0 for the first.
    init(_ file: any File, checksum: UInt32, isLastSegment: Bool) throws(FileError) {
        window = try FileWindow(file)
        self.checksum = checksum
        self.isLastSegment = isLastSegment
    }

    var fileSize: Int { window.size }

    mutating func next() throws(FileError) -> Step {
        let start = offset
        switch try read(at: start, after: checksum) {
        case .valid(let record, let size):
            checksum = record.header.checksum
            offset += size
            return .record(record, offset: start)
        case .fault(let fault):
            return .stop(try judge(fault), offset: start)
        }
    }

    // MARK: - One frame

    private enum Frame {
        case valid(WALRecordView, frameSize: Int)
        case fault(WALFault)
    }

    /// - Parameter seed: The checksum of the record before; nil to leave it unchecked.
    private func read(at offset: Int, after seed: UInt32?) throws(FileError) -> Frame {
        let left = window.size - offset
        if left == 0 { return .fault(.endOfFile) }
        if left < WALFormat.lengthFieldSize { return .fault(.pastEndOfFile) }
        let field = try lengthField(at: offset)
        if field == 0 { return .fault(.zeroLength) }
        guard let length = WALFrameLength(field: field) else { return .fault(.impossibleLength) }
        if length.frame > left { return .fault(.pastEndOfFile) }

        // The header is looked at first: a wrong length must not make us read tens of megabytes.
        let place = offset + WALFormat.lengthFieldSize
        if case .malformed = try header(at: place, length).parsed { return .fault(.form) }
        let bytes = try window.bytes(at: place, count: length.record + length.padding)
        guard bytes.count == length.record + length.padding,
            let record = WALRecordView(UnsafeRawBufferPointer(rebasing: bytes[..<length.record]))
        else { return .fault(.form) }
        // A checksum record has no data and carries the seed itself.
        if let seed, record.header.kind != UInt64(WALRecordKind.checksum.rawValue) {
            let data = record.data ?? UnsafeRawBufferPointer(start: nil, count: 0)
            guard csupport_crc32c(seed, data.baseAddress, data.count) == record.header.checksum
            else { return .fault(.checksum) }
        }
        guard UnsafeRawBufferPointer(rebasing: bytes[length.record...]).isAllZero else {
            return .fault(.padding)
        }
        return .valid(record, frameSize: length.frame)
    }

    private func lengthField(at offset: Int) throws(FileError) -> UInt64 {
        let bytes = try window.bytes(at: offset, count: WALFormat.lengthFieldSize)
        guard bytes.count == WALFormat.lengthFieldSize else { return 0 }
        return UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    }

    /// A record's header, and whether it says the same size as the length field.
    private struct Header {
        let parsed: WALRecordHeader.Parsed
        let recordSize: Int
        var disagrees: Bool {
            switch parsed {
            case .complete(let header): header.recordSize != recordSize
            case .cutShort: false
            case .malformed: true
            }
        }
    }

    /// - Parameter limit: Where in the file to stop looking.
    private func header(at place: Int, _ length: WALFrameLength, limit: Int = .max)
        throws(FileError) -> Header
    {
        let visible = min(WALFormat.recordHeaderLimit, limit - place)
        let bytes = try window.bytes(at: place, count: visible)
        let parsed = WALRecordHeader.parse(bytes, recordSize: length.record)
        if case .complete(let header) = parsed, header.recordSize != length.record {
            return Header(parsed: .malformed, recordSize: length.record)
        }
        return Header(parsed: parsed, recordSize: length.record)
    }

    // MARK: - What a fault means

    private func judge(_ fault: WALFault) throws(FileError) -> WALTail.Verdict {
        var evidence = WALFaultEvidence(
            isLastSegment: isLastSegment, onlyZerosFollow: false, tearExplainsIt: false,
            laterWriteFollows: false)
        evidence.onlyZerosFollow = try window.isZero(offset..<window.size)
        let tear = try tear(fault)
        evidence.tearExplainsIt = tear.explains
        if evidence.tearExplainsIt && !evidence.onlyZerosFollow {
            evidence.laterWriteFollows = try laterWriteFollows(tear)
        }
        return WALTail.judge(fault, evidence)
    }

    private struct Tear {
        var explains: Bool
        /// Of the torn record, if its header can be read.
        var kind: WALRecordKind?
        /// Where to look for records behind it.
        var searchFrom: Int
    }

    private func tear(_ fault: WALFault) throws(FileError) -> Tear {
        let none = Tear(explains: false, searchFrom: offset + WALFormat.alignment)
        switch fault {
        case .endOfFile, .impossibleLength, .padding: return none
        case .zeroLength:
            // What is in the same sector was written together with the length.
            let sectorEnd = Self.sectorEnd(of: offset)
            return Tear(explains: try window.isZero(offset..<sectorEnd), searchFrom: sectorEnd)
        case .pastEndOfFile:
            return try earlyEnd()
        case .form, .checksum:
            return try unwrittenSector()
        }
    }

    /// The file ends inside the record, which is as long as its length field says.
    private func earlyEnd() throws(FileError) -> Tear {
        let left = window.size - offset
        var tear = Tear(explains: true, searchFrom: window.size)
        guard left > WALFormat.lengthFieldSize else { return tear }
        guard let length = WALFrameLength(field: try lengthField(at: offset)) else {
            tear.explains = false
            return tear
        }
        let header = try header(at: offset + WALFormat.lengthFieldSize, length)
        if header.disagrees { return Tear(explains: false, searchFrom: offset) }
        return tear
    }

    /// A whole sector of the record is zeros, and what was written before it is in order.
    private func unwrittenSector() throws(FileError) -> Tear {
        guard let length = WALFrameLength(field: try lengthField(at: offset)) else {
            return Tear(explains: false, searchFrom: offset)
        }
        let end = min(offset + length.frame, window.size)
        var sector = Self.sectorEnd(of: offset)
        while sector < end {
            let sectorEnd = min(sector + WALFormat.sectorSize, window.size)
            if try window.isZero(sector..<sectorEnd) { break }
            sector += WALFormat.sectorSize
        }
        guard sector < end else { return Tear(explains: false, searchFrom: end) }
        let header = try header(at: offset + WALFormat.lengthFieldSize, length, limit: sector)
        if header.disagrees { return Tear(explains: false, searchFrom: end) }
        var tear = Tear(explains: true, searchFrom: end)
        if case .complete(let complete) = header.parsed {
            tear.kind = UInt8(exactly: complete.kind).flatMap(WALRecordKind.init(rawValue:))
        }
        return tear
    }

    private static func sectorEnd(of offset: Int) -> Int {
        (offset / WALFormat.sectorSize + 1) * WALFormat.sectorSize
    }

    /// Looks for records behind a tear that go on from one another, and for what they prove.
    private func laterWriteFollows(_ tear: Tear) throws(FileError) -> Bool {
        var order = WALWriteOrder(torn: tear.kind)
        var place = tear.searchFrom
        while place < window.size {
            guard let chain = try chainStart(from: place) else { return false }
            var checksum = chain.checksum
            order.follow(chain.kind)
            place = chain.end
            while case .valid(let record, let size) = try read(at: place, after: checksum) {
                guard let kind = record.kind else { break }
                checksum = record.header.checksum
                order.follow(kind)
                place += size
            }
            if order.provesSync { return true }
        }
        return false
    }

    private struct ChainStart {
        let kind: WALRecordKind
        let checksum: UInt32
        let end: Int
    }

    /// The first record at or behind `place` that the record after it goes on from: two in a row
    /// that fit are no accident.
    private func chainStart(from place: Int) throws(FileError) -> ChainStart? {
        var place = place
        while place < window.size {
            if case .valid(let record, let size) = try read(at: place, after: nil),
                let kind = record.kind
            {
                let checksum = record.header.checksum
                if case .valid = try read(at: place + size, after: checksum) {
                    return ChainStart(kind: kind, checksum: checksum, end: place + size)
                }
            }
            place += WALFormat.alignment
        }
        return nil
    }
}

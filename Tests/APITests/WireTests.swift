import Testing

@testable import API

@Suite("Protobuf's wire format")
struct WireTests {
    @Test(
        "A varint takes a byte for every seven bits and reads back",
        arguments: [0, 1, 127, 128, 300, 16383, 16384, 1 << 32, 1 << 63, UInt64.max])
    func varints(_ value: UInt64) throws {
        let bytes = encoded { $0.appendVarint(value) }
        #expect(bytes.count == WireSize.varint(value))
        #expect(bytes.count == max(1, (64 - value.leadingZeroBitCount + 6) / 7))
        let read = try withBytes(bytes) { input throws(WireError) in
            var reader = ProtobufReader(input)
            return try reader.varint()
        }
        #expect(read == value)
    }

    @Test("The example of the encoding guide: field 1 is 150")
    func guideExample() {
        #expect(encoded { $0.appendField(1, uint64: 150) } == [0x08, 0x96, 0x01])
    }

    @Test("A negative number takes ten bytes, a zero none")
    func signs() {
        #expect(encoded { $0.appendField(3, int64: -1) }.count == 11)
        #expect(WireSize.field(3, int64: -1) == 11)
        #expect(encoded { $0.appendField(3, int64: 0) } == [])
        #expect(encoded { $0.appendPresent(3, uint64: 0) } == [0x18, 0])
        #expect(encoded { $0.appendField(7, bool: false) } == [])
    }

    @Test(
        "A nested message gets its length however long it grows",
        arguments: [0, 1, 127, 128, 16383, 16384, 3_000_000])
    func nesting(_ size: Int) throws {
        let body = [UInt8](repeating: 7, count: size)
        let bytes = encoded { buffer in
            let outer = buffer.beginMessage(1)
            let inner = buffer.beginMessage(2)
            buffer.append(body)
            buffer.endMessage(inner)
            buffer.endMessage(outer)
            buffer.appendField(3, bool: true)
        }
        try withBytes(bytes) { input in
            var reader = ProtobufReader(input)
            let outer = try #require(try reader.next())
            #expect(outer.number == 1)
            let last = try #require(try reader.next())
            #expect(try last.number == 3 && last.bool())
            #expect(try reader.next() == nil)
            var inside = ProtobufReader(try outer.bytes())
            let inner = try #require(try inside.next())
            #expect(try [UInt8](inner.bytes()) == body)
        }
    }

    @Test("Messages that lie in each other are the same bytes however their lengths are written")
    func nestedLengths() {
        let sizes = [0, 1, 100, 127, 128, 20_000, 5, 300_000]
        func write(
            _ depth: Int, _ buffer: inout ByteBuffer,
            _ nest: @escaping (Int, inout ByteBuffer, (inout ByteBuffer) -> Void) -> Void
        ) {
            buffer.appendField(1, bytes: [UInt8](repeating: UInt8(depth), count: sizes[depth]))
            for number in 2..<4 where depth + number - 1 < sizes.count {
                nest(number, &buffer) { write(depth + number - 1, &$0, nest) }
            }
            buffer.appendField(4, bool: depth % 2 == 0)
        }
        let moved = encoded { buffer in
            write(0, &buffer) { number, buffer, body in
                let open = buffer.beginMessage(number)
                body(&buffer)
                buffer.endMessage(open)
            }
        }
        var lengths = NestedLengths()
        for _ in 0..<2 {
            let settled = encoded { buffer in
                write(0, &buffer) { number, buffer, body in
                    let open = lengths.begin(number, in: &buffer)
                    body(&buffer)
                    lengths.end(open, in: buffer)
                }
                lengths.settle(in: &buffer)
            }
            #expect(settled == moved)
        }
    }

    @Test(
        "What is no field is refused",
        arguments: [
            ([0x08], WireError.truncated),  // no value
            ([0x80], .truncated),  // an unfinished tag
            ([0x0a, 0x02, 0x61], .truncated),  // two bytes promised, one there
            ([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], .truncated),
            ([0x09, 1, 2, 3], .truncated),  // fixed64
            ([0x0d, 1, 2], .truncated),  // fixed32
            ([0x00, 0x00], .malformed),  // field 0
            ([0x0b, 0x0c], .malformed),  // a group
            ([0x0e], .malformed),  // wire type 6
            ([0x80, 0x80, 0x80, 0x80, 0x10, 0x00], .malformed),  // field 2^29
            ([0x08] + [UInt8](repeating: 0xff, count: 9) + [0x02], .malformed),  // 65 bits
            ([0x08] + [UInt8](repeating: 0xff, count: 11), .malformed),
        ] as [([UInt8], WireError)])
    func refusals(_ bytes: [UInt8], _ error: WireError) {
        #expect(throws: error) {
            try withBytes(bytes) { input throws(WireError) in
                var reader = ProtobufReader(input)
                while try reader.next() != nil {}
            }
        }
    }

    @Test("A buffer forgets what one large message made it hold")
    func boundedMemory() {
        var buffer = ByteBuffer(capacity: 16)
        buffer.append([UInt8](repeating: 1, count: 1 << 20))
        buffer.removeAll(keepingAtMost: 4096)
        #expect(buffer.capacity == 0)
        buffer.append(utf8: "grüße")
        buffer.truncate(to: 2)
        #expect(buffer.array == Array("gr".utf8))
    }
}

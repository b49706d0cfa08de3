import Testing

@testable import API

@Suite("The stored form of a pair")
struct KeyValueTests {
    func pair(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, lease: Int64 = 0
    ) -> KeyValueView {
        KeyValueView(
            key: key, createRevision: Revision(2), modRevision: Revision(300), version: 5,
            value: value, lease: LeaseID(lease))
    }

    @Test("Fields stand in number order and read back")
    func roundTrip() throws {
        try withBytes(Array("foo".utf8)) { key in
            try withBytes(Array("bar".utf8)) { value in
                let stored = encoded { $0.appendKeyValue(pair(key, value, lease: 9)) }
                #expect(
                    stored == [
                        0x0a, 3, 0x66, 0x6f, 0x6f, 0x10, 2, 0x18, 0xac, 2, 0x20, 5,
                        0x2a, 3, 0x62, 0x61, 0x72, 0x30, 9,
                    ])
                #expect(stored.count == pair(key, value, lease: 9).encodedSize)
                try withBytes(stored) { bytes in
                    let view = try KeyValueView(decoding: bytes)
                    #expect(text(view.key) == "foo" && text(view.value) == "bar")
                    #expect(view.createRevision == Revision(2))
                    #expect(view.modRevision == Revision(300))
                    #expect(view.version == 5 && view.lease == LeaseID(9))
                }
            }
        }
    }

    @Test("Neither zero numbers nor an empty value are written")
    func zeros() throws {
        withBytes([0x6b]) { key in
            #expect(encoded { $0.appendTombstone(key: key) } == [0x0a, 1, 0x6b])
            withBytes([]) { none in
                let stored = encoded { $0.appendKeyValue(pair(key, none)) }
                #expect(stored == [0x0a, 1, 0x6b, 0x10, 2, 0x18, 0xac, 2, 0x20, 5])
            }
        }
    }

    @Test("keys_only drops value and lease and nothing else")
    func withoutValue() throws {
        withBytes([0x6b]) { key in
            withBytes([UInt8](repeating: 0, count: 1000)) { value in
                let view = pair(key, value, lease: 77)
                let short = encoded { $0.appendKeyValueWithoutValue(view) }
                #expect(short == [0x0a, 1, 0x6b, 0x10, 2, 0x18, 0xac, 2, 0x20, 5])
                #expect(short.count == view.encodedSizeWithoutValue)
            }
        }
    }

    @Test("No bytes are an empty pair, as a marked restore leaves it")
    func empty() throws {
        try withBytes([]) { bytes in
            let view = try KeyValueView(decoding: bytes)
            #expect(view.key.isEmpty && view.value.isEmpty && view.version == 0)
        }
    }
}

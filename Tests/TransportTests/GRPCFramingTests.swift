import API
import CZlib
import Testing

@testable import Transport

@Suite("The body of a call")
struct MessageDeframerTests {
    /// What `deframer` finds in `pieces`, as texts.
    private func feed(
        _ deframer: inout MessageDeframer, _ pieces: [[UInt8]]
    ) -> (messages: [String], failure: Status?) {
        var messages: [String] = []
        for piece in pieces {
            let failure: Status? = piece.withUnsafeBytes { bytes in
                var input = bytes
                while true {
                    switch deframer.next(&input) {
                    case .message(let message, let isCompressed):
                        let text = String(decoding: message, as: UTF8.self)
                        messages.append(isCompressed ? "compressed \(text)" : text)
                    case .needsMore:
                        #expect(input.isEmpty)
                        return nil
                    case .failed(let status): return status
                    }
                }
            }
            if let failure { return (messages, failure) }
        }
        return (messages, nil)
    }

    static func frame(_ text: String, flag: UInt8 = 0) -> [UInt8] {
        let length = UInt32(text.utf8.count)
        return [flag] + (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) }
            + Array(text.utf8)
    }

    @Test("is cut into the same messages wherever it was split on the way")
    func everySplit() {
        let body = Self.frame("first") + Self.frame("") + Self.frame("third", flag: 1)
        for first in 0...body.count {
            for second in first...body.count {
                var deframer = MessageDeframer(maxMessageBytes: 10)
                let found = feed(
                    &deframer,
                    [Array(body[..<first]), Array(body[first..<second]), Array(body[second...])])
                #expect(found.messages == ["first", "", "compressed third"])
                #expect(found.failure == nil)
                let isClean = !deframer.isInsideMessage && deframer.heldBytes == 0
                #expect(isClean)
            }
        }
    }

    @Test("that ends inside a message is known to be cut off")
    func cutOff() {
        let body = Self.frame("message")
        for end in 1..<body.count {
            var deframer = MessageDeframer(maxMessageBytes: 10)
            #expect(feed(&deframer, [Array(body[..<end])]).messages.isEmpty)
            let (isInside, held) = (deframer.isInsideMessage, deframer.heldBytes)
            #expect(isInside && held == max(0, end - 5))
        }
    }

    @Test("with a message that is too long fails at its length, before a byte of it is held")
    func tooLong() {
        var deframer = MessageDeframer(maxMessageBytes: 10)
        let found = feed(&deframer, [[0, 0xFF, 0xFF, 0xFF, 0xFF]])
        #expect(
            found.failure
                == Status(
                    .resourceExhausted,
                    "grpc: received message larger than max (4294967295 vs. 10)"))
        let held = deframer.heldBytes
        #expect(held == 0)
    }

    @Test("with a flag that means nothing fails")
    func badFlag() {
        var deframer = MessageDeframer(maxMessageBytes: 10)
        #expect(
            feed(&deframer, [Self.frame("x", flag: 2)]).failure
                == Status(.internal, "grpc: received unexpected payload format 2"))
    }
}

@Suite("A gzip message")
struct GzipTests {
    @discardableResult
    private func inflated(_ bytes: [UInt8], limit: Int) throws -> [UInt8] {
        try bytes.withUnsafeBytes { bytes in
            let queue = try GzipInflater.inflate(bytes, limit: limit)
            return Array(queue.bytes)
        }
    }

    @Test("is inflated, in several members too")
    func inflates() throws {
        let twice = gzip(Array("hello ".utf8)) + gzip(Array("world".utf8))
        #expect(try inflated(twice, limit: 100) == Array("hello world".utf8))
    }

    @Test("that inflates to exactly the limit is taken, one byte more is refused")
    func limit() throws {
        let bytes = gzip([UInt8](repeating: 7, count: 5000))
        #expect(try inflated(bytes, limit: 5000).count == 5000)
        let failure = #expect(throws: Status.self) {
            try inflated(bytes, limit: 4999)
        }
        #expect(failure?.code == .resourceExhausted)
        #expect(
            failure?.message == "grpc: received message after decompression larger than max 4999")
    }

    @Test("that is cut off or damaged at any place fails, and never hangs")
    func damaged() {
        let whole = gzip(Array("some text that is long enough to be compressed".utf8))
        for end in 0..<whole.count {
            #expect(throws: Status.self) {
                try inflated(Array(whole[..<end]), limit: 1000)
            }
        }
        #expect(throws: Status.self) {
            try inflated([UInt8](repeating: 1, count: 50), limit: 1000)
        }
    }
}

/// `bytes` compressed by zlib's own encoder.
func gzip(_ bytes: [UInt8]) -> [UInt8] {
    var stream = z_stream()
    deflateInit2_(
        &stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
        Int32(MemoryLayout<z_stream>.size))
    defer { deflateEnd(&stream) }
    var input = bytes
    var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(bytes.count))) + 32)
    return input.withUnsafeMutableBufferPointer { input in
        output.withUnsafeMutableBufferPointer { output in
            stream.next_in = input.baseAddress
            stream.avail_in = UInt32(input.count)
            stream.next_out = output.baseAddress
            stream.avail_out = UInt32(output.count)
            deflate(&stream, Z_FINISH)
            return Array(output.prefix(Int(stream.total_out)))
        }
    }
}

@Suite("gRPC's small encodings")
struct GRPCTextTests {
    private func bytes<R>(_ text: String, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows
        -> R
    {
        try Array(text.utf8).withUnsafeBytes { try body($0) }
    }

    @Test("percent-encoding comes back as it went, for every byte")
    func percentRoundTrip() {
        let text = String(decoding: (0..<0x7F).map { UInt8($0) }, as: UTF8.self) + "grün 緑 %41"
        let encoded = PercentEncoding.encode(text)
        #expect(encoded.utf8.allSatisfy { $0 >= 0x20 && $0 <= 0x7E })
        #expect(bytes(encoded) { PercentEncoding.decode($0) } == text)
        #expect(PercentEncoding.encode("plain text!") == "plain text!")
        #expect(PercentEncoding.encode("50%\n") == "50%25%0A")
    }

    @Test("percent-decoding leaves what is no escape as it is")
    func percentMalformed() {
        for text in ["%", "100%", "%4", "%zz", "a%2"] {
            #expect(bytes(text) { PercentEncoding.decode($0) } == text)
        }
    }

    @Test(
        "a timeout has at most 8 digits and a unit",
        arguments: [
            ("1n", 1), ("5u", 5000), ("7m", 7_000_000), ("2S", 2_000_000_000),
            ("3M", 180_000_000_000), ("1H", 3_600_000_000_000), ("0S", 0),
        ])
    func timeout(text: String, nanoseconds: UInt64) throws {
        #expect(try bytes(text) { try GRPCTimeout.decode($0) } == nanoseconds)
    }

    @Test("a timeout beyond what fits is the longest there is")
    func longTimeout() throws {
        #expect(try bytes("99999999H") { try GRPCTimeout.decode($0) } == UInt64(Int64.max))
    }

    @Test(
        "a malformed timeout is named in grpc-go's words",
        arguments: [
            ("", "transport: timeout string is too short: \"\""),
            ("5", "transport: timeout string is too short: \"5\""),
            ("123456789S", "transport: timeout string is too long: \"123456789S\""),
            ("18f6n", "strconv.ParseUint: parsing \"18f6\": invalid syntax"),
            ("5x", "transport: timeout unit is not recognized: \"5x\""),
        ])
    func malformedTimeout(text: String, reason: String) {
        #expect(throws: GRPCTimeout.Malformed(reason: reason)) {
            try bytes(text) { try GRPCTimeout.decode($0) }
        }
    }

    @Test("an encoded timeout is never shorter than what was asked for, and fits")
    func encodedTimeout() throws {
        for value: UInt64 in [
            1, 99_999_999, 100_000_001, 5_000_000_000, 7_777_777_777_777, .max / 2,
        ] {
            let text = GRPCTimeout.encode(nanoseconds: value)
            #expect(text.utf8.count <= 9)
            let back = try bytes(text) { try GRPCTimeout.decode($0) }
            #expect(back >= value || text.hasSuffix("H"))
        }
    }

    @Test("base64 is read padded and unpadded, and comes back as it went")
    func base64() {
        for count in 0..<20 {
            let value = (0..<count).map { UInt8($0 * 13 & 255) }
            #expect(bytes(Base64.encode(value)) { Base64.decode($0) } == value)
        }
        #expect(bytes("QUI=") { Base64.decode($0) } == Array("AB".utf8))
        for text in ["Q", "QU=", "QUI==", "X()3e@#$-", "QUJD="] {
            #expect(bytes(text) { Base64.decode($0) } == nil)
        }
    }
}

@Suite("The methods of a server")
struct GRPCMethodsTests {
    @Test("are found by the bytes of their path, however many there are")
    func many() {
        var methods = GRPCMethods()
        let paths = (0..<500).map { "/test.Service\($0 % 7)/Method\($0)" } + ["/", "/a/b"]
        for path in paths { methods.unary(path) { call, _ in call.respond([]) } }
        for path in paths {
            #expect(Array(path.utf8).withUnsafeBytes { methods.find($0)?.path } == path)
        }
        for path in ["", "/test.Service0/Method1", "/test.Service0/Method0x"] {
            #expect(Array(path.utf8).withUnsafeBytes { methods.find($0) == nil })
        }
    }
}

@Suite("Pings")
struct PingPolicyTests {
    private func time(_ seconds: UInt64) -> MonotonicTime {
        MonotonicTime(nanoseconds: (1000 + seconds) * 1_000_000_000)
    }

    @Test("that come too fast are two times suffered, then too many")
    func strikes() {
        var policy = PingPolicy(minTime: 5_000_000_000)
        var verdicts: [Bool] = []
        for second in 0..<5 as Range<UInt64> {
            verdicts.append(policy.isTooMany(at: time(second), hasSent: false, hasCalls: true))
        }
        #expect(verdicts == [false, false, false, true, true])
    }

    @Test("that keep the interval are always welcome while there are calls")
    func patient() {
        var policy = PingPolicy(minTime: 5_000_000_000)
        for number in 0..<100 as Range<UInt64> {
            let isTooMany = policy.isTooMany(at: time(5 * number), hasSent: false, hasCalls: true)
            #expect(!isTooMany)
        }
    }

    @Test("without calls are strikes for two hours")
    func withoutCalls() {
        var policy = PingPolicy(minTime: 5_000_000_000)
        var verdicts: [Bool] = []
        for minute in 0..<4 as Range<UInt64> {
            verdicts.append(
                policy.isTooMany(at: time(60 * minute), hasSent: false, hasCalls: false))
        }
        #expect(verdicts == [false, false, false, true])
    }

    @Test("are forgiven when the server has sent something in between")
    func forgiven() {
        var policy = PingPolicy(minTime: 5_000_000_000)
        for number in 0..<100 as Range<UInt64> {
            let isTooMany = policy.isTooMany(
                at: time(number), hasSent: number % 3 == 2, hasCalls: true)
            #expect(!isTooMany)
        }
    }
}

import Testing

@testable import Node

@Suite("Numbers and durations in Go's notation")
struct GoNotationTests {
    @Test(
        "Durations are read with their units and printed as Go prints them",
        arguments: [
            ("0", 0, "0s"), ("100ms", 100_000_000, "100ms"), ("2h", 7_200_000_000_000, "2h0m0s"),
            ("1h2m3.5s", 3_723_500_000_000, "1h2m3.5s"), ("1.5h", 5_400_000_000_000, "1h30m0s"),
            ("-5s", -5_000_000_000, "-5s"), ("10us", 10_000, "10µs"), ("7ns", 7, "7ns"),
            ("90s", 90_000_000_000, "1m30s"), (".5s", 500_000_000, "500ms"),
        ] as [(String, Int64, String)])
    func durations(_ text: String, _ nanoseconds: Int64, _ printed: String) throws {
        #expect(try GoNotation.duration(text) == nanoseconds)
        #expect(GoNotation.text(durationNanoseconds: nanoseconds) == printed)
    }

    @Test(
        "What is no duration is refused",
        arguments: ["", "5", "s", ".s", "5x", "1h-2m", "9999999h", "1 s"])
    func notDurations(_ text: String) {
        #expect(throws: FlagValueError.self) { try GoNotation.duration(text) }
    }

    @Test(
        "Integers may have a prefix and underscores",
        arguments: [
            ("12", 12), ("0x1F", 31), ("017", 15), ("0b101", 5), ("0o17", 15), ("0", 0),
            ("0x_1f", 31), ("18446744073709551615", .max),
        ] as [(String, UInt64)])
    func integers(_ text: String, _ value: UInt64) throws {
        #expect(try GoNotation.uint(text) == value)
    }

    @Test(
        "What is no integer is refused",
        arguments: ["", "-1", "+1", "1.5", "0x", "08", "1_0", "a", " 1"])
    func notIntegers(_ text: String) {
        #expect(throws: FlagValueError("parse error")) { try GoNotation.uint(text) }
    }

    @Test("Signed integers reach both ends, and no further")
    func signed() throws {
        #expect(try GoNotation.int("-9223372036854775808") == .min)
        #expect(try GoNotation.int("9223372036854775807") == .max)
        #expect(throws: FlagValueError("value out of range")) {
            try GoNotation.int("9223372036854775808")
        }
    }
}

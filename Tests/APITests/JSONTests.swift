import Testing

@testable import API

@Suite("JSON")
struct JSONTests {
    private func parse(_ text: String) throws -> JSONValue { try JSONValue(parsing: text.utf8) }

    @Test("what was written is read again, in its order, with every digit")
    func roundTrip() throws {
        let text =
            #"{"z":18446744073709551615,"a":[-1,2.50e+3,true,false,null,{}],"#
            + #""s":"q\"\\\n\u0001"}"#
        #expect(try parse(text).description == text)
        #expect(try parse(text)["z"]?.asUInt64 == .max)
    }

    @Test("escapes are understood, surrogate pairs too; a lone half is the replacement character")
    func escapes() throws {
        #expect(try parse(#""\u0041\/\b\f\r\t""#) == .string("A/\u{8}\u{c}\r\t"))
        #expect(try parse(#""\ud83d\ude00""#) == .string("😀"))
        #expect(try parse(#""\ud83dx""#) == .string("\u{FFFD}x"))
    }

    @Test("strings are escaped as Go does it, with < > & as code points")
    func goEscapes() {
        #expect(JSONValue.string("<a&b>").description == #""\u003ca\u0026b\u003e""#)
    }

    @Test(
        "what is not JSON is refused",
        arguments: [
            "", " ", "{", "[1,]", "{\"a\"}", "{\"a\":}", "{a:1}", "01", "1.", "-", "+1", "tru",
            "\"abc", "\"\\x\"", "\"\\u12g4\"", "\"\u{1}\"", "1 2", "[1 2]", "nul", "1e",
        ])
    func refused(_ text: String) {
        #expect(throws: JSONError.self) { try parse(text) }
    }

    @Test("bytes that are no UTF-8 are refused")
    func notUTF8() {
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xFF, 0x22]) }
    }

    @Test("a text cannot overflow the stack by nesting")
    func deepNesting() throws {
        #expect(throws: JSONError.self) { try parse(String(repeating: "[", count: 1_000_000)) }
        let deep = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
        #expect(try parse(deep).description == deep)
    }
}

import Foundation
import Testing

@testable import API

@Suite("Messages as JSON, as the gateway speaks it")
struct MessageJSONTests {
    private func route(_ path: String) throws -> GatewayRoute {
        try #require(GatewayRoute.all.first { $0.path == path })
    }

    private func encode(_ schema: MessageSchema, _ text: String) throws -> [UInt8] {
        try schema.encode(try JSONValue(parsing: text.utf8))
    }

    /// There and back.
    private func normal(_ schema: MessageSchema, _ text: String) throws -> String {
        var json: [UInt8] = []
        try encode(schema, text).withUnsafeBytes { try schema.appendJSON(of: $0, to: &json) }
        return String(decoding: json, as: UTF8.self)
    }

    @Test("a request is read whichever way its names and numbers are written")
    func spellings() throws {
        let range = try route("/v3/kv/range").request
        let expected =
            #"{"key":"Zm9v","range_end":"Zm9w","limit":"5","sort_order":"DESCEND","#
            + #""sort_target":"MOD","keys_only":true}"#
        for text in [
            #"{"key":"Zm9v","range_end":"Zm9w","limit":"5","sort_order":"DESCEND","#
                + #""sort_target":"MOD","keys_only":true}"#,
            #"{"key":"Zm9v","rangeEnd":"Zm9w","limit":5,"sortOrder":2,"sortTarget":3,"#
                + #""keysOnly":true,"unknown":{"deep":[1]},"revision":null,"serializable":false}"#,
        ] {
            #expect(try normal(range, text) == expected)
        }
    }

    @Test("what is text and what is bytes is so as in etcd's schema, in every message")
    func text() throws {
        let folder = Reference.root.appending(path: "Sources/C/CMessages/proto")
        var declared: Set<String> = []
        for file in ["rpc", "kv", "auth", "v3lock", "v3election"] {
            let url = folder.appending(path: file + ".proto")
            declared.formUnion(try ProtoFile(String(contentsOf: url, encoding: .utf8)).declarations)
        }
        var checked = 0
        func check(_ schema: MessageSchema, depth: Int = 0) {
            for place in 0..<schema.fieldCount where depth < 4 {
                let field = schema.field(at: place)
                let name = String(decoding: field.name, as: UTF8.self)
                let type: String
                switch field.kind {
                case .string: type = "string"
                case .bytes: type = "bytes"
                case .message(let inner):
                    check(inner, depth: depth + 1)
                    continue
                default: continue
                }
                let begin = "field \(schema.name) \(field.number) \(name) \(type) "
                #expect(declared.contains { $0.hasPrefix(begin) }, "\(begin)")
                checked += 1
            }
        }
        for route in GatewayRoute.all {
            check(route.request)
            check(route.response)
        }
        #expect(checked > 100)
    }

    @Test("what is zero is left out of the text, but a choice of one among several is made")
    func zeros() throws {
        let txn = try route("/v3/kv/txn").request
        let text =
            #"{"compare":[{"target":"CREATE","key":"eA==","create_revision":"0"}],"#
            + #""success":[{"request_put":{"key":"eA==","value":""}}]}"#
        let bytes = try encode(txn, text)
        #expect(
            bytes == [
                0x0A, 7, 0x10, 1, 0x1A, 1, 0x78, 0x28, 0,
                0x12, 7, 0x12, 5, 0x0A, 1, 0x78, 0x12, 0,
            ])
        #expect(
            try normal(txn, text)
                == #"{"compare":[{"target":"CREATE","key":"eA=="}],"#
                + #""success":[{"request_put":{"key":"eA=="}}]}"#)
    }

    @Test("64-bit numbers keep every digit; a message without content is still there")
    func numbers() throws {
        let revoke = try route("/v3/lease/revoke").request
        #expect(
            try normal(revoke, #"{"ID":"-9223372036854775808"}"#)
                == #"{"ID":"-9223372036854775808"}"#)
        let watch = try route("/v3/watch").request
        #expect(try normal(watch, #"{"progress_request":{}}"#) == #"{"progress_request":{}}"#)
        let hash = try route("/v3/maintenance/hash").response
        #expect(try normal(hash, #"{"hash":4294967295}"#) == #"{"hash":4294967295}"#)
    }

    @Test(
        "bytes are base64 in either alphabet, padded or not",
        arguments: [
            ("", ""), ("AA==", "AA=="), ("AA", "AA=="), ("-_8=", "+/8="), ("+/8", "+/8="),
            ("Zm9vYmFy", "Zm9vYmFy"),
        ])
    func base64(_ text: String, _ expected: String) throws {
        let put = try route("/v3/kv/put").request
        let json = expected.isEmpty ? "{}" : #"{"value":"\#(expected)"}"#
        #expect(try normal(put, #"{"value":"\#(text)"}"#) == json)
    }

    @Test(
        "what is no request is refused",
        arguments: [
            "[]", "1", #"{"key":5}"#, #"{"key":"Zg=="x}"#, #"{"key":"a"}"#, #"{"key":"Zm9v="}"#,
            #"{"limit":"x"}"#, #"{"limit":9223372036854775808}"#, #"{"limit":1.5}"#,
            #"{"sort_order":"SIDEWAYS"}"#, #"{"keys_only":"true"}"#, #"{"key":["Zm9v"]}"#,
        ])
    func refused(_ text: String) throws {
        let range = try route("/v3/kv/range").request
        #expect(throws: (any Error).self) { try encode(range, text) }
    }

    @Test("bytes that are no message are refused rather than shown")
    func malformed() throws {
        let range = try route("/v3/kv/range").response
        for bytes: [UInt8] in [[0x0A, 5, 1], [0x0A, 1, 0x0A], [0x20], [0x12, 2, 0x0A, 9]] {
            var json: [UInt8] = []
            #expect(throws: WireError.self) {
                try bytes.withUnsafeBytes { try range.appendJSON(of: $0, to: &json) }
            }
        }
    }

    @Test("documents may follow each other; as many are read as are asked for")
    func sequences() throws {
        #expect(try JSONValue.sequence(parsing: " {} [1]\n2 ".utf8).count == 3)
        #expect(try JSONValue.sequence(parsing: "".utf8).isEmpty)
        #expect(try JSONValue.sequence(parsing: "{} nonsense".utf8, limit: 1).count == 1)
        #expect(throws: JSONError.self) { try JSONValue.sequence(parsing: "{} {".utf8) }
    }
}

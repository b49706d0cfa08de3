import Testing

@testable import Transport

@Suite("The HTTP/1 parser")
struct HTTP1ParserTests {
    /// What a parser makes of `text` that comes in pieces of `size` bytes, one line per event.
    private func read(_ text: String, pieces size: Int = .max) -> [String] {
        var parser = HTTP1RequestParser()
        var events: [String] = []
        var body = ""
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let piece = Array(rest.prefix(size))
            rest = rest.dropFirst(size)
            let refusal: HTTP1Refusal? = piece.withUnsafeBytes { bytes in
                var input = bytes
                do throws(HTTP1Refusal) {
                    while let event = try parser.next(&input) {
                        switch event {
                        case .head(let head, let hasBody):
                            let fields = head.headers.fields.map { "\($0.name)=\($0.value)" }
                            events.append(
                                "\(head.method) \(head.path) ?\(head.query) 1.\(head.minorVersion)"
                                    + " [\(fields.joined(separator: ", "))]"
                                    + (hasBody ? " body" : ""))
                        case .body(let piece): body += String(decoding: piece, as: UTF8.self)
                        case .end:
                            events.append("end \(body)")
                            body = ""
                        }
                    }
                    return nil
                } catch {
                    return error
                }
            }
            if let refusal { return events + [line(refusal)] }
        }
        return events
    }

    private func line(_ refusal: HTTP1Refusal) -> String {
        String(refusal.response.dropFirst("HTTP/1.1 ".count).prefix { $0 != "\r\n" })
    }

    private let twoRequests = """
        POST /v3/kv/put?a=b HTTP/1.1\r
        Host: localhost:2379\r
        Content-Length:  5 \r
        \r
        helloGET /a%20b HTTP/1.0\r
        \r

        """
    private let whatTheyMean = [
        "POST /v3/kv/put ?a=b 1.1 [Host=localhost:2379, Content-Length=5] body", "end hello",
        "GET /a b ? 1.0 []", "end ",
    ]

    @Test("reads pipelined requests, however they are cut up", arguments: 1...40)
    func fragments(size: Int) {
        #expect(read(twoRequests, pieces: size) == whatTheyMean)
    }

    @Test("reads chunked bodies, however they are cut up", arguments: [1, 2, 3, 7, 1000])
    func chunks(size: Int) {
        let text = """
            POST / HTTP/1.1\r
            Host: x\r
            Transfer-Encoding: Chunked\r
            \r
            5;name=value\r
            hello\r
            A\r
             big world\r
            0\r
            Trailer: ignored\r
            \r
            GET / HTTP/1.1\nHost: x\n\n
            """
        #expect(
            read(text, pieces: size) == [
                "POST / ? 1.1 [Host=x, Transfer-Encoding=Chunked] body", "end hello big world",
                "GET / ? 1.1 [Host=x]", "end ",
            ])
    }

    @Test(
        "answers what is no request as Go does",
        arguments: [
            ("GET\r\n", "400 Bad Request"),
            ("GET /\r\n", "400 Bad Request"),
            ("G@T / HTTP/1.1\r\n", "400 Bad Request"),
            ("GET / HTTP/1.1x\r\n", "400 Bad Request"),
            ("GET / http/1.1\r\n", "400 Bad Request"),
            ("GET nowhere HTTP/1.1\r\n", "400 Bad Request"),
            ("GET /%zz HTTP/1.1\r\n", "400 Bad Request"),
            ("GET /\u{1} HTTP/1.1\r\n", "400 Bad Request"),
            ("\r\n\r\n", "400 Bad Request"),
            (
                "GET / HTTP/2.0\r\n",
                "505 HTTP Version Not Supported: unsupported protocol version"
            ),
            ("GET / HTTP/1.1\r\n\r\n", "400 Bad Request: missing required Host header"),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                "400 Bad Request: too many Host headers"
            ),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400 Bad Request: malformed Host header"),
            ("GET / HTTP/1.1\r\nno colon\r\n", "400 Bad Request"),
            ("GET / HTTP/1.1\r\n folded\r\n", "400 Bad Request"),
            ("GET / HTTP/1.1\r\nHo st: x\r\n", "400 Bad Request: invalid header name"),
            ("GET / HTTP/1.1\r\nX: a\u{0}b\r\n", "400 Bad Request: invalid header value"),
            ("GET / HTTP/1.0\r\nContent-Length: -1\r\n\r\n", "400 Bad Request"),
            ("GET / HTTP/1.0\r\nContent-Length: 99999999999999999999\r\n\r\n", "400 Bad Request"),
            (
                "GET / HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                "400 Bad Request"
            ),
            (
                "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                "501 Not Implemented"
            ),
        ])
    func refusals(request: String, answer: String) {
        #expect(read(request).last == answer)
        #expect(read(request, pieces: 1).last == answer)
    }

    @Test(
        "refuses chunks that are none",
        arguments: ["x\r\n", "\r\n", "5\r\nhellooo\r\n", "11111111111111111\r\n"])
    func badChunks(chunks: String) {
        let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        #expect(read(head + chunks).last == "400 Bad Request")
    }

    @Test("refuses a head that never ends, in one line or in many")
    func oversizedHead() {
        let start = "GET / HTTP/1.1\r\nHost: x\r\n"
        let line = "X: " + String(repeating: "y", count: 2 << 20)
        let lines = String(repeating: "X: yyyyyyyyyyyyyyyyyyyyy\r\n", count: 50_000)
        for head in [start + line, start + lines, String(repeating: "G", count: 2 << 20)] {
            #expect(read(head, pieces: 65536).last == "431 Request Header Fields Too Large")
        }
        let fits = start + "X: " + String(repeating: "y", count: 1 << 20) + "\r\n\r\n"
        #expect(read(fits, pieces: 65536).last == "end ")
    }

    @Test("takes an absolute target, a folded header, and the empty lines after a POST")
    func lenient() {
        #expect(
            read("GET http://host:1/path?q HTTP/1.0\r\nA: b\r\n  c\r\n\r\n").first
                == "GET /path ?q 1.0 [A=b c]")
        let post = "POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\nx"
        #expect(read(post + "\r\n" + post, pieces: 60).count == 4)
    }

    @Test("decodes queries")
    func queries() {
        let head = HTTP1RequestHead(
            method: "GET", target: "", path: "/", query: "exclude=NO+SPACE&verbose&exclude=%41",
            minorVersion: 1)
        #expect(head.queryValues("exclude") == ["NO SPACE", "A"])
        #expect(head.queryValues("verbose") == [""])
        #expect(head.queryValues("other") == [])
    }

    @Test("writes dates as HTTP does")
    func dates() {
        #expect(HTTPDate.format(secondsSinceEpoch: 784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
    }
}

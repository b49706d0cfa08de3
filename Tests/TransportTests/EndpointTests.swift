import Testing

@testable import Transport

@Suite("An endpoint")
struct EndpointTests {
    @Test(
        "is read from etcd's URLs",
        arguments: [
            ("http://localhost:2379", Endpoint.tcp(host: "localhost", port: 2379)),
            ("https://127.0.0.1:0", .tcp(host: "127.0.0.1", port: 0)),
            ("HTTP://[::1]:80/", .tcp(host: "::1", port: 80)),
            ("http://:2379", .tcp(host: "", port: 2379)),
            ("unix:///run/cairn.sock", .unix(path: "/run/cairn.sock")),
            ("unixs://localhost:2379", .unix(path: "localhost:2379")),
        ])
    func parses(url: String, endpoint: Endpoint) throws {
        #expect(try Endpoint(url: url) == endpoint)
    }

    @Test(
        "is refused with etcd's words",
        arguments: [
            ("localhost:2379", "URL scheme must be http, https, unix, or unixs: localhost:2379"),
            ("ftp://a:1", "URL scheme must be http, https, unix, or unixs: ftp://a:1"),
            (
                "http://localhost",
                #"URL address does not have the form "host:port": http://localhost"#
            ),
            ("http://a:b", #"URL address does not have the form "host:port": http://a:b"#),
            ("http://a:65536", #"URL address does not have the form "host:port": http://a:65536"#),
            ("http://::1:80", #"URL address does not have the form "host:port": http://::1:80"#),
            ("http://a:1/path", "URL must not contain a path: http://a:1/path"),
        ])
    func refuses(url: String, text: String) {
        let error = #expect(throws: EndpointError.self) { try Endpoint(url: url) }
        #expect(error?.description == text)
    }

    @Test("is written as in logs")
    func writes() {
        #expect(Endpoint.tcp(host: "127.0.0.1", port: 1).description == "127.0.0.1:1")
        #expect(Endpoint.tcp(host: "::1", port: 1).description == "[::1]:1")
        #expect(Endpoint.unix(path: "/a").description == "/a")
    }
}

import Foundation
import Testing

extension EndToEnd {
    /// Programs that speak HTTP/1 and JSON, such as Patroni and curl.
    @Suite("the JSON gateway")
    struct GatewayTests {
        let member: MemberProcess

        init() throws { member = try MemberProcess() }

        /// Posts `body` and returns the status and the answer.
        private func post(
            _ path: String, _ body: String, _ more: String...
        ) throws -> (status: Int, answer: [String: Any]) {
            let result = try run(
                "/usr/bin/curl",
                [
                    "-sS", "-m", "10", "-w", "\n%{http_code}", "-d", body,
                    "http://\(member.endpoint)\(path)",
                ] + more)
            let lines = result.output.split(separator: "\n")
            let status = try #require(lines.last.flatMap { Int($0) }, "\(result.errors)")
            let json = try JSONSerialization.jsonObject(
                with: Data((lines.first ?? "").utf8), options: [.fragmentsAllowed])
            return (status, json as? [String: Any] ?? [:])
        }

        @Test("a key is put, read, compared and deleted")
        func keys() throws {
            let put = try post("/v3/kv/put", #"{"key":"Zm9v","value":"YmFy"}"#)
            #expect(put.status == 200)
            let header = try #require(put.answer["header"] as? [String: Any])
            #expect(header["revision"] as? String == "2", "64 bits are a string")
            let range = try post("/v3/kv/range", #"{"key":"Zm9v"}"#)
            #expect(range.answer["count"] as? String == "1")
            let pairs = try #require(range.answer["kvs"] as? [[String: Any]])
            #expect(pairs.first?["value"] as? String == "YmFy")
            #expect(pairs.first?["create_revision"] as? String == "2")
            let txn = try post(
                "/v3beta/kv/txn",
                #"{"compare":[{"target":"VALUE","key":"Zm9v","value":"YmFy"}],"#
                    + #""success":[{"requestDeleteRange":{"key":"Zm9v"}}]}"#)
            #expect(txn.answer["succeeded"] as? Bool == true)
            let responses = try #require(txn.answer["responses"] as? [[String: Any]])
            let deleted = responses.first?["response_delete_range"] as? [String: Any]
            #expect(deleted?["deleted"] as? String == "1")
            #expect(try post("/v3/kv/range", #"{"key":"Zm9v"}"#).answer["kvs"] == nil)
        }

        @Test("errors carry their code, and the HTTP status that stands for it")
        func errors() throws {
            let empty = try post("/v3/kv/range", "")
            #expect(empty.status == 400 && empty.answer["code"] as? Int == 3)
            #expect(empty.answer["message"] as? String == "etcdserver: key is not provided")
            let nonsense = try post("/v3/kv/range", "{")
            #expect(nonsense.status == 400 && nonsense.answer["code"] as? Int == 3)
            let lease = try post("/v3/lease/revoke", #"{"ID":"77"}"#)
            #expect(lease.status == 404 && lease.answer["code"] as? Int == 5)
            let unknown = try post("/v3/kv/nothing", "{}")
            #expect(unknown.status == 404 && unknown.answer["message"] as? String == "Not Found")
            let method = try post("/v3/kv/put", "", "-X", "PUT")
            #expect(method.status == 501 && method.answer["code"] as? Int == 12)
            let future = try post("/v3/kv/range", #"{"key":"Zm9v","revision":"99"}"#)
            #expect(future.status == 400 && future.answer["code"] as? Int == 11)
        }

        @Test("with users, a token in the header tells who asks")
        func tokens() throws {
            let root = #"{"name":"root","password":"secret"}"#
            #expect(try post("/v3/auth/user/add", root).status == 200)
            #expect(try post("/v3/auth/role/add", #"{"name":"root"}"#).status == 200)
            #expect(
                try post("/v3/auth/user/grant", #"{"user":"root","role":"root"}"#).status == 200)
            #expect(try post("/v3/auth/enable", "").status == 200)
            let nobody = try post("/v3/kv/range", #"{"key":"Zm9v"}"#)
            #expect(nobody.status == 400 && nobody.answer["code"] as? Int == 3)
            let wrong = try post(
                "/v3/auth/authenticate", #"{"name":"root","password":"guess"}"#)
            #expect(wrong.status == 400)
            let login = try post("/v3/auth/authenticate", root)
            let token = try #require(login.answer["token"] as? String)
            for header in ["Authorization: \(token)", "Authorization: Bearer \(token)"] {
                let read = try post("/v3/kv/range", #"{"key":"Zm9v"}"#, "-H", header)
                #expect(read.status == 200)
            }
            let old = try post("/v3/kv/range", #"{"key":"Zm9v"}"#, "-H", "Authorization: x.1")
            #expect(old.status == 401 && old.answer["code"] as? Int == 16)
        }

        @Test("a watch is a line for each response, for as long as its client stays")
        func watch() async throws {
            let peer = try RawPeer(member)
            let body = #"{"create_request":{"key":"YQ=="}}"#
            peer.send(
                Array(
                    ("POST /v3/watch HTTP/1.1\r\nHost: localhost\r\n"
                        + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)").utf8))
            func text(until part: String) throws -> String {
                let bytes = try peer.receive {
                    String(decoding: $0, as: UTF8.self).contains(part)
                }
                return String(decoding: bytes, as: UTF8.self)
            }
            let created = try text(until: "\"created\":true")
            #expect(created.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(created.contains("Transfer-Encoding: chunked"))
            let client = try await TestClient(member)
            try await client.put("a", "1")
            #expect(try text(until: "}]}}\n").contains(#""value":"MQ==""#))
            try await client.delete(Delete(key: "a"))
            #expect(try text(until: "}]}}\n").contains(#""type":"DELETE""#))
        }

        @Test("a member that stops tells those who watch, and does not wait for them")
        func stop() throws {
            let peer = try RawPeer(member)
            let body = #"{"create_request":{"key":"YQ=="}}"#
            peer.send(
                Array(
                    ("POST /v3/watch HTTP/1.1\r\nHost: localhost\r\n"
                        + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)").utf8))
            _ = try peer.receive {
                String(decoding: $0, as: UTF8.self).contains("\"created\":true")
            }
            // A client that keeps its connection for later, as most do.
            let idle = try RawPeer(member)
            idle.send(Array("GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
            _ = try idle.receive { $0.last == UInt8(ascii: "}") }
            let begin = ContinuousClock.now
            member.end(by: SIGTERM)
            #expect(begin.duration(to: .now) < .seconds(3))
            let rest = String(decoding: try peer.receive(), as: UTF8.self)
            #expect(rest.contains(#"{"error":{"code":14,"#), "\(rest)")
        }

        @Test("a lease is kept alive by a stream of requests that ends")
        func keepAlive() throws {
            #expect(try post("/v3/lease/grant", #"{"ID":"7","TTL":"60"}"#).status == 200)
            let kept = try post("/v3/lease/keepalive", #"{"ID":"7"}"#)
            let result = try #require(kept.answer["result"] as? [String: Any])
            #expect(kept.status == 200 && result["TTL"] as? String == "60")
        }

        @Test("a value of the largest size goes through")
        func large() throws {
            let directory = try TemporaryDirectory()
            let value = Data(repeating: 0x61, count: 1_500_000).base64EncodedString()
            let file = directory.path + "/body"
            try Data(#"{"key":"YmlnCg==","value":"\#(value)"}"#.utf8).write(
                to: URL(fileURLWithPath: file))
            #expect(try post("/v3/kv/put", "@\(file)").status == 200)
        }

        @Test("switched off, it is not there")
        func off() throws {
            let plain = try MemberProcess(arguments: ["--enable-grpc-gateway=false"])
            let answer = try run(
                "/usr/bin/curl", ["-sS", "-d", "{}", "http://\(plain.endpoint)/v3/kv/range"])
            #expect(answer.output == "404 page not found\n")
        }
    }

    @Suite("the JSON gateway over TLS")
    struct SecureGatewayTests {
        @Test("answers over HTTP/2 and HTTP/1.1")
        func versions() throws {
            let it = try SecureMember()
            for version in ["--http2", "--http1.1"] {
                let answer = try it.curl(
                    version, "-d", #"{"key":"Zm9v","value":"YmFy"}"#, it.url + "/v3/kv/put")
                #expect(answer.output.contains("\"revision\":"), "\(answer)")
            }
        }
    }
}

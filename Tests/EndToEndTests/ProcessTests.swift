import Foundation
import Testing

extension EndToEnd {
    /// reference: process.md.
    @Suite("the process as its supervisor sees it")
    struct ProcessTests {
        private func cairn(
            _ arguments: String..., environment: [String: String] = [:]
        ) throws -> ProgramResult {
            try run(MemberProcess.binary.path, arguments, environment: environment)
        }

        @Test("--version prints etcd's four lines and its own")
        func version() throws {
            let result = try cairn("--version")
            let lines = result.output.split(separator: "\n").map(String.init)
            #expect(result.status == 0 && result.errors == "")
            #expect(lines.count == 5)
            #expect(lines.first == "etcd Version: 3.7.1")
            let names = lines.map { $0.prefix { $0 != ":" } }
            #expect(
                names == ["etcd Version", "Git SHA", "Go Version", "Go OS/Arch", "Cairn Version"])
            #expect(lines.contains("Go OS/Arch: linux/amd64"))
        }

        @Test("--help and -h print the usage and end well", arguments: ["--help", "-h"])
        func help(_ flag: String) throws {
            let result = try cairn(flag)
            #expect(result.status == 0)
            #expect((result.output + result.errors).contains("--data-dir"))
        }

        @Test(
            "an unknown flag is told with the usage: status 2", arguments: ["-bogus", "--bogus=1"])
        func unknownFlag(_ flag: String) throws {
            let result = try cairn(flag)
            #expect(result.status == 2)
            #expect(result.errors.hasPrefix("flag provided but not defined: -bogus\n"))
        }

        @Test("a flag of etcd's that is not served yet is refused by name: status 1")
        func unservedFlag() throws {
            let result = try cairn("--config-file", "/tmp/none.yaml")
            #expect(result.status == 1)
            let entry = try #require(
                result.errors.split(separator: "\n").compactMap {
                    LogEntry(String($0))
                }.last)
            #expect(entry.text("error").contains("-config-file"), "\(result.errors)")
            #expect(entry.text("error").contains("not served"), "\(result.errors)")
        }

        @Test("a flag and its variable both set are a conflict: status 1")
        func conflict() throws {
            let result = try cairn("--name", "a", environment: ["ETCD_NAME": "b"])
            #expect(result.status == 1)
            let entry = try #require(LogEntry(result.errors))
            #expect(entry.level == "fatal")
            #expect(
                entry.message == "conflicting environment variable \"ETCD_NAME\" is shadowed by "
                    + "corresponding command-line flag (either unset environment variable or "
                    + "disable flag)")
        }

        @Test("a name that the initial cluster does not have is refused: status 1")
        func wrongName() throws {
            let member = try MemberProcess(
                arguments: ["--name", "a", "--initial-cluster", "b=http://localhost:2380"],
                starts: false)
            let (status, log) = try member.startExpectingRefusal()
            #expect(status == 1)
            let words = "couldn't find local name \"a\" in the initial cluster configuration"
            #expect(log.contains { $0.text("error") == words }, "\(log)")
        }

        @Test("variables do what flags do")
        func environment() async throws {
            let port = try MemberProcess.freePort()
            let url = "http://127.0.0.1:\(port)"
            let member = try MemberProcess(environment: [
                "ETCD_NAME": "from-the-environment", "ETCD_LISTEN_CLIENT_URLS": url,
                "ETCD_ADVERTISE_CLIENT_URLS": url, "ETCD_MAX_REQUEST_BYTES": "1000",
            ])
            let client = try await TestClient(.tcp(host: "127.0.0.1", port: port))
            let list = try await client.call("/etcdserverpb.Cluster/MemberList")
            #expect(String(decoding: list, as: UTF8.self).contains("from-the-environment"))
            await #expect(throws: (any Error).self) {
                try await client.put("a", String(repeating: "v", count: 1000))
            }
            #expect(member.isRunning)
        }

        @Test(
            "SIGTERM and SIGINT end it in order, by the same signal, and its data stays",
            arguments: [(SIGTERM, "terminated", 143), (SIGINT, "interrupt", 130)])
        func stop(_ signal: Int32, _ name: String, _ status: Int32) async throws {
            let member = try MemberProcess()
            let answer = try await TestClient(member).put("a", "1")
            #expect(member.end(by: signal) == status)
            let log = try member.log.waitForEnd().compactMap(LogEntry.init)
            let end = log.suffix(3)
            #expect(
                end.map(\.message) == [
                    "received signal; shutting down", "closing etcd server", "closed etcd server",
                ])
            #expect(end.first?.text("signal") == name)
            #expect(!log.contains { $0.level == "error" || $0.level == "fatal" }, "\(log)")

            try member.start()
            let client = try await TestClient(member)
            #expect(
                try await client.get("a")
                    == Pair(key: "a", value: "1", created: 2, modified: 2, version: 1))
            let again = try await client.put("a", "2").header
            #expect(again.revision == 3)
            #expect(again.member == answer.header.member && again.cluster == answer.header.cluster)
            #expect(again.term > answer.header.term, "a start is an election")
        }

        @Test("a stop lets the calls under way end, and answers those that come late")
        func stopUnderLoad() async throws {
            let member = try MemberProcess()
            let client = try await TestClient(member)
            let load = await CrashLoad.run(round: 0, target: 300, on: client) {
                [process = member.processID] in kill(process, SIGTERM)
            }
            #expect(member.waitForEnd() == 143)
            #expect(load.complaints.isEmpty)
            try member.start()
            let pairs = try await TestClient(member).all(prefix: "r").pairs
            let found = Dictionary(uniqueKeysWithValues: pairs.map { ($0.key, $0.modified) })
            for (write, revision) in load.acknowledged { #expect(found[write.key] == revision) }
        }

        @Test("the log tells what scripts wait for, in order, as JSON that begins with the level")
        func logLines() throws {
            let member = try MemberProcess(starts: false)
            let lines = try member.start()
            let entries = lines.compactMap(LogEntry.init)
            #expect(entries.count == lines.count, "a line that is no JSON")
            #expect(lines.allSatisfy { $0.hasPrefix("{\"level\":\"") && $0.contains(",\"ts\":\"") })
            var expected = [
                "starting an etcd server", "added member", " became pre-candidate at term 1",
                " became candidate at term 2", " became leader at term 2", " elected leader ",
                "published local member to cluster through raft", "set initial cluster version",
                "ready to serve client requests",
            ]
            for entry in entries where expected.first.map(entry.message.contains) == true {
                expected.removeFirst()
            }
            #expect(expected.isEmpty, "in this order, of \(entries.map(\.message))")
            let raft = entries.first { $0.message.contains("became leader") }
            #expect(raft?.text("logger") == "raft")
            try member.log.wait(
                for: "serving client traffic insecurely; this is strongly discouraged!")
        }
    }
}

import Foundation
import Testing

extension EndToEnd {
    /// Debian's etcdctl watch against the binary that ships.
    @Suite("etcdctl watch against a member")
    struct EtcdctlWatchTests {
        /// A program that is read while it runs, and killed with the value.
        ///
        /// `@unchecked Sendable`: nothing changes after `init`, and what was printed has its lock.
        private final class Watching: @unchecked Sendable {
            private let process = Process()
            private let input = Pipe()
            let printed: LogCollector

            init(_ member: MemberProcess, _ arguments: String...) throws {
                let output = Pipe()
                process.executableURL = URL(fileURLWithPath: "/usr/bin/etcdctl")
                process.arguments = ["--endpoints", member.endpoint] + arguments
                process.environment = ["ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"]
                process.standardInput = input
                process.standardOutput = output
                process.standardError = FileHandle.nullDevice
                printed = LogCollector(output.fileHandleForReading)
                try process.run()
            }

            deinit {
                process.terminate()
                process.waitUntilExit()
            }

            func type(_ line: String) { input.fileHandleForWriting.write(Data("\(line)\n".utf8)) }

            /// What was printed up to a line that contains `text`.
            func read(to text: String) throws -> [String] { try printed.wait(for: text) }
        }

        private func put(_ member: MemberProcess, _ key: String, _ value: String) throws {
            _ = try run(
                "/usr/bin/etcdctl", ["--endpoints", member.endpoint, "put", key, value],
                environment: ["ETCDCTL_API": "3"])
        }

        /// Puts until a watcher that has just been started has noticed: nothing says when it is
        /// ready.
        private func put(_ member: MemberProcess, until watching: Watching, key: String) throws {
            let finder = Thread { [printed = watching.printed] in
                _ = try? printed.wait(for: "ready")
            }
            finder.start()
            while !finder.isFinished {
                try put(member, key, "ready")
                Thread.sleep(forTimeInterval: 0.02)
            }
        }

        @Test("goes on after an orderly stop and a start of its member")
        func restart() throws {
            let member = try MemberProcess()
            let watching = try Watching(member, "watch", "a")
            try put(member, until: watching, key: "a")
            #expect(member.end(by: SIGTERM) == 143)
            try member.start()
            try put(member, "a", "afterwards")
            #expect(try watching.read(to: "afterwards").suffix(3) == ["PUT", "a", "afterwards"])
        }

        @Test("prints events as they happen")
        func plain() throws {
            let member = try MemberProcess()
            let watching = try Watching(member, "watch", "a")
            try put(member, until: watching, key: "a")
            try put(member, "b", "elsewhere")
            try put(member, "a", "last")
            let lines = try watching.read(to: "last")
            #expect(lines.suffix(3) == ["PUT", "a", "last"])
            #expect(!lines.contains("elsewhere"))
        }

        @Test("prints a prefix from a past revision, with what was there before")
        func past() throws {
            let member = try MemberProcess()
            try put(member, "a1", "one")
            try put(member, "b1", "no")
            try put(member, "a1", "two")
            _ = try run(
                "/usr/bin/etcdctl", ["--endpoints", member.endpoint, "del", "a1"],
                environment: ["ETCDCTL_API": "3"])
            try put(member, "a2", "end")
            let watching = try Watching(
                member, "watch", "a", "--prefix", "--rev", "2", "--prev-kv")
            let lines = try watching.read(to: "end")
            #expect(
                lines == [
                    "PUT", "a1", "one", "PUT", "a1", "one", "a1", "two", "DELETE", "a1", "two",
                    "a1", "", "PUT", "a2", "end",
                ])
        }

        @Test("watches what is typed")
        func interactive() throws {
            let member = try MemberProcess()
            try put(member, "a", "one")
            try put(member, "b", "two")
            let watching = try Watching(member, "watch", "-i")
            watching.type("watch a --rev=1")
            #expect(try watching.read(to: "one") == ["PUT", "a", "one"])
            watching.type("watch b --rev=1")
            #expect(try watching.read(to: "two").suffix(3) == ["PUT", "b", "two"])
            watching.type("progress")
            #expect(try watching.read(to: "progress").last == "progress notify: 3")
        }

        @Test("runs a command for each event")
        func command() throws {
            let member = try MemberProcess()
            try put(member, "a", "one")
            let watching = try Watching(
                member, "watch", "a", "--rev", "1", "--", "sh", "-c",
                "echo event $ETCD_WATCH_REVISION $ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_VALUE")
            #expect(try watching.read(to: "event").last == "event 2 \"PUT\" \"one\"")
        }
    }
}

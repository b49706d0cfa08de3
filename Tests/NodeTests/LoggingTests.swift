import API
import Foundation
import Logging
import Testing

@testable import Node

private struct StoppedClock: WallClock {
    let nanosecondsSinceEpoch: UInt64 = 1_795_229_604_045_678_901
}

/// A log whose lines a test can read back.
private struct Recording {
    let pipe = Pipe()

    func log(level: LogLevel = .info, format: LogFormat = .json) -> ServerLog {
        ServerLog(
            to: LogSink(descriptor: pipe.fileHandleForWriting.fileDescriptor), level: level,
            format: format, clock: StoppedClock())
    }

    func lines() throws -> [String] {
        try pipe.fileHandleForWriting.close()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}

private struct Torn: Error, CustomStringConvertible { let description = "torn \"tail\"" }

@Suite("The log is written as etcd's")
struct LoggingTests {
    @Test("A line has its keys in order, and its fields typed and as given")
    func json() throws {
        let recording = Recording()
        recording.log().logger("raft").info(
            "became \"leader\"\n",
            metadata: .fields([
                "term": 2, "big": .uint(.max), "learner": false, "urls": .strings(["a", "b"]),
                "took": .duration(1_500_000), "ratio": .double(0.5), "name": "\u{1}é",
            ]),
            file: "Consensus/RaftNode.swift", line: 12)
        #expect(
            try recording.lines() == [
                #"{"level":"info","ts":"2026-11-21T02:53:24.045678Z","logger":"raft","#
                    + #""caller":"Consensus/RaftNode.swift:12","msg":"became \"leader\"\n","#
                    + #""term":2,"big":18446744073709551615,"learner":false,"urls":["a","b"],"#
                    + #""took":"1.5ms","ratio":0.5,"name":"\u0001é"}"#
            ])
    }

    @Test("Every line is JSON that a reader of etcd's log can take apart")
    func parses() throws {
        let recording = Recording()
        let logger = recording.log(level: .debug).logger()
        for level in Logger.Level.allCases where level >= .debug {
            logger.log(level: level, "m\t\u{7f}", metadata: .fields(["nan": .double(.nan)]))
        }
        let levels = try recording.lines().map { line in
            let object = try #require(
                try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            #expect(object["msg"] as? String == "m\t\u{7f}")
            #expect(object["logger"] == nil, "the member itself has no part's name")
            return object["level"] as? String
        }
        #expect(levels == ["debug", "info", "info", "warn", "error", "fatal"])
    }

    @Test("Plain metadata of other layers keeps its numbers and comes sorted")
    func plainMetadata() throws {
        let recording = Recording()
        var logger = recording.log().logger()
        logger[metadataKey: "part"] = "wal"
        logger.warning(
            "m",
            metadata: [
                "z": .stringConvertible(7), "a": .stringConvertible(true),
                "l": ["x", .stringConvertible(UInt64(1))], "d": ["k": "v"],
            ])
        #expect(
            try recording.lines()[0].hasSuffix(
                #""msg":"m","part":"wal","a":true,"d":{"k":"v"},"l":["x",1],"z":7}"#))
    }

    @Test("An error is a field like any other")
    func error() throws {
        let recording = Recording()
        recording.log().logger().error("read", error: Torn())
        #expect(try recording.lines()[0].hasSuffix(#""msg":"read","error":"torn \"tail\""}"#))
    }

    @Test("The console format has tabs between its columns and the fields in braces")
    func console() throws {
        let recording = Recording()
        let logger = recording.log(format: .console).logger()
        logger.info("ready", metadata: .fields(["a": 1, "b": "x"]), file: "F.swift", line: 3)
        logger.info("bare", file: "F.swift", line: 4)
        #expect(
            try recording.lines() == [
                "2026-11-21T02:53:24.045678Z\tinfo\tF.swift:3\tready\t{\"a\": 1, \"b\": \"x\"}",
                "2026-11-21T02:53:24.045678Z\tinfo\tF.swift:4\tbare",
            ])
    }

    @Test("What is below the level is not written")
    func levels() throws {
        let recording = Recording()
        let logger = recording.log(level: .error).logger()
        logger.warning("no")
        logger.error("yes")
        #expect(try recording.lines().count == 1)
    }

    @Test("A file is appended to, and one that cannot be opened is named")
    func files() throws {
        let path = NSTemporaryDirectory() + "cairn-log-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        for _ in 0..<2 {
            ServerLog(to: try LogSink([.file(path)]), clock: StoppedClock()).logger().info("m")
        }
        #expect(try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").count == 2)
        #expect(
            throws: LogSinkError(
                description: "open log output /nowhere/x: No such file or directory")
        ) {
            try LogSink([.file("/nowhere/x")])
        }
    }

    @Test("Lines of many threads do not mix, however long they are")
    func threads() async throws {
        let recording = Recording()
        let log = recording.log()
        let long = String(repeating: "x", count: 9_000)
        // A thread of its own: the writers may fill all of the pool and wait for it.
        let read = Task { () -> Data in
            await withCheckedContinuation { done in
                Thread.detachNewThread {
                    let data = try? recording.pipe.fileHandleForReading.readToEnd()
                    done.resume(returning: data ?? Data())
                }
            }
        }
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask { for _ in 0..<20 { log.logger().info("\(long)") } }
            }
        }
        try recording.pipe.fileHandleForWriting.close()
        let lines = String(decoding: await read.value, as: UTF8.self).split(separator: "\n")
        #expect(lines.count == 80)
        #expect(lines.allSatisfy { $0.hasPrefix("{\"level\"") && $0.hasSuffix("x\"}") })
    }
}

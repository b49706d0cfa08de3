// A member and a real etcd, side by side.

import API
import Foundation
import Glibc
import Testing
import Transport

/// Where the etcd is that Cairn is compared with.
enum Rival {
    /// The one that Scripts/fetch-rivals.sh fetches.
    static let etcd = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent(".build-rivals/etcd-3.5")

    /// In CI its absence is a failure, not a reason to leave the tests out.
    static let isExpected =
        FileManager.default.isExecutableFile(atPath: etcd.path)
        || ProcessInfo.processInfo.environment["CAIRN_CI"] != nil

    static let absence: Comment = "no etcd to compare with: `make rivals` fetches it"

    /// A running etcd of one member.
    static func start(arguments: [String] = [], directory: URL? = nil, starts: Bool = true) throws
        -> MemberProcess
    {
        let peer = "http://127.0.0.1:\(try MemberProcess.freePort())"
        return try MemberProcess(
            binary: etcd,
            arguments: [
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", "default=\(peer)",
            ] + arguments, directory: directory, starts: starts)
    }
}

/// Two servers with empty stores, which get the same calls. Used by one task, whose executor is
/// `loop`.
final class ServerPair {
    let ours: MemberProcess
    let theirs: MemberProcess
    private let loop: EventLoop
    private let directory: TemporaryDirectory
    private var connections: [GRPCClientConnection] = []

    /// Starts both.
    init(_ habits: Habits, ourArguments: [String] = [], on loop: EventLoop) async throws {
        self.loop = loop
        directory = try TemporaryDirectory(in: Self.fastDirectory)
        let limit = ["--max-txn-ops", String(habits.maxTxnOps)]
        ours = try MemberProcess(
            arguments: limit + ["--snapshot-count", String(habits.snapshotCount)] + ourArguments,
            directory: directory.url.appendingPathComponent("cairn"), starts: false)
        theirs = try Rival.start(
            arguments: limit + [
                "--unsafe-no-fsync", "--heartbeat-interval", "20", "--election-timeout", "100",
            ], directory: directory.url.appendingPathComponent("etcd"), starts: false)
        try await start()
    }

    deinit { disconnect() }

    /// In memory where that has room: nothing is lost of it when a process ends, and etcd syncs
    /// as long as Cairn does.
    private static let fastDirectory: URL = {
        var shared = statvfs()
        let needed: UInt = 2 << 30
        if statvfs("/dev/shm", &shared) == 0, shared.f_bavail * shared.f_frsize > needed {
            return URL(fileURLWithPath: "/dev/shm")
        }
        return FileManager.default.temporaryDirectory
    }()

    private func start() async throws {
        try ours.launch()
        try theirs.launch()
        for server in [ours, theirs] {
            try server.log.wait(for: "ready to serve client requests")
            connections.append(try await Self.connect(to: server, on: loop))
        }
    }

    /// Ends both and starts them again on their data: Cairn by SIGKILL, etcd by SIGTERM (the
    /// table of known differences says why).
    func restart() async throws {
        disconnect()
        ours.end(by: SIGKILL)
        theirs.end(by: SIGTERM)
        try await start()
    }

    private func disconnect() {
        let connections = connections
        loop.post { for connection in connections { connection.abort() } }
        self.connections = []
    }

    private static func connect(
        to server: MemberProcess, on loop: EventLoop
    ) async throws -> GRPCClientConnection {
        try await withCheckedThrowingContinuation { continuation in
            loop.post {
                Connector.connect(
                    to: .tcp(host: "127.0.0.1", port: server.port), on: loop,
                    timeoutNanoseconds: 10_000_000_000
                ) {
                    continuation.resume(
                        with: $0.mapError { $0 as any Error }.flatMap { stream in
                            GRPCClientConnection(stream).map { .success($0) }
                                ?? .failure(ProcessFailure(description: "no memory"))
                        })
                }
            }
        }
    }

    // MARK: Calls

    /// A request as it is sent.
    struct Request: Sendable {
        let method: Method
        let bytes: [UInt8]
        /// Not sent to etcd.
        var isForOursAlone = false
    }

    /// What both say to a request.
    struct Answers: Sendable {
        var ours: Result<[UInt8], Status> = .failure(unsent)
        var theirs: Result<[UInt8], Status> = .failure(unsent)
        private static let unsent = Status(.unknown, "not sent")
    }

    /// Sends all requests at once to both and waits for all answers.
    func exchange(_ requests: [Request]) async -> [Answers] {
        let exchange = Exchange(count: requests.count)
        let (ours, theirs, loop) = (connections[0], connections[1], loop)
        return await withCheckedContinuation { continuation in
            let begin: @Sendable () -> Void = {
                exchange.completion = { continuation.resume(returning: $0) }
                for (index, request) in requests.enumerated() {
                    exchange.expect(2)
                    if request.method == .rangeStream {
                        exchange.stream(ours, request) { $0[index].ours = $1 }
                    } else {
                        exchange.call(ours, request) { $0[index].ours = $1 }
                    }
                    if request.isForOursAlone {
                        exchange.arrived()
                    } else {
                        exchange.call(theirs, request) { $0[index].theirs = $1 }
                    }
                }
                exchange.arrived()
            }
            if loop.isCurrent { begin() } else { loop.post(begin) }
        }
    }

    /// Answers that have come so far.
    ///
    /// `@unchecked Sendable`: made for one loop, on which alone it is touched.
    private final class Exchange: @unchecked Sendable {
        private static let options = GRPCCallOptions(timeout: 30_000_000_000)
        var completion: (([Answers]) -> Void)?
        private var answers: [Answers]
        /// One for the sending itself, so that nothing ends before all is sent.
        private var missing = 1

        init(count: Int) { answers = Array(repeating: Answers(), count: count) }

        func expect(_ count: Int) { missing += count }

        func call(
            _ connection: GRPCClientConnection, _ request: Request,
            _ keep: @escaping (inout [Answers], Result<[UInt8], Status>) -> Void
        ) {
            connection.unary(request.method.path, request.bytes, options: Self.options) { [self] in
                keep(&answers, $0.map { Array($0) })
                arrived()
            }
        }

        /// Calls for a stream, and puts its chunks together.
        func stream(
            _ connection: GRPCClientConnection, _ request: Request,
            _ keep: @escaping (inout [Answers], Result<[UInt8], Status>) -> Void
        ) {
            let chunks = RangeChunks { [self] in
                keep(&answers, $0)
                arrived()
            }
            let call = connection.streaming(
                Method.rangeStreamPath, options: Self.options, handler: chunks)
            call.send(request.bytes)
            call.halfClose()
        }

        func arrived() {
            missing -= 1
            if missing == 0 { completion?(answers) }
        }
    }
}

/// The messages of a RangeStream as the one RangeResponse that they come to (semantics.md,
/// RangeStream): protobuf merges messages whose bytes stand one behind the other.
private final class RangeChunks: GRPCClientStreamHandler {
    private let completion: (Result<[UInt8], Status>) -> Void
    private var merged: [UInt8] = []
    private var fault: Status?

    init(_ completion: @escaping (Result<[UInt8], Status>) -> Void) {
        self.completion = completion
    }

    func received(_ message: sending UnsafeRawBufferPointer) {
        do {
            var reader = ProtobufReader(message)
            while let field = try reader.next() {
                guard field.number == 1 else { throw WireError.malformed }
                merged += try field.bytes()
            }
        } catch {
            fault = Status(.dataLoss, "a chunk that is none: \(error)")
        }
    }

    func writable() {}

    func finished(_ end: GRPCCallEnd) {
        completion((fault ?? end.status).map { .failure($0) } ?? .success(merged))
    }
}

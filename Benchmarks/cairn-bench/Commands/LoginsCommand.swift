// What logging in costs a server, when few users do it often.

import API
import ArgumentParser
import Foundation
import Histogram
import Transport

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

struct LoginsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logins",
        abstract: "Authenticates at a steady rate: latency, CPU, hashes computed.")

    @Option(help: "Authentications a second.")
    var rate = 1000

    @Option(help: "Seconds of load.")
    var seconds = 10

    @Option(help: "Users who log in by turns, each over a connection of its own.")
    var users = 10

    @Option(help: "The cairn binary; by default the one beside this program.")
    var cairn: String?

    @Option(help: "The folder with etcd-3.5 and etcd-3.4.")
    var rivals = ".build-rivals"

    @Option(help: "Only servers whose name contains this.")
    var server = "cairn"

    @Option(help: "Folder for the servers' data; removed afterwards.")
    var dataDir = DataFolder.standard

    func run() throws {
        guard rate > 0, seconds > 0, users > 0 else {
            throw ValidationError("all counts must be at least 1")
        }
        let folder = try DataFolder(dataDir)
        defer { folder.remove() }
        let signals = StartedProcesses.shared.endOnSignals(removing: folder)
        defer { withExtendedLifetime(signals) {} }
        for kind in ServerKind.all(cairn: cairn, rivals: rivals)
        where kind.isThere && kind.name.contains(server) {
            try measure(kind, in: folder.url)
        }
    }

    private func measure(_ kind: ServerKind, in folder: URL) throws {
        let server = try RunningServer(kind, dataIn: folder)
        defer { server.stop() }
        let administrator = try Administrator(port: server.clientPort)
        defer { administrator.close() }
        try administrator.auth("UserAdd", "root", "root")
        try administrator.auth("UserGrantRole", "root", "root")
        for user in 0..<users { try administrator.auth("UserAdd", "u\(user)", "p\(user)") }
        try administrator.auth("AuthEnable", "", "")
        let hashesBefore = hashes(server)
        guard let before = ProcessUsage(of: server.processID) else { return }
        let load = try LoginLoad(server.target, users: users)
        let answers = load.run(count: rate * seconds, rate: rate)
        guard let after = ProcessUsage(of: server.processID) else { return }
        let cpu = after.spent(since: before).cpuSeconds / Double(answers.latencies.totalCount)
        func milliseconds(_ percentile: Double) -> Double {
            Double(answers.latencies.valueAtPercentile(percentile) / 1000) / 1000
        }
        print(
            "\(kind.name): \(answers.latencies.totalCount) authentications of \(users) users, "
                + "\(rate) a second, \(answers.failures) failed: p50 \(milliseconds(50)) ms, "
                + "p99 \(milliseconds(99)) ms, longest \(milliseconds(100)) ms, "
                + "\(Int(cpu * 1e6)) us of the server's CPU each, "
                + "hashes computed: "
                + (hashesBefore.flatMap { before in hashes(server).map { "\($0 - before)" } }
                    ?? "not told"))
    }

    /// What the server says; nil when it counts none.
    private func hashes(_ server: RunningServer) -> Int? {
        guard let url = URL(string: "http://127.0.0.1:\(server.clientPort)/metrics"),
            let data = try? Data(contentsOf: url)
        else { return nil }
        let name = "cairn_auth_password_hashes_total "
        return String(decoding: data, as: UTF8.self).split(separator: "\n")
            .first { $0.hasPrefix(name) }
            .flatMap { Int($0.dropFirst(name.count)) }
    }
}

/// Clients that log in.
private final class LoginLoad {
    struct Answers {
        var latencies = Histogram<UInt32>(numberOfSignificantValueDigits: .three)
        var failures = 0
        fileprivate var awaited = 0
    }

    private let loop: EventLoop
    private let connections: [GRPCClientConnection]
    /// On the loop.
    private let state = State()

    private final class State: @unchecked Sendable {
        var answers = Answers()
        var finished: (@Sendable (Answers) -> Void)?
    }

    init(_ target: Target, users: Int) throws {
        let loop = try EventLoop(name: "\(LoadGenerator.threadName)-0")
        self.loop = loop
        connections = try (0..<users).map { _ in
            let opened: Result<GRPCClientConnection?, TransportError> = waitFor { done in
                loop.post {
                    do throws(TransportError) {
                        let dialer = try target.dialer(on: loop)
                        _ = dialer.dial(target.url, timeoutNanoseconds: 10_000_000_000) { stream in
                            // The dialer lives until it has dialled.
                            withExtendedLifetime(dialer) {
                                done(stream.map { GRPCClientConnection($0) })
                            }
                        }
                    } catch {
                        done(.failure(error))
                    }
                }
            }
            guard let connection = try opened.get() else {
                throw ServerFailure(description: "out of memory")
            }
            return connection
        }
    }

    /// Sends `count` requests at an even rate, whenever they are answered.
    func run(count: Int, rate: Int) -> Answers {
        let method = GRPCClientMethod("/etcdserverpb.Auth/Authenticate", authority: "localhost")
        let answers: Answers = waitFor { done in
            loop.post { [state] in
                state.answers.awaited = count
                state.finished = done
            }
            let begin = monotonicNanoseconds()
            for number in 0..<count {
                let due = begin + UInt64(number) * 1_000_000_000 / UInt64(rate)
                let now = monotonicNanoseconds()
                if now < due { usleep(UInt32((due - now) / 1000)) }
                send(method, user: number % connections.count, due: due)
            }
        }
        let _: Bool = waitFor { done in
            loop.post { [connections] in
                for connection in connections { connection.abort() }
                done(true)
            }
        }
        loop.stop()
        return answers
    }

    private func send(_ method: GRPCClientMethod, user: Int, due: UInt64) {
        var buffer = ByteBuffer()
        buffer.appendField(1, string: "u\(user)")
        buffer.appendField(2, string: "p\(user)")
        let request = buffer.array
        let connection = connections[user]
        loop.post { [state] in
            connection.unary(
                method, capacity: request.count,
                { buffer in
                    buffer.copyBytes(from: request)
                    return request.count
                },
                completion: { result in
                    if case .success = result {
                        state.answers.latencies.record(monotonicNanoseconds() - due)
                    } else {
                        state.answers.failures += 1
                    }
                    state.answers.awaited -= 1
                    if state.answers.awaited == 0 { state.finished?(state.answers) }
                })
        }
    }
}

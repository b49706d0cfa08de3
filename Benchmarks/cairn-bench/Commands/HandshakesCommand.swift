// What connections cost over TLS: the handshake, and the memory of those that say nothing.

import API
import ArgumentParser
import Foundation
import Logging
import Node
import Transport

struct HandshakesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "handshakes",
        abstract: "Opens many connections over TLS: handshakes a second, memory of idle ones.")

    @Option(help: "Connections that are opened and stay.")
    var connections = 10_000

    @Option(help: "How many are opened at once.")
    var atOnce = 32

    @Option(help: "The cairn binary; by default the one beside this program.")
    var cairn: String?

    @Option(help: "The folder with etcd-3.5 and etcd-3.4.")
    var rivals = ".build-rivals"

    @Option(help: "Only servers whose name contains this.")
    var server = "cairn"

    @Option(help: "Folder for the servers' data; removed afterwards.")
    var dataDir = DataFolder.standard

    func run() throws {
        FileDescriptors.raiseLimit()
        let folder = try DataFolder(dataDir)
        defer { folder.remove() }
        let signals = StartedProcesses.shared.endOnSignals(removing: folder)
        defer { withExtendedLifetime(signals) {} }
        let certificates = try BenchCertificates(in: folder.url)
        for kind in ServerKind.all(cairn: cairn, rivals: rivals)
        where kind.isThere && kind.name.contains(server) {
            for isSecure in [false, true] {
                try measure(isSecure ? kind.over(certificates) : kind, in: folder.url)
            }
        }
    }

    private func measure(_ kind: ServerKind, in folder: URL) throws {
        let server = try RunningServer(kind, dataIn: folder)
        defer { server.stop() }
        guard let before = ProcessUsage(of: server.processID) else { return }
        let start = monotonicNanoseconds()
        let openers = try Openers(server.target, count: connections, atOnce: atOnce)
        let seconds = Double(monotonicNanoseconds() - start) / 1e9
        // Settings and their acknowledgements are still on their way.
        Thread.sleep(forTimeInterval: 1)
        guard let after = ProcessUsage(of: server.processID) else { return }
        let spent = after.spent(since: before)
        let each = Double(after.anonymousBytes - before.anonymousBytes) / Double(connections)
        let cpu = spent.cpuSeconds / Double(connections)
        print(
            "\(kind.name): \(connections) connections in \(rounded(seconds)) s, "
                + "\(rounded(cpu * 1e6)) us of the server's CPU each "
                + "(\(Int(1 / cpu)) a second and core), \(rounded(each / 1024)) KiB each at rest")
        openers.close()
    }

    private func rounded(_ number: Double) -> Double { (number * 10).rounded() / 10 }
}

/// Connections that are there and do nothing.
private final class Openers {
    private let loop: EventLoop
    /// On the loop.
    private let state: State

    private final class State: @unchecked Sendable {
        var connections: [GRPCClientConnection] = []
        var dialer: (any StreamDialer)?
    }

    init(_ target: Target, count: Int, atOnce: Int) throws {
        let loop = try EventLoop(name: "\(LoadGenerator.threadName)-0")
        self.loop = loop
        let state = State()
        self.state = state
        let failures: [TransportError?] = waitForAll(atOnce) { number, done in
            let share = count / atOnce + (number < count % atOnce ? 1 : 0)
            loop.post {
                do throws(TransportError) {
                    if state.dialer == nil { state.dialer = try target.dialer(on: loop) }
                    Self.open(share, target, state, done)
                } catch {
                    done(error)
                }
            }
        }
        if let failure = failures.lazy.compactMap(\.self).first { throw failure }
    }

    private static func open(
        _ count: Int, _ target: Target, _ state: State,
        _ done: @escaping @Sendable (TransportError?) -> Void
    ) {
        guard count > 0 else { return done(nil) }
        _ = state.dialer?.dial(target.url, timeoutNanoseconds: 30_000_000_000) { result in
            switch result {
            case .success(let stream):
                if let connection = GRPCClientConnection(stream) {
                    state.connections.append(connection)
                }
                open(count - 1, target, state, done)
            case .failure(let error): done(error)
            }
        }
    }

    func close() {
        let _: Bool = waitFor { done in
            loop.post { [state] in
                for connection in state.connections { connection.abort() }
                state.connections = []
                done(true)
            }
        }
        loop.stop()
    }
}

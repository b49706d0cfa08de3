import API
import Glibc
import Testing

@testable import Transport

@Suite("A listener")
struct ListenerTests {
    @Test("reports the port the system chose, and that port is taken")
    func boundPort() async throws {
        try await withLoop { loop in
            let listener = try await TestListener.open(on: loop)
            guard case .tcp("127.0.0.1", let port) = listener.endpoint else {
                Issue.record("\(listener.endpoint)")
                return
            }
            #expect(port > 0)
            let error = await #expect(throws: TransportError.self) {
                _ = try await TestListener.open(listener.endpoint, on: loop)
            }
            #expect(error?.name == "EADDRINUSE")
            #expect(
                error?.description
                    == "listen on 127.0.0.1:\(port): address already in use (EADDRINUSE)")
        }
    }

    @Test("shares its port when asked to")
    func reusePort() async throws {
        try await withLoop { loop in
            var options = ListenerOptions()
            options.reusePort = true
            let first = try await TestListener.open(on: loop, options: options)
            _ = try await TestListener.open(first.endpoint, on: loop, options: options)
        }
    }

    @Test("without a host takes connections to IPv4 and IPv6")
    func wildcard() async throws {
        try await withLoop { loop in
            let listener = try await TestListener.open(.tcp(host: "", port: 0), on: loop)
            guard case .tcp(_, let port) = listener.endpoint else { return }
            for host in ["127.0.0.1", "::1"] {
                let client = try await TestPeer.connect(
                    to: .tcp(host: host, port: port), on: loop)
                await client.send("x")
                #expect(await listener.next().receiveText(1) == "x")
            }
        }
    }

    @Test("refuses names and paths that are no address")
    func notAnAddress() async throws {
        try await withLoop { loop in
            let bad: [Endpoint] = [
                .tcp(host: "example.com", port: 0),
                .unix(path: "/tmp/" + String(repeating: "long", count: 40)),
            ]
            for endpoint in bad {
                await #expect(throws: TransportError.self) {
                    _ = try await TestListener.open(endpoint, on: loop)
                }
            }
        }
    }

    @Test("replaces a socket file that nobody listens on, and takes its own away")
    func staleSocketFile() async throws {
        let path = "/tmp/cairn-\(getpid())-stale.sock"
        defer { unlink(path) }
        leaveSocketFile(at: path)
        try await withLoop { loop in
            let listener = try await TestListener.open(.unix(path: path), on: loop)
            let client = try await TestPeer.connect(to: .unix(path: path), on: loop)
            await client.send("x")
            #expect(await listener.next().receiveText(1) == "x")
            await #expect(throws: TransportError.self) {
                _ = try await TestListener.open(.unix(path: path), on: loop)
            }
            await listener.close()
            #expect(access(path, F_OK) != 0)
        }
    }

    @Test("leaves a file that is no socket alone")
    func foreignFile() async throws {
        let path = "/tmp/cairn-\(getpid())-foreign"
        let file = open(path, O_CREAT | O_WRONLY, 0o600)
        Glibc.close(file)
        defer { unlink(path) }
        try await withLoop { loop in
            await #expect(throws: TransportError.self) {
                _ = try await TestListener.open(.unix(path: path), on: loop)
            }
            #expect(access(path, F_OK) == 0)
        }
    }

    @Test("connects nobody once it is closed")
    func closed() async throws {
        try await withLoop { loop in
            let listener = try await TestListener.open(on: loop)
            await listener.close()
            let error = await #expect(throws: TransportError.self) {
                _ = try await TestPeer.connect(to: listener.endpoint, on: loop)
            }
            #expect(error?.name == "ECONNREFUSED")
        }
    }

    @Test("waits when descriptors run out, and goes on when there are some again")
    func outOfDescriptors() async {
        await #expect(processExitsWith: .success) {
            let loop = try EventLoop(name: "scarce")
            let listener = try await TestListener.open(on: loop)
            let client = try await TestPeer.connect(to: listener.endpoint, on: loop)
            _ = await listener.next()
            // The second client's socket takes the last descriptor; none is left to accept it.
            let last = dup(0)
            Glibc.close(last)
            var limit = rlimit(rlim_cur: rlim_t(last) + 1, rlim_max: rlim_t(last) + 1)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let second = try await TestPeer.connect(to: listener.endpoint, on: loop)
            await second.send("still here")
            await client.abort()
            let server = await listener.next()
            #expect(await server.receiveText(10) == "still here")
            loop.stop()
        }
    }

    /// What a program leaves that was killed.
    private func leaveSocketFile(at path: String) {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        for address in SocketAddress.candidates(for: .unix(path: path)) {
            #expect(address.withPointer { bind(descriptor, $0, $1) } == 0)
        }
        Glibc.close(descriptor)
    }
}

@Suite("Connecting")
struct ConnectorTests {
    @Test("gives up after its timeout")
    func timesOut() async throws {
        try await withLoop { loop in
            // A queue of one that nobody accepts from: the kernel leaves further clients waiting.
            let full = try FullListener()
            let error = await handedOver { done in
                loop.post {
                    Connector.connect(
                        to: full.endpoint, on: loop, timeoutNanoseconds: 1_000_000
                    ) { result in
                        guard case .failure(let error) = result else {
                            return done(nil as TransportError?)
                        }
                        done(error)
                    }
                }
            }
            #expect(error?.name == "ETIMEDOUT")
            #expect(error?.operation == "connect to \(full.endpoint)")
        }
    }

    @Test("calls nobody back once it is cancelled, and when the loop stops says so")
    func cancelled() async throws {
        let loop = try EventLoop(name: "cancelling")
        let full = try FullListener()
        let tally = Tally()
        // Nothing is awaited before the stop: the kernel's own patience has an end too.
        loop.post {
            let never = Connector.connect(
                to: full.endpoint, on: loop, timeoutNanoseconds: .max
            ) { _ in tally.count += 100 }
            never.cancel()
            Connector.connect(to: full.endpoint, on: loop, timeoutNanoseconds: .max) { result in
                if case .failure(let error) = result, error.name == "ECANCELED" {
                    tally.count += 1
                }
            }
        }
        loop.stop()
        #expect(tally.count == 1)
    }
}

/// A listening socket whose queue is full.
final class FullListener: Sendable {
    let endpoint: Endpoint
    private let descriptors: [Int32]

    init() throws {
        let listening = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var descriptors = [listening]
        let any = SocketAddress.candidates(for: .tcp(host: "127.0.0.1", port: 0))[0]
        #expect(any.withPointer { bind(listening, $0, $1) } == 0)
        listen(listening, 0)
        let bound = SocketAddress.filled { getsockname(listening, $0, $1) }.address
        endpoint = try #require(bound.endpoint)
        for _ in 0..<3 {
            let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue)
            let client = socket(AF_INET, type, 0)
            _ = bound.withPointer { connect(client, $0, $1) }
            descriptors.append(client)
        }
        self.descriptors = descriptors
    }

    deinit { for descriptor in descriptors { Glibc.close(descriptor) } }
}

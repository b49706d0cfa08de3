import Foundation
import Testing

extension EndToEnd {
    /// Where a member listens, and whom it tells.
    @Suite("the member's sockets")
    struct ListeningTests {
        @Test("systemd is told once the member serves")
        func readiness() async throws {
            let directory = try TemporaryDirectory()
            let path = directory.path + "/notify"
            let socket = try DatagramSocket(path)
            let member = try MemberProcess(environment: ["NOTIFY_SOCKET": path])
            #expect(try socket.receive() == "READY=1")
            _ = try await TestClient(member).put("a", "1")
        }

        @Test("etcdctl reaches a member at a Unix socket")
        func unixSocket() async throws {
            let directory = try TemporaryDirectory()
            let socket = directory.path + "/client.sock"
            let member = try MemberProcess(environment: [
                "ETCD_LISTEN_CLIENT_URLS": "unix://\(socket)",
                "ETCD_ADVERTISE_CLIENT_URLS": "unix://\(socket)",
            ])
            let client = try await TestClient(.unix(path: socket))
            try await client.put("greeting", "hello")
            let result = try run(
                "/usr/bin/etcdctl", ["--endpoints", "unix://\(socket)", "get", "greeting"],
                environment: ["ETCDCTL_API": "3"])
            // Clients of that age send the socket's path as :authority.
            #expect(result.output == "greeting\nhello\n", "\(result.errors)")
            member.end(by: SIGKILL)
            try member.start()
            let again = try await TestClient(.unix(path: socket))
            #expect(try await again.get("greeting")?.value == "hello")
        }

        @Test("an address that is taken is told, and the member does not start")
        func addressInUse() async throws {
            let first = try MemberProcess()
            let second = try MemberProcess(
                environment: [
                    "ETCD_LISTEN_CLIENT_URLS": "http://\(first.endpoint)",
                    "ETCD_ADVERTISE_CLIENT_URLS": "http://\(first.endpoint)",
                ], starts: false)
            let (status, log) = try second.startExpectingRefusal()
            #expect(status == 1)
            #expect(
                log.last?.text("error").contains("address already in use") == true,
                "\(String(describing: log.last))")
            _ = try await TestClient(first).put("a", "1")
        }
    }
}

/// A socket that is sent datagrams.
private final class DatagramSocket {
    private let descriptor: Int32

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0 else { throw ProcessFailure(description: "cannot bind \(path)") }
    }

    deinit { close(descriptor) }

    /// The next datagram; fails when there is none for ten seconds.
    func receive() throws -> String {
        var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, 10_000) == 1 else {
            throw ProcessFailure(description: "nothing was received")
        }
        var buffer = [UInt8](repeating: 0, count: 512)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }
}

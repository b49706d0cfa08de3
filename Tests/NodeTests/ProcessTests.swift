import Foundation
import Testing

@testable import Node

@Suite("The process and those who supervise it")
struct ProcessTests {
    @Test(
        "A signal to stop is waited for, and named as etcd names it", arguments: [SIGTERM, SIGINT])
    func signals(_ number: Int32) async throws {
        let name = await withCheckedContinuation { done in
            // The mask belongs to a thread: one of our own keeps the test runner's as it is.
            Thread.detachNewThread {
                TerminationSignal.prepare()
                pthread_kill(pthread_self(), number)
                done.resume(returning: TerminationSignal.wait().name)
            }
        }
        #expect(name == (number == SIGTERM ? "terminated" : "interrupt"))
    }

    @Test("The service manager hears that we are ready", arguments: [false, true])
    func ready(isAbstract: Bool) throws {
        let name = (isAbstract ? "@" : NSTemporaryDirectory()) + "cairn-\(UUID().uuidString)"
        let listener = try NotifySocket(name)
        #expect(ServiceManager.notify("READY=1", socketName: name) == .sent)
        #expect(listener.receive() == "READY=1")
    }

    @Test("Nobody to tell is no failure, and a socket that is gone is said to be")
    func notSupervised() {
        #expect(ServiceManager.notify("READY=1", socketName: nil) == .notSupervised)
        #expect(ServiceManager.notify("READY=1", socketName: "") == .notSupervised)
        #expect(
            ServiceManager.notify("READY=1", socketName: "/nowhere/s")
                == .failed("/nowhere/s: No such file or directory"))
        let long = "/" + String(repeating: "x", count: 200)
        #expect(
            ServiceManager.notify("x", socketName: long) == .failed("\(long): File name too long"))
    }

    @Test("The environment is read as the process got it")
    func environment() {
        #expect(Program.environment()["PATH"] == ProcessInfo.processInfo.environment["PATH"])
    }
}

/// What systemd listens on.
private final class NotifySocket {
    private let file: Int32
    private let path: String?

    init(_ name: String) throws {
        file = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        path = name.hasPrefix("@") ? nil : name
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes =
            name.hasPrefix("@") ? [0] + Array(name.utf8.dropFirst()) : Array(name.utf8) + [0]
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(2 + bytes.count)
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(file, $0, length) }
        }
        try #require(code == 0)
    }

    deinit {
        close(file)
        if let path { unlink(path) }
    }

    func receive() -> String {
        var bytes = [UInt8](repeating: 0, count: 100)
        let count = recv(file, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}

// Word to systemd that the service is ready (sd_notify(3)), without its library: one datagram to
// the socket named in the environment.

import Glibc

public enum ServiceManager {
    public enum Outcome: Hashable, Sendable {
        case sent
        /// Nobody asked to be told.
        case notSupervised
        case failed(String)
    }

    /// - Parameter state: such as `READY=1`.
    /// - Parameter socketName: $NOTIFY_SOCKET: a path, or `@` and a name in the abstract space.
    public static func notify(_ state: String, socketName: String?) -> Outcome {
        guard let socketName, !socketName.isEmpty else { return .notSupervised }
        let file = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard file >= 0 else { return .failed("socket: \(String(cString: strerror(errno)))") }
        defer { close(file) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let isAbstract = socketName.hasPrefix("@")
        let name = isAbstract ? [0] + socketName.utf8.dropFirst() : Array(socketName.utf8)
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else {
            return .failed("\(socketName): File name too long")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        // A path ends with a zero byte, an abstract name with the address itself (unix(7)).
        let start = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
        let length = socklen_t(start + name.count + (isAbstract ? 0 : 1))
        let bytes = Array(state.utf8)
        let count = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(file, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, length)
            }
        }
        guard count == bytes.count else {
            return .failed("\(socketName): \(String(cString: strerror(errno)))")
        }
        return .sent
    }
}

// The kernel's form of an endpoint.

import API
import CLibuv
import Glibc

/// A `sockaddr` of any family with its length.
struct SocketAddress {
    private var storage = sockaddr_storage()
    private(set) var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

    private init() {}

    var family: Int32 { Int32(storage.ss_family) }

    /// Where `endpoint` may be, best first: an IP literal, `localhost`, every interface (an empty
    /// host) or a Unix socket. Names are not looked up here (`NameLookup`): empty.
    static func candidates(for endpoint: Endpoint) -> [SocketAddress] {
        let found: [SocketAddress?] =
            switch endpoint {
            case .tcp(let host, let port):
                switch host {
                // As Go: on localhost IPv4 comes first, and the wildcard serves both families.
                case "localhost":
                    [Self(ip: "127.0.0.1", port: port), Self(ip: "::1", port: port)]
                case "": [Self(ip: "::", port: port), Self(ip: "0.0.0.0", port: port)]
                default: [Self(ip: host, port: port)]
                }
            case .unix(let path): [Self(path: path)]
            }
        return found.compactMap { $0 }
    }

    private init?(ip: String, port: UInt16) {
        let parsed = withUnsafeMutablePointer(to: &storage) { raw -> Bool in
            let v4 = raw.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                uv_ip4_addr(ip, Int32(port), $0)
            }
            if v4 == 0 { return true }
            return raw.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                uv_ip6_addr(ip, Int32(port), $0)
            } == 0
        }
        guard parsed else { return nil }
        let size =
            family == AF_INET ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
        length = socklen_t(size)
    }

    /// Nil if it is of no family known here.
    init?(copying address: UnsafePointer<sockaddr>?, length: socklen_t) {
        guard let address, Int(length) <= MemoryLayout<sockaddr_storage>.size,
            [AF_INET, AF_INET6].contains(Int32(address.pointee.sa_family))
        else { return nil }
        withUnsafeMutableBytes(of: &storage) { room in
            room.copyMemory(
                from: UnsafeRawBufferPointer(start: address, count: Int(length)))
        }
        self.length = length
    }

    /// Nil if the path does not fit (107 bytes).
    private init?(path: String) {
        let fits = withUnsafeMutablePointer(to: &storage) { raw in
            raw.withMemoryRebound(to: sockaddr_un.self, capacity: 1) { address in
                address.pointee.sun_family = sa_family_t(AF_UNIX)
                return withUnsafeMutableBytes(of: &address.pointee.sun_path) { room in
                    guard path.utf8.count < room.count else { return false }
                    room.copyBytes(from: path.utf8)
                    return true
                }
            }
        }
        guard fits else { return nil }
        length = socklen_t(MemoryLayout<sockaddr_un>.size)
    }

    /// Hands the address to a system call that reads it.
    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: storage) { raw in
            raw.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    /// The address that a system call such as `getsockname` writes, and what the call returns.
    static func filled(
        by body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) -> (result: Int32, address: SocketAddress) {
        var address = SocketAddress()
        let result = withUnsafeMutablePointer(to: &address.storage) { raw in
            raw.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                body(pointer, &address.length)
            }
        }
        return (result, address)
    }

    /// The endpoint this is; an unnamed Unix socket has an empty path.
    var endpoint: Endpoint? {
        withUnsafePointer(to: storage) { raw in
            switch family {
            case AF_INET:
                raw.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    .tcp(
                        host: Self.text($0, uv_ip4_name),
                        port: UInt16(bigEndian: $0.pointee.sin_port))
                }
            case AF_INET6:
                raw.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                    .tcp(
                        host: Self.text($0, uv_ip6_name),
                        port: UInt16(bigEndian: $0.pointee.sin6_port))
                }
            case AF_UNIX:
                raw.withMemoryRebound(to: sockaddr_un.self, capacity: 1) { address in
                    withUnsafeBytes(of: address.pointee.sun_path) { path in
                        let named = Int(length) - MemoryLayout<sa_family_t>.size
                        let bytes = path.prefix(max(0, named)).prefix { $0 != 0 }
                        return .unix(path: String(decoding: bytes, as: UTF8.self))
                    }
                }
            default: nil
            }
        }
    }

    private static func text<Address>(
        _ address: UnsafePointer<Address>,
        _ name: (UnsafePointer<Address>?, UnsafeMutablePointer<CChar>?, Int) -> Int32
    ) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { room in
            guard let start = room.baseAddress, name(address, start, room.count) == 0 else {
                return "?"
            }
            return String(cString: start)
        }
    }
}

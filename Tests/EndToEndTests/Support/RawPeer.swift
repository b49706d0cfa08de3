// A peer that sends the bytes it is told to, whether they make sense or not.

import Foundation

/// A TCP connection to a member. It is used by one thread, which waits for it.
final class RawPeer {
    private let descriptor: Int32
    private var isOpen = true

    init(_ member: MemberProcess) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = member.port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else {
            close(descriptor)
            throw ProcessFailure(description: "cannot connect: \(String(cString: strerror(errno)))")
        }
    }

    deinit { if isOpen { close(descriptor) } }

    /// Sends what the other side takes; stops when it has closed.
    func send(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    /// No more is sent; what comes can still be read.
    func halfClose() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Closes with a reset instead of an end.
    func reset() {
        var linger = Foundation.linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
        close(descriptor)
        isOpen = false
    }

    /// Reads until `isEnough`, or until the other side closes; fails when nothing comes for ten
    /// seconds.
    func receive(until isEnough: ([UInt8]) -> Bool = { _ in false }) throws -> [UInt8] {
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while !isEnough(received) {
            var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&ready, 1, 10_000) == 1 else {
                throw ProcessFailure(description: "nothing more after \(received.count) bytes")
            }
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return received }
            received += buffer.prefix(count)
        }
        return received
    }
}

/// HTTP/2 as bytes (RFC 9113, section 4.1; RFC 7541, section 6.2.2).
enum Frame {
    static let data: UInt8 = 0
    static let headers: UInt8 = 1
    static let reset: UInt8 = 3
    static let settings: UInt8 = 4
    static let goAway: UInt8 = 7
    static let endStream: UInt8 = 1
    static let endHeaders: UInt8 = 4

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + frame(settings, 0, 0, [])

    static func frame(
        _ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8], length: Int? = nil
    ) -> [UInt8] {
        let length = length ?? payload.count
        let head = [UInt8(length >> 16 & 255), UInt8(length >> 8 & 255), UInt8(length & 255)]
        return head + [type, flags] + bigEndian(stream) + payload
    }

    /// The HEADERS frame of a call, with `more` fields behind the usual ones without `leftOut`.
    static func call(
        _ path: String, on stream: UInt32, flags: UInt8 = endHeaders,
        leavingOut leftOut: String = "",
        more: [(String, String)] = []
    ) -> [UInt8] {
        let usual = [
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
            ("content-type", "application/grpc"), ("te", "trailers"),
        ]
        var block: [UInt8] = []
        for (name, value) in usual.filter({ $0.0 != leftOut }) + more {
            block += [0, UInt8(name.utf8.count)] + Array(name.utf8)
            block += [UInt8(value.utf8.count)] + Array(value.utf8)
        }
        return frame(headers, flags, stream, block)
    }

    /// A gRPC message, whose prefix may say another length.
    static func message(_ bytes: [UInt8], length: UInt32? = nil, flag: UInt8 = 0) -> [UInt8] {
        [flag] + bigEndian(length ?? UInt32(bytes.count)) + bytes
    }

    private static func bigEndian(_ number: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * UInt32($0))) }
    }

    /// A frame that came, without its payload.
    struct Head: Equatable {
        let type: UInt8
        let flags: UInt8
        let stream: UInt32
    }

    /// The whole frames in `bytes`.
    static func heads(_ bytes: [UInt8]) -> [Head] {
        var heads: [Head] = []
        var place = 0
        while place + 9 <= bytes.count {
            let length =
                Int(bytes[place]) << 16 | Int(bytes[place + 1]) << 8 | Int(bytes[place + 2])
            guard place + 9 + length <= bytes.count else { break }
            let stream = bytes[(place + 5)..<(place + 9)].reduce(0) { $0 << 8 | UInt32($1) }
            heads.append(Head(type: bytes[place + 3], flags: bytes[place + 4], stream: stream))
            place += 9 + length
        }
        return heads
    }

    /// Whether the frames in `bytes` end the call on `stream`.
    static func ends(_ stream: UInt32, in bytes: [UInt8]) -> Bool {
        heads(bytes).contains {
            $0.stream == stream
                && ($0.type == reset || ($0.type == headers && $0.flags & endStream != 0))
        }
    }
}

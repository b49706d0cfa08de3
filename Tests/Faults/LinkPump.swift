// What the thread of a FaultyLink does: connections, and the bytes on their way.

import Foundation

/// Not for more than one thread.
final class LinkPump {
    private let listener: Int32
    private let wake: Int32
    private let target: UInt16
    private var pairs: [Pair] = []
    private(set) var passed = (forth: 0, back: 0)

    private final class Pair {
        let caller: Int32
        let callee: Int32
        var forth: Flow
        var back: Flow
        init(caller: Int32, callee: Int32) {
            self.caller = caller
            self.callee = callee
            forth = Flow(from: caller, to: callee)
            back = Flow(from: callee, to: caller)
        }
    }

    init(listener: Int32, wake: Int32, target: UInt16) {
        self.listener = listener
        self.wake = wake
        self.target = target
    }

    /// Waits for the next thing to do, and does it.
    func turn(forth: LinkManner, back: LinkManner, isCut: Bool) {
        if isCut { hangUp() }
        let now = Sockets.now()
        var interests = [
            pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
            pollfd(fd: listener, events: Int16(POLLIN), revents: 0),
        ]
        var timeout: UInt64 = 1_000_000_000
        for pair in pairs {
            var caller: Int16 = 0
            var callee: Int16 = 0
            if pair.forth.wantsInput(forth) { caller |= Int16(POLLIN) }
            if pair.back.wantsInput(back) { callee |= Int16(POLLIN) }
            if let wait = pair.forth.wait(forth, now: now) {
                timeout = min(timeout, wait)
                if wait == 0 { callee |= Int16(POLLOUT) }
            }
            if let wait = pair.back.wait(back, now: now) {
                timeout = min(timeout, wait)
                if wait == 0 { caller |= Int16(POLLOUT) }
            }
            // A stalled wire tells nobody of an end: only who is asked for bytes is looked at.
            interests.append(pollfd(fd: caller == 0 ? -1 : pair.caller, events: caller, revents: 0))
            interests.append(pollfd(fd: callee == 0 ? -1 : pair.callee, events: callee, revents: 0))
        }
        // Who can be written to at once is in the interests; then there is nothing to wait for.
        let milliseconds = timeout == 0 ? 1000 : Int32((timeout + 999_999) / 1_000_000)
        guard poll(&interests, nfds_t(interests.count), milliseconds) >= 0 else { return }
        if interests[0].revents != 0 { Sockets.drain(wake) }
        for (number, pair) in pairs.enumerated() {
            let caller = interests[2 + 2 * number].revents
            let callee = interests[3 + 2 * number].revents
            let now = Sockets.now()
            if caller & Int16(POLLIN | POLLHUP | POLLERR) != 0 { pair.forth.read(now: now) }
            if callee & Int16(POLLIN | POLLHUP | POLLERR) != 0 { pair.back.read(now: now) }
            passed.forth += pair.forth.write(forth, now: now)
            passed.back += pair.back.write(back, now: now)
        }
        pairs.removeAll { pair in
            guard pair.forth.isOver || pair.back.isOver else { return false }
            hangUp(pair)
            return true
        }
        if interests[1].revents != 0 { accept(isCut: isCut) }
    }

    func close() {
        hangUp()
        Glibc.close(listener)
        Glibc.close(wake)
    }

    private func accept(isCut: Bool) {
        let caller = Glibc.accept(listener, nil, nil)
        guard caller >= 0 else { return }
        guard !isCut, let callee = Sockets.connect(port: target) else {
            Glibc.close(caller)
            return
        }
        Sockets.makeNonBlocking(caller)
        Sockets.sendAtOnce(caller)
        pairs.append(Pair(caller: caller, callee: callee))
    }

    private func hangUp() {
        for pair in pairs { hangUp(pair) }
        pairs = []
    }

    private func hangUp(_ pair: Pair) {
        Glibc.close(pair.caller)
        Glibc.close(pair.callee)
    }
}

/// Bytes of one connection in one direction.
private struct Flow {
    private static let capacity = 1 << 20

    private let source: Int32
    private let sink: Int32
    private var chunks: [(bytes: [UInt8], came: UInt64)] = []
    private var buffered = 0
    private var hasEnded = false
    /// When the next byte may pass, by the rate.
    private var free: UInt64 = 0
    /// One end is gone, and what it had said is passed on.
    private(set) var isOver = false

    init(from source: Int32, to sink: Int32) {
        self.source = source
        self.sink = sink
    }

    func wantsInput(_ manner: LinkManner) -> Bool {
        !hasEnded && buffered < Self.capacity && !manner.isStalled
    }

    /// How long until the first bytes may pass: 0 if they may now, nil if there are none.
    func wait(_ manner: LinkManner, now: UInt64) -> UInt64? {
        guard let first = chunks.first, !manner.isStalled else { return nil }
        let due = max(first.came + UInt64(manner.delayMilliseconds) * 1_000_000, free)
        return due > now ? due - now : 0
    }

    mutating func read(now: UInt64) {
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(source, &bytes, bytes.count, 0)
        if count > 0 {
            chunks.append((Array(bytes[..<count]), now))
            buffered += count
        } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
            hasEnded = true
            isOver = chunks.isEmpty
        }
    }

    /// - Returns: how many bytes went.
    mutating func write(_ manner: LinkManner, now: UInt64) -> Int {
        var total = 0
        while wait(manner, now: now) == 0, let first = chunks.first {
            // At a rate, no more at once than passes in 10 ms.
            let limit = manner.bytesPerSecond.map { max(1, $0 / 100) } ?? first.bytes.count
            let size = min(limit, first.bytes.count)
            let count = first.bytes.withUnsafeBytes {
                send(sink, $0.baseAddress, size, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else {
                if errno != EAGAIN, errno != EINTR { isOver = true }
                break
            }
            total += count
            buffered -= count
            if count == first.bytes.count {
                chunks.removeFirst()
            } else {
                chunks[0].bytes.removeFirst(count)
            }
            if let rate = manner.bytesPerSecond {
                free = max(free, now) + UInt64(count) * 1_000_000_000 / UInt64(rate)
            }
        }
        if hasEnded, chunks.isEmpty { isOver = true }
        return total
    }
}

/// The few calls on sockets that a link needs.
enum Sockets {
    static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// A listener on 127.0.0.1 that does not block, and its port.
    static func listen(port: UInt16) throws -> (Int32, UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        var address = loopback(port)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && Glibc.listen(descriptor, 128) == 0
                    && getsockname(descriptor, $0, &size) == 0
            }
        }
        guard bound else {
            close(descriptor)
            throw FaultsFailure("cannot listen on port \(port): error \(errno)")
        }
        makeNonBlocking(descriptor)
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }

    /// A connection that does not block, or nil. On loopback it is there at once.
    static func connect(port: UInt16) -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = loopback(port)
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard connected else {
            close(descriptor)
            return nil
        }
        makeNonBlocking(descriptor)
        sendAtOnce(descriptor)
        return descriptor
    }

    static func makeNonBlocking(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }

    static func sendAtOnce(_ descriptor: Int32) {
        var on: Int32 = 1
        setsockopt(
            descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    static func drain(_ descriptor: Int32) {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(descriptor, &bytes, bytes.count) > 0 {}
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}

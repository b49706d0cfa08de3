// Names of hosts. The system's resolver blocks, for seconds when a name server is gone, so each
// lookup of a loop has a thread of its own, which is rare: members dial each other once and stay.

import API
import CLibuv
import Glibc

/// Turns the name of a host into addresses, as the system's resolver does (getaddrinfo).
public enum NameLookup {
    /// Lookups under way in the process beyond which none is begun.
    private static let limit = 16
    private static let underWay = Locked(0)

    /// The addresses of `host`, in the resolver's order; empty if it has none. Blocks.
    public static func addresses(of host: String) -> [String] {
        resolve(host, port: 0).compactMap { address in
            guard case .tcp(let host, _)? = address.endpoint else { return nil }
            return host
        }
    }

    static func resolve(_ host: String, port: UInt16) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var next = list
        while let entry = next?.pointee {
            if let address = SocketAddress(copying: entry.ai_addr, length: entry.ai_addrlen) {
                found.append(address)
            }
            next = entry.ai_next
        }
        return found
    }

    /// Looks `host` up and calls `completion` once, on `loop`; with nothing when there is nothing,
    /// or too much is asked for already.
    static func begin(
        _ host: String, port: UInt16, on loop: EventLoop,
        completion: @escaping @Sendable ([SocketAddress]) -> Void
    ) {
        run(on: loop) {
            resolve(host, port: port)
        } completion: {
            completion($0 ?? [])
        }
    }

    /// Runs `work`, which blocks, on a thread of its own.
    /// - Parameter completion: called once, on `executor`; with nil when too much runs already.
    static func run<Found: Sendable>(
        on executor: any ActorExecutor, _ work: @escaping @Sendable () -> Found,
        completion: @escaping @Sendable (Found?) -> Void
    ) {
        let isFree = underWay.withLock { count in
            guard count < limit else { return false }
            count += 1
            return true
        }
        guard isFree else { return executor.post { completion(nil) } }
        let lookup = Lookup {
            let found = work()
            underWay.withLock { $0 -= 1 }
            executor.post { completion(found) }
        }
        if lookup.start() { return }
        underWay.withLock { $0 -= 1 }
        executor.post { completion(nil) }
    }

    /// A detached thread that runs one function: nobody waits for a name server.
    private final class Lookup: Sendable {
        private let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }

        func start() -> Bool {
            var attributes = pthread_attr_t()
            guard pthread_attr_init(&attributes) == 0 else { return false }
            defer { pthread_attr_destroy(&attributes) }
            pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
            let own = Unmanaged.passRetained(self)
            var thread = pthread_t()
            let code = pthread_create(
                &thread, &attributes,
                { context in
                    guard let context else { return nil }
                    Unmanaged<Lookup>.fromOpaque(context).takeRetainedValue().body()
                    return nil
                }, own.toOpaque())
            if code != 0 { own.release() }
            return code == 0
        }
    }
}

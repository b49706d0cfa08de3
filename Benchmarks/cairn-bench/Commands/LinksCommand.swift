// What the links between members carry: two ends on two threads, over TCP.

import API
import ArgumentParser
import Dispatch
import Glibc
import Logging
import Transport

struct LinksCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "links", abstract: "Messages a second over the links between members.")

    @Option(help: "Small messages.")
    var messages = 2_000_000

    @Option(help: "How many of them in one turn.")
    var perTurn = 10

    @Option(help: "Megabytes of entries.")
    var megabytes = 4096

    func run() throws {
        let small = PeerMessage(head: Array(repeating: 1, count: 56))
        try measure(
            "small messages", small, on: .messages, count: messages, perTurn: perTurn)
        let append = PeerMessage(
            head: Array(repeating: 1, count: 56), payload: Array(repeating: 7, count: 1 << 20))
        try measure("entries, 1 MiB", append, on: .appends, count: megabytes, perTurn: 1)
    }

    private func measure(
        _ name: String, _ message: PeerMessage, on lane: PeerLane, count: Int, perTurn: Int
    ) throws {
        let world = try LinkWorld(message, on: lane, count: count, perTurn: perTurn)
        let begin = Reading()
        world.run()
        let end = Reading()
        let seconds = Double(end.wall - begin.wall) / 1e9
        let cpu = Double(end.cpu - begin.cpu) / 1e3 / Double(count)
        let megabytes = Double(count * message.count) / 1e6 / seconds
        print(
            "\(name): \(Int(Double(count) / seconds))/s, \(Int(megabytes)) MB/s, "
                + "\((cpu * 100).rounded() / 100) us of CPU each (both ends)")
        world.stop()
    }

    /// Nanoseconds: of the clock, and of the process on all cores.
    private struct Reading {
        let wall: UInt64
        let cpu: UInt64
        init() {
            wall = DispatchTime.now().uptimeNanoseconds
            var time = timespec()
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
            cpu = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        }
    }
}

/// Member 1 sends to member 2, each on a loop of its own.
///
/// `@unchecked Sendable`: made and stopped by one thread while the loops are idle; else each part
/// is used on its own loop.
private final class LinkWorld: @unchecked Sendable {
    private let near: EventLoop
    private let far: EventLoop
    private let receiver: CountingReceiver
    private var links: PeerLinks?
    private var listener: Listener?
    private let message: PeerMessage
    private let lane: PeerLane
    private let perTurn: Int
    private var left: Int
    private let member = MemberID(2)

    init(_ message: PeerMessage, on lane: PeerLane, count: Int, perTurn: Int) throws {
        near = try EventLoop(name: "near")
        far = try EventLoop(name: "far")
        self.message = message
        self.lane = lane
        self.perTurn = perTurn
        left = count
        receiver = CountingReceiver(count)
        wait { [self] done in
            far.post { [self] in
                listen()
                done()
            }
        }
        wait { [self] done in
            near.post { [self] in
                connect()
                done()
            }
        }
    }

    private func wait(_ begin: (@escaping @Sendable () -> Void) -> Void) {
        let done = DispatchSemaphore(value: 0)
        begin { done.signal() }
        done.wait()
    }

    private func listen() {
        var methods = GRPCMethods()
        PeerAcceptor(
            cluster: ClusterID(1), member: member, admission: receiver, receiver: receiver
        ).register(in: &methods)
        var configuration = GRPCServerConfiguration()
        configuration.keepaliveMinTime = 0
        let server = GRPCServer(methods, configuration: configuration, on: far)
        listener = try? Listener(
            .tcp(host: "127.0.0.1", port: 0), on: far, logger: Logger(label: "links")
        ) { [far] socket in
            if let stream = try? socket.open(on: far) { server.accept(stream) }
        }
    }

    private func connect() {
        guard let listener else { return }
        let links = PeerLinks(
            cluster: ClusterID(1), member: MemberID(1), urls: [],
            dialer: SocketDialer(on: near), random: receiver)
        links.set(member, urls: ["http://\(listener.endpoint)"])
        self.links = links
    }

    /// Sends all, and waits until the last has come.
    func run() {
        near.post { [self] in sendOn() }
        receiver.hasAll.wait()
    }

    /// A full lane is given more in a later turn.
    private func sendOn() {
        guard let links else { return }
        for _ in 0..<min(perTurn, left) {
            guard links.send(message, to: member, on: lane) else { break }
            left -= 1
        }
        if left > 0 { near.postSlice { [self] in sendOn() } }
    }

    func stop() {
        wait { done in
            near.post { [self] in
                links?.stop()
                links = nil
                done()
            }
        }
        wait { done in
            far.post { [self] in
                listener?.close()
                listener = nil
                done()
            }
        }
        near.stop()
        far.stop()
    }
}

/// Confined to the loop that receives; `next` is constant.
private final class CountingReceiver: PeerReceiver, PeerAdmission, RandomSource,
    @unchecked Sendable
{
    private var left: Int
    let hasAll = DispatchSemaphore(value: 0)
    init(_ count: Int) { left = count }

    func refusal(of caller: PeerHello) -> PeerRefusal? { nil }
    func opened(_ lane: PeerLane, by caller: PeerHello) {}
    func next() -> UInt64 { 1 }

    func received(
        _ message: sending UnsafeRawBufferPointer, from member: MemberID, on lane: PeerLane
    ) throws(PeerMessageRefusal) {
        left -= 1
        if left == 0 { hasAll.signal() }
    }
}

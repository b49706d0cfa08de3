// Three members on one loop, over TCP on the loopback device.

import API
import Consensus
import Transport

@testable import Node

/// Made and used from a test; everything else happens on the loop.
final class TCPCluster: Sendable {
    private let loop: EventLoop
    private let members: [PlayedPeer]
    private let url: String

    init() throws {
        let loop = try EventLoop(name: "members")
        self.loop = loop
        let made = try onLoop(loop) {
            let members = try (1...3).map {
                try PlayedPeer($0, of: 3, dialer: SocketDialer(on: loop))
            }
            var urls: [String] = []
            for member in members {
                try member.port.listen(
                    [(.tcp(host: "127.0.0.1", port: 0), isSecure: false)], on: loop)
                urls.append("http://\(member.port.endpoints[0])")
            }
            for member in members {
                for (other, url) in zip(members, urls) { member.peers.set(other.id, urls: [url]) }
                member.node.assumeIsolated { $0.start() }
            }
            return (members, urls[0])
        }
        members = made.0
        url = made.1
    }

    func stop() {
        _ = try? onLoop(loop) { [members] in for member in members { member.stop() } }
        loop.stop()
    }

    /// A proposal may be lost while there is no leader or a link is cut: it is made again.
    func propose(_ text: String, at place: Int) async {
        let members = members
        let loop = loop
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            loop.post {
                members[place].machine.when(text) { done.resume() }
                @Sendable func attempt() {
                    guard !members[place].machine.applied.contains(text) else { return }
                    members[place].propose(text)
                    loop.schedule(afterNanoseconds: 300_000_000) { attempt() }
                }
                attempt()
            }
        }
    }

    func applied(_ text: String, by places: [Int]) async {
        for place in places {
            await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
                loop.post { [members] in
                    members[place].machine.when(text) { done.resume() }
                }
            }
        }
    }

    /// All links of one member end, and begin anew.
    func cutConnections(of place: Int) async {
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            loop.post { [members] in
                let peers = members[place].peers
                for other in peers.links.members {
                    let urls = peers.links.status(of: other)?.urls ?? []
                    peers.remove(other)
                    peers.set(other, urls: urls)
                }
                done.resume()
            }
        }
    }

    /// What the first member answers to these bytes, through the end of `mark`.
    func ask(_ request: String, until mark: String) async -> String {
        await withCheckedContinuation { done in
            loop.post { [loop, url] in
                _ = SocketDialer(on: loop).dial(url, timeoutNanoseconds: 5_000_000_000) {
                    switch $0 {
                    case .failure(let error): done.resume(returning: "\(error)")
                    case .success(let stream): Question(stream, request, mark, done)
                    }
                }
            }
        }
    }
}

private final class Question: ByteStreamHandler {
    private let stream: any ByteStream
    private let mark: String
    private var answer = ""
    private var done: CheckedContinuation<String, Never>?
    private var own: Question?

    @discardableResult
    init(
        _ stream: any ByteStream, _ request: String, _ mark: String,
        _ done: CheckedContinuation<String, Never>
    ) {
        self.stream = stream
        self.mark = mark
        self.done = done
        own = self
        stream.handler = self
        stream.resumeReading()
        Array(request.utf8).withUnsafeBytes { stream.write($0) }
    }

    func received(_ bytes: UnsafeRawBufferPointer) {
        answer += String(decoding: bytes, as: UTF8.self)
        if answer.hasSuffix(mark) || answer.contains(mark) && mark != "}" { stream.close() }
    }
    func drained() {}
    func receivedEnd() { stream.close() }
    func closed(_ error: TransportError?) {
        done?.resume(returning: answer)
        done = nil
        own = nil
    }
}

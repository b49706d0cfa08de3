// Several members that are one cluster: processes on real sockets.

import Faults
import Foundation

/// Where the members of a cluster run, and what lies between them.
enum ClusterGround {
    /// Each reaches the others on 127.0.0.1.
    case loopback
    /// Each in a place of a network that can be cut; clients reach it by a Unix socket.
    case network(NamespaceNetwork)
    /// On 127.0.0.1; what is for a member passes its link, which can be slow.
    case links
}

/// Members by the names m1, m2 and so on.
final class ClusterProcesses {
    private(set) var members: [MemberProcess] = []
    /// With the ground `.links`: the way to each member.
    private(set) var links: [FaultyLink] = []
    private let ground: ClusterGround
    /// Members that were removed; their processes are not looked at.
    private var removed: Set<Int> = []
    private(set) var peerURLs: [(listen: String, advertised: String)] = []
    private let extraArguments: [String]
    private let peerScheme: String

    /// Starts a cluster and returns once all members serve.
    /// - Parameter peerScheme: of the peer URLs: `http` or `https`.
    /// - Parameter own: further arguments of single members, by their number.
    init(
        _ count: Int = 3, peerScheme: String = "http", arguments: [String] = [],
        own: [Int: [String]] = [:], on ground: ClusterGround = .loopback
    ) throws {
        extraArguments = arguments
        self.ground = ground
        self.peerScheme = peerScheme
        for number in 0..<count { peerURLs.append(try makePlace(number)) }
        for number in 0..<count {
            members.append(try makeMember(number, state: "new", own[number] ?? []))
        }
        // None serves before a quorum is there.
        for member in members { try member.launch() }
        for member in members { _ = try member.log.wait(for: "ready to serve client requests") }
    }

    /// Members in a network of their own.
    static func inNetwork(
        _ count: Int = 3, arguments: [String] = [], own: [Int: [String]] = [:]
    ) throws -> (ClusterProcesses, NamespaceNetwork) {
        let network = try NamespaceNetwork(places: count)
        let cluster = try ClusterProcesses(
            count, arguments: arguments, own: own, on: .network(network))
        return (cluster, network)
    }

    private func makePlace(_ number: Int) throws -> (listen: String, advertised: String) {
        switch ground {
        case .loopback:
            let url = "\(peerScheme)://127.0.0.1:\(try MemberProcess.freePort())"
            return (url, url)
        case .network(let network):
            let url = "http://\(network.address(of: number)):2380"
            return (url, url)
        case .links:
            let port = try MemberProcess.freePort()
            let link = try FaultyLink(port: try MemberProcess.freePort(), to: port)
            links.append(link)
            return ("http://127.0.0.1:\(port)", "http://127.0.0.1:\(link.port)")
        }
    }

    private func makeMember(
        _ number: Int, state: String, _ own: [String] = []
    ) throws -> MemberProcess {
        let initial = peerURLs.enumerated().filter { !removed.contains($0.offset) }
            .map { "m\($0 + 1)=\($1.advertised)" }.joined(separator: ",")
        let arguments = [
            "--name", "m\(number + 1)", "--listen-peer-urls", peerURLs[number].listen,
            "--initial-advertise-peer-urls", peerURLs[number].advertised,
            "--initial-cluster", initial, "--initial-cluster-token", "test",
            "--initial-cluster-state", state,
        ]
        guard case .network(let network) = ground else {
            return try MemberProcess(arguments: arguments + extraArguments + own, starts: false)
        }
        return try MemberProcess(
            arguments: arguments + extraArguments + own, launcher: network.launcher(at: number),
            hasSocket: true, starts: false)
    }

    /// The members that were not removed, by their place.
    var present: [Int] { members.indices.filter { !removed.contains($0) } }

    /// Addresses of all members, as etcdctl takes them.
    var endpoints: String { present.map { members[$0].endpoint }.joined(separator: ",") }

    /// Runs etcdctl against some of the members; all by default.
    /// - Returns: what it printed, its errors included.
    @discardableResult
    func etcdctl(_ arguments: String..., at numbers: [Int]? = nil) throws -> String {
        try etcdctl(arguments, at: numbers)
    }

    private func etcdctl(_ arguments: [String], at numbers: [Int]?) throws -> String {
        let endpoints =
            numbers.map { $0.map { members[$0].endpoint }.joined(separator: ",") } ?? endpoints
        let ended = try run(
            "/usr/bin/etcdctl", ["--endpoints", endpoints] + arguments,
            environment: ["ETCDCTL_API": "3"])
        return ended.output + ended.errors
    }

    /// Which member leads, by its place; nil while none does.
    func leader(of numbers: [Int]? = nil) throws -> Int? {
        for number in numbers ?? present where members[number].isRunning {
            let line = try etcdctl("endpoint", "status", at: [number])
            let fields = line.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            if fields.count > 4, fields[4] == "true" { return number }
        }
        return nil
    }

    /// Waits until one of `numbers` leads.
    func waitForLeader(of numbers: [Int]? = nil) throws -> Int {
        let deadline = Date(timeIntervalSinceNow: 60)
        while Date() < deadline {
            if let leader = try leader(of: numbers) { return leader }
        }
        throw ProcessFailure(description: "no member leads")
    }

    /// Makes a member the leader.
    func hand(over target: Int) throws {
        let leader = try waitForLeader()
        guard leader != target else { return }
        let list = try etcdctl("member", "list", at: [leader]).split(separator: "\n")
        guard let line = list.first(where: { $0.contains(", m\(target + 1),") }) else {
            throw ProcessFailure(description: "no m\(target + 1) in \(list)")
        }
        let printed = try etcdctl("move-leader", String(line.prefix { $0 != "," }), at: [leader])
        guard printed.contains("transferred") else { throw ProcessFailure(description: printed) }
    }

    /// A member that is to join; it is not started. `member add` comes first.
    /// - Returns: its peer URL.
    func prepareMember() throws -> String {
        if case .network(let network) = ground { try network.addPlace() }
        let number = peerURLs.count
        peerURLs.append(try makePlace(number))
        members.append(try makeMember(number, state: "existing"))
        return peerURLs[number].advertised
    }

    /// Adds a member. Members count as connected after five seconds: until then it is refused.
    /// - Returns: what etcdctl printed.
    func add(_ name: String, _ url: String, _ options: String..., at numbers: [Int]? = nil) throws
        -> String
    {
        let deadline = Date(timeIntervalSinceNow: 60)
        while true {
            let printed = try etcdctl(
                ["member", "add", name, "--peer-urls", url] + options, at: numbers)
            guard printed.contains("unhealthy cluster"), Date() < deadline else { return printed }
        }
    }

    /// Removes a member; its process goes on until it hears of it.
    /// - Returns: what etcdctl printed.
    func remove(_ number: Int, at asked: [Int]) throws -> String {
        let list = try etcdctl("member", "list", at: asked).split(separator: "\n")
        guard let line = list.first(where: { $0.contains(", m\(number + 1),") }) else {
            throw ProcessFailure(description: "no m\(number + 1) in \(list)")
        }
        let printed = try etcdctl(
            "member", "remove", String(line.prefix { $0 != "," }), at: asked)
        if printed.contains("removed from cluster") { removed.insert(number) }
        return printed
    }

    /// The members' hashes of their keys, once all are at one revision.
    func hashes() throws -> Set<String> {
        let lines = try etcdctl("endpoint", "hashkv").split(separator: "\n")
        return Set(lines.map { String($0.split(separator: " ").last ?? "") })
    }
}

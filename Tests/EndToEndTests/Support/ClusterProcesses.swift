// Several members that are one cluster: processes on real sockets.

import Foundation

/// Members by the names m1, m2 and so on.
final class ClusterProcesses {
    private(set) var members: [MemberProcess] = []
    private var peerPorts: [UInt16] = []
    private let extraArguments: [String]
    private let peerScheme: String

    /// Starts a cluster and returns once all members serve.
    /// - Parameter peerScheme: of the peer URLs: `http` or `https`.
    init(_ count: Int = 3, peerScheme: String = "http", arguments: [String] = []) throws {
        extraArguments = arguments
        self.peerScheme = peerScheme
        peerPorts = try (0..<count).map { _ in try MemberProcess.freePort() }
        for number in 0..<count {
            members.append(try makeMember(number, state: "new"))
        }
        // None serves before a quorum is there.
        for member in members { try member.launch() }
        for member in members { _ = try member.log.wait(for: "ready to serve client requests") }
    }

    private func makeMember(_ number: Int, state: String) throws -> MemberProcess {
        let initial = peerPorts.enumerated()
            .map { "m\($0 + 1)=\(peerScheme)://127.0.0.1:\($1)" }.joined(separator: ",")
        let peer = "\(peerScheme)://127.0.0.1:\(peerPorts[number])"
        return try MemberProcess(
            arguments: [
                "--name", "m\(number + 1)", "--listen-peer-urls", peer,
                "--initial-advertise-peer-urls", peer, "--initial-cluster", initial,
                "--initial-cluster-token", "test", "--initial-cluster-state", state,
            ] + extraArguments, starts: false)
    }

    /// Where members talk to each other.
    var peerURLs: [String] { peerPorts.map { "\(peerScheme)://127.0.0.1:\($0)" } }

    /// Addresses of all members, as etcdctl takes them.
    var endpoints: String { members.map(\.endpoint).joined(separator: ",") }

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
        for number in numbers ?? Array(members.indices) where members[number].isRunning {
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

    /// A member that is to join; it is not started. `member add` comes first.
    /// - Returns: its peer URL.
    func prepareMember() throws -> String {
        peerPorts.append(try MemberProcess.freePort())
        members.append(try makeMember(peerPorts.count - 1, state: "existing"))
        return "\(peerScheme)://127.0.0.1:\(peerPorts[peerPorts.count - 1])"
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

    /// The members' hashes of their keys, once all are at one revision.
    func hashes() throws -> Set<String> {
        let lines = try etcdctl("endpoint", "hashkv").split(separator: "\n")
        return Set(lines.map { String($0.split(separator: " ").last ?? "") })
    }
}

// A network of the test's own, of Linux network namespaces: what is cut in it is cut by the kernel.

import Foundation

/// Places that reach each other over one switch, each a network namespace of its own with an
/// address of its own. What runs in a place is started behind `launcher(at:)`. Clients outside
/// reach it by Unix sockets, which no namespace holds back; so they stay on a member's side of
/// every partition.
///
/// A cut is silent, as a broken wire is: the one side's neighbour entry for the other names a
/// hardware address that nobody has, so its packets go out and arrive nowhere. That needs no
/// packet filter, and it is for one direction.
///
/// All of it goes with the value. What a killed test leaves goes with the next one.
///
/// `@unchecked Sendable`: it changes only under `lock`.
package final class NamespaceNetwork: @unchecked Sendable {
    private let lock = NSLock()
    private let name: String
    private var count = 0
    private var cuts: Set<Direction> = []

    /// From one place to another, by their numbers.
    package struct Direction: Hashable, Sendable {
        package var from: Int
        package var to: Int

        package init(from: Int, to: Int) {
            self.from = from
            self.to = to
        }
    }

    /// Makes the switch and `places` places, numbered from 0.
    /// - Throws: `FaultsFailure` where this process may not.
    package init(places: Int) throws {
        Self.removeLeftovers()
        name = "\(Self.prefix)\(getpid())-\(UInt32.random(in: 0...0xFFFF))"
        do {
            try ip(["netns", "add", hub])
            try ip(["-n", hub, "link", "add", "switch", "type", "bridge"])
            try ip(["-n", hub, "link", "set", "switch", "up"])
            for _ in 0..<places { try addPlace() }
        } catch {
            remove()
            throw error
        }
    }

    deinit { remove() }

    /// Why there can be no such network here; nil if there can.
    package static let obstacle: String? = {
        do {
            _ = try NamespaceNetwork(places: 1)
            return nil
        } catch {
            return "no network namespaces (they take root and iproute2): \(error)"
        }
    }()

    // MARK: Places

    /// One place more, which reaches all others.
    /// - Returns: its number.
    @discardableResult
    package func addPlace() throws -> Int {
        lock.lock()
        defer { lock.unlock() }
        let place = count
        precondition(place < 200, "addresses end there")
        try ip(["netns", "add", namespace(place)])
        count += 1
        let device = "place\(place)"
        try ip([
            "-n", hub, "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns",
            namespace(place),
        ])
        try batch(
            hub, ["link set \(device) master switch", "link set \(device) up"])
        // Neighbours are told, not asked for: no cut can keep a question from its answer.
        try batch(
            namespace(place),
            [
                "link set lo up", "link set eth0 address \(hardware(place))",
                "addr add \(address(of: place))/24 dev eth0", "link set eth0 up",
            ] + (0..<place).map { neighbour($0, isReached: true) })
        for other in 0..<place {
            try batch(namespace(other), [neighbour(place, isReached: true)])
        }
        return place
    }

    /// The address of a place, for what runs in any of them.
    package func address(of place: Int) -> String { "10.77.0.\(place + 1)" }

    /// The words before a command that is to run at a place. It has the process id of that
    /// command.
    package func launcher(at place: Int) -> [String] {
        [Self.program, "netns", "exec", namespace(place)]
    }

    // MARK: Cuts

    /// Cuts these directions, and no others: all else is mended.
    package func set(cuts wanted: Set<Direction>) throws {
        lock.lock()
        defer { lock.unlock() }
        for place in 0..<count {
            let changed = cuts.symmetricDifference(wanted).filter { $0.from == place }
            guard !changed.isEmpty else { continue }
            try batch(
                namespace(place),
                changed.map { neighbour($0.to, isReached: !wanted.contains($0)) })
        }
        cuts = wanted
    }

    /// Nothing is cut any more.
    package func mend() throws { try set(cuts: []) }

    /// Cuts `places` off from all others, both ways. Among themselves they talk on.
    package func isolate(_ places: Set<Int>) throws {
        try set(cuts: Set(crossings(of: places).flatMap { [$0, $0.reversed] }))
    }

    /// Cuts the network into parts that do not reach each other.
    package func separate(_ parts: [[Int]]) throws {
        try set(
            cuts: Set(
                parts.flatMap { part in crossings(of: Set(part)).flatMap { [$0, $0.reversed] } }))
    }

    /// What `places` say reaches no other; they hear all.
    package func mute(_ places: Set<Int>) throws { try set(cuts: Set(crossings(of: places))) }

    /// What the others say does not reach `places`; they are heard.
    package func deafen(_ places: Set<Int>) throws {
        try set(cuts: Set(crossings(of: places).map(\.reversed)))
    }

    private func crossings(of places: Set<Int>) -> [Direction] {
        let others = lock.withLock { Set(0..<count) }.subtracting(places)
        return places.flatMap { from in others.map { Direction(from: from, to: $0) } }
    }

    // MARK: iproute2

    private static let prefix = "cairn-faults-"
    private static let program =
        ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"]
        .first { FileManager.default.isExecutableFile(atPath: $0) } ?? "/usr/sbin/ip"

    private var hub: String { name + "-hub" }
    private func namespace(_ place: Int) -> String { "\(name)-\(place)" }
    /// Locally administered addresses; the fifth byte of those that nobody has is not 0.
    private func hardware(_ place: Int, isReached: Bool = true) -> String {
        "02:00:00:00:\(isReached ? "00" : "ff"):" + String(format: "%02x", place + 1)
    }
    private func neighbour(_ place: Int, isReached: Bool) -> String {
        "neigh replace \(address(of: place)) lladdr \(hardware(place, isReached: isReached))"
            + " dev eth0 nud permanent"
    }

    private func ip(_ arguments: [String]) throws { try Self.ip(arguments) }

    private func batch(_ namespace: String, _ commands: [String]) throws {
        try Self.ip(
            ["-n", namespace, "-batch", "-"], input: commands.joined(separator: "\n") + "\n")
    }

    @discardableResult
    private static func ip(_ arguments: [String], input: String = "") throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        let (given, printed) = (Pipe(), Pipe())
        process.standardInput = given
        process.standardOutput = printed
        process.standardError = printed
        do { try process.run() } catch { throw FaultsFailure("\(program): \(error)") }
        given.fileHandleForWriting.write(Data(input.utf8))
        try given.fileHandleForWriting.close()
        let output = String(
            decoding: printed.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw FaultsFailure("ip \(arguments.joined(separator: " ")): \(output)")
        }
        return output
    }

    private func remove() {
        for place in 0..<count { try? ip(["netns", "del", namespace(place)]) }
        try? ip(["netns", "del", hub])
    }

    /// Removes the namespaces of processes that are gone.
    private static func removeLeftovers() {
        let listed = (try? ip(["netns", "list"])) ?? ""
        for line in listed.split(separator: "\n") {
            let name = String(line.prefix { $0 != " " })
            guard name.hasPrefix(prefix),
                let owner = Int32(name.dropFirst(prefix.count).prefix { $0 != "-" }),
                kill(owner, 0) != 0, errno == ESRCH
            else { continue }
            _ = try? ip(["netns", "del", name])
        }
    }
}

extension NamespaceNetwork.Direction {
    var reversed: Self { Self(from: to, to: from) }
}

/// What keeps a fault from being made.
package struct FaultsFailure: Error, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
}

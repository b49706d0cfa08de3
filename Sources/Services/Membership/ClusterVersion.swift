// Which version the cluster runs at: the lowest of its members', so that nobody says what another
// does not understand (etcd: server/etcdserver/version/monitor.go; reference: semantics.md,
// Maintenance).

import API

/// Major and minor of a version; what comes behind them makes no difference among members.
package struct ClusterVersion: Hashable, Comparable, Sendable, CustomStringConvertible {
    let major: UInt32
    let minor: UInt32

    /// What is known of a cluster whose members have not all been heard of.
    static let lowest = ClusterVersion(major: 3, minor: 0)
    /// From which on the store has a version of its own.
    static let firstWithStorageVersion = ClusterVersion(major: 3, minor: 6)
    static let served = ClusterVersion(parsing: ServedVersion.cluster) ?? .lowest

    init(major: UInt32, minor: UInt32) {
        self.major = major
        self.minor = minor
    }

    /// Of `X.Y` or `X.Y.Z`; nil for anything else.
    package init?(parsing text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2 || parts.count == 3 else { return nil }
        let numbers = parts.compactMap { part in
            part.utf8.first.map { $0 != UInt8(ascii: "+") } == true ? UInt32(part) : nil
        }
        guard numbers.count == parts.count else { return nil }
        self.init(major: numbers[0], minor: numbers[1])
    }

    package static func < (a: Self, b: Self) -> Bool { (a.major, a.minor) < (b.major, b.minor) }

    /// As it is stored: `X.Y.0`.
    package var description: String { "\(major).\(minor).0" }
    /// As it is answered: `X.Y`.
    package var short: String { "\(major).\(minor)" }

    /// The one that a cluster of this version can go back to.
    var previous: ClusterVersion? {
        minor == 0 ? nil : ClusterVersion(major: major, minor: minor - 1)
    }

    /// Up within a major version, or down by one minor.
    func canBecome(_ next: ClusterVersion) -> Bool {
        next == previous || major == next.major && self < next
    }
}

/// What a member says of itself.
struct ServerVersions: Hashable, Sendable {
    var server = ServedVersion.server
    /// Empty while it is not decided.
    var cluster = ""
    var storage = ""
}

extension ServerVersions {
    func append(to buffer: inout ByteBuffer) {
        buffer.appendField(1, string: server)
        buffer.appendField(2, string: cluster)
        buffer.appendField(3, string: storage)
    }

    init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
        server = ""
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: server = String(decoding: try field.bytes(), as: UTF8.self)
            case 2: cluster = String(decoding: try field.bytes(), as: UTF8.self)
            case 3: storage = String(decoding: try field.bytes(), as: UTF8.self)
            default: break
            }
        }
    }
}

/// How the leader decides.
enum ClusterVersionRule {
    /// - Parameters:
    ///   - members: those of all members, this one's too; nil for who was not heard.
    ///   - target: of a downgrade under way.
    /// - Returns: what the cluster's version is to become; nil leaves it as it is.
    static func decide(
        current: ClusterVersion?, members: [ClusterVersion?], downgradingTo target: ClusterVersion?
    ) -> ClusterVersion? {
        let known = members.compactMap { $0 }
        let lowest = known.count == members.count ? known.min() : nil
        guard let current else { return lowest ?? .lowest }
        guard let lowest else { return nil }
        if let target {
            let isPossible =
                current != target && current.canBecome(target)
                && (lowest == target || lowest.canBecome(target))
            return isPossible ? target : nil
        }
        return current < lowest && current.canBecome(lowest) ? lowest : nil
    }

    /// Whether a downgrade has come to its end: all members run the version it led to.
    static func isDone(downgradingTo target: ClusterVersion?, members: [ClusterVersion?]) -> Bool {
        guard let target else { return false }
        return members.allSatisfy { $0 == target }
    }
}

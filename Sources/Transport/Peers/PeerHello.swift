// What one member says to another before anything else: the metadata of every call between them
// (docs/peer-protocol.md, How a link is opened).

import API

/// Who calls whom, as the caller sees it.
public struct PeerHello: Hashable, Sendable {
    /// Of this program. Both sides must have one in common; the highest such counts.
    public static let ownVersions: ClosedRange<UInt32> = 1...1

    /// Versions of the protocol that the caller speaks.
    public var versions: ClosedRange<UInt32>
    public var cluster: ClusterID
    public var from: MemberID
    public var to: MemberID
    /// Where the caller can be reached, for a member that does not know it yet: one that lags may
    /// hear of a new member from that member first.
    public var urls: [String]

    public init(
        versions: ClosedRange<UInt32> = ownVersions, cluster: ClusterID, from: MemberID,
        to: MemberID, urls: [String]
    ) {
        self.versions = versions
        self.cluster = cluster
        self.from = from
        self.to = to
        self.urls = urls
    }

    /// The highest version that both sides speak.
    public var commonVersion: UInt32? {
        let common = min(versions.upperBound, Self.ownVersions.upperBound)
        return common >= max(versions.lowerBound, Self.ownVersions.lowerBound) ? common : nil
    }
}

extension PeerHello {
    private static let maxURLs = 64

    /// As metadata of a call.
    var metadata: [(name: String, value: [UInt8])] {
        [
            ("cairn-versions", "\(versions.lowerBound)-\(versions.upperBound)"),
            ("cairn-cluster", cluster.hex), ("cairn-from", from.hex), ("cairn-to", to.hex),
            ("cairn-urls", urls.joined(separator: ",")),
        ].map { ($0.0, Array($0.1.utf8)) }
    }

    /// Nil when something is missing or is not what it should be.
    init?(_ context: CallContext) {
        func id(_ name: StaticString) -> UInt64? {
            context.metadata(name).flatMap { UInt64($0, radix: 16) }
        }
        guard let versions = context.metadata("cairn-versions").flatMap(Self.range),
            let cluster = id("cairn-cluster"), let from = id("cairn-from"),
            let to = id("cairn-to"), from != 0, to != 0
        else { return nil }
        let urls = context.metadata("cairn-urls") ?? ""
        self.init(
            versions: versions, cluster: ClusterID(cluster), from: MemberID(from),
            to: MemberID(to),
            urls: urls.split(separator: ",").prefix(Self.maxURLs).map(String.init))
    }

    private static func range(_ text: String) -> ClosedRange<UInt32>? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let low = UInt32(ends[0]), let high = UInt32(ends[1]), low <= high
        else { return nil }
        return low...high
    }
}

extension CallContext {
    /// Who calls, on a peer port: there every call of a member was admitted first. Nil for a method
    /// that is open to everyone, if the caller does not say who it is.
    public var peer: PeerHello? { PeerHello(self) }
}

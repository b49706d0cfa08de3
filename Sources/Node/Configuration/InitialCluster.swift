// The first members of a cluster, from -initial-cluster, and who this member is among them
// (etcd's `VerifyBootstrap`). Asked only of a member that has no data yet.

import API
import Services

/// Wrong bootstrap flags: logged as `bootstrap failed`, then fatal `discovery failed`; exit 1.
public struct BootstrapError: Error, Hashable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}

/// What a new member is to the cluster that it founds.
public struct FoundingMember: Hashable, Sendable {
    public let id: MemberID
    public let clusterID: ClusterID
    public let name: String
    public let peerURLs: [String]
}

extension Configuration {
    /// This member as the founder of its cluster.
    /// - Throws: with etcd's words when the flags do not fit together.
    public func foundingMember() throws(BootstrapError) -> FoundingMember {
        let members = try initialMembers()
        if let urls = repeatedURL(in: members) {
            throw BootstrapError("initial cluster \(urls) has duplicate url")
        }
        guard let own = members[name] else {
            throw BootstrapError(
                "couldn't find local name \(GoNotation.quoted(name)) in the initial cluster "
                    + "configuration")
        }
        guard members.count == 1 else {
            throw BootstrapError(
                "--initial-cluster has \(members.count) members; this version of cairn serves "
                    + "clusters of one member only")
        }
        guard bootstrap.state == "new" else {
            throw BootstrapError(
                "--initial-cluster-state=\(bootstrap.state) is known to etcd but joining a "
                    + "cluster is not served by this version of cairn yet")
        }
        guard own.map(Self.resolved) == advertised.peer.map(Self.resolved) else {
            let cluster = own.map { "\(name)=\($0)" }.joined(separator: ",")
            let peers = advertised.peer.map(\.description).joined(separator: ",")
            throw BootstrapError(
                "--initial-cluster has \(cluster) but missing from "
                    + "--initial-advertise-peer-urls=\(peers)")
        }
        let urls = own.map(\.description)
        let id = MemberIdentity.member(peerURLs: urls, token: bootstrap.token)
        return FoundingMember(
            id: id, clusterID: MemberIdentity.cluster(members: [id]), name: name, peerURLs: urls)
    }

    /// `name=url,name=url`; a name may come several times.
    private func initialMembers() throws(BootstrapError) -> [String: [ServerURL]] {
        var members: [String: [ServerURL]] = [:]
        for part in bootstrap.initialCluster.split(separator: ",") {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            do throws(FlagValueError) {
                let url = try ServerURL(parsing: pair.count == 2 ? String(pair[1]) : "")
                members[String(pair[0]), default: []].append(url)
            } catch {
                throw BootstrapError("error setting up initial cluster: \(error.reason)")
            }
        }
        return members.mapValues { urls in urls.sorted { $0.description < $1.description } }
    }

    private func repeatedURL(in members: [String: [ServerURL]]) -> String? {
        let all = members.flatMap { member in member.value.map { (member.key, $0) } }
        guard Set(all.map(\.1)).count < all.count else { return nil }
        return all.map { "\($0.0)=\($0.1)" }.sorted().joined(separator: ",")
    }

    /// `localhost` and its address are the same place.
    private static func resolved(_ url: ServerURL) -> String {
        url.host == "localhost"
            ? "\(url.scheme.rawValue)://127.0.0.1:\(url.port)" : url.description
    }
}

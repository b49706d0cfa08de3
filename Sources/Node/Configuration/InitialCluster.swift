// The first members of a cluster, from -initial-cluster, and who this member is among them
// (etcd's `VerifyBootstrap`). Asked only of a member that has no data yet.

import API
import Services

/// Wrong bootstrap flags: logged as `bootstrap failed`, then fatal `discovery failed`; exit 1.
public struct BootstrapError: Error, Hashable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}

/// Who belongs to a cluster when this member first starts.
public struct FirstMembers: Hashable, Sendable {
    public let cluster: ClusterID
    /// This member.
    public let own: MemberID
    /// Ascending by id, which is the order of a new cluster's first entries.
    public let members: [ClusterMember]

    init(cluster: ClusterID, own: MemberID, members: [ClusterMember]) {
        self.cluster = cluster
        self.own = own
        self.members = members.sorted { $0.id < $1.id }
    }

    public var others: [ClusterMember] { members.filter { $0.id != own } }
}

extension Configuration {
    /// Whether this member, if it has no data, joins a cluster that is there.
    public var joinsExisting: Bool { bootstrap.state == "existing" }

    /// The members of a cluster that is founded by this start, at each of them.
    /// - Throws: with etcd's words when the flags do not fit together.
    public func foundingMembers(
        _ names: HostNames = .literal
    ) throws(BootstrapError) -> FirstMembers {
        let named = try checkedInitialMembers()
        try checkAdvertised(named[name] ?? [], names)
        let members = named.map { name, urls in
            let texts = urls.map(\.description)
            return ClusterMember(
                id: MemberIdentity.member(peerURLs: texts, token: bootstrap.token),
                peerURLs: texts, name: name)
        }
        guard let own = members.first(where: { $0.name == name }) else {
            preconditionFailure("the own name was found before")
        }
        return FirstMembers(
            cluster: MemberIdentity.cluster(members: members.map(\.id)), own: own.id,
            members: members)
    }

    /// The members of the cluster that this member joins; `found` is what these say of themselves.
    /// What this member advertises need not be in its -initial-cluster: it was announced with a
    /// request (VerifyJoinExisting).
    /// - Throws: with etcd's words when the flags do not fit to it (ValidateClusterAndAssignIDs).
    public func joiningMembers(
        _ found: [ClusterMember], of cluster: ClusterID, _ names: HostNames = .literal
    ) throws(BootstrapError) -> FirstMembers {
        let named = try checkedInitialMembers()
        func mismatch(_ reason: String) -> BootstrapError {
            BootstrapError(
                "error validating peerURLs {ClusterID:\(cluster.hex) Members:"
                    + "\(found.map { "\($0.id.hex):\($0.peerURLs)" })}: \(reason)")
        }
        guard named.count == found.count else { throw mismatch("member count is unequal") }
        var own: MemberID?
        for member in found {
            var reason = ""
            let match = named.first { _, urls in
                // One that is no URL to us differs from ours, which the comparison says.
                let theirs = member.peerURLs.compactMap { try? ServerURL(parsing: $0) }
                let difference = names.difference(between: theirs, and: urls)
                reason = difference ?? ""
                return difference == nil
            }
            guard let match else {
                throw mismatch(
                    "PeerURLs: no match found for existing member (\(member.id.hex), "
                        + "[\(member.peerURLs.joined(separator: " "))]), last resolver error "
                        + "(\(reason))")
            }
            if match.key == name { own = member.id }
        }
        guard let own else { throw mismatch("no member has the URLs of \(name)") }
        return FirstMembers(cluster: cluster, own: own, members: found)
    }

    /// Where the other members of -initial-cluster can be asked.
    public func otherPeerURLs() throws(BootstrapError) -> [String] {
        try initialMembers().filter { $0.key != name }.values.flatMap { $0 }.map(\.description)
            .sorted()
    }

    private func checkedInitialMembers() throws(BootstrapError) -> [String: [ServerURL]] {
        let members = try initialMembers()
        if let urls = repeatedURL(in: members) {
            throw BootstrapError("initial cluster \(urls) has duplicate url")
        }
        guard members[name] != nil else {
            throw BootstrapError(
                "couldn't find local name \(GoNotation.quoted(name)) in the initial cluster "
                    + "configuration")
        }
        return members
    }

    /// What is advertised must be what the others were told (advertiseMatchesCluster).
    private func checkAdvertised(_ own: [ServerURL], _ names: HostNames) throws(BootstrapError) {
        let peers = advertised.peer
        guard let reason = names.difference(between: peers, and: own) else { return }
        let list = peers.map(\.description).joined(separator: ",")
        let missing = own.filter { !peers.contains($0) }.map { "\(name)=\($0)" }
        guard missing.isEmpty else {
            throw BootstrapError(
                "--initial-cluster has \(missing.joined(separator: ",")) but missing from "
                    + "--initial-advertise-peer-urls=\(list) (\(reason))")
        }
        let named = peers.map { "\(name)=\($0)" }.joined(separator: ",")
        let unnamed = peers.filter { !own.contains($0) }.map(\.description)
        throw BootstrapError(
            "--initial-advertise-peer-urls has \(unnamed.joined(separator: ",")) but missing from "
                + "--initial-cluster=\(named)")
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
}

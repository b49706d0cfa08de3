// The first start of a member: it founds a cluster with others, or joins one that is there. Either
// way the others are asked first (etcd: server/etcdserver/bootstrap.go).

import API
import Glibc
import Logging
import Services
import Transport

struct Bootstrap {
    private let configuration: Configuration
    private let tls: LoopBound<MemberTLS>
    private let logger: Logger

    /// For those who should not be there (etcd: BootstrapTimeoutEffective), and for those who must.
    private static let foundingTimeout: UInt64 = 1_000_000_000
    private static let joiningTimeout: UInt64 = 10_000_000_000
    /// For the resolver, which may come up later than this member.
    private static let lookupSeconds = 30

    /// - Parameter tls: used on the loop that `firstMembers` is given.
    init(_ configuration: Configuration, _ tls: LoopBound<MemberTLS>, logger: Logger) {
        self.configuration = configuration
        self.tls = tls
        self.logger = logger
    }

    /// Who belongs to the cluster that this member founds or joins. Blocks; not on `loop`.
    func firstMembers(on loop: EventLoop) throws -> FirstMembers {
        configuration.joinsExisting ? try joins(on: loop) : try founds(on: loop)
    }

    /// A member that has served under this id before must not begin anew: it has forgotten what it
    /// promised (`isMemberBootstrapped`).
    private func founds(on loop: EventLoop) throws -> FirstMembers {
        let first = try configuration.foundingMembers(names)
        let urls = first.others.flatMap(\.peerURLs).sorted()
        guard !urls.isEmpty else { return first }
        // Nobody may be up yet: founders that find no one found.
        let found = try? RemoteCluster.fetch(
            from: urls, timeoutNanoseconds: Self.foundingTimeout, over: tls, on: loop)
        let own = found?.members.first { $0.id == first.own }
        if let own, !own.clientURLs.isEmpty {
            throw BootstrapError("member \(own.id.hex) has already been bootstrapped")
        }
        return first
    }

    private static let unreachable =
        "cannot fetch cluster info from peer urls: could not retrieve cluster information from the "
        + "given URLs"

    private func joins(on loop: EventLoop) throws -> FirstMembers {
        let urls = try configuration.otherPeerURLs()
        guard !urls.isEmpty else {
            throw BootstrapError(
                "\(Self.unreachable): --initial-cluster names no member but this one, and there is "
                    + "none to join; a cluster is founded with --initial-cluster-state new")
        }
        let found: RemoteCluster
        do {
            found = try RemoteCluster.fetch(
                from: urls, timeoutNanoseconds: Self.joiningTimeout, over: tls, on: loop)
        } catch {
            let reason = (error as? Status)?.message ?? "\(error)"
            throw BootstrapError("\(Self.unreachable): \(reason)")
        }
        let first = try configuration.joiningMembers(found.members, of: found.cluster, names)
        if let refusal = Applier.refusal(ofClusterVersion: found.version) {
            logger.warning(
                "cluster version of remote member is not compatible; too high",
                metadata: .fields([
                    "remote-member-cluster-version": .string(found.version),
                    "error": .string(refusal),
                ]))
            throw BootstrapError("incompatible with current running cluster")
        }
        return first
    }

    /// The system's, asked again for a while.
    private var names: HostNames {
        let logger = logger
        return HostNames { host in
            for second in 0..<Self.lookupSeconds {
                let found = NameLookup.addresses(of: host)
                if !found.isEmpty { return found }
                if second == 0 {
                    logger.warning(
                        "failed to resolve URL Host",
                        metadata: .fields(["host": .string(host), "retry-interval": "1s"]))
                }
                sleep(1)
            }
            return []
        }
    }
}

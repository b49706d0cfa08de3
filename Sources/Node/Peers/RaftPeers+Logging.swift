// How the links fare: logged and counted as etcd does.

import API
import Logging
import Transport

extension RaftPeers: PeerLinkObserver {
    public func becameActive(_ member: MemberID) {
        instruments(of: member).isActive.set(1)
        saidFailures[member] = nil
        logger.info("peer became active", metadata: .fields(["peer-id": .string(member.hex)]))
    }

    public func laneFailed(
        _ member: MemberID, _ lane: PeerLane, _ reason: String, becameInactive: Bool
    ) {
        if becameInactive {
            instruments(of: member).isActive.set(0)
            instruments(of: member).disconnections.increment()
            logger.warning(
                "peer became inactive (message send to peer failed)",
                metadata: .fields(["peer-id": .string(member.hex), "error": .string(reason)]))
        } else if isNews(reason, of: member) {
            logger.warning(
                "failed to open a link to a peer",
                metadata: .fields([
                    "peer-id": .string(member.hex), "lane": .string("\(lane)"),
                    "peer-urls": .strings(links.status(of: member)?.urls ?? []),
                    "error": .string(reason),
                ]))
        }
    }

    /// A link that fails is tried again and again, and mostly fails in the same way.
    private func isNews(_ reason: String, of member: MemberID) -> Bool {
        guard saidFailures[member, default: []].count < 16 else { return false }
        return saidFailures[member, default: []].insert(reason).inserted
    }

    public func lost(_ member: MemberID) {
        instruments(of: member).sendFailures.increment()
        tellLost(member)
    }

    public func sent(_ bytes: Int, to member: MemberID) {
        instruments(of: member).sentBytes.increment(by: UInt64(bytes))
    }

    public func answeredPing(_ member: MemberID, after nanoseconds: UInt64) {
        instruments(of: member).roundTrip.observe(nanoseconds)
    }

    public func wasRemoved(saidBy member: MemberID) { tellRemoval(saidBy: member) }
}

// Members come and go: proposals that say so, and what follows when they are applied.

import API

extension RaftNode {
    /// Proposes that one member is added, removed, promoted or changed. Refused by the leader
    /// while another change is under way.
    /// - Throws: as `propose`.
    public func proposeConfChange(
        _ change: ConfChange, proposal: (any Proposal)?
    ) throws(ProposalRefusal) {
        var buffer = ByteBuffer()
        change.encode(into: &buffer)
        try propose(
            buffer.array, kind: .configurationChange, proposal: proposal, priority: .high)
    }

    /// Proposes several changes at once; more than one voter by way of a joint configuration.
    /// - Throws: as `propose`.
    public func proposeConfChange(
        _ change: ConfChangeV2, proposal: (any Proposal)?
    ) throws(ProposalRefusal) {
        var buffer = ByteBuffer()
        change.encode(into: &buffer)
        try propose(
            buffer.array, kind: .configurationChangeV2, proposal: proposal, priority: .high)
    }

    /// An entry that is being applied changes who takes part. Not called for an entry whose change
    /// turns out to be invalid: then nothing changes.
    /// - Returns: the membership that results, to be kept with the applied state.
    @discardableResult
    public func membershipChanged(_ change: ConfChangeV2) -> ConfState {
        // At once, though an event is being handled: applying is the last part of that, and what
        // follows here cannot apply more.
        perform(step(.membershipChanged(change)))
        return core.confState
    }

    /// Of every other member, if this one leads; else empty.
    public var peerProgress: [MemberProgress] { core.peers }
}

// Who runs the cluster: adds and removes machines, moves the leadership, gives space back. As an
// operator does it: by calls to some member, which may be lost, until it is as it should be. Only
// whether a machine was added it may see for itself (`listed`).

import API
import Services

/// One change of members at a time. A machine whose disk is damaged goes before anything else does:
/// while it is down, the cluster may refuse every other change as unhealthy.
final class Operator {
    private unowned let cluster: SimCluster
    private var dice: UInt64 = 0
    private var isBusy = false
    /// No new changes; those begun go on.
    private var isFinishing = false
    /// Their disks are damaged, and they are members still.
    private var damaged: [SimMember] = []
    private var isTakingOut = false
    /// Machines that are to come for those that went.
    private var owed = 0
    /// Whose addition was asked for, and which may be a member without anybody having said so.
    private var joining: SimMember?
    private static let mostMembers = 7

    init(_ cluster: SimCluster) { self.cluster = cluster }

    var isIdle: Bool { !isBusy }

    func finish() { isFinishing = true }

    private func note(_ text: String) { cluster.kernel.trace.add("operator", text) }

    private func call(
        _ method: String, _ request: borrowing ByteBuffer, to place: SimPlace? = nil,
        _ then: @escaping ([UInt8]?) -> Void
    ) {
        dice += 1
        let places = cluster.members.filter(\.isUp).map(\.place)
        let bytes = request.array
        guard let place = place ?? (places.isEmpty ? nil : places[Int(dice) % places.count]) else {
            return wait { then(nil) }
        }
        cluster.clients.call(
            "/etcdserverpb." + method, bytes, to: place, timeoutNanoseconds: 5_000_000_000
        ) { [self] end in
            switch end {
            case .answered(let bytes): then(bytes)
            case .failed(let status):
                note("\(method) at m\(place): \(status.message)")
                then(nil)
            case .neverSent: then(nil)
            }
        }
    }

    private func wait(_ then: @escaping () -> Void) {
        cluster.clientExecutor.add { [self] in
            cluster.clientExecutor.schedule(afterNanoseconds: 500_000_000, then)
        }
    }

    /// Before a call that was refused is made again, who is damaged goes.
    private func again(_ call: @escaping () -> Void) {
        wait { [self] in isTakingOut ? call() : takeOutDamaged(call) }
    }

    // MARK: One call each

    func moveLeader() {
        guard let leader = cluster.leader,
            let heir = cluster.members.filter({ $0.isUp && $0 !== leader }).randomElement(&dice),
            let id = heir.id
        else { return }
        note("moves the leadership from \(leader.name) to \(heir.name)")
        var request = ByteBuffer()
        request.appendField(1, uint64: id.rawValue)
        call("Maintenance/MoveLeader", request, to: leader.place) { _ in }
    }

    func defragment(_ member: SimMember) {
        guard member.isUp else { return }
        note("defragments \(member.name)")
        call("Maintenance/Defragment", ByteBuffer(), to: member.place) { _ in }
    }

    // MARK: Members

    private typealias Listed = (cluster: ClusterID, members: [ClusterMember])

    /// Asks until some member has said, for all of them, who the members are.
    private func list(_ then: @escaping (Listed) -> Void) {
        ask { [self] found in
            if let found { return then(found) }
            // Perhaps because nobody can without the vote of a machine that was added.
            if let joining, let listed = listed(joining) { start(joining, listed) }
            wait { self.list(then) }
        }
    }

    private func ask(_ then: @escaping (Listed?) -> Void) {
        var request = ByteBuffer()
        request.appendMemberListRequest(isLinearizable: true)
        call("Cluster/MemberList", request) { then($0.flatMap(Self.read)) }
    }

    private static func read(_ bytes: [UInt8]) -> Listed? {
        let arena = Arena()
        guard let response = try? MemberListResponse.decode(bytes, in: arena) else { return nil }
        return withExtendedLifetime(arena) {
            let members = response.members.map { member in
                ClusterMember(
                    id: member.id, peerURLs: member.peerURLs, isLearner: member.isLearner,
                    name: member.name, clientURLs: member.clientURLs)
            }
            return (response.header?.clusterID ?? ClusterID(0), members)
        }
    }

    /// What some running member has applied, if `machine` is a member there: that is committed.
    /// Members tell it to who joins over their peer ports, and ask for no user; without a leader
    /// nobody can log in. That call is left out: the world looks.
    private func listed(_ machine: SimMember) -> Listed? {
        cluster.members.lazy.filter { $0.isUp && !$0.isRemoved }.compactMap(\.applied).first {
            $0.members.contains { $0.peerURLs == [machine.peerURL] }
        }
    }

    /// Adds a machine, at first without a vote if `isLearner`.
    func add(isLearner: Bool) {
        guard !isBusy, !isFinishing,
            cluster.members.count(where: { !$0.isRemoved }) < Self.mostMembers
        else { return }
        isBusy = true
        addMachine(isLearner)
    }

    private func addMachine(_ isLearner: Bool) {
        let member = cluster.addMachine([])
        member.isMeantToRun = false
        joining = member
        note("adds \(member.name)\(isLearner ? " as a learner" : "")")
        addUntilListed(member, isLearner)
    }

    private func addUntilListed(_ member: SimMember, _ isLearner: Bool) {
        // It may have been found and started while a damaged one was taken out.
        guard joining === member else { return begun(member, isLearner) }
        var request = ByteBuffer()
        request.appendField(1, string: member.peerURL)
        request.appendField(2, bool: isLearner)
        call("Cluster/MemberAdd", request) { [self] _ in
            beginIfListed(member, isLearner)
        }
    }

    private func beginIfListed(_ member: SimMember, _ isLearner: Bool) {
        list { [self] found in
            guard joining === member else { return begun(member, isLearner) }
            if found.members.contains(where: { $0.peerURLs == [member.peerURL] }) {
                start(member, found)
                begun(member, isLearner)
            } else {
                again { self.addUntilListed(member, isLearner) }
            }
        }
    }

    private func begun(_ member: SimMember, _ isLearner: Bool) {
        if isLearner { promote(member) } else { changed() }
    }

    private func start(_ member: SimMember, _ found: Listed) {
        joining = nil
        let urls = found.members.flatMap(\.peerURLs).map {
            "m\(SimURL.place(of: String($0.dropFirst(7))))=\($0)"
        }
        member.arguments = SimCluster.arguments(cluster.options, initial: urls, state: "existing")
        member.found = found
        member.isMeantToRun = true
        // In no turn: it has executors of its own.
        cluster.kernel.after(1_000_000) { [self] in
            if member.life == nil, let failure = member.start() {
                cluster.violated("\(member.name) does not join: \(failure)")
            }
        }
    }

    private func promote(_ member: SimMember) {
        list { [self] found in
            guard let listed = found.members.first(where: { $0.peerURLs == [member.peerURL] }),
                listed.isLearner
            else { return changed() }
            var request = ByteBuffer()
            request.appendField(1, uint64: listed.id.rawValue)
            call("Cluster/MemberPromote", request) { [self] _ in again { self.promote(member) } }
        }
    }

    /// Takes a machine out of the cluster, unless few are left.
    func remove(_ member: SimMember) {
        guard !isBusy, !isFinishing, !member.isRemoved, member.id != nil,
            cluster.members.count(where: { !$0.isRemoved && $0.isMeantToRun }) > 3
        else { return }
        isBusy = true
        note("removes \(member.name)")
        removeUntilGone(member) { [self] in changed() }
    }

    private func removeUntilGone(_ member: SimMember, _ then: @escaping () -> Void) {
        list { [self] found in
            guard let listed = found.members.first(where: { $0.peerURLs == [member.peerURL] })
            else {
                retire(member)
                return then()
            }
            var request = ByteBuffer()
            request.appendField(1, uint64: listed.id.rawValue)
            call("Cluster/MemberRemove", request) { [self] _ in
                again { self.removeUntilGone(member, then) }
            }
        }
    }

    /// It is none of the members any more; the other one of two may need it for a second.
    private func retire(_ member: SimMember) {
        cluster.kernel.after(2_000_000_000) {
            member.isRemoved = true
            member.crash(.kill)
        }
    }

    // MARK: Machines whose disk is damaged

    /// The machine goes, and another one comes.
    func replace(_ member: SimMember) {
        member.isMeantToRun = false
        note("replaces \(member.name)")
        damaged.append(member)
        if !isBusy { changed() }
    }

    private func takeOutDamaged(_ then: @escaping () -> Void) {
        guard let member = damaged.first else { return then() }
        isTakingOut = true
        removeUntilGone(member) { [self] in
            member.hasDamage = false
            damaged.removeFirst()
            owed += 1
            isTakingOut = false
            takeOutDamaged(then)
        }
    }

    /// A change is over: what is left to be done comes next.
    private func changed() {
        isBusy = !damaged.isEmpty || owed > 0
        guard isBusy else { return }
        takeOutDamaged { [self] in
            owed -= 1
            addMachine(false)
        }
    }
}

extension Array {
    fileprivate func randomElement(_ dice: inout UInt64) -> Element? {
        dice += 1
        return isEmpty ? nil : self[Int(dice) % count]
    }
}

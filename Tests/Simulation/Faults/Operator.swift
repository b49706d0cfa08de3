// Who runs the cluster: adds and removes machines, moves the leadership, gives space back. As an
// operator does it: by calls to some member, which may be lost, until it is as it should be.

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

    private struct Listed {
        let id: MemberID
        let url: String
        let name: String
        let isLearner: Bool
        let record: ClusterMember
    }

    /// Asks until somebody says who the members are.
    private func list(_ then: @escaping (ClusterID, [Listed]) -> Void) {
        ask(isLinearizable: true) { [self] found in
            guard let found else { return wait { self.list(then) } }
            then(found.0, found.1)
        }
    }

    private func ask(isLinearizable: Bool, _ then: @escaping ((ClusterID, [Listed])?) -> Void) {
        var request = ByteBuffer()
        request.appendMemberListRequest(isLinearizable: isLinearizable)
        call("Cluster/MemberList", request) { then($0.flatMap(Self.read)) }
    }

    private static func read(_ bytes: [UInt8]) -> (ClusterID, [Listed])? {
        let arena = Arena()
        guard let response = try? MemberListResponse.decode(bytes, in: arena) else { return nil }
        return withExtendedLifetime(arena) {
            let members = response.members.map { member in
                Listed(
                    id: member.id, url: member.peerURLs.first ?? "", name: member.name,
                    isLearner: member.isLearner,
                    record: ClusterMember(
                        id: member.id, peerURLs: member.peerURLs, isLearner: member.isLearner,
                        name: member.name, clientURLs: member.clientURLs))
            }
            return (response.header?.clusterID ?? ClusterID(0), members)
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
        note("adds \(member.name)\(isLearner ? " as a learner" : "")")
        addUntilListed(member, isLearner)
    }

    private func addUntilListed(_ member: SimMember, _ isLearner: Bool) {
        var request = ByteBuffer()
        request.appendField(1, string: member.peerURL)
        request.appendField(2, bool: isLearner)
        call("Cluster/MemberAdd", request) { [self] _ in
            beginIfListed(member, isLearner, isLinearizable: true)
        }
    }

    /// Asks all of them, and if they do not answer one of them: what it has applied is committed,
    /// and without the new machine, which has a vote, the others may be too few to answer.
    private func beginIfListed(_ member: SimMember, _ isLearner: Bool, isLinearizable: Bool) {
        ask(isLinearizable: isLinearizable) { [self] found in
            if let found, found.1.contains(where: { $0.url == member.peerURL }) {
                begin(member, found.0, found.1, isLearner)
            } else if found != nil, isLinearizable {
                again { self.addUntilListed(member, isLearner) }
            } else {
                wait { self.beginIfListed(member, isLearner, isLinearizable: !isLinearizable) }
            }
        }
    }

    private func begin(
        _ member: SimMember, _ id: ClusterID, _ members: [Listed], _ isLearner: Bool
    ) {
        let urls = members.map { "m\(SimURL.place(of: String($0.url.dropFirst(7))))=\($0.url)" }
        member.arguments = SimCluster.arguments(cluster.options, initial: urls, state: "existing")
        member.found = (id, members.map(\.record))
        member.isMeantToRun = true
        // In no turn: it has executors of its own.
        cluster.kernel.after(1_000_000) { [self] in
            if member.life == nil, let failure = member.start() {
                cluster.violated("\(member.name) does not join: \(failure)")
            }
        }
        if isLearner { promote(member) } else { changed() }
    }

    private func promote(_ member: SimMember) {
        list { [self] _, members in
            guard let listed = members.first(where: { $0.url == member.peerURL }),
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
        list { [self] _, members in
            guard let listed = members.first(where: { $0.url == member.peerURL }) else {
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

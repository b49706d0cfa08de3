// A cluster in which much happens, once: writes, snapshots of the log, segments that go, a snapshot
// from another member, changes of members, a defragmentation, restarts. Of one member every sync is
// noted, and one of them may be the last thing it does in that life.

import API
import CSyncWatch
import Foundation
import Storage

@testable import Simulation

final class ScriptedLife {
    /// Where in a sync the power fails.
    enum Moment: CaseIterable { case before, after }

    /// What was synced, in order: paths below the member's directory.
    private(set) var syncs: [String] = []
    private let end: (sync: Int, moment: Moment)?
    private let directory: String
    private let cluster: SimCluster
    private var member: SimMember { cluster.member(at: 1) }
    private lazy var operators = Operator(cluster)

    private enum Death { case none, due, over }
    private var death = Death.none
    var hasDied: Bool { death == .over }
    /// It died where it was to, and runs again.
    private var isReborn = false
    /// What comes now is of no interest any more.
    private var isConcluding = false
    private var acknowledged = 0

    private static let millisecond: UInt64 = 1_000_000
    private static let patience: UInt64 = 30_000 * millisecond

    /// - Parameter end: counted from 0, by the syncs of a life that nothing ends.
    init(endingAt end: (sync: Int, moment: Moment)? = nil) {
        self.end = end
        directory = "/dev/shm/cairn-syncs-\(UUID().uuidString)"
        mkdir(directory, 0o700)
        var options = SimOptions()
        options.logSizes = (segment: 8 << 10, zeros: 4 << 10)
        options.snapshotCount = 20
        options.catchUpEntries = 5
        let trace = Trace()
        trace.hidden = directory
        cluster = SimCluster(seed: 5, options: options, trace: trace, directory: directory)
    }

    /// - Returns: what was found wrong.
    func play() -> String? {
        let observe = cluster.kernel.afterTurn
        cluster.kernel.afterTurn = { [unowned self] executor in
            observe?(executor)
            if death == .due { die() }
        }
        member.disk.watchSync = { [unowned self] (path, isDone) throws(FileError) in
            // What runs in the rest of the turn finds a disk that does nothing any more.
            if noticed(path, isDone: isDone) { throw FileError(.sync, path, code: EIO) }
        }
        watch_syncs(
            { context, descriptor, isDone in
                guard let context else { return }
                let life = Unmanaged<ScriptedLife>.fromOpaque(context).takeUnretainedValue()
                life.noticed(descriptor, isDone: isDone != 0)
            }, Unmanaged.passUnretained(self).toOpaque())
        defer {
            watch_syncs(nil, nil)
            member.disk.watchSync = nil
            cluster.letGo()
            removeTree(directory)
        }
        for act in [begin, serveAsLeader, serveAsFollower, catchUp, changeMembers, tidyUp, restart]
        {
            if cluster.violation == nil, !isReborn { act() }
        }
        isConcluding = true
        conclude()
        return cluster.violation
    }

    // MARK: What happens

    private func begin() {
        for member in cluster.members { start(member) }
        go("a leader") { self.cluster.leader != nil }
        put(10)
    }

    private func serveAsLeader() {
        move(to: member)
        put(25)
    }

    private func serveAsFollower() {
        move(to: cluster.member(at: 2))
        put(25)
    }

    /// It was away for so long that the log does not reach back to it.
    private func catchUp() {
        member.crash(.power)
        put(60)
        start(member)
        settle()
    }

    private func changeMembers() {
        operators.add(isLearner: true)
        go("a new member") { self.operators.isIdle }
        put(5)
        operators.remove(cluster.member(at: 4))
        go("a removal") { self.operators.isIdle }
    }

    private func tidyUp() {
        var request = ByteBuffer()
        request.appendField(1, int64: 60)
        call("KV/Compact", request)
        operators.defragment(member)
        put(10)
    }

    private func restart() {
        member.crash(.kill)
        put(3)
        start(member)
        put(3)
    }

    /// Nothing that was acknowledged is lost, and all members have the same.
    private func conclude() {
        guard cluster.violation == nil else { return }
        go("a restart") { self.member.isUp }
        put(2)
        // Who starts says by an entry of its own that it is there.
        cluster.run(until: cluster.kernel.time + 1000 * Self.millisecond)
        settle()
        guard cluster.violation == nil else { return }
        let comparison = StateComparison(cluster)
        comparison.begin()
        go("what members hold") { comparison.isDone }
        if cluster.violation == nil { comparison.conclude() }
        var request = ByteBuffer()
        request.appendField(1, string: "k")
        request.appendField(2, string: "l")
        request.appendField(9, bool: true)
        call("KV/Range", request) { [self] bytes in
            let arena = Arena()
            let count = (try? RangeResponse.decode(bytes, in: arena))?.count ?? -1
            if count != acknowledged {
                cluster.violated("\(acknowledged) keys were acknowledged, \(count) are there")
            }
        }
    }

    // MARK: Calls

    private func put(_ count: Int) {
        var open = count
        for _ in 0..<count {
            acknowledged += 1
            var request = ByteBuffer()
            request.appendField(1, string: "k\(acknowledged)")
            request.appendField(2, bytes: [UInt8](repeating: 7, count: 200))
            send("KV/Put", request.array, to: acknowledged) { _ in open -= 1 }
        }
        go("\(count) puts") { open == 0 }
    }

    private func call(
        _ method: String, _ request: borrowing ByteBuffer,
        _ then: @escaping ([UInt8]) -> Void = { _ in }
    ) {
        var isOver = false
        send(method, request.array, to: 1) {
            then($0)
            isOver = true
        }
        go(method) { isOver }
    }

    /// Until some member answers: each in turn.
    private func send(
        _ method: String, _ request: [UInt8], to number: Int, _ then: @escaping ([UInt8]) -> Void
    ) {
        cluster.clients.call(
            "/etcdserverpb." + method, request, to: number % 3 + 1,
            timeoutNanoseconds: 1000 * Self.millisecond
        ) { [self] end in
            if case .answered(let bytes) = end { return then(bytes) }
            cluster.kernel.after(50 * Self.millisecond) { [self] in
                send(method, request, to: number + 1, then)
            }
        }
    }

    /// Makes `heir` lead, if it can.
    private func move(to heir: SimMember) {
        for _ in 0..<10 {
            guard let leader = cluster.leader, leader !== heir, let id = heir.id else { return }
            var request = ByteBuffer()
            request.appendField(1, uint64: id.rawValue)
            var isOver = false
            cluster.clients.call(
                "/etcdserverpb.Maintenance/MoveLeader", request.array, to: leader.place,
                timeoutNanoseconds: 2000 * Self.millisecond
            ) { _ in isOver = true }
            go("a new leader") { isOver }
        }
    }

    // MARK: Time

    private func go(_ what: String, until isOver: () -> Bool) {
        guard cluster.violation == nil else { return }
        cluster.run(until: cluster.kernel.time + Self.patience, orUntil: isOver)
        if cluster.violation == nil, !isOver() { cluster.violated("no end of waiting for \(what)") }
    }

    /// Until all have applied the same.
    private func settle() {
        go("all to catch up") {
            let places = self.cluster.members.filter { $0.isUp && !$0.isRemoved }.map { member in
                member.life.flatMap { life in
                    life.member.map { hosted in
                        life.main.enter { hosted.store.assumeIsolated { $0.appliedIndex } }
                    }
                }
            }
            return places.count >= 3 && Set(places).count == 1
        }
    }

    // MARK: Syncs

    private func noticed(_ descriptor: Int32, isDone: Bool) {
        var path = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/fd/\(descriptor)", &path, path.count)
        guard count > 0 else { return }
        let isSynchronous = fcntl(descriptor, F_GETFL) & O_DSYNC != 0
        noticed(
            String(decoding: path[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
                + (isSynchronous ? " (synchronous write)" : ""),
            isDone: isDone)
    }

    /// - Returns: whether it is the end.
    @discardableResult
    private func noticed(_ path: String, isDone: Bool) -> Bool {
        guard path.hasPrefix(member.root), death != .due, !isConcluding else { return false }
        if !isDone { syncs.append(Self.name(of: path.dropFirst(member.root.count))) }
        guard let end, death == .none, end.sync == syncs.count - 1,
            isDone == (end.moment == .after)
        else { return false }
        death = .due
        if isDone { member.disk.settle() }
        keepStoreFiles()
        member.life?.files.isDead = true
        return true
    }

    private static func name(of path: Substring) -> String {
        if path.isEmpty { return "the data directory" }
        if path.hasSuffix(".wal") { return "/member/wal/SEGMENT.wal" }
        return String(path)
    }

    private var storeFolder: String { member.root + "/member/snap" }
    private var keptFolder: String { directory + "/kept" }

    private func keepStoreFiles() { copyFiles(from: storeFolder, to: keptFolder) }

    private func copyFiles(from: String, to: String) {
        removeTree(to)
        mkdir(to, 0o700)
        for name in (try? SystemFiles().list(from)) ?? [] where !name.hasSuffix("-lock") {
            try? FileManager.default.copyItem(atPath: "\(from)/\(name)", toPath: "\(to)/\(name)")
        }
    }

    // MARK: Death and life

    /// Ends the life whose last sync that was, with what the disk has of it.
    private func die() {
        death = .over
        if member.life != nil { member.crash(.power) } else { member.disk.crash() }
        copyFiles(from: keptFolder, to: storeFolder)
        cluster.kernel.after(50 * Self.millisecond) { [self] in
            start(member)
            isReborn = true
        }
    }

    private func start(_ member: SimMember) {
        guard member.life == nil, !member.isRemoved else { return }
        let failure = member.start()
        if death == .due { return die() }
        if let failure { cluster.violated("\(member.name) does not start: \(failure)") }
    }
}

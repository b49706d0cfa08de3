// A member through its lives: what it keeps is its disk and its store's file, all else is new with
// each start.

import API
import Glibc
import Logging
import Services
import Storage
import TestSupport
import Transport

@_exported import struct Node.Configuration
import Node

/// One process of a member.
final class SimLife {
    let host: SimHost
    let main: SimExecutor
    let log: SimExecutor
    let backend: SimExecutor
    let snapshots: SimExecutor
    let files: SimFiles
    /// Nil while it does not start.
    var member: HostedMember?

    init(_ name: String, drift: Int64, executors first: Int, files: SimFiles, in kernel: SimKernel)
    {
        host = SimHost(name, drift: drift, in: kernel)
        main = SimExecutor(first, on: host)
        log = SimExecutor(first + 1, on: host)
        backend = SimExecutor(first + 2, on: host)
        snapshots = SimExecutor(first + 3, on: host)
        self.files = files
        // A commit of the store, and making a snapshot: the disk is at work.
        backend.turnTime = { [disk = files.disk] in disk.drawSyncTime() }
        snapshots.turnTime = backend.turnTime
    }
}

/// What is left of processes that ended, to see that nothing is: what holds each other is never
/// freed, and stays in memory with the maps of its files.
final class Graveyard {
    private struct Grave {
        weak var remains: AnyObject?
    }
    private var graves: [Grave] = []

    func add(_ remains: AnyObject?) { graves.append(Grave(remains: remains)) }

    var count: Int { graves.count }
    var unrestful: Int { graves.count { $0.remains != nil } }
}

/// How a process ends without wanting to.
enum SimDeath: String, CaseIterable {
    /// `kill -9`: the machine lives, and what was written too.
    case kill
    /// Loss of power.
    case power
}

/// A member's place in the world: an address, a disk, and one process at most.
///
/// `@unchecked Sendable`: the world has one thread.
final class SimMember: @unchecked Sendable {
    let place: SimPlace
    let name: String
    let root: String
    let disk: SimDisk
    let drift: Int64
    private(set) var life: SimLife?
    private(set) var lives = 0
    /// As of its newest start.
    private(set) var id: MemberID?
    /// Has no place in the cluster any more.
    var isRemoved = false
    /// A bit of what it stored was flipped: it need not start again.
    var hasDamage = false
    /// The bit is in a record of its store: it may stop at any time, unless the record goes before
    /// anybody has read it.
    private(set) var hasDamagedStore = false
    /// The bit was flipped while it did not run, and nothing is there to take the store's place.
    private(set) var mustRefuse = false
    /// How it is started.
    var arguments: [String]
    var found: (cluster: ClusterID, members: [ClusterMember])?
    private unowned let cluster: SimCluster
    private let kernel: SimKernel

    init(_ place: SimPlace, seed: UInt64, arguments: [String], in cluster: SimCluster) {
        self.place = place
        self.cluster = cluster
        self.arguments = arguments
        kernel = cluster.kernel
        name = "m\(place)"
        root = cluster.directory + "/" + name
        var dice = SplitMix64(seed: seed ^ UInt64(place) &* 0x9E37_79B9)
        disk = SimDisk(kernel, seed: dice.next())
        drift = Int64(dice.next() % 401) - 200
        makeDirectories()
    }

    var peerURL: String { "http://" + SimURL.peer(place) }
    var isUp: Bool { life?.member != nil }
    /// Whether those who run it start it again.
    var isMeantToRun = true
    /// Its disk was full or failing at its last start.
    private(set) var failsForWant = false
    /// It runs, but cannot write any more.
    var needsRestart: Bool {
        guard let life, let member = life.member else { return false }
        return life.main.enter { member.raft.assumeIsolated { $0.status.storageFailure != nil } }
    }

    /// The members as it has applied them.
    var applied: (cluster: ClusterID, members: [ClusterMember])? {
        guard let life, let member = life.member else { return nil }
        return life.main.enter {
            member.applier.assumeIsolated { ($0.membership.cluster, $0.membership.sorted) }
        }
    }

    /// Flips a bit in one of the log's files. Of one that does not run.
    /// - Returns: where.
    func flipBit() -> String? {
        let files = disk.names.keys.filter { $0.hasSuffix(".wal") }.sorted()
        guard let file = files.randomElement(using: &disk.dice),
            let place = disk.flipBit(in: file)
        else { return nil }
        hasDamage = true
        return "\(file) at \(place)"
    }
    /// Flips a bit of the key, the value or the checksum of a record in the store's file.
    /// - Returns: where.
    func flipStoredBit() -> String? {
        let path = root + "/" + StoreConfiguration.fileName
        let tables = Table.allCases.map(\.name)
        let places = (try? StoreFile(path).places()) ?? []
        let records = places.filter { tables.contains($0.table) }
        guard let record = records.randomElement(using: &disk.dice) else { return nil }
        let byte = Int(disk.dice.next() % UInt64(record.key.count + record.value.count))
        let isOfKey = byte < record.key.count
        let offset =
            isOfKey ? record.keyOffset + byte : record.valueOffset + byte - record.key.count
        StoreFile(path).flip(bit: Int(disk.dice.next() % 8), at: offset)
        hasDamage = true
        hasDamagedStore = true
        mustRefuse = life == nil && access(path + ".incoming", F_OK) != 0
        life?.host.mayEndInTurn = true
        return "table \(record.table), \(isOfKey ? "key" : "value") at \(offset)"
    }

    /// The process ends by itself, in the middle of a turn. If its store is damaged, that is what
    /// it should do.
    private func end(because reason: String) -> Never {
        guard hasDamagedStore, let life, TurnThread.current != nil else {
            cluster.end(because: "\(name) cannot go on: \(reason)")
        }
        note("stops: \(reason)")
        // Nobody looks at what was left in the middle of something.
        life.member = nil
        life.files.isDead = true
        life.host.die()
        kernel.after(0) { [self] in
            guard self.life === life else { return }
            crash(.kill)
            cluster.stopped(self)
        }
        TurnThread.endHere()
    }

    /// The member, if it runs and is not paused.
    var member: HostedMember? { life?.member }

    private func makeDirectories() {
        for part in ["", "/member", "/member/snap"] { mkdir(root + part, 0o700) }
    }

    // MARK: Start

    /// - Returns: why it did not start; nil if it did.
    func start() -> String? {
        precondition(life == nil, "one process at a time")
        lives += 1
        let files = SimFiles(disk, root: root)
        let life = SimLife(
            name, drift: drift, executors: place * 4, files: files, in: kernel)
        self.life = life
        cluster.network.began(place)
        let hadFailingSyncs = disk.failingSyncs
        let failure: String? = life.main.enter {
            do {
                life.member = try begin(life)
                return nil
            } catch {
                return "\(error)"
            }
        }
        disk.settle()
        mustRefuse = false
        if hasDamagedStore {
            // A start reads all of it. What was flipped may have been deleted since.
            hasDamagedStore = false
            hasDamage = failure != nil
        }
        if let failure {
            note("does not start: \(failure)")
            failsForWant = disk.capacity < .max || hadFailingSyncs > disk.failingSyncs
            end(.kill, resets: true)
            return failure
        }
        return nil
    }

    private func begin(_ life: SimLife) throws -> HostedMember {
        let host = life.host
        host.wallOffset = wallOffset
        var capabilities = MemberCapabilities(
            executors: MemberExecutors(
                main: life.main, log: life.log, backend: life.backend, snapshots: life.snapshots,
                passwords: life.snapshots),
            files: life.files, clock: SimWallClock(host: host),
            random: SeededRandom(seed: cluster.seed ^ UInt64(place << 32 + lives)),
            stopwatch: { host.now },
            fail: { [unowned self] in end(because: $0) })
        let sizes = cluster.options.logSizes
        capabilities.adjustLog = { log in
            log.segmentBytes = sizes.segment
            log.zeroSliceBytes = sizes.zeros
        }
        let messages = cluster.options.messages
        capabilities.adjustRaft = { options in
            options.raft.maxMessageBytes = messages.bytes
            options.raft.maxInFlightMessages = messages.inFlight
        }
        let trace = kernel.trace
        let name = name
        let member = try HostedMember(
            try configuration(), capabilities,
            dialer: SimDialer(cluster.network, from: place, on: life.main),
            loggerOf: { part in
                Logger(label: part) { [files = life.files] _ in
                    SimLog(trace: trace, source: name, files: files)
                }
            },
            found: found)
        id = member.id
        let place = place
        cluster.network.listen(SimURL.peer(place), at: place, on: life.main) { [weak member] in
            guard let member else { return $0.abort() }
            member.servePeer($0)
        }
        cluster.network.listen(
            SimURL.client(place), at: place, on: life.main,
            isOpen: { [weak member] in member?.isReady ?? false }
        ) { [weak member] in
            guard let member else { return $0.abort() }
            member.serveClient($0)
        }
        let network = cluster.network
        let main = life.main
        member.peers.interceptor = { [weak peers = member.peers] message in
            // What is proposed twice is done twice: that is for connections to prevent.
            let mayRepeat = if case .proposal = message.body { false } else { true }
            network.carry(to: place, on: main, mayRepeat: mayRepeat) { peers?.deliver(message) }
        }
        note("starts, life \(lives)")
        if member.hasRepaired { kernel.trace.counts.add("seen: torn log repaired at a start") }
        member.start { [weak self] in self?.removed() }
        return member
    }

    /// As of the arguments that were read last.
    private var known: (arguments: [String], configuration: Configuration)?

    private func configuration() throws -> Configuration {
        if let known, known.arguments == arguments { return known.configuration }
        let configuration = try readArguments()
        known = (arguments, configuration)
        return configuration
    }

    private func readArguments() throws -> Configuration {
        let all = [
            "--name", name, "--data-dir", root, "--listen-peer-urls", peerURL,
            "--initial-advertise-peer-urls", peerURL,
            "--listen-client-urls", "http://" + SimURL.client(place),
            "--advertise-client-urls", "http://" + SimURL.client(place),
        ]
        switch CommandLineReader.read(all + arguments, environment: [:]) {
        case .run(let configuration, _): return configuration
        case .answer(_, let error, _): throw SimError(error)
        case .refused(let error, _): throw SimError("\(error)")
        }
    }

    /// The calendar of this machine, which stays as it is through lives.
    var wallOffset: Int64 = 0 {
        didSet { life?.host.wallOffset = wallOffset }
    }

    private func removed() {
        guard !isRemoved else { return }
        isRemoved = true
        note("was removed")
        kernel.trace.counts.add("seen: members removed")
        let life = life
        kernel.after(1_000_000_000) { [weak self] in
            guard let self, self.life === life, life != nil else { return }
            crash(.kill)
        }
    }

    // MARK: End

    /// The process is gone, without a last word.
    func crash(_ death: SimDeath) {
        guard life != nil else { return }
        note("dies (\(death.rawValue)), life \(lives)")
        end(death, resets: death == .kill)
    }

    private func end(_ death: SimDeath, resets: Bool) {
        guard let life else { return }
        life.files.isDead = true
        cluster.network.ended(place, tells: resets)
        switch death {
        case .kill: disk.kill()
        case .power: disk.crash()
        }
        takeStoreFiles()
        // It reaches nothing any more: what its parts hold of each other is let go as by one that
        // ends in order.
        life.main.enter { life.member?.letGo() }
        cluster.graveyard.add(life.member?.store)
        life.main.enter { life.member = nil }
        life.host.die()
        self.life = nil
        cluster.watcher.forget(place)
    }

    /// What is left of the old process has the store's files open: the next one gets its own. Every
    /// commit of the store is durable when it returns, so the file is as a crash leaves it.
    private func takeStoreFiles() {
        let folder = root + "/member/snap"
        for name in (try? SystemFiles().list(folder)) ?? [] {
            let path = folder + "/" + name
            if name.hasSuffix("-lock") {
                unlink(path)
            } else {
                copyAside(path)
            }
        }
    }

    private func copyAside(_ path: String) {
        let from = open(path, O_RDONLY)
        guard from >= 0 else { return }
        defer { close(from) }
        let to = open(path + "~", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard to >= 0 else { return }
        defer { close(to) }
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
        defer { bytes.deallocate() }
        while case let count = read(from, bytes.baseAddress, bytes.count), count > 0 {
            _ = write(to, bytes.baseAddress, count)
        }
        rename(path + "~", path)
    }

    /// A new machine in this one's place: nothing is left of what was stored.
    func wipe() {
        precondition(life == nil, "a process has its files open")
        disk.wipe()
        for name in (try? SystemFiles().list(root + "/member/snap")) ?? [] {
            unlink(root + "/member/snap/" + name)
        }
        hasDamage = false
        hasDamagedStore = false
    }

    func pause() {
        note("stands still")
        life?.host.pause()
    }

    func resume() {
        guard let life, life.host.isPaused else { return }
        note("goes on")
        life.host.resume()
    }

    func note(_ text: String) { kernel.trace.add(name, text) }
}

public struct SimError: Error, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// Log lines of a member, in the timeline.
struct SimLog: LogHandler {
    let trace: Trace
    let source: String
    /// Of the process that logs.
    let files: SimFiles
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        if files.isDead { return }
        var text = "\(event.message)"
        if let metadata = event.metadata {
            for key in metadata.keys.sorted() {
                text += (key.isEmpty ? " " : " \(key)=") + "\(metadata[key] ?? "")"
            }
        }
        trace.add(source, text)
    }
}

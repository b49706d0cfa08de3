// The whole world of one run: members, network, clients, and who watches over them.

import API
import Consensus
import Glibc
import Services
import TestSupport
import Transport

import Node

/// What is decided about a run besides its seed.
public struct SimOptions: Sendable {
    public var members = 3
    /// Sizes of the log's pieces, in bytes.
    public var logSizes = (segment: 256 << 10, zeros: 16 << 10)
    /// Entries between snapshots, and those kept for members that lag.
    public var snapshotCount = 200
    public var catchUpEntries = 100
    public var preVote = true
    /// Reads by a leader's lease.
    public var leases = false
    /// What one message of entries holds, and how many are sent before one is answered.
    public var messages = (bytes: 1 << 20, inFlight: 512)
    /// How members know who has logged in, if there are users.
    public var tokens = Tokens.kept(seconds: 300)

    /// Times in seconds.
    public enum Tokens: Sendable {
        /// Members keep them; they end when they are not used for so long.
        case kept(seconds: Int)
        /// Signed ones, with the secret in a file that all members have.
        case signed(seconds: Int, key: String)
    }
    public init() {}
}

/// `@unchecked Sendable`: the world has one thread.
public final class SimCluster: @unchecked Sendable {
    public let seed: UInt64
    public let options: SimOptions
    public let kernel: SimKernel
    public let network: SimNetwork
    let directory: String
    let watcher: RaftWatcher
    let agreement = AgreementCheck()
    let graveyard = Graveyard()
    private(set) var members: [SimMember] = []
    let clientHost: SimHost
    let clientExecutor: SimExecutor
    private(set) var clients: SimClients!
    /// What a failure of the world is told to.
    var onEnd: (String) -> Never = { reason in
        print(reason)
        exit(1)
    }
    /// Told when a member has stopped by itself, for what it has read from its disk.
    var stopped: (SimMember) -> Void = { _ in }
    /// What was found wrong; the run ends with the first.
    private(set) var violation: String?

    /// - Parameter directory: an empty one, for the stores' files.
    public init(seed: UInt64, options: SimOptions, trace: Trace, directory: String) {
        self.seed = seed
        self.options = options
        self.directory = directory
        kernel = SimKernel(seed: seed, trace: trace)
        network = SimNetwork(kernel, seed: seed)
        watcher = RaftWatcher()
        clientHost = SimHost("clients", drift: 0, in: kernel)
        clientExecutor = SimExecutor(0, on: clientHost)
        network.began(0)
        clients = SimClients(self)
        watcher.violated = { [unowned self] in violated($0) }
        agreement.violated = { [unowned self] in violated($0) }
        kernel.afterTurn = { [unowned self] executor in
            guard executor.number >= 4, executor.number % 4 == 0 else { return }
            observe(executor.number / 4)
        }
        let urls = (1...options.members).map { "m\($0)=http://\(SimURL.peer($0))" }
        writeTokenKey()
        for place in 1...options.members {
            members.append(
                SimMember(
                    place, seed: seed,
                    arguments: Self.arguments(options, initial: urls, state: "new"), in: self))
        }
    }

    static func arguments(_ options: SimOptions, initial: [String], state: String) -> [String] {
        let tokens =
            switch options.tokens {
            case .kept(let seconds): ["--auth-token", "simple", "--auth-token-ttl", "\(seconds)"]
            case .signed(let seconds, let key):
                ["--auth-token", "jwt,sign-method=HS256,priv-key=\(key),ttl=\(seconds)s"]
            }
        return tokens + [
            // The least there is: what bcrypt takes is real time.
            "--bcrypt-cost", "4",
            "--initial-cluster", initial.joined(separator: ","), "--initial-cluster-state", state,
            "--initial-cluster-token", "simulation",
            "--snapshot-count", "\(options.snapshotCount)",
            "--snapshot-catchup-entries", "\(options.catchUpEntries)", "--max-wals", "2",
            "--pre-vote=\(options.preVote)", "--leader-lease-reads=\(options.leases)",
        ]
    }

    private func writeTokenKey() {
        guard case .signed(_, let key) = options.tokens, let file = fopen(key, "w") else { return }
        fputs("the secret of seed \(seed)", file)
        fclose(file)
    }

    deinit { network.letGo() }

    /// All members start.
    public func start() {
        for member in members {
            if let failure = member.start() {
                violated("\(member.name) does not start: \(failure)")
            }
        }
    }

    /// Ends all processes, for their memory to be given back.
    public func letGo() {
        for member in members { member.crash(.kill) }
        clientExecutor.enter { clients.letGo() }
        clientHost.die()
        network.letGo()
        kernel.letGo()
    }

    func member(at place: SimPlace) -> SimMember { members[place - 1] }

    func violated(_ what: String) {
        guard violation == nil else { return }
        violation = what
        kernel.trace.add("checks", "VIOLATED: " + what)
    }

    /// The end of everything: something that must never happen did.
    func end(because reason: String) -> Never {
        violated(reason)
        onEnd(reason)
    }

    /// Lets the world go on until `time`, or until something is wrong, or `isOver`.
    public func run(until time: UInt64, orUntil isOver: () -> Bool = { false }) {
        while violation == nil, kernel.time < time, !isOver() {
            switch kernel.step() {
            case .ran: break
            case .idle: return violated("nothing is left to happen")
            case .stuck: return violated("time stands still: something goes round in circles")
            }
        }
    }

    private func observe(_ place: SimPlace) {
        guard place <= members.count, let life = members[place - 1].life, let member = life.member
        else { return }
        life.main.enter {
            guard member.raft.assumeIsolated({ watcher.observe(place, $0) }) else { return }
            let (applied, revision) = member.store.assumeIsolated {
                ($0.appliedIndex, $0.revision)
            }
            guard agreement.isNew(place, applied) else { return }
            agreement.observe(
                place, applied, revision,
                member.applier.authority.assumeIsolated { $0.snapshot })
        }
    }

    /// Who leads, as far as it knows itself.
    var leader: SimMember? {
        members.first { member in
            guard let life = member.life, let hosted = life.member else { return false }
            return life.main.enter { hosted.raft.assumeIsolated { $0.status.role == .leader } }
        }
    }

    /// Adds a machine, which is not started.
    func addMachine(_ arguments: [String]) -> SimMember {
        let member = SimMember(members.count + 1, seed: seed, arguments: arguments, in: self)
        members.append(member)
        kernel.trace.counts.add("seen: machines added")
        return member
    }
}

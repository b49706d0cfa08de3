import API
import Consensus
import Foundation
import Services
import Storage
import Testing

@testable import Node

/// A data directory that starts of a member come and go in.
private final class Place {
    let directory: TemporaryDirectory
    private let executors: ExecutorTable
    var arguments: [String]

    init(_ arguments: String...) throws {
        directory = try TemporaryDirectory()
        executors = try ExecutorTable()
        self.arguments = ["-data-dir=\(directory.path)/data"] + arguments
    }

    deinit { executors.stop() }

    var configuration: Configuration {
        get throws { try memberConfiguration(arguments) }
    }

    func open() throws -> RecoveredMember {
        let configuration = try configuration
        return try Recovery(configuration, .system(executors.executors)) { _ in
        } firstMembers: {
            try configuration.foundingMembers()
        }.open()
    }

    /// A start that does no more than `body`.
    func start<Result>(_ body: (RecoveredMember) throws -> Result) throws -> Result {
        let recovered = try open()
        let result = try body(recovered)
        try waitFor { done in
            do throws(WALError) { try recovered.log.close { done($0.mapError { $0 }) } } catch {
                done(.failure(error))
            }
        }
        return result
    }

    /// Why it does not start.
    func refusal() -> String {
        do {
            _ = try start { _ in }
            return "starts"
        } catch { return "\(error)" }
    }

    /// Writes what a member that has founded its cluster and gone on to `last` has in its log.
    func write(_ recovered: RecoveredMember, through last: Int, commit: Int) throws {
        var entries = recovered.raft.entries
        for index in entries.count..<last {
            entries.append(Entry(term: Term(2), index: LogIndex(UInt64(index + 1)), data: [1]))
        }
        let state = HardState(
            term: Term(2), vote: recovered.identity.member, commit: LogIndex(UInt64(commit)))
        let batch = WALBatch(entries: entries, hardState: state, mustSync: true)
        try waitFor { done in
            do throws(WALError) {
                try recovered.log.persist(batch) { done($0.mapError { $0 }) }
            } catch { done(.failure(error)) }
        }
    }

    /// Where the store is.
    var store: String { directory.path + "/data/" + StoreConfiguration.fileName }

    /// Another member's state, whole and durable beside the store.
    func addSnapshot(at last: Int) throws {
        let other = try Place()
        try other.start { recovered in
            try other.write(recovered, through: 1, commit: 1)
            try other.apply(
                recovered, through: last, ConfState(voters: [recovered.identity.member]))
        }
        try FileManager.default.copyItem(atPath: other.store, toPath: store + ".incoming")
    }

    /// Writes to the log that it goes on behind a snapshot.
    func recordSnapshot(_ recovered: RecoveredMember, at index: UInt64, term: UInt64 = 2) throws {
        let snapshot = WALSnapshot(
            index: LogIndex(index), term: Term(term),
            confState: ConfState(voters: [recovered.identity.member]))
        try waitFor { done in
            do throws(WALError) {
                try recovered.log.save(snapshot) { done($0.mapError { $0 }) }
            } catch { done(.failure(error)) }
        }
    }

    /// Makes the store one that has applied through `last`.
    func apply(_ recovered: RecoveredMember, through last: Int, _ confState: ConfState? = nil)
        throws
    {
        let store = recovered.store
        try waitFor { (done: @escaping @Sendable (Result<Void, any Error>) -> Void) in
            executors.main.post {
                store.assumeIsolated { store in
                    do {
                        for index in 1...last {
                            _ = try store.beginApply(at: LogIndex(UInt64(index)), term: Term(2))
                            if let confState { store.setConfState(confState) }
                            store.endApply()
                        }
                    } catch { return done(.failure(error)) }
                    store.flush { done($0.map { .failure($0) } ?? .success(())) }
                }
            }
        }
    }
}

private func memberConfiguration(_ arguments: [String]) throws -> Configuration {
    guard case .run(let configuration, _) = CommandLineReader.read(arguments, environment: [:])
    else { throw RecoveryError(description: "\(arguments) are refused") }
    return configuration
}

@Suite("A member starts from what is on its disk, or says why it cannot")
struct MemberRecoveryTests {
    @Test("A new member founds its cluster; nothing of that is written yet")
    func new() throws {
        let place = try Place()
        try place.start { recovered in
            let founder = try place.configuration.foundingMembers()
            #expect(recovered.isNew && !recovered.raft.isWritten)
            #expect(recovered.identity.member == founder.own)
            #expect(recovered.identity.cluster == founder.cluster)
            #expect(recovered.raft.confState == ConfState(voters: [founder.own]))
            #expect(recovered.raft.entries.count == 1 && recovered.raft.applied == .zero)
            let change = try recovered.raft.entries[0].data.withUnsafeBytes {
                try ConfChange(decoding: $0)
            }
            #expect(change.node == founder.own)
            let member = try ClusterMember(json: change.context)
            #expect(member.peerURLs == ["http://localhost:2380"] && member.id == founder.own)
        }
        #expect(
            try place.directory.names(in: "data/member") == ["lock", "snap", "wal", "wal.lock"])
    }

    @Test("Missing parents of the data directory and of a log elsewhere are made")
    func parents() throws {
        let place = try Place()
        let root = place.directory.path
        place.arguments = ["-data-dir=\(root)/a/b/c/", "-wal-dir=\(root)/d/e/wal"]
        try place.start { #expect($0.isNew) }
        #expect(try place.directory.names(in: "a/b/c/member") == ["lock", "snap"])
        #expect(try place.directory.names(in: "d/e") == ["wal", "wal.lock"])
    }

    @Test("A directory that another start holds is refused")
    func locked() throws {
        let place = try Place()
        try place.start { _ in
            #expect(place.refusal().hasSuffix("in use by another process"))
        }
        #expect(place.refusal() == "starts")
    }

    @Test("Killed before the founding write, it founds again; other flags are then refused")
    func killedEarly() throws {
        let place = try Place()
        let first = try place.start { $0.raft.entries }
        try place.start { recovered in
            #expect(recovered.isNew && recovered.raft.entries == first)
        }
        place.arguments.append("-initial-cluster-token=other")
        let words = place.refusal()
        #expect(words.contains("is empty and of member 8e9e05c52164694d, not of "))
    }

    @Test("Killed between the making of log and store, it founds again too")
    func killedBetween() throws {
        let place = try Place()
        try place.start { _ in }
        let file = place.directory.path + "/data/" + StoreConfiguration.fileName
        try SystemFiles().remove(file)
        try SystemFiles().remove(file + "-lock")
        try place.start { #expect($0.isNew) }
    }

    @Test("Reopened, it has its log, and who it is from there, whatever the flags say now")
    func reopened() throws {
        let place = try Place()
        let identity = try place.start { recovered in
            try place.write(recovered, through: 3, commit: 2)
            return recovered.identity
        }
        place.arguments.append("-initial-cluster-token=other")
        try place.start { recovered in
            #expect(!recovered.isNew && recovered.raft.isWritten)
            #expect(recovered.identity.member == identity.member)
            #expect(recovered.identity.cluster == identity.cluster)
            #expect(recovered.raft.entries.map(\.index.rawValue) == [1, 2, 3])
            #expect(
                recovered.raft.hardState
                    == HardState(term: Term(2), vote: identity.member, commit: LogIndex(2)))
            #expect(recovered.raft.confState == ConfState(voters: [identity.member]))
            #expect(recovered.raft.applied == .zero && recovered.raft.compacted.index == .zero)
        }
    }

    @Test("What the store has applied is committed, and not kept in memory")
    func applied() throws {
        let place = try Place()
        try place.start { recovered in
            try place.write(recovered, through: 5, commit: 2)
            try place.apply(
                recovered, through: 4, ConfState(voters: [recovered.identity.member]))
        }
        try place.start { recovered in
            #expect(recovered.raft.applied == LogIndex(4))
            #expect(recovered.raft.hardState.commit == LogIndex(4))
            #expect(
                recovered.raft.compacted == LogPosition(index: LogIndex(4), term: Term(2)))
            #expect(recovered.raft.entries.map(\.index.rawValue) == [5])
        }
    }

    @Test("A store ahead of its log is refused: the log has lost what it acknowledged")
    func storeAhead() throws {
        let place = try Place()
        try place.start { recovered in
            try place.write(recovered, through: 3, commit: 3)
            try place.apply(recovered, through: 5)
        }
        #expect(
            place.refusal()
                == "the store has applied entry 5, but the log ends at 3: the log has lost what it "
                + "had acknowledged")
    }

    @Test("A store whose log is empty or gone is refused")
    func noLog() throws {
        let place = try Place()
        try place.start { try place.apply($0, through: 2) }
        #expect(place.refusal().hasPrefix("the store has applied entry 2, but the log in "))
        let wal = place.directory.path + "/data/member/wal"
        for name in try SystemFiles().list(wal) { try SystemFiles().remove(wal + "/" + name) }
        try SystemFiles().remove(wal)
        #expect(place.refusal().hasSuffix("is there, but its log \(wal) is not"))
    }

    @Test("A member that has no vote in what it recovered starts: it may be one that joins")
    func noVote() throws {
        let place = try Place()
        try place.start { recovered in
            try place.write(recovered, through: 2, commit: 2)
            try place.apply(recovered, through: 2, ConfState(voters: [MemberID(7)]))
        }
        try place.start { recovered in
            #expect(recovered.raft.confState == ConfState(voters: [MemberID(7)]))
            #expect(!recovered.isNew && recovered.raft.entries.count == 2)
        }
    }

    private func withLogAndStore() throws -> Place {
        let place = try Place()
        try place.start { recovered in
            try place.write(recovered, through: 5, commit: 3)
            try place.apply(
                recovered, through: 3, ConfState(voters: [recovered.identity.member]))
        }
        return place
    }

    private func snapshotFiles(_ place: Place) throws -> [String] {
        try place.directory.names(in: "data/member/snap")
    }

    @Test("A snapshot whose place the log has is the state: killed before it was in its place")
    func recordedSnapshot() throws {
        let place = try withLogAndStore()
        try place.start { try place.recordSnapshot($0, at: 50) }
        try place.addSnapshot(at: 50)
        for isFirst in [true, false] {
            try place.start { recovered in
                #expect(recovered.hasTakenSnapshot == isFirst)
                #expect(recovered.summary.consistentIndex == LogIndex(50))
                #expect(recovered.raft.applied == LogIndex(50))
                #expect(recovered.raft.hardState.commit == LogIndex(50))
                #expect(
                    recovered.raft.compacted == LogPosition(index: LogIndex(50), term: Term(2)))
                #expect(recovered.raft.entries.isEmpty)
            }
            #expect(try snapshotFiles(place) == ["cairn.mdb", "cairn.mdb-lock"])
        }
    }

    @Test("A snapshot whose place the log has not, or whose state is here already, goes")
    func unwantedSnapshots() throws {
        for index in [50, 2] {
            let place = try withLogAndStore()
            try place.addSnapshot(at: index)
            for name in [".receiving", ".snapshot"] {
                try Data([1]).write(to: URL(fileURLWithPath: place.store + name))
            }
            try place.start { recovered in
                #expect(!recovered.hasTakenSnapshot)
                #expect(recovered.raft.applied == LogIndex(3))
                #expect(recovered.raft.entries.map(\.index.rawValue) == [4, 5])
            }
            #expect(try snapshotFiles(place) == ["cairn.mdb", "cairn.mdb-lock"])
        }
    }

    @Test("A log that goes on behind a snapshot that is gone, or another one, is refused")
    func missingSnapshot() throws {
        let place = try withLogAndStore()
        try place.start { try place.recordSnapshot($0, at: 50) }
        let refusal =
            "the log goes on behind the snapshot of entry 50, but that is not there, and the store "
            + "holds entry 3"
        #expect(place.refusal() == refusal)
        try place.addSnapshot(at: 40)
        #expect(place.refusal() == refusal)
        #expect(try snapshotFiles(place).contains("cairn.mdb.incoming"), "nothing is thrown away")
    }

    // MARK: The data of an etcd

    private func etcd(_ place: Place, log: Bool) throws {
        if log { try place.start { try place.write($0, through: 3, commit: 3) } }
        try? FileManager.default.removeItem(atPath: place.store)
        let folder = place.directory.path + "/data/member/snap"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        try Data([1]).write(to: URL(fileURLWithPath: folder + "/db"))
    }

    @Test("An etcd's log that goes back to its beginning is replayed, which is said")
    func etcdWithLog() throws {
        let place = try Place()
        try etcd(place, log: true)
        let lines = LogBook.Lines()
        try place.start { recovered in
            #expect(recovered.raft.applied == .zero && recovered.raft.entries.count == 3)
            try recovered.describe(place.configuration, to: lines.logger())
        }
        #expect(lines.all.contains { $0.hasPrefix("warning: found the data of an etcd") })
        // From then on it is a member like others.
        let again = LogBook.Lines()
        try place.start { try $0.describe(place.configuration, to: again.logger()) }
        #expect(!again.all.contains { $0.contains("etcd") })
    }

    @Test(
        "An etcd's data whose log has a snapshot, or is not there, is refused, and how to go on said"
    )
    func etcdWithSnapshot() throws {
        let place = try Place()
        try place.start { recovered in
            try place.write(recovered, through: 3, commit: 3)
            try place.recordSnapshot(recovered, at: 2)
        }
        try etcd(place, log: false)
        let words = "is the data directory of an etcd"
        let refusal = place.refusal()
        #expect(refusal.contains(words) && refusal.contains("a snapshot, that of entry 2"))
        #expect(refusal.contains("etcdctl make-mirror"))
        let other = try Place()
        try etcd(other, log: false)
        #expect(other.refusal().contains(words))
        #expect(other.refusal().contains("has no log in"))
    }
}

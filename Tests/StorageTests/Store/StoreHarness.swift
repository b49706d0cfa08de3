import API
import Testing

@testable import Storage

/// A store on executors that a test drives, in a directory of its own. Every apply is one entry.
final class StoreHarness {
    let directory: TemporaryDirectory
    private(set) var core = ManualExecutor()
    private(set) var disk = ManualExecutor()
    /// Nil between a crash and the next start only.
    private var store: MVCCStore?
    private(set) var summary: StoreSummary
    var lastIndex = LogIndex(0)
    let configuration: StoreConfiguration

    /// - Parameter mapBytes: how large the file may become.
    init(
        mapBytes: Int = 1 << 30, _ adjust: (inout StoreConfiguration) -> Void = { _ in }
    ) throws {
        directory = try TemporaryDirectory()
        var configuration = StoreConfiguration(path: directory.path + "/cairn.mdb")
        configuration.slicePauseNanoseconds = 0
        adjust(&configuration)
        self.configuration = configuration
        let environment = try Environment(path: configuration.path, mapBytes: mapBytes)
        (store, summary) = try MVCCStore.open(
            environment, configuration, on: core, committingOn: disk)
    }

    /// Starts on what another store has left in `directory`.
    init(in directory: TemporaryDirectory) throws {
        self.directory = directory
        configuration = StoreConfiguration(path: directory.path + "/cairn.mdb")
        (store, summary) = try MVCCStore.open(configuration, on: core, committingOn: disk)
        lastIndex = summary.consistentIndex
    }

    /// The process dies and does not start again.
    func crashLeavingFile() {
        for executor in [core, disk] { executor.die() }
        store = nil
    }

    deinit {
        for executor in [core, disk] { executor.die() }
    }

    /// The next log entry.
    func apply<Result: Sendable>(
        _ body: (isolated MVCCStore) throws -> Result
    ) throws -> Result {
        lastIndex = lastIndex.next
        let index = lastIndex
        #expect(try read { try $0.beginApply(at: index, term: Term(7)) })
        defer { read { _ = $0.endApply() } }
        return try read(body)
    }

    func read<Result: Sendable>(
        _ body: (isolated MVCCStore) throws -> Result
    ) rethrows -> Result {
        guard let store else { preconditionFailure("the store is not started") }
        return try store.assumeIsolated(body)
    }

    /// Starts a commit of all that was applied; the disk does nothing until `finishCommit`.
    func startCommit() {
        let before = disk.backlog
        read { $0.flush { #expect($0 == nil) } }
        if disk.backlog == before { core.advance(milliseconds: 100) }
    }

    /// The disk does what is asked of it, and the store hears of it.
    func finishCommits() {
        while disk.backlog + core.backlog > 0 {
            disk.run()
            core.run()
        }
    }

    func commit() {
        startCommit()
        finishCommits()
    }

    /// The process dies: what is not on disk is lost. Then it starts again.
    /// - Parameter editBeforeStart: what somebody else does to the file meanwhile.
    func crash(editBeforeStart: (String) throws -> Void = { _ in }) throws {
        weak let old = store
        for executor in [core, disk] { executor.die() }
        (store, core, disk) = (nil, ManualExecutor(), ManualExecutor())
        try #require(old == nil, "somebody keeps the old store open")
        try editBeforeStart(configuration.path)
        (store, summary) = try MVCCStore.open(configuration, on: core, committingOn: disk)
        lastIndex = summary.consistentIndex
    }

    func finishAndReopen() throws {
        commit()
        try crash()
    }
}

extension MVCCStore {
    func put(
        _ key: String, _ value: String, lease: Int64 = 0, keeping kept: Kept = []
    ) throws(StoreError) -> PutResult {
        let value = Array(value.utf8)
        return try Array(key.utf8).span.withUnsafeBytes { (key) throws(StoreError) in
            try value.span.withUnsafeBytes { (value) throws(StoreError) in
                try put(key: key, value: value, lease: LeaseID(lease), keeping: kept)
            }
        }
    }

    func delete(_ keys: KeyRange, wantsPairs: Bool = false) throws -> (Int, [Pair]) {
        var pairs: [Pair] = []
        let deleted = try keys.withBounds { bounds in
            try deleteRange(bounds, wantsPairs: wantsPairs) { _, pair in
                if let pair { pairs.append(Pair(pair)) }
            }
        }
        return (deleted, pairs)
    }

    func pairs(
        _ keys: KeyRange, _ query: RangeQuery = RangeQuery()
    ) throws(StoreError) -> (pairs: [Pair], result: RangeResult) {
        var pairs: [Pair] = []
        let result = try range(keys, query) { pairs.append(Pair($0.encoded)) }
        return (pairs, result)
    }
}

/// A decoded KeyValue that can be compared and read.
struct Pair: Hashable, Sendable, CustomStringConvertible {
    var key: [UInt8]
    var value: [UInt8]
    var created: Int64
    var modified: Int64
    var version: Int64
    var lease: Int64

    init(
        key: [UInt8], value: [UInt8], created: Int64, modified: Int64, version: Int64, lease: Int64
    ) {
        self.key = key
        self.value = value
        self.created = created
        self.modified = modified
        self.version = version
        self.lease = lease
    }

    init(_ encoded: UnsafeRawBufferPointer) {
        guard let view = try? KeyValueView(decoding: encoded) else {
            preconditionFailure("the store showed what is no KeyValue")
        }
        self.init(
            key: [UInt8](view.key), value: [UInt8](view.value),
            created: view.createRevision.rawValue, modified: view.modRevision.rawValue,
            version: view.version, lease: view.lease.rawValue)
    }

    var description: String {
        let text = { (bytes: [UInt8]) in String(decoding: bytes, as: UTF8.self) }
        let leased = lease == 0 ? "" : " lease \(lease)"
        return "\(text(key))=\(text(value)) \(created) \(modified) \(version)\(leased)"
    }
}

extension KeyRange {
    /// `a` is the key a, `a..c` from a to below c, `a..` all from a on.
    init(_ text: String) {
        guard let dots = text.firstRange(of: "..") else {
            self.init(key: Array(text.utf8), end: .singleKey)
            return
        }
        let end = text[dots.upperBound...]
        self.init(
            key: Array(text[..<dots.lowerBound].utf8),
            end: end.isEmpty ? .open : .before(Array(end.utf8)))
    }
}

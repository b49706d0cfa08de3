// Clients that watch: two observers of everything, who keep the whole history, and others of parts
// of it. A watch that ends is resumed behind what it was told, at any member.

import API
import Checkers

final class WatchClients {
    private let world: any ClientWorld
    private let recorder: Recorder
    unowned var run: WorkloadRun!
    private(set) var log = EventLog()
    private var clients: [WatchClient] = []
    private var guests: [WatchClient] = []
    private static let observers = 2

    init(_ world: any ClientWorld, _ recorder: Recorder) {
        self.world = world
        self.recorder = recorder
    }

    /// What others than observers watch.
    static let spans = [KeySpan.prefix("r/"), .prefix("b/"), .prefix("lease/"), KeySpan("r/1")]

    func start(_ others: Int, guests: Int) {
        let spans = Self.spans
        for number in 0..<(Self.observers + others) {
            let isObserver = number < Self.observers
            var start = WatchStart(
                isObserver ? .everything : spans[number % spans.count], from: isObserver ? 1 : 0)
            start.wantsPrevious = number % 2 == 1
            start.isPutLeftOut = !isObserver && number % 5 == 4
            clients.append(
                WatchClient(
                    self, run, name: "w\(number)", start, isObserver: isObserver,
                    run.session(as: isObserver ? .observers : .watchers)))
        }
        for number in 0..<guests {
            let client = WatchClient(
                self, run, name: "wg\(number)", WatchStart(Guest.span(number), from: 0),
                isObserver: false, run.session(as: .guest(number)))
            clients.append(client)
            self.guests.append(client)
        }
        for client in clients { client.open() }
    }

    /// What all watchers were told, watch by watch.
    var records: [WatchRecord] { clients.flatMap { $0.ended + [$0.record] } }

    /// Those of guests, by their numbers.
    var guestRecords: [(Int, WatchRecord)] {
        guests.enumerated().flatMap { number, client in
            (client.ended + [client.record]).map { (number, $0) }
        }
    }

    /// Up to which revision every observer has been told.
    var knownToAllObservers: Int64 {
        clients.filter(\.isObserver).map { $0.record.toldThrough ?? 0 }.min() ?? 0
    }

    /// Who has not been told of all up to `revision`, and how far they are.
    func late(for revision: Int64) -> [String] {
        clients.compactMap { client in
            let told = client.record.toldThrough ?? 0
            if told >= revision { return nil }
            return "\(client.name) of \(client.record.start.span) at \(told) of \(revision)"
        }
    }

    /// Asks all streams how far they have come.
    func askForProgress() {
        for client in clients { client.askForProgress() }
    }

    fileprivate func observed(_ events: [KeyEvent], _ name: String) {
        log.add(events, at: world.now, from: name)
    }
}

/// One watcher, through all its streams.
private final class WatchClient {
    private unowned let all: WatchClients
    private unowned let run: WorkloadRun
    let name: String
    let isObserver: Bool
    private(set) var ended: [WatchRecord] = []
    private(set) var record: WatchRecord
    private var stream: (any ClientStream)?
    private let session: Session
    /// Tells a stream's late words from those of the present one.
    private var generation = 0

    init(
        _ all: WatchClients, _ run: WorkloadRun, name: String, _ start: WatchStart,
        isObserver: Bool, _ session: Session
    ) {
        self.session = session
        self.all = all
        self.run = run
        self.name = name
        self.isObserver = isObserver
        record = WatchRecord(name, start)
    }

    func open() {
        generation += 1
        let mine = generation
        let member = run.random(below: run.world.memberCount)
        run.world.note(
            "\(name) watches \(record.start.span) from \(record.start.start) at m\(member + 1)")
        session.withToken(at: member) { [self] token in
            guard mine == generation else { return }
            guard let token else { return again() }
            let stream = run.world.openStream(
                "/etcdserverpb.Watch/Watch", to: member, token: token.bytes,
                received: { [self] in if mine == generation { received($0) } },
                ended: { [self] _ in if mine == generation { again() } })
            self.stream = stream
            stream.send(WatchRequest.create(record.start))
        }
        // A member that is cut off says nothing: after a while another one is asked.
        run.world.schedule(afterNanoseconds: patience()) { [self] in
            if mine == generation { resume() }
        }
    }

    /// Streams last between one and ten seconds or so: there is a lot of resuming.
    private func patience() -> UInt64 { 1_000_000_000 + run.world.random() % 9_000_000_000 }

    /// After a while, behind what it was told.
    private func again() {
        generation += 1
        stream = nil
        run.think { [self] in resumeBehind() }
    }

    private func resume() {
        generation += 1
        let old = stream
        stream = nil
        old?.cancel()
        resumeBehind()
    }

    /// Begins a new watch behind what the old one was told.
    private func resumeBehind(from compacted: Int64? = nil) {
        var start = record.start
        if let compacted {
            start.start = compacted
        } else if let told = record.toldThrough {
            start.start = told + 1
        }
        ended.append(record)
        record = WatchRecord(name, start)
        open()
    }

    private func received(_ bytes: [UInt8]) {
        let response: WatchResponse
        do { response = try WatchResponse(bytes) } catch {
            return run.recorder.report("answers can be read", "\(name): \(error)")
        }
        run.recorder.count += 1
        if let receipt = response.receipt {
            record.receipts.append((run.world.now, receipt))
            run.world.note("\(name) \(receipt)")
        }
        if isObserver { all.observed(response.events, name) }
        if response.compacted > 0 {
            if isObserver {
                run.recorder.report(
                    "only a compaction ends a watch as compacted",
                    "\(name), whom no compaction overtakes, at \(response.compacted)")
            }
            generation += 1
            stream?.cancel()
            stream = nil
            resumeBehind(from: response.compacted)
        } else if response.isCanceled {
            canceled(response.reason)
        } else if run.chance(3) {
            askForProgress()
        }
    }

    private func canceled(_ reason: String) {
        guard session.user != nil, !reason.isEmpty else { return resume() }
        session.noteDenial(reason, "watching \(record.start.span)")
        session.forgetToken()
        stream?.cancel()
        again()
    }

    func askForProgress() { stream?.send(WatchRequest.progress) }
}

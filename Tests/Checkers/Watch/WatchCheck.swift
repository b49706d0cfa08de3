// Whether a watcher was told what happened, all of it, once, in order (etcd, API guarantees: watch).
//
// Against the replayed history: what was received must be exactly the history's events in the
// watcher's range, from where it began up to the newest revision it was promised.

/// How a watcher began.
public struct WatchStart: Hashable, Sendable {
    public var span: KeySpan
    /// The first revision it wants; 0: what happens after its creation.
    public var start: Int64
    public var isPutLeftOut = false
    public var isDeleteLeftOut = false
    public var wantsPrevious = false

    public init(_ span: KeySpan, from start: Int64) {
        self.span = span
        self.start = start
    }
}

/// What it received, in order.
public enum WatchReceipt: Hashable, Sendable {
    /// The header's revision.
    case created(Int64)
    /// One response; the pairs before, where wanted and told, stand beside their events.
    case events([KeyEvent], previous: [Pair?], isFragment: Bool)
    /// All up to this revision has been sent.
    case progress(Int64)
    /// The revision below which nothing is left.
    case compacted(Int64)
}

/// One watcher on one stream. A watcher that is resumed is a new one.
public struct WatchRecord: Sendable {
    public let name: String
    public let start: WatchStart
    public var receipts: [(moment: Moment, receipt: WatchReceipt)] = []

    public init(_ name: String, _ start: WatchStart) {
        self.name = name
        self.start = start
    }

    /// The first revision whose events it wants; nil while that is not known.
    public var firstWanted: Int64? {
        if start.start > 0 { return start.start }
        for (_, receipt) in receipts {
            if case .created(let revision) = receipt { return revision + 1 }
        }
        return nil
    }

    /// Up to which revision it has been told all: where a resumed watcher goes on behind.
    public var toldThrough: Int64? {
        var told = firstWanted.map { $0 - 1 }
        for (_, receipt) in receipts {
            switch receipt {
            case .events(let events, _, isFragment: false):
                if let last = events.last { told = max(told ?? 0, last.revision) }
            case .progress(let revision): told = max(told ?? 0, revision)
            case .created, .compacted, .events: continue
            }
        }
        return told
    }
}

public enum WatchCheck {
    /// - Parameter compactions: the highest revision somebody asked to compact to, by the moment
    ///   of asking.
    public static func violations(
        _ record: WatchRecord, _ history: ReplayedHistory, compactions: [Sighting] = []
    ) -> [Violation] {
        var walk = Walk(record: record, history: history, compactions: compactions)
        for (moment, receipt) in record.receipts { walk.step(moment, receipt) }
        return walk.violations
    }

    private struct Walk {
        let record: WatchRecord
        let history: ReplayedHistory
        let compactions: [Sighting]
        var violations: [Violation] = []
        /// All wanted events up to here have come.
        var through: Int64?
        /// Of a response in fragments, what has come.
        var gathered: [KeyEvent] = []

        init(record: WatchRecord, history: ReplayedHistory, compactions: [Sighting]) {
            self.record = record
            self.history = history
            self.compactions = compactions
            if record.start.start > 0 { through = record.start.start - 1 }
        }

        mutating func report(_ promise: String, _ moment: Moment, _ details: String) {
            violations.append(
                Violation(
                    promise,
                    "watcher \(record.name) of \(record.start.span) from "
                        + "\(record.start.start) at \(seconds(moment)): \(details)"))
        }

        mutating func step(_ moment: Moment, _ receipt: WatchReceipt) {
            switch receipt {
            case .created(let revision):
                if through == nil { through = revision }
            case .events(let events, let previous, let isFragment):
                checkPrevious(moment, events, previous)
                gathered += events
                if isFragment { return }
                let whole = gathered
                gathered = []
                if through == nil {
                    return report("a watcher is created before it is told", moment, "\(whole)")
                }
                compare(moment, whole)
            case .progress(let revision): progress(moment, revision)
            case .compacted(let revision): compacted(moment, revision)
            }
        }

        /// The events that the watcher wants of the given revisions.
        func wanted(from: Int64, through: Int64) -> [KeyEvent] {
            history.changes(from: from, through: through).flatMap { change in
                change.events.filter {
                    record.start.span.contains($0.pair.key)
                        && !($0.isDelete ? record.start.isDeleteLeftOut : record.start.isPutLeftOut)
                }
            }
        }

        mutating func compare(_ moment: Moment, _ events: [KeyEvent]) {
            guard let first = events.first, let last = events.last, let through else { return }
            if last.revision > history.last {
                report("events are of what stays", moment, "\(last), the end is \(history.last)")
            }
            let expected = wanted(from: through + 1, through: last.revision)
            self.through = max(through, last.revision)
            if expected == events { return }
            let revisions = events.map(\.revision)
            if first.revision < max(record.start.start, 0) {
                report("no event from before the start", moment, "\(first)")
            } else if first.revision <= through {
                report("no event comes twice", moment, "\(first), all was told up to \(through)")
            } else if Set(events).count < events.count {
                report("no event comes twice", moment, "\(events)")
            } else if revisions != revisions.sorted() {
                report("events are in order", moment, "\(revisions)")
            } else if Set(events) == Set(expected) {
                report("events are in order", moment, "\(events), not \(expected)")
            } else if let made = events.first(where: { !Set(expected).contains($0) }) {
                let real = history.events(at: made.revision)
                report("an event tells what happened", moment, "\(made), it was \(real)")
            } else if let missing = expected.first(where: { !Set(events).contains($0) }) {
                let isSplit = Set(revisions).contains(missing.revision)
                report(
                    isSplit ? "a revision is told whole" : "every event comes", moment,
                    "\(missing) is missing before \(last)")
            }
        }

        mutating func progress(_ moment: Moment, _ revision: Int64) {
            guard let known = through else { return }
            if let missing = wanted(from: known + 1, through: revision).first {
                report("progress means that all was sent", moment, "\(revision) without \(missing)")
            }
            if revision > history.last {
                report("progress is of what stays", moment, "\(revision) of \(history.last)")
            }
            through = max(known, revision)
        }

        mutating func compacted(_ moment: Moment, _ revision: Int64) {
            let asked = compactions.filter { $0.moment <= moment }.map(\.revision).max() ?? 0
            if revision > asked {
                report(
                    "only a compaction ends a watch as compacted", moment,
                    "\(revision), asked for was \(asked)")
            } else if let through, through + 1 >= revision {
                report(
                    "a watch ends as compacted only if it needs what is gone", moment,
                    "\(revision), it needs \(through + 1)")
            }
        }

        mutating func checkPrevious(
            _ moment: Moment, _ events: [KeyEvent], _ previous: [Pair?]
        ) {
            guard record.start.wantsPrevious else { return }
            for (event, told) in zip(events, previous) {
                // It may have been compacted; then nothing is told.
                guard let told else { continue }
                let real = history.pair(event.pair.key, at: event.revision - 1)
                if told != real {
                    report(
                        "the pair before is the one before", moment,
                        "\(event) with \(told), it was \(String(describing: real))")
                }
            }
        }
    }
}

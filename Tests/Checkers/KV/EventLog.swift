// The complete list of changes, put together from what watchers of the whole key space were told.

/// Collects the events of watchers that see every key. All of them must tell the same.
public struct EventLog {
    public private(set) var events: [Int64: [KeyEvent]] = [:]
    public private(set) var violations: [Violation] = []
    public private(set) var sightings: [Sighting] = []
    public private(set) var last: Int64 = 1

    public init() {}

    /// - Parameter events: of one response, whole revisions.
    public mutating func add(_ new: [KeyEvent], at moment: Moment, from source: String) {
        for (revision, events) in Dictionary(grouping: new, by: \.revision)
            .sorted(by: { $0.key < $1.key })
        {
            if let known = self.events[revision] {
                if known != events {
                    violations.append(
                        Violation(
                            "all members tell the same history",
                            "\(revision) is \(known), and from \(source) \(events)"))
                }
                continue
            }
            self.events[revision] = events
            sightings.append(Sighting(revision, at: moment))
            last = max(last, revision)
        }
    }
}

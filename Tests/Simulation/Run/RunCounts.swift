// How often what happened in runs: whether a kind of fault or of client really occurs.

/// Numbers by names.
public final class RunCounts {
    private var counts: [String: Int] = [:]

    func add(_ name: String, _ count: Int = 1) { counts[name, default: 0] += count }

    /// In the order of names.
    public var all: [(name: String, count: Int)] {
        counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}

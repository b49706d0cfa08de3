// What a component counts. An instrument is made once, with its labels, and then held: an update
// is one relaxed atomic add, from any thread, and a scrape reads without stopping anybody.
//
// The instruments live in the lowest layer so that every layer can be handed its own; names,
// labels and texts are Node's (ServerMetrics), which registers them.

import Synchronization

/// A number that only grows.
public final class Counter: Sendable {
    @usableFromInline let count = Atomic<UInt64>(0)

    public init() {}

    @inlinable public func increment(by amount: UInt64 = 1) {
        count.wrappingAdd(amount, ordering: .relaxed)
    }

    public var value: UInt64 { count.load(ordering: .relaxed) }
}

/// A whole number that goes up and down.
public final class Gauge: Sendable {
    @usableFromInline let level = Atomic<Int64>(0)

    public init() {}

    @inlinable public func set(_ value: Int64) { level.store(value, ordering: .relaxed) }

    /// - Parameter amount: may be negative.
    @inlinable public func add(_ amount: Int64) { level.wrappingAdd(amount, ordering: .relaxed) }

    public var value: Int64 { level.load(ordering: .relaxed) }
}

/// How measurements are spread, in buckets of fixed bounds.
public final class Histogram: Sendable {
    /// Upper bounds as they are shown, ascending.
    public let bounds: [Double]
    /// How much of what is observed makes 1 of what is shown: 1e9 for nanoseconds shown in
    /// seconds.
    public let scale: Double
    @usableFromInline let limits: [UInt64]
    /// One per bound and one for what is above all of them.
    @usableFromInline let buckets: [Counter]
    @usableFromInline let total = Counter()

    /// - Parameter bounds: ascending, in the shown unit.
    public init(bounds: [Double], scale: Double = 1e9) {
        precondition(zip(bounds, bounds.dropFirst()).allSatisfy(<), "bounds ascend")
        self.bounds = bounds
        self.scale = scale
        limits = bounds.map { UInt64(($0 * scale).rounded()) }
        buckets = (0...bounds.count).map { _ in Counter() }
    }

    /// Bounds that begin at `start` and grow by `factor`, `count` of them.
    public static func exponential(start: Double, factor: Double = 2, count: Int) -> [Double] {
        var bounds: [Double] = []
        var bound = start
        for _ in 0..<count {
            bounds.append(bound)
            bound *= factor
        }
        return bounds
    }

    /// Counts one measurement, such as a duration in nanoseconds. A bound belongs to its bucket.
    @inlinable public func observe(_ amount: UInt64) {
        var index = 0
        while index < limits.count, amount > limits[index] { index += 1 }
        buckets[index].increment()
        total.increment(by: amount)
    }

    /// Counts `times` measurements of the same amount.
    @inlinable public func observe(_ amount: UInt64, times: Int) {
        let index = limits.firstIndex { amount <= $0 } ?? limits.count
        buckets[index].increment(by: UInt64(times))
        total.increment(by: amount * UInt64(times))
    }

    /// What was observed so far; buckets as counted, not yet summed up. A scrape beside updates
    /// may miss the newest, and never shows a count that differs from its buckets.
    public var reading: (buckets: [UInt64], sum: Double) {
        (buckets.map(\.value), Double(total.value) / scale)
    }
}

// All instruments by name, written out in the Prometheus text format (version 0.0.4).
//
// The lock is between registration and scrape only; updates never take it.

/// A label and its value.
public typealias MetricLabel = (name: String, value: String)

public final class MetricsRegistry: Sendable {
    /// What an instrument shows.
    enum Source: Sendable {
        case counter(Counter)
        case gauge(Gauge)
        case histogram(Histogram)
        /// Asked at every scrape, on the scraping thread.
        case read(@Sendable () -> Double)
    }

    enum Kind: String, Sendable { case counter, gauge, histogram }

    struct Family: Sendable {
        let kind: Kind
        let help: String
        /// By their labels, written out and sorted; "" for none.
        var series: [String: Source] = [:]
    }

    private let families = Locked<[String: Family]>([:])

    public init() {}

    // MARK: Registration

    /// The same name and labels give the same instrument again.
    public func counter(_ name: String, _ help: String, _ labels: MetricLabel...) -> Counter {
        counter(name, help, labels: labels)
    }

    public func counter(_ name: String, _ help: String, labels: [MetricLabel]) -> Counter {
        let source = register(name, help, .counter, labels) { .counter(Counter()) }
        guard case .counter(let counter) = source else { return Counter() }
        return counter
    }

    public func gauge(_ name: String, _ help: String, _ labels: MetricLabel...) -> Gauge {
        let source = register(name, help, .gauge, labels) { .gauge(Gauge()) }
        guard case .gauge(let gauge) = source else { return Gauge() }
        return gauge
    }

    /// - Parameter scale: see `Histogram.scale`.
    public func histogram(
        _ name: String, _ help: String, bounds: [Double], scale: Double = 1e9,
        _ labels: MetricLabel...
    ) -> Histogram {
        let source = register(name, help, .histogram, labels) {
            .histogram(Histogram(bounds: bounds, scale: scale))
        }
        guard case .histogram(let histogram) = source else { return Histogram(bounds: bounds) }
        return histogram
    }

    /// A gauge that is read when it is asked for, such as a file's size.
    /// - Parameter read: called at every scrape, from the scraping thread; must not block.
    public func gauge(
        _ name: String, _ help: String, _ labels: MetricLabel...,
        read: @escaping @Sendable () -> Double
    ) {
        _ = register(name, help, .gauge, labels) { .read(read) }
    }

    /// A counter that is kept elsewhere and read when it is asked for.
    public func counter(_ name: String, _ help: String, read: @escaping @Sendable () -> Double) {
        _ = register(name, help, .counter, []) { .read(read) }
    }

    private func register(
        _ name: String, _ help: String, _ kind: Kind, _ labels: [MetricLabel],
        _ make: () -> Source
    ) -> Source {
        let key = Exposition.written(labels)
        return families.withLock { families in
            if let family = families[name] {
                precondition(family.kind == kind, "\(name) is a \(family.kind.rawValue)")
                if let known = family.series[key] { return known }
            }
            let source = make()
            families[name, default: Family(kind: kind, help: help)].series[key] = source
            return source
        }
    }

    // MARK: Scrape

    /// The media type of `exposition()`.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// All series, families and labels in alphabetical order. From any thread.
    public func exposition() -> [UInt8] {
        let families = families.withLock { $0 }
        var out = Exposition()
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            out.head(name, family)
            for (labels, source) in family.series.sorted(by: { $0.key < $1.key }) {
                out.series(name, labels, source)
            }
        }
        return out.bytes
    }
}

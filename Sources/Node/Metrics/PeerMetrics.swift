// What is shown of the links to other members, by etcd's names.

import API

public struct PeerMetrics: Sendable {
    private let registry: MetricsRegistry
    private let own: MemberID

    /// Those of one other member. A class: it is looked up for every message, and a copy of a value
    /// would count eight references.
    final class Instruments: Sendable {
        let sentBytes: Counter
        let receivedBytes: Counter
        let sendFailures: Counter
        let receiveFailures: Counter
        let isActive: Gauge
        let disconnections: Counter
        let isKnown: Gauge
        let roundTrip: Histogram

        init(
            sentBytes: Counter, receivedBytes: Counter, sendFailures: Counter,
            receiveFailures: Counter, isActive: Gauge, disconnections: Counter, isKnown: Gauge,
            roundTrip: Histogram
        ) {
            self.sentBytes = sentBytes
            self.receivedBytes = receivedBytes
            self.sendFailures = sendFailures
            self.receiveFailures = receiveFailures
            self.isActive = isActive
            self.disconnections = disconnections
            self.isKnown = isKnown
            self.roundTrip = roundTrip
        }
    }

    /// - Parameter own: this member.
    init(_ registry: MetricsRegistry, own: MemberID) {
        self.registry = registry
        self.own = own
    }

    func instruments(of member: MemberID) -> Instruments {
        let to: MetricLabel = ("To", member.hex)
        let from: MetricLabel = ("From", member.hex)
        let local: MetricLabel = ("Local", own.hex)
        let remote: MetricLabel = ("Remote", member.hex)
        return Instruments(
            sentBytes: registry.counter(
                "etcd_network_peer_sent_bytes_total",
                "The total number of bytes sent to peers.", to),
            receivedBytes: registry.counter(
                "etcd_network_peer_received_bytes_total",
                "The total number of bytes received from peers.", from),
            sendFailures: registry.counter(
                "etcd_network_peer_sent_failures_total",
                "The total number of send failures from peers.", to),
            receiveFailures: registry.counter(
                "etcd_network_peer_received_failures_total",
                "The total number of receive failures from peers.", from),
            isActive: registry.gauge(
                "etcd_network_active_peers", "The current number of active peer connections.",
                local, remote),
            disconnections: registry.counter(
                "etcd_network_disconnected_peers_total",
                "The total number of disconnected peers.", local, remote),
            isKnown: registry.gauge(
                "etcd_network_known_peers", "The current number of known peers.", local, remote),
            roundTrip: registry.histogram(
                "etcd_network_peer_round_trip_time_seconds",
                "Round-Trip-Time histogram between peers.",
                bounds: Histogram.exponential(start: 0.0001, count: 16), scale: 1e9, to))
    }
}

// Metrics of the calls that clients make, as go-grpc-prometheus and etcd name them.

import API

public struct RequestMetrics: Sendable {
    public let sentBytes: Counter
    public let receivedBytes: Counter
    public let slowApplies: Counter
    private let registry: MetricsRegistry

    init(_ registry: MetricsRegistry) {
        self.registry = registry
        sentBytes = registry.counter(
            "etcd_network_client_grpc_sent_bytes_total",
            "The total number of bytes sent to gRPC clients.")
        receivedBytes = registry.counter(
            "etcd_network_client_grpc_received_bytes_total",
            "The total number of bytes received from gRPC clients.")
        slowApplies = registry.counter(
            "etcd_server_slow_apply_total",
            "The total number of applies slower than the warning duration.")
    }

    /// The instruments of one method, all at zero; made at start and held by its handler.
    public func method(_ method: String, of service: String, _ shape: GRPCMethodMetrics.Shape)
        -> GRPCMethodMetrics
    {
        GRPCMethodMetrics(registry, service: service, method: method, shape: shape)
    }
}

public struct GRPCMethodMetrics: Sendable {
    public enum Shape: String, Sendable {
        case unary
        case clientStream = "client_stream"
        case serverStream = "server_stream"
        case bidirectional = "bidi_stream"
    }

    public let started: Counter
    public let messagesReceived: Counter
    public let messagesSent: Counter
    /// By the raw value of the status code.
    private let handledByCode: [Counter]

    init(_ registry: MetricsRegistry, service: String, method: String, shape: Shape) {
        let labels: [MetricLabel] = [
            ("grpc_type", shape.rawValue), ("grpc_service", service), ("grpc_method", method),
        ]
        started = registry.counter(
            "grpc_server_started_total", "Total number of RPCs started on the server.",
            labels: labels)
        messagesReceived = registry.counter(
            "grpc_server_msg_received_total",
            "Total number of RPC stream messages received on the server.", labels: labels)
        messagesSent = registry.counter(
            "grpc_server_msg_sent_total",
            "Total number of gRPC stream messages sent by the server.", labels: labels)
        handledByCode = StatusCode.allCases.map { code in
            registry.counter(
                "grpc_server_handled_total",
                "Total number of RPCs completed on the server, regardless of success or failure.",
                labels: labels + [("grpc_code", code.metricName)])
        }
    }

    /// The call has ended with `code`.
    @inline(__always) public func handled(_ code: StatusCode) {
        handledByCode[code.rawValue].increment()
    }
}

extension StatusCode {
    /// The code as Go's gRPC spells it.
    public var metricName: String {
        switch self {
        case .ok: "OK"
        case .cancelled: "Canceled"
        case .unknown: "Unknown"
        case .invalidArgument: "InvalidArgument"
        case .deadlineExceeded: "DeadlineExceeded"
        case .notFound: "NotFound"
        case .alreadyExists: "AlreadyExists"
        case .permissionDenied: "PermissionDenied"
        case .resourceExhausted: "ResourceExhausted"
        case .failedPrecondition: "FailedPrecondition"
        case .aborted: "Aborted"
        case .outOfRange: "OutOfRange"
        case .unimplemented: "Unimplemented"
        case .internal: "Internal"
        case .unavailable: "Unavailable"
        case .dataLoss: "DataLoss"
        case .unauthenticated: "Unauthenticated"
        }
    }
}

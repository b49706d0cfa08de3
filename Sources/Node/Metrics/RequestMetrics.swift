// Metrics of the calls that clients make, as go-grpc-prometheus and etcd name them.

import API
import Services
import Transport

public struct RequestMetrics: Sendable {
    public let sentBytes: Counter
    public let receivedBytes: Counter
    private let registry: MetricsRegistry

    init(_ registry: MetricsRegistry) {
        self.registry = registry
        sentBytes = registry.counter(
            "etcd_network_client_grpc_sent_bytes_total",
            "The total number of bytes sent to gRPC clients.")
        receivedBytes = registry.counter(
            "etcd_network_client_grpc_received_bytes_total",
            "The total number of bytes received from gRPC clients.")
    }

    /// Of calls by what their clients say of themselves.
    func clientRequests() -> ClientRequests {
        ClientRequests { [registry] type, version in
            registry.counter(
                "etcd_server_client_requests_total",
                "The total number of client requests per client version.", ("type", type),
                ("client_api_version", version))
        }
    }

    /// The counters of one method, all at zero.
    /// - Parameter path: such as `/etcdserverpb.KV/Put`.
    public func method(_ path: String, _ shape: GRPCMethodShape) -> GRPCMethodCounters {
        let names = path.split(separator: "/")
        let labels: [MetricLabel] = [
            ("grpc_type", shape.rawValue), ("grpc_service", String(names.first ?? "")),
            ("grpc_method", String(names.last ?? "")),
        ]
        return GRPCMethodCounters(
            started: registry.counter(
                "grpc_server_started_total", "Total number of RPCs started on the server.",
                labels: labels),
            messagesReceived: registry.counter(
                "grpc_server_msg_received_total",
                "Total number of RPC stream messages received on the server.", labels: labels),
            messagesSent: registry.counter(
                "grpc_server_msg_sent_total",
                "Total number of gRPC stream messages sent by the server.", labels: labels),
            handledByCode: StatusCode.allCases.map { code in
                registry.counter(
                    "grpc_server_handled_total",
                    "Total number of RPCs completed on the server, regardless of success or "
                        + "failure.",
                    labels: labels + [("grpc_code", code.metricName)])
            },
            receivedBytes: receivedBytes, sentBytes: sentBytes)
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

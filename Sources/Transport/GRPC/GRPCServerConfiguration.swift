// The limits of a gRPC server, with etcd's values where etcd has a flag for them.

/// Bounds and times of a gRPC server. Times are in nanoseconds.
public struct GRPCServerConfiguration: Sendable {
    /// The longest message taken, compressed or not: `--max-request-bytes` plus 512 KiB.
    public var maxReceiveMessageBytes = 1_572_864 + 524_288
    /// `--max-concurrent-streams`, per connection.
    public var maxConcurrentStreams = UInt32.max
    /// Pings of a client that come faster than this are strikes: `--grpc-keepalive-min-time`.
    public var keepaliveMinTime: UInt64 = 5_000_000_000
    /// A client not heard of for this long is pinged: `--grpc-keepalive-interval`. 0 is never.
    public var keepaliveInterval: UInt64 = 7_200_000_000_000
    /// How long the answer to such a ping may take: `--grpc-keepalive-timeout`. 0 is for ever.
    public var keepaliveTimeout: UInt64 = 20_000_000_000
    /// How long a client may take to send its preface and settings (grpc-go, ConnectionTimeout).
    public var prefaceTimeout: UInt64 = 120_000_000_000
    /// A header list longer than this ends its stream (RFC 9113, section 6.5.2 says how it counts).
    public var maxHeaderListBytes = 64 << 10
    /// What a client may send ahead on one stream, and on all streams of a connection. Together
    /// with 20 ms of round trip a 1 MB value needs at least 1 MB.
    public var streamWindowBytes: Int32 = 4 << 20
    public var connectionWindowBytes: Int32 = 16 << 20
    /// Parts of messages held for one connection until they are whole; a call that would need
    /// more fails with RESOURCE_EXHAUSTED.
    public var maxHeldRequestBytes = 64 << 20
    /// Responses held for one connection that its client does not take. While there are more, new
    /// calls are refused (REFUSED_STREAM, which clients may repeat elsewhere).
    public var maxHeldResponseBytes = 256 << 20
    /// A streaming call takes messages until this many bytes wait to be sent.
    public var streamBufferBytes = 1 << 20

    public init() {}

    var http2: HTTP2Settings {
        var settings = HTTP2Settings()
        settings.streamWindowBytes = streamWindowBytes
        settings.connectionWindowBytes = connectionWindowBytes
        settings.maxConcurrentStreams = maxConcurrentStreams
        settings.maxHeaderListBytes = maxHeaderListBytes
        return settings
    }
}

// What a session tells nghttp2 and the other side at its start.

import CNghttp2
import Glibc

/// Bounds of one HTTP/2 session.
struct HTTP2Settings: Sendable {
    /// Bytes a stream may send us ahead of our consent. A 1 MB value at 20 ms needs about 1 MB.
    var streamWindowBytes: Int32 = 4 << 20
    /// The same for the sum of a connection's streams.
    var connectionWindowBytes: Int32 = 16 << 20
    /// Streams the other side may have open. `UInt32.max` is no limit and is not announced.
    var maxConcurrentStreams = UInt32.max
    /// Bytes of a header list, counted as RFC 9113 section 6.5.2 says: 32 more per field. A longer
    /// one resets its stream alone, as in grpc-go (whose limit is 16 MiB); nghttp2 ends the
    /// connection over a single field of more than 64 KiB, and over a dozen CONTINUATION frames.
    var maxHeaderListBytes = 64 << 10
    /// Resets of the other side that are taken in a burst, and per second in the long run. A
    /// client that cancels thousands of calls is legitimate; nghttp2 alone would throw it out
    /// after 1000. A reset stream holds no memory of ours, so the bound guards only the CPU.
    var resetBurst: UInt64 = 1_000_000
    var resetsPerSecond: UInt64 = 100_000
    /// SETTINGS and PING acknowledgements that may wait to be written (a flood guard).
    var maxOutboundAcks = 1000
    /// Whether streams take turns by RFC 9218's incremental priorities. nghttp2 after 1.64 has no
    /// other way to share a connection; earlier versions take turns by RFC 7540's tree as well.
    var usesExtensiblePriorities = true

    /// The options of a new session. Freed by the caller.
    func makeOptions() -> OpaquePointer? {
        var option: OpaquePointer?
        guard nghttp2_option_new(&option) == 0, let option else { return nil }
        nghttp2_option_set_no_auto_window_update(option, 1)
        nghttp2_option_set_no_closed_streams(option, 1)
        // nghttp2 would reset a stream whose :authority is no host, and a client on a Unix socket
        // sends the socket's path there (etcdctl 3.4). What gRPC needs of a request is checked
        // where its headers are read (GRPC/RequestHeaders), as grpc-go does.
        nghttp2_option_set_no_http_messaging(option, 1)
        nghttp2_option_set_max_outbound_ack(option, maxOutboundAcks)
        nghttp2_option_set_stream_reset_rate_limit(option, resetBurst, resetsPerSecond)
        // A glitch is a frame that is legal but odd, such as one for a stream just reset.
        Self.setGlitchRateLimit?(option, resetBurst, resetsPerSecond)
        return option
    }

    /// The entries of the first SETTINGS frame.
    func entries(isServer: Bool) -> [nghttp2_settings_entry] {
        var entries = [
            entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, UInt32(streamWindowBytes)),
            entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, UInt32(maxHeaderListBytes)),
        ]
        if !isServer { entries.append(entry(NGHTTP2_SETTINGS_ENABLE_PUSH, 0)) }
        if maxConcurrentStreams != .max {
            entries.append(entry(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, maxConcurrentStreams))
        }
        if isServer && usesExtensiblePriorities {
            entries.append(entry(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1))
        }
        return entries
    }

    private func entry(_ id: nghttp2_settings_id, _ value: UInt32) -> nghttp2_settings_entry {
        nghttp2_settings_entry(settings_id: Int32(bitPattern: id.rawValue), value: value)
    }

    /// Not in the header of 1.52, hence by name.
    private static let setGlitchRateLimit:
        (@convention(c) (OpaquePointer, UInt64, UInt64) -> Void)? =
            dlsym(nil, "nghttp2_option_set_glitch_rate_limit").map {
                unsafeBitCast($0, to: (@convention(c) (OpaquePointer, UInt64, UInt64) -> Void).self)
            }
}

// One stream of an HTTP/2 connection: what has come is told by overridden methods, what goes out
// waits in `output` until the session takes it in turn with other streams.
//
// A class with overridable methods and not a protocol: the session finds it by a raw pointer that
// nghttp2 keeps, and objects are reused from call to call.

import API

class HTTP2Stream {
    /// What follows the bytes in `output`.
    enum OutputEnd {
        /// More may come.
        case open
        /// END_STREAM on the last DATA frame.
        case endStream
        /// `submitTrailers` is asked for them once the bytes are out.
        case trailers
    }

    final var id: Int32 = 0
    /// The session that carries the stream; nil before it is opened and after it is closed.
    /// Unsafe: the session outlives its streams, it detaches all of them before it goes.
    final unowned(unsafe) var session: HTTP2Session?
    final var output = OutputQueue()
    final var outputEnd = OutputEnd.open
    /// nghttp2 found nothing to send and waits for `HTTP2Session.resume`.
    final var isDeferred = false
    /// `outputDrained` is wanted once `output` holds no more than this. Negative: not wanted.
    final var drainMark = -1
    /// The stream is in the session's list of those to be told of it.
    final var isDrainListed = false

    // The session's list of open streams. Unsafe: a stream leaves the list before it is released.
    final unowned(unsafe) var previousOpen: HTTP2Stream?
    final unowned(unsafe) var nextOpen: HTTP2Stream?

    // The place in a DeadlineWheel; see there.
    final var deadline: MonotonicTime?
    final var wheelSlot = -1
    final unowned(unsafe) var previousInSlot: HTTP2Stream?
    final unowned(unsafe) var nextInSlot: HTTP2Stream?

    /// One field of a header block. Both buffers are valid during the call only.
    func receivedHeader(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {}
    /// A header block is complete: the first one, or trailers.
    func receivedHeaderBlock(endsStream: Bool) {}
    /// Part of the body, valid during the call only. What it has dealt with it must hand back by
    /// `HTTP2Session.consume`, else the sender runs out of window.
    func receivedData(_ bytes: UnsafeRawBufferPointer) {}
    /// The other side sends no more.
    func receivedEnd() {}
    /// `output` has fallen to `drainMark`.
    func outputDrained() {}
    /// All bytes are out and `outputEnd` is `.trailers`.
    func submitTrailers() {}
    /// The stream is gone, in an orderly way (`HTTP2ErrorCode.none`) or not.
    func closed(_ code: HTTP2ErrorCode) {}
    /// `deadline` has passed.
    func deadlineExpired() {}

    /// Makes the object ready for another stream.
    final func resetStream() {
        precondition(session == nil && wheelSlot < 0, "stream \(id) is still in use")
        id = 0
        output.reset(keepingCapacity: 4 << 10)
        outputEnd = .open
        isDeferred = false
        drainMark = -1
        isDrainListed = false
        deadline = nil
    }
}

/// HTTP/2 error codes (RFC 9113, section 7).
struct HTTP2ErrorCode: RawRepresentable, Hashable, Sendable {
    let rawValue: UInt32
    static let none = Self(rawValue: 0)
    static let protocolError = Self(rawValue: 1)
    static let internalError = Self(rawValue: 2)
    static let flowControlError = Self(rawValue: 3)
    static let frameSizeError = Self(rawValue: 6)
    static let refusedStream = Self(rawValue: 7)
    static let cancel = Self(rawValue: 8)
    static let enhanceYourCalm = Self(rawValue: 11)
    static let inadequateSecurity = Self(rawValue: 12)
}

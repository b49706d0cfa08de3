// Who waits for the outcome of a request.

import API
import Transport

/// Takes one answer; later ones are ignored, and so is one that comes when nobody waits any more.
/// From any thread.
public protocol Replying: Sendable {
    /// Answers with an encoded response.
    func respond(_ message: UnsafeRawBufferPointer)
    func fail(_ status: Status)
}

extension UnaryCall: Replying {}

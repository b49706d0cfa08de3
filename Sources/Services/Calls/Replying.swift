// Who waits for the outcome of a request.

import API
import Transport

/// Takes one answer; later ones are ignored, and so is one that comes when nobody waits any more.
/// From any thread.
public protocol Replying: Sendable {
    /// Answers with an encoded response.
    func respond(_ message: UnsafeRawBufferPointer)
    /// Answers with an encoded response in blocks, which are handed over.
    func respond(_ message: ByteBlocks)
    func fail(_ status: Status)
    /// Whether nobody waits any more, as far as can be told on this thread; what is done for the
    /// answer may be given up then.
    var isAbandoned: Bool { get }
}

extension UnaryCall: Replying {}

/// For those who take answers in one piece and wait until they come.
extension Replying {
    public func respond(_ message: ByteBlocks) {
        message.array.withUnsafeBytes { respond($0) }
    }
    public var isAbandoned: Bool { false }
}

extension Replying {
    /// Answers with `message`, unless its size is beyond what can be sent: then with that.
    func respond(_ message: ByteBlocks, size: Int) {
        if size > Limits.sendBytes {
            fail(.sentTooLarge(size))
        } else {
            respond(message)
        }
    }
}

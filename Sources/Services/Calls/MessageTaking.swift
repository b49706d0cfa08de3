// Who takes the messages of a server-streaming call.

import API
import Transport

/// The sending side of a streaming call, on its executor; see `StreamingCall`.
protocol MessageTaking: Sendable {
    var executor: any ActorExecutor { get }
    var isWritable: Bool { get }
    @discardableResult
    func send(_ message: ByteBlocks) -> Bool
    func finish(_ status: Status?)
}

extension StreamingCall: MessageTaking {}

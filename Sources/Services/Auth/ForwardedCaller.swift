// What one member asks of another for a client tells who the client is: field 100 of the message, as
// in log entries, which readers of the message itself pass over. It is always there, and behind
// whatever the client wrote: the last one counts, and nothing of those before it.

import API

extension Principal {
    /// As an entry of the log says it.
    init(_ header: ProposalHeader) {
        self.init(user: header.username, revision: header.authRevision)
    }

    /// Of a message that `asking` has made; nobody when it does not say.
    init(asking message: UnsafeRawBufferPointer) throws(WireError) {
        var caller = Principal.nobody
        var reader = ProtobufReader(message)
        while let field = try reader.next() {
            if field.number == Self.headerField {
                caller = try Principal(header: try field.bytes())
            }
        }
        self = caller
    }

    private init(header bytes: UnsafeRawBufferPointer) throws(WireError) {
        var (user, revision, isBound) = (AuthName.none, UInt64(0), false)
        var header = ProtobufReader(bytes)
        while let field = try header.next() {
            switch field.number {
            case 2: user = AuthName([UInt8](try field.bytes()))
            case 3: revision = try field.uint64()
            case 4: isBound = try field.uint64() != 0
            default: continue
            }
        }
        self.init(user: user, revision: revision, isBoundToRevision: isBound)
    }

    fileprivate static let headerField = 100
}

extension UnsafeRawBufferPointer {
    /// This message, asked for by `caller`.
    func asking(_ caller: Principal) -> [UInt8] {
        var message = ByteBuffer(capacity: count + 32)
        message.append(self)
        let header = message.beginMessage(Principal.headerField)
        message.appendField(2, bytes: caller.user.bytes)
        message.appendField(3, uint64: caller.revision)
        message.appendField(4, bool: caller.isBoundToRevision)
        message.endMessage(header)
        return message.array
    }
}

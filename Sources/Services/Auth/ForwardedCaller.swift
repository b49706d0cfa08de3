// What one member asks of another for a client tells who the client is: field 100 of the message, as
// in log entries, which readers of the message itself pass over.

import API

extension Principal {
    /// As an entry of the log says it.
    init(_ header: ProposalHeader) {
        self.init(user: header.username, revision: header.authRevision)
    }

    /// Of a message that `asking` has made; nobody when it does not say.
    init(asking message: UnsafeRawBufferPointer) throws(WireError) {
        var (user, revision) = (AuthName.none, UInt64(0))
        var reader = ProtobufReader(message)
        while let field = try reader.next() {
            guard field.number == Self.headerField else { continue }
            var header = ProtobufReader(try field.bytes())
            while let field = try header.next() {
                switch field.number {
                case 2: user = AuthName([UInt8](try field.bytes()))
                case 3: revision = try field.uint64()
                default: continue
                }
            }
        }
        self.init(user: user, revision: revision)
    }

    fileprivate static let headerField = 100
}

extension UnsafeRawBufferPointer {
    /// This message, asked for by `caller`.
    func asking(_ caller: Principal) -> [UInt8] {
        var message = ByteBuffer(capacity: count + 32)
        message.append(self)
        guard !caller.user.isEmpty else { return message.array }
        let header = message.beginMessage(Principal.headerField)
        message.appendField(2, bytes: caller.user.bytes)
        message.appendField(3, uint64: caller.revision)
        message.endMessage(header)
        return message.array
    }
}

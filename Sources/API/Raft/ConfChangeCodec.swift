// raftpb's configuration changes as bytes. Presence as in RaftCodec.swift.

extension ConfChange {
    public func encode(into buffer: inout ByteBuffer, as style: RaftEncoding = .etcd37) {
        if id != 0 || style == .etcd36 { buffer.appendPresent(1, uint64: id) }
        buffer.appendPresent(2, uint64: UInt64(kind.rawValue))
        buffer.appendPresent(3, uint64: node.rawValue)
        buffer.appendField(4, bytes: context)
    }

    /// - Throws: also for a kind of change that is not known: it must not be passed over.
    public init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
        self.init(kind: .addNode, node: .none)
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: id = try field.uint64()
            case 2: kind = try ConfChangeKind(field)
            case 3: node = MemberID(try field.uint64())
            case 4: context = [UInt8](try field.bytes())
            default: break
            }
        }
    }
}

extension ConfChangeV2 {
    public func encode(into buffer: inout ByteBuffer) {
        buffer.appendPresent(1, uint64: UInt64(transition.rawValue))
        for change in changes {
            let message = buffer.beginMessage(2)
            buffer.appendPresent(1, uint64: UInt64(change.kind.rawValue))
            buffer.appendPresent(2, uint64: change.node.rawValue)
            buffer.endMessage(message)
        }
        buffer.appendField(3, bytes: context)
    }

    /// - Throws: also for a change or transition that is not known.
    public init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
        self.init()
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1:
                let raw = Int32(truncatingIfNeeded: try field.uint64())
                guard let known = Transition(rawValue: raw) else { throw .malformed }
                transition = known
            case 2: changes.append(try Single(decoding: try field.bytes()))
            case 3: context = [UInt8](try field.bytes())
            default: break
            }
        }
    }
}

extension ConfChangeV2.Single {
    fileprivate init(decoding bytes: UnsafeRawBufferPointer) throws(WireError) {
        self.init(kind: .addNode, node: .none)
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 1: kind = try ConfChangeKind(field)
            case 2: node = MemberID(try field.uint64())
            default: break
            }
        }
    }
}

extension ConfChangeKind {
    fileprivate init(_ field: WireField) throws(WireError) {
        let raw = Int32(truncatingIfNeeded: try field.uint64())
        guard let known = Self(rawValue: raw) else { throw .malformed }
        self = known
    }
}

// Requests and answers as trees of fields: one form that is generated, sent, read back, compared,
// shrunk and printed, whatever the message.

import API

/// A message: its fields in the order they stand on the wire.
struct Message: Hashable, Sendable {
    struct Field: Hashable, Sendable {
        let number: Int
        var value: Value
    }

    enum Value: Hashable, Sendable {
        case number(Int64)
        /// A number that is only known when the request is sent.
        case revision(RevisionChoice)
        case bytes([UInt8])
        case message(Message)
    }

    let type: MessageType
    var fields: [Field] = []

    init(_ type: MessageType) { self.type = type }
}

/// A revision said by its place in the history, so that it means the same when requests before it
/// are left out.
enum RevisionChoice: Hashable, Sendable {
    /// So many behind (or, negative, before) the newest revision.
    case newest(Int64)
    /// So many behind (or, negative, before) the compact revision.
    case compacted(Int64)

    func resolved(at moment: Moment) -> Int64 {
        switch self {
        case .newest(let offset): moment.newest + offset
        case .compacted(let offset): moment.compacted + offset
        }
    }
}

/// Where a store stands.
struct Moment: Hashable, Sendable {
    var newest: Int64 = 1
    /// The revisions of all compactions, which grow.
    var compactions: [Int64] = []
    /// 0 before the first compaction.
    var compacted: Int64 { compactions.last ?? 0 }
}

// MARK: - Building and looking

extension Message {
    mutating func set(_ number: Int, _ value: Int64) { add(number, .number(value)) }
    mutating func set(_ number: Int, _ value: RevisionChoice) { add(number, .revision(value)) }
    mutating func set(_ number: Int, _ value: [UInt8]) { add(number, .bytes(value)) }
    mutating func set(_ number: Int, _ value: Message) { add(number, .message(value)) }

    private mutating func add(_ number: Int, _ value: Value) {
        fields.append(Field(number: number, value: value))
    }

    /// The number in a field, 0 when it is absent.
    func number(_ field: Int) -> Int64 {
        guard case .number(let number)? = last(field) else { return 0 }
        return number
    }

    /// The bytes in a field, none when it is absent.
    func bytes(_ field: Int) -> [UInt8] {
        guard case .bytes(let bytes)? = last(field) else { return [] }
        return bytes
    }

    func messages(_ field: Int) -> [Message] {
        fields.compactMap {
            guard $0.number == field, case .message(let message) = $0.value else { return nil }
            return message
        }
    }

    private func last(_ field: Int) -> Value? { fields.last { $0.number == field }?.value }
}

// MARK: - The wire

extension Message {
    /// As it is sent when the store stands at `moment`.
    func encoded(at moment: Moment) -> [UInt8] {
        EndToEndTests.encoded { write(into: &$0, at: moment) }
    }

    private func write(into buffer: inout ByteBuffer, at moment: Moment) {
        for field in fields {
            switch field.value {
            case .number(let number):
                buffer.appendPresent(field.number, uint64: UInt64(bitPattern: number))
            case .revision(let choice):
                let number = choice.resolved(at: moment)
                buffer.appendPresent(field.number, uint64: UInt64(bitPattern: number))
            case .bytes(let bytes):
                bytes.withUnsafeBytes { buffer.appendElement(field.number, bytes: $0) }
            case .message(let message):
                let open = buffer.beginMessage(field.number)
                message.write(into: &buffer, at: moment)
                buffer.endMessage(open)
            }
        }
    }

    /// Reads an answer. Numbers that are zero and bytes that are empty are absent in it, as proto3
    /// has it; so are those of `ignored`.
    /// - Throws: `WireError`, also for fields that the schema does not have.
    init(
        _ type: MessageType, decoding bytes: UnsafeRawBufferPointer,
        ignoring ignored: (MessageType, Int) -> Bool
    ) throws(WireError) {
        self.type = type
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            guard let schema = type.field(field.number) else { throw .malformed }
            if ignored(type, field.number) { continue }
            switch schema.kind {
            case .number, .flag, .names:
                let number = try field.int64()
                if number != 0 { set(field.number, number) }
            case .bytes:
                let bytes = try field.bytes()
                if !bytes.isEmpty { set(field.number, Array(bytes)) }
            case .message(let type):
                set(
                    field.number,
                    try Message(type, decoding: try field.bytes(), ignoring: ignored))
            }
        }
    }
}

// MARK: - Text

extension Message {
    /// `Put(key "a", value "1")`, with the revisions it has at `moment`.
    func text(at moment: Moment = Moment()) -> String {
        let parts = fields.map { field in
            let schema = type.field(field.number)
            let text = Self.text(field.value, schema?.kind, at: moment)
            return (schema?.name ?? "field \(field.number)") + " " + text
        }
        return "\(type.name)(\(parts.joined(separator: ", ")))"
    }

    private static func text(
        _ value: Value, _ kind: MessageType.Field.Kind?, at moment: Moment
    ) -> String {
        switch value {
        case .number(let number):
            if case .names(let names)? = kind, names.indices.contains(Int(clamping: number)) {
                return names[Int(number)]
            }
            return String(number)
        case .revision(let choice):
            return String(choice.resolved(at: moment))
        case .bytes(let bytes): return Self.text(bytes)
        case .message(let message): return message.text(at: moment)
        }
    }

    /// Bytes in quotes, those outside ASCII in hex; the middle of long ones left out.
    static func text(_ bytes: [UInt8]) -> String {
        guard bytes.count <= 60 else {
            return text(Array(bytes.prefix(20))) + "...(\(bytes.count) bytes)"
        }
        let characters = bytes.map { byte in
            (0x20..<0x7F).contains(byte)
                ? String(UnicodeScalar(byte))
                : "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        return "\"\(characters.joined())\""
    }
}

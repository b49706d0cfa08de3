// Two answers to one request, field by field.

import API

/// What a server said.
enum Answer: Hashable, Sendable {
    case answered(Message)
    case refused(Status)

    /// Not what the schema says: the bytes and why.
    case unreadable([UInt8], String)

    /// Reads what came for a call of `method`.
    init(_ method: Method, _ result: Result<[UInt8], Status>) {
        switch result {
        case .success(let bytes):
            do {
                var message = try bytes.withUnsafeBytes {
                    try Message(method.answer, decoding: $0, ignoring: KnownDifference.ignores)
                }
                // The header comes with the last chunk.
                if method == .rangeStream { message.moveHeaderToFront() }
                self = .answered(message)
            } catch {
                self = .unreadable(bytes, "\(error)")
            }
        case .failure(let status): self = .refused(status)
        }
    }

    /// The store's revision in the answer's header.
    var revision: Int64? {
        guard case .answered(let message) = self else { return nil }
        return message.messages(1).first?.number(3)
    }

    var text: String {
        switch self {
        case .answered(let message): message.text()
        case .refused(let status): "\(status.code): \(status.message)"
        case .unreadable(let bytes, let why): "\(why): \(Message.text(bytes))"
        }
    }
}

enum Comparison {
    /// The first place where two answers to `request` differ beyond what is known; nil when they
    /// are equal.
    static func difference(_ request: Message, ours: Answer, theirs: Answer) -> String? {
        switch (ours, theirs) {
        case (.refused(let ours), .refused(let theirs)):
            return ours == theirs ? nil : "another status"
        case (.answered(var ours), .answered(var theirs)):
            if ours == theirs { return nil }
            rewrite(&ours, of: request)
            rewrite(&theirs, of: request)
            return difference(ours, theirs, at: "")
        case (.unreadable, _), (_, .unreadable): return "an answer that cannot be read"
        case (.refused, .answered): return "refused by Cairn alone"
        case (.answered, .refused): return "refused by etcd alone"
        }
    }

    private static func difference(_ ours: Message, _ theirs: Message, at path: String) -> String? {
        guard ours != theirs else { return nil }
        let numbers = Set((ours.fields + theirs.fields).map(\.number)).sorted()
        for number in numbers {
            let mine = ours.fields.filter { $0.number == number }
            let other = theirs.fields.filter { $0.number == number }
            let name = ours.type.field(number)?.name ?? "field \(number)"
            let place = path.isEmpty ? name : "\(path).\(name)"
            for index in 0..<min(mine.count, other.count) where mine[index] != other[index] {
                let isRepeated = max(mine.count, other.count) > 1
                let element = isRepeated ? "\(place)[\(index)]" : place
                if case .message(let mine) = mine[index].value,
                    case .message(let other) = other[index].value
                {
                    return difference(mine, other, at: element)
                }
                return element
            }
            if mine.count != other.count { return "\(place), \(mine.count) not \(other.count)" }
        }
        return "the order of fields at \(path)"
    }

    /// Brings an answer to the form in which it is compared, and those inside a Txn's answer.
    private static func rewrite(_ answer: inout Message, of request: Message) {
        for known in KnownDifference.all {
            if case .rewrite(let rewrite) = known.treatment { rewrite(request, &answer) }
        }
        guard request.type == .txn else { return }
        let operations = request.messages(answer.number(2) != 0 ? 2 : 3)
        var index = 0
        for place in answer.fields.indices where answer.fields[place].number == 3 {
            defer { index += 1 }
            guard index < operations.count, let operation = operations[index].inner,
                case .message(var response) = answer.fields[place].value,
                let kind = response.fields.indices.first,
                case .message(var inner) = response.fields[kind].value
            else { continue }
            rewrite(&inner, of: operation)
            response.fields[kind].value = .message(inner)
            answer.fields[place].value = .message(response)
        }
    }
}

extension Message {
    fileprivate mutating func moveHeaderToFront() {
        guard let place = fields.firstIndex(where: { $0.number == 1 }) else { return }
        fields.insert(fields.remove(at: place), at: 0)
    }

    /// Of an operation: its request.
    fileprivate var inner: Message? {
        guard case .message(let message)? = fields.first?.value else { return nil }
        return message
    }
}

// Who has a say, as table `meta` keeps it: JSON of raftpb.ConfState as Go's encoder writes it
// (reference: ondisk.md, meta bucket).

import API

enum ConfStateJSON {
    static func encode(_ state: ConfState) -> [UInt8] {
        var members: [JSONValue.Member] = []
        func add(_ name: String, _ list: [MemberID]) {
            guard !list.isEmpty else { return }  // Go's omitempty
            members.append(.init(name, .array(list.map { .integer($0.rawValue) })))
        }
        add("voters", state.voters)
        add("learners", state.learners)
        add("voters_outgoing", state.votersOutgoing)
        add("learners_next", state.learnersNext)
        members.append(.init("auto_leave", .bool(state.autoLeave)))
        return Array(JSONValue.object(members).description.utf8)
    }

    /// - Returns: nil when `text` is no such document. Members it does not know are ignored.
    static func decode(_ text: some Sequence<UInt8>) -> ConfState? {
        guard let document = try? JSONValue(parsing: text), case .object = document else {
            return nil
        }
        func list(_ name: String) -> [MemberID]? {
            guard let value = document[name] else { return [] }
            guard let elements = value.asArray else { return nil }
            let ids = elements.compactMap(\.asUInt64)
            return ids.count == elements.count ? ids.map { MemberID($0) } : nil
        }
        guard let voters = list("voters"), let learners = list("learners"),
            let outgoing = list("voters_outgoing"), let next = list("learners_next")
        else { return nil }
        return ConfState(
            voters: voters, learners: learners, votersOutgoing: outgoing, learnersNext: next,
            autoLeave: document["auto_leave"]?.asBool ?? false)
    }
}

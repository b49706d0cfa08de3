// Changes of the cluster's membership, as the log carries them (raftpb).

/// What a change does with a member. Raw values as in raftpb.ConfChangeType.
public enum ConfChangeKind: Int32, Hashable, Sendable {
    case addNode = 0
    case removeNode = 1
    case updateNode = 2
    case addLearner = 3
}

/// One member added, removed or changed: the data of an `Entry.Kind.configurationChange`.
public struct ConfChange: Hashable, Sendable {
    /// The proposal's id; 0 in the entries a cluster begins with.
    public var id: UInt64
    public var kind: ConfChangeKind
    public var node: MemberID
    /// JSON of the member (reference: ondisk.md, Raft entries). Empty when a member is removed.
    public var context: [UInt8]

    public init(id: UInt64 = 0, kind: ConfChangeKind, node: MemberID, context: [UInt8] = []) {
        self.id = id
        self.kind = kind
        self.node = node
        self.context = context
    }
}

/// Several changes at once, by way of a joint configuration: the data of an
/// `Entry.Kind.configurationChangeV2`. With no change at all it leaves the joint configuration.
public struct ConfChangeV2: Hashable, Sendable {
    /// Raw values as in raftpb.ConfChangeTransition.
    public enum Transition: Int32, Hashable, Sendable {
        /// Joint only when more than one voter changes.
        case auto = 0
        case jointImplicit = 1
        case jointExplicit = 2
    }
    public struct Single: Hashable, Sendable {
        public var kind: ConfChangeKind
        public var node: MemberID
        public init(kind: ConfChangeKind, node: MemberID) {
            self.kind = kind
            self.node = node
        }
    }
    public var transition: Transition
    public var changes: [Single]
    public var context: [UInt8]

    public init(
        transition: Transition = .auto, changes: [Single] = [], context: [UInt8] = []
    ) {
        self.transition = transition
        self.changes = changes
        self.context = context
    }
}

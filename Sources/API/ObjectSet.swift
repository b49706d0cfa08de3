// Objects that are held for as long as they live elsewhere, gone through in the order they came:
// that of their addresses would differ from run to run (docs/simulation.md).

/// A set of objects by identity.
public struct ObjectSet<Object: AnyObject> {
    private var members: [ObjectIdentifier: (number: Int, object: Object)] = [:]
    private var added = 0

    public init() {}

    public var count: Int { members.count }
    public var isEmpty: Bool { members.isEmpty }

    public mutating func insert(_ object: Object) {
        added += 1
        members[ObjectIdentifier(object)] = (added, object)
    }

    /// Harmless if it is not there.
    public mutating func remove(_ object: Object) { remove(ObjectIdentifier(object)) }

    public mutating func remove(_ id: ObjectIdentifier) { members[id] = nil }

    /// In the order they came.
    public var inOrder: [Object] {
        members.values.sorted { $0.number < $1.number }.map(\.object)
    }
}

extension ObjectSet: Sendable where Object: Sendable {}

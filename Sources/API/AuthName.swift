/// The name of a user or a role: bytes, not text. Swift's strings are equal when they look equal,
/// and two users whose names look alike are two users.
public struct AuthName: Hashable, Comparable, Sendable {
    public let bytes: [UInt8]

    @inlinable public init(_ bytes: [UInt8]) { self.bytes = bytes }
    @inlinable public init(_ text: String) { bytes = Array(text.utf8) }

    /// The user who may do all, and the role that lets one.
    public static let root = AuthName("root")
    /// Nobody.
    public static let none = AuthName([])

    @inlinable public var isEmpty: Bool { bytes.isEmpty }

    /// In the order of the bytes, as the store's tables and etcd have it.
    public static func < (a: Self, b: Self) -> Bool {
        a.bytes.lexicographicallyPrecedes(b.bytes)
    }
}

extension AuthName: CustomStringConvertible {
    /// For people; bytes that are no text are repaired.
    public var description: String { String(decoding: bytes, as: UTF8.self) }
}

/// Which keys a request means, by etcd's conventions (reference: semantics.md, Range).
public struct KeyRange: Hashable, Sendable {
    public enum End: Hashable, Sendable {
        /// The single key `key`.
        case singleKey
        /// All keys at or above `key`.
        case open
        /// Keys below this one.
        case before([UInt8])
    }
    public let key: [UInt8]
    public let end: End

    public init(key: [UInt8], end: End) {
        self.key = key
        self.end = end
    }

    /// From a request's `key` and `range_end`: an empty end is the single key, one zero byte is
    /// all keys from `key` on, and anything else is `[key, end)`, which may be empty.
    public init(key: [UInt8], rangeEnd: [UInt8]) {
        self.key = key
        if rangeEnd.isEmpty {
            end = .singleKey
        } else if rangeEnd == [0] {
            end = .open
        } else {
            end = .before(rangeEnd)
        }
    }
}

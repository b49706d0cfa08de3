// Why the store does not answer.

import API

/// A request the store refuses, or cannot serve.
public enum StoreError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The revision is older than `oldest`, the one that the last compaction kept.
    case compacted(oldest: Revision)
    /// The revision was not made yet; `newest` is the store's.
    case futureRevision(newest: Revision)
    /// A put that keeps the value or the lease of a key that is not there.
    case keyNotFound
    /// A key of a table other than `key` is longer than `Table.maximumKeyLength`.
    case keyTooLong
    /// Another member's state took the place of the one that was read.
    case replaced
    /// Too much of the kind is under way.
    case busy
    /// The file failed. After a failed commit every further apply is refused until the store is
    /// opened again; reads go on, for what they read is not touched by it.
    case backend(BackendError)
    /// The file holds something no version of it should: the place, and what is wrong there.
    case damaged(place: String, reason: String)

    public var description: String {
        switch self {
        case .compacted(let oldest): "the oldest revision is \(oldest.rawValue)"
        case .futureRevision(let newest): "the newest revision is \(newest.rawValue)"
        case .keyNotFound: "the key is not there"
        case .keyTooLong: "a key of more than \(Table.maximumKeyLength) bytes"
        case .replaced: "another member's state took the place of this one"
        case .busy: "too much is under way"
        case .backend(let error): error.description
        case .damaged(let place, let reason): "the store is damaged at \(place): \(reason)"
        }
    }
}

/// Does what only the file can fail, as the store says it.
@inline(__always)
func backend<Result: ~Copyable>(
    _ body: () throws(BackendError) -> Result
) throws(StoreError) -> Result {
    do { return try body() } catch { throw .backend(error) }
}

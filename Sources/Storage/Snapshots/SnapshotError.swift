// Why a snapshot came to nothing.

/// A snapshot that cannot be made, read or put in place.
package enum SnapshotError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The bytes are not those of a snapshot of this version: what is wrong, and in which chunk,
    /// or in the description before them.
    case damaged(chunk: UInt32?, SnapshotDamage)
    /// The temporary file failed.
    case file(FileError)
    /// The store that is read, or made, failed; or holds what no store does.
    case store(StoreError)
    /// It was given up.
    case abandoned

    package var description: String {
        switch self {
        case .damaged(let chunk?, let damage): "chunk \(chunk): \(damage.rawValue)"
        case .damaged(nil, let damage): "description: \(damage.rawValue)"
        case .file(let error): error.description
        case .store(let error): "\(error)"
        case .abandoned: "it was given up"
        }
    }

    /// The disk is full, or this user's share of it.
    package var isDiskFull: Bool {
        switch self {
        case .file(let error): error.isDiskFull
        case .store(.backend(let error)): error.kind == .diskFull || error.kind == .mapFull
        case .store, .damaged, .abandoned: false
        }
    }
}

/// What can be wrong with the bytes of a snapshot.
package enum SnapshotDamage: String, Error, Hashable, Sendable {
    case truncated = "it is shorter than it says"
    case tooLong = "it is longer than it says"
    case notASnapshot = "it does not begin as a snapshot does"
    case unknownVersion = "it is of a version that is not known here"
    case checksum = "its checksum does not match"
    case outOfRange = "a number is out of its range"
    case otherSnapshot = "it belongs to another snapshot"
    case outOfOrder = "another chunk is due"
    case tooLarge = "it is larger than allowed"
    case notCompressed = "it cannot be decompressed to what it says"
    case unknownTable = "it has a record of no known table"
    case invalidKey = "a key is not one of its table"
    case unordered = "its records are not in order"
    case behindEnd = "it goes on behind its end"
    case wrongTotals = "it does not hold as much as it says"
    case otherState = "it holds another state than it says"
}

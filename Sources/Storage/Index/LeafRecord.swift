// What a leaf keeps of a key beside its bytes: one word, for most keys all there is.
//
//   bit 63  the rest is the address of a KeyHistory
//   bit 62  the key exists now (a key that was deleted stays until a compaction drops it)
//   else    the key's only change, a put: sub revision (16 bits), main revision (46 bits)
//
// A put that is not the first of the key's life needs two numbers more, when it was created and
// its version; they lie beside the word ("settled"). What does not fit the bits has a history.

import API

struct LeafWord {
    let bits: UInt64

    static let historyBit: UInt64 = 1 << 63
    static let liveBit: UInt64 = 1 << 62
    private static let mainBits: UInt64 = 46

    @inline(__always)
    init(bits: UInt64) { self.bits = bits }

    /// The word of a key that was put once; nil when the position is too large for it.
    @inline(__always)
    init?(put position: RevisionPosition) {
        guard position.main.rawValue >> Self.mainBits == 0, position.sub >> 16 == 0 else {
            return nil
        }
        bits =
            Self.liveBit | UInt64(position.sub) << Self.mainBits | UInt64(position.main.rawValue)
    }

    @inline(__always)
    init(history: KeyHistory, isLive: Bool) {
        bits =
            Self.historyBit | (isLive ? Self.liveBit : 0)
            | UInt64(UInt(bitPattern: history.block))
    }

    @inline(__always) var isLive: Bool { bits & Self.liveBit != 0 }

    @inline(__always)
    var history: KeyHistory? {
        guard bits & Self.historyBit != 0 else { return nil }
        let address = UInt(bits & ~(Self.historyBit | Self.liveBit))
        guard let block = UnsafeMutableRawPointer(bitPattern: address) else {
            preconditionFailure("a history at address 0")
        }
        return KeyHistory(block: block)
    }

    /// The only change, when there is no history.
    @inline(__always)
    var position: RevisionPosition {
        RevisionPosition(
            main: Revision(Int64(bits & (1 << Self.mainBits - 1))),
            sub: Int64((bits & ~(Self.historyBit | Self.liveBit)) >> Self.mainBits))
    }
}

/// What kept number of an only put are not told by its position.
struct SettledLife: Equatable {
    var created: Int64
    var version: Int64
}

/// A leaf's knowledge of one key, unpacked.
enum LeafRecord {
    case single(IndexedVersion)
    case history(KeyHistory)

    /// The key now.
    @inline(__always)
    var newest: IndexedVersion? {
        switch self {
        case .single(let version): version
        case .history(let history): history.newest
        }
    }

    /// The key as it stood at `revision`.
    @inline(__always)
    func version(at revision: Revision) -> IndexedVersion? {
        switch self {
        case .single(let version): version.modified.main <= revision ? version : nil
        case .history(let history): history.version(at: revision)
        }
    }
}

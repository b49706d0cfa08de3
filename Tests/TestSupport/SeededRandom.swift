// Chance that repeats itself.

import API

/// SplitMix64 (Steele, Lea and Flood, 2014): small, fast, good enough for tests.
public struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64
    public init(seed: UInt64) { state = seed }
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// A RandomSource that gives the same numbers for the same seed.
public final class SeededRandom: RandomSource {
    private let generator: Locked<SplitMix64>
    public init(seed: UInt64) { generator = Locked(SplitMix64(seed: seed)) }
    public func next() -> UInt64 { generator.withLock { $0.next() } }
}

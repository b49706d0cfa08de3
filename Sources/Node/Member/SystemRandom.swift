// Chance, from the kernel.

import API

/// The system's generator behind the capability. From any thread.
struct SystemRandom: RandomSource {
    func next() -> UInt64 {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }
}

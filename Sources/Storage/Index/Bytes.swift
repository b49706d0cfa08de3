import Glibc

/// Comparisons of byte strings, in the order of the key space.
package enum Bytes {
    /// Below, at or above zero as `a` is before, equal to or after `b`.
    @inline(__always)
    package static func compare(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        let shared = min(a.count, b.count)
        if shared > 0, let left = a.baseAddress, let right = b.baseAddress {
            let order = memcmp(left, right, shared)
            if order != 0 { return Int(order) }
        }
        return a.count - b.count
    }

    /// How many bytes `a` and `b` have in common at their beginning.
    static func sharedPrefix(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
        let shared = min(a.count, b.count)
        var length = 0
        while length < shared, a[length] == b[length] { length += 1 }
        return length
    }

    /// The part of `bytes` from `start` on.
    @inline(__always)
    static func suffix(_ bytes: UnsafeRawBufferPointer, from start: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[start...])
    }

    /// The first four bytes as a number whose order is that of the bytes; shorter ones are padded
    /// with zeros, so equal heads decide nothing.
    @inline(__always)
    static func head(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        if bytes.count >= 4 {
            return UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))
        }
        var value: UInt32 = 0
        for i in 0..<bytes.count { value |= UInt32(bytes[i]) << UInt32(24 - 8 * i) }
        return value
    }
}

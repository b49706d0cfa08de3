// A request encoded once; only its key changes from call to call.
//
// The generator shares the machine with the server it measures, so it encodes nothing per call: it
// copies the template to where the message goes and writes the key's digits over the zeros.

import API

/// An encoded Put or Range of a single key.
struct RequestTemplate {
    private let bytes: [UInt8]
    private let keyEnd: Int

    /// Of an encoded message.
    var size: Int { bytes.count }

    static func put(keySize: Int, valueSize: Int) -> RequestTemplate {
        let key = [UInt8](repeating: UInt8(ascii: "0"), count: keySize)
        // Bytes that no compression makes small.
        var chance = SplitMix64(state: 1)
        let value = (0..<valueSize).map { _ in UInt8(truncatingIfNeeded: chance.next()) }
        var buffer = ByteBuffer()
        key.withUnsafeBytes { key in
            value.withUnsafeBytes { buffer.appendPutRequest(key: key, value: $0) }
        }
        return RequestTemplate(buffer.array, keySize: keySize)
    }

    static func range(keySize: Int, isSerializable: Bool) -> RequestTemplate {
        let key = [UInt8](repeating: UInt8(ascii: "0"), count: keySize)
        var buffer = ByteBuffer()
        key.withUnsafeBytes { buffer.appendRangeRequest(key: $0, isSerializable: isSerializable) }
        return RequestTemplate(buffer.array, keySize: keySize)
    }

    /// - Parameter bytes: a message whose first field is the key, all zeros.
    private init(_ bytes: [UInt8], keySize: Int) {
        self.bytes = bytes
        keyEnd = WireSize.field(1, byteCount: keySize)
    }

    /// Writes the message about key `number`: decimal digits behind zeros.
    /// - Parameter buffer: of `size` bytes at least.
    /// - Returns: the bytes written.
    func write(key number: Int, to buffer: UnsafeMutableRawBufferPointer) -> Int {
        buffer.copyBytes(from: bytes)
        var rest = number
        var place = keyEnd
        while rest > 0 {
            place -= 1
            buffer[place] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        return bytes.count
    }
}

/// Steele, Lea, Flood, "Fast splittable pseudorandom number generators".
private struct SplitMix64 {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

// Messages that a client has compressed with gzip.
//
// A few bytes can inflate to gigabytes: memory grows in steps with what comes out, and stops at
// the limit of a message.

import API
import CZlib
import Glibc

enum GzipInflater {
    /// - Throws: RESOURCE_EXHAUSTED beyond `limit` bytes, INTERNAL for what is not gzip; texts as
    ///   grpc-go's.
    static func inflate(
        _ compressed: UnsafeRawBufferPointer, limit: Int
    ) throws(Status) -> ByteQueue {
        var output = ByteQueue()
        guard let input = compressed.baseAddress, compressed.count > 0 else {
            throw failure("EOF")
        }
        var stream = z_stream()
        // 15 is the largest window, 16 asks for gzip's header and checksum (zlib.h).
        guard
            inflateInit2_(
                &stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else { throw failure("out of memory") }
        defer { inflateEnd(&stream) }
        // Sound: zlib only reads its input, and has no const for it.
        stream.next_in = UnsafeMutablePointer(
            mutating: input.assumingMemoryBound(to: UInt8.self))
        stream.avail_in = UInt32(compressed.count)
        var step = min(limit + 1, max(4096, 4 * compressed.count))
        while true {
            let room = output.reserve(step)
            stream.next_out = room.assumingMemoryBound(to: UInt8.self)
            stream.avail_out = UInt32(step)
            let code = CZlib.inflate(&stream, Z_NO_FLUSH)
            output.commit(step - Int(stream.avail_out))
            if output.count > limit {
                throw Status(
                    .resourceExhausted,
                    "grpc: received message after decompression larger than max \(limit)")
            }
            if code == Z_STREAM_END {
                if stream.avail_in == 0 { return output }
                inflateReset(&stream)  // gzip allows several members in a row
                continue
            }
            guard code == Z_OK || (code == Z_BUF_ERROR && stream.avail_out == 0) else {
                throw failure(code == Z_BUF_ERROR ? "unexpected EOF" : "gzip: invalid data")
            }
            if stream.avail_in == 0 && stream.avail_out > 0 { throw failure("unexpected EOF") }
            step = min(256 << 10, limit + 1 - output.count)
        }
    }

    private static func failure(_ reason: String) -> Status {
        Status(.internal, "grpc: failed to decompress the received message: \(reason)")
    }
}

// Between OpenSSL and the stream below: what has come is read where it lies, what goes out is
// gathered for one write.
//
// OpenSSL's own memory BIOs would copy both once more and keep their memory for as long as the
// connection lives. This BIO keeps nothing: the input is borrowed for the length of a call, the
// output belongs to all connections of the executor and is emptied after each call.

import CSSL

/// A connection's side of its BIO. Lives at one address, which OpenSSL knows; owned by TLSSession.
struct TLSPipe {
    /// What OpenSSL has not read yet. Valid during one call into OpenSSL.
    var input = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Unsafe: the session holds it, and outlives this.
    unowned(unsafe) let output: OutputSink
    /// What may be spoken.
    let application: TLSApplication

    /// That of a connection. Sound: set when the SSL was made, freed after it (TLSSession).
    static func of(_ ssl: OpaquePointer?) -> UnsafeMutablePointer<TLSPipe>? {
        ssl.flatMap { SSL_get_ex_data($0, 0) }?.assumingMemoryBound(to: TLSPipe.self)
    }

    /// A BIO whose data is `pipe`.
    static func makeBIO(_ pipe: UnsafeMutablePointer<TLSPipe>) -> OpaquePointer? {
        guard let bio = BIO_new(method) else { return nil }
        BIO_set_data(bio, pipe)
        BIO_set_init(bio, 1)
        return bio
    }

    private static func pipe(_ bio: OpaquePointer?) -> UnsafeMutablePointer<TLSPipe>? {
        BIO_get_data(bio)?.assumingMemoryBound(to: TLSPipe.self)
    }

    /// Made once, never freed. Sound: not changed after it was made.
    nonisolated(unsafe) private static let method: OpaquePointer? = {
        let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "cairn")
        BIO_meth_set_read(method) { bio, room, count in
            guard let pipe = TLSPipe.pipe(bio), let room, count > 0 else { return -1 }
            cssl_bio_clear_retry(bio)
            let taken = min(pipe.pointee.input.count, Int(count))
            guard taken > 0, let source = pipe.pointee.input.baseAddress else {
                cssl_bio_set_retry_read(bio)
                return -1
            }
            UnsafeMutableRawPointer(room).copyMemory(from: source, byteCount: taken)
            pipe.pointee.input = UnsafeRawBufferPointer(
                rebasing: pipe.pointee.input.dropFirst(taken))
            return Int32(taken)
        }
        BIO_meth_set_write(method) { bio, bytes, count in
            guard let pipe = TLSPipe.pipe(bio), let bytes, count > 0 else { return -1 }
            pipe.pointee.output.bytes.append(
                UnsafeRawBufferPointer(start: bytes, count: Int(count)))
            return count
        }
        BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
        return method
    }()
}

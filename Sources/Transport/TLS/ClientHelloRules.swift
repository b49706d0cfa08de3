// What is looked at before OpenSSL: it makes room for as long a first message as its header says,
// for whoever connects.

/// Rules for the first bytes of one who connects (RFC 8446, 4 and 5.1).
enum ClientHelloRules {
    /// A ClientHello has names and keys: one of two kilobytes is a large one.
    static let limit = 16 << 10

    /// - Returns: whether enough has come to judge by, and it is admitted.
    static func admit(_ bytes: [UInt8]) throws(TLSError) -> Bool {
        guard let first = bytes.first else { return false }
        guard first == handshakeRecord else {
            throw TLSError("tls: first record does not look like a TLS handshake")
        }
        guard bytes.count >= recordHeader + messageHeader else { return false }
        let record = Int(bytes[3]) << 8 | Int(bytes[4])
        let message = Int(bytes[6]) << 16 | Int(bytes[7]) << 8 | Int(bytes[8])
        guard record >= messageHeader, bytes[5] == clientHello else {
            throw TLSError("tls: first message is no ClientHello")
        }
        guard message <= limit else {
            throw TLSError("tls: ClientHello of \(message) bytes is too large")
        }
        return true
    }

    private static let handshakeRecord: UInt8 = 22
    private static let clientHello: UInt8 = 1
    /// Type, version and length.
    private static let recordHeader = 5
    /// Type and length.
    private static let messageHeader = 4
}

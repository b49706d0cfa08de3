// How tokens are signed (RFC 7518, section 3; RFC 8037): OpenSSL's ways, under the names that tokens
// and -auth-token give them.

import COpenSSL

/// A way of signing.
struct JWTAlgorithm: Sendable {
    enum Family: Sendable {
        /// A secret that all members share.
        case hmac
        case rsa
        case rsaPSS
        /// - Parameter bytes: of each of a signature's two numbers.
        case ecdsa(bytes: Int)
        case edDSA
    }

    let name: String
    let family: Family
    /// Of the digest; 0 for none.
    private let bits: Int

    init?(name: String) {
        self.name = name
        if name == "EdDSA" {
            family = .edDSA
            bits = 0
            return
        }
        guard let bits = Int(name.dropFirst(2)), [256, 384, 512].contains(bits),
            name.utf8.count == 5
        else { return nil }
        self.bits = bits
        switch name.prefix(2) {
        case "HS": family = .hmac
        case "RS": family = .rsa
        case "PS": family = .rsaPSS
        // ES512 is of curve P-521.
        case "ES": family = .ecdsa(bytes: bits == 512 ? 66 : bits / 8)
        default: return nil
        }
    }

    /// What golang-jwt calls its keys.
    var keyKind: String {
        switch family {
        case .hmac: "HMAC"
        case .rsa, .rsaPSS: "RSA"
        case .ecdsa: "ECDSA"
        case .edDSA: "Ed25519"
        }
    }

    var digest: OpaquePointer? {
        switch bits {
        case 256: EVP_sha256()
        case 384: EVP_sha384()
        case 512: EVP_sha512()
        default: nil
        }
    }
}

/// Keys are to come without a passphrase: OpenSSL would ask the terminal.
private func noPassphrase(
    _: UnsafeMutablePointer<CChar>?, _: Int32, _: Int32, _: UnsafeMutableRawPointer?
) -> Int32 { -1 }

/// One of OpenSSL's keys.
///
/// `@unchecked Sendable`: never changed, and OpenSSL counts references atomically.
final class SigningKey: @unchecked Sendable {
    private let key: OpaquePointer
    /// Whether it is one that can sign.
    let isPrivate: Bool

    private init(_ key: OpaquePointer, isPrivate: Bool) {
        self.key = key
        self.isPrivate = isPrivate
    }

    deinit { EVP_PKEY_free(key) }

    /// A private key; nil for what is none.
    static func privateKey(pem: [UInt8]) -> SigningKey? {
        withBIO(pem) { PEM_read_bio_PrivateKey($0, nil, noPassphrase, nil) }
            .map { SigningKey($0, isPrivate: true) }
    }

    /// A public key, or that of a certificate; nil for what is neither.
    static func publicKey(pem: [UInt8]) -> SigningKey? {
        let key =
            withBIO(pem) { PEM_read_bio_PUBKEY($0, nil, noPassphrase, nil) }
            ?? withBIO(pem) { bio in
                guard let certificate = PEM_read_bio_X509(bio, nil, noPassphrase, nil) else {
                    return nil
                }
                defer { X509_free(certificate) }
                return X509_get_pubkey(certificate)
            }
        return key.map { SigningKey($0, isPrivate: false) }
    }

    private static func withBIO(
        _ bytes: [UInt8], _ body: (OpaquePointer) -> OpaquePointer?
    ) -> OpaquePointer? {
        bytes.withUnsafeBytes { bytes in
            guard let bio = BIO_new_mem_buf(bytes.baseAddress, Int32(clamping: bytes.count)) else {
                return nil
            }
            defer { BIO_free(bio) }
            return body(bio)
        }
    }

    /// Whether both are of one pair.
    func matches(_ other: SigningKey) -> Bool { EVP_PKEY_eq(key, other.key) == 1 }

    /// Whether it is of the kind that the algorithm is made for.
    func isOfKind(of algorithm: JWTAlgorithm) -> Bool {
        let kind = EVP_PKEY_get_base_id(key)
        return switch algorithm.family {
        case .hmac: false
        case .rsa, .rsaPSS: kind == EVP_PKEY_RSA
        case .ecdsa: kind == EVP_PKEY_EC
        case .edDSA: kind == EVP_PKEY_ED25519
        }
    }

    /// Whether it is of that kind, and of the algorithm's own curve.
    func fits(_ algorithm: JWTAlgorithm) -> Bool {
        guard isOfKind(of: algorithm) else { return false }
        guard case .ecdsa(let bytes) = algorithm.family else { return true }
        return (Int(EVP_PKEY_get_bits(key)) + 7) / 8 == bytes
    }

    /// Nil when the key cannot.
    func sign(_ message: [UInt8], _ algorithm: JWTAlgorithm) -> [UInt8]? {
        guard let context = EVP_MD_CTX_new() else { return nil }
        defer { EVP_MD_CTX_free(context) }
        var parameters: OpaquePointer?
        guard EVP_DigestSignInit(context, &parameters, algorithm.digest, nil, key) == 1,
            setPadding(parameters, algorithm, saltLength: RSA_PSS_SALTLEN_DIGEST)
        else { return nil }
        var length = 0
        guard EVP_DigestSign(context, nil, &length, message, message.count) == 1 else {
            return nil
        }
        var signature = [UInt8](repeating: 0, count: length)
        guard EVP_DigestSign(context, &signature, &length, message, message.count) == 1 else {
            return nil
        }
        signature.removeLast(signature.count - length)
        guard case .ecdsa(let bytes) = algorithm.family else { return signature }
        return ECDSASignature.plain(signature, bytes: bytes)
    }

    func verify(_ message: [UInt8], _ signature: [UInt8], _ algorithm: JWTAlgorithm) -> Bool {
        var signature = signature
        if case .ecdsa(let bytes) = algorithm.family {
            guard let encoded = ECDSASignature.encoded(signature, bytes: bytes) else {
                return false
            }
            signature = encoded
        }
        guard let context = EVP_MD_CTX_new() else { return false }
        defer {
            EVP_MD_CTX_free(context)
            // What was wrong with a stranger's signature is not for the next who looks.
            ERR_clear_error()
        }
        var parameters: OpaquePointer?
        guard EVP_DigestVerifyInit(context, &parameters, algorithm.digest, nil, key) == 1,
            setPadding(parameters, algorithm, saltLength: RSA_PSS_SALTLEN_AUTO)
        else { return false }
        return EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }

    private func setPadding(
        _ parameters: OpaquePointer?, _ algorithm: JWTAlgorithm, saltLength: Int32
    ) -> Bool {
        guard case .rsaPSS = algorithm.family else { return true }
        return EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1
            && EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, saltLength) == 1
    }
}

/// ECDSA's two numbers: OpenSSL writes them in DER, tokens one behind the other (RFC 7518, 3.4).
private enum ECDSASignature {
    static func plain(_ encoded: [UInt8], bytes: Int) -> [UInt8]? {
        encoded.withUnsafeBufferPointer { encoded in
            var place = encoded.baseAddress
            guard let pair = d2i_ECDSA_SIG(nil, &place, encoded.count) else { return nil }
            defer { ECDSA_SIG_free(pair) }
            var plain = [UInt8](repeating: 0, count: 2 * bytes)
            let size = Int32(bytes)
            let isWhole = plain.withUnsafeMutableBufferPointer { plain -> Bool in
                guard let start = plain.baseAddress else { return false }
                return BN_bn2binpad(ECDSA_SIG_get0_r(pair), start, size) == size
                    && BN_bn2binpad(ECDSA_SIG_get0_s(pair), start + bytes, size) == size
            }
            return isWhole ? plain : nil
        }
    }

    static func encoded(_ plain: [UInt8], bytes: Int) -> [UInt8]? {
        guard plain.count == 2 * bytes, let pair = ECDSA_SIG_new() else { return nil }
        defer { ECDSA_SIG_free(pair) }
        let isTaken = plain.withUnsafeBufferPointer { plain -> Bool in
            guard let start = plain.baseAddress else { return false }
            let r = BN_bin2bn(start, Int32(bytes), nil)
            let s = BN_bin2bn(start + bytes, Int32(bytes), nil)
            // Takes both over, or neither.
            if ECDSA_SIG_set0(pair, r, s) == 1 { return true }
            BN_free(r)
            BN_free(s)
            return false
        }
        guard isTaken else { return nil }
        var encoded = [UInt8](repeating: 0, count: Int(i2d_ECDSA_SIG(pair, nil)))
        let written = encoded.withUnsafeMutableBufferPointer { buffer in
            var place = buffer.baseAddress
            return Int(i2d_ECDSA_SIG(pair, &place))
        }
        return written == encoded.count ? encoded : nil
    }
}

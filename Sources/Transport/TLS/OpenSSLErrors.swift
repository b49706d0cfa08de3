// OpenSSL's queue of errors, as texts. Where Go says a thing in its own words, in those: operators
// and scripts know them from etcd's log.

import CSSL

enum OpenSSLErrors {
    /// What went wrong last on this thread; the queue is empty afterwards.
    static func take(_ what: String) -> TLSError {
        let code = ERR_peek_last_error()
        defer { ERR_clear_error() }
        return TLSError("\(what): \(reason(code))")
    }

    /// Why a handshake or a record failed.
    /// - Parameter ssl: the connection of the last call.
    static func takeFailure(of ssl: OpaquePointer) -> TLSError {
        let code = ERR_peek_error()
        defer { ERR_clear_error() }
        let number = cssl_error_reason(code)
        if number > SSL_AD_REASON_OFFSET {
            return TLSError("remote error: tls: \(alert(number - SSL_AD_REASON_OFFSET))")
        }
        switch number {
        case SSL_R_CERTIFICATE_VERIFY_FAILED:
            return TLSError("tls: failed to verify certificate: \(verification(of: ssl))")
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return TLSError("tls: client didn't provide a certificate")
        case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST, SSL_R_WRONG_VERSION_NUMBER:
            return TLSError("tls: first record does not look like a TLS handshake")
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW:
            return TLSError("tls: client offered only unsupported versions")
        case SSL_R_NO_SHARED_CIPHER:
            return TLSError("tls: no cipher suite supported by both client and server")
        case SSL_R_NO_APPLICATION_PROTOCOL:
            return TLSError("tls: client requested unsupported application protocols")
        default:
            return TLSError("tls: \(reason(code))")
        }
    }

    private static func verification(of ssl: OpaquePointer) -> String {
        let result = Int32(truncatingIfNeeded: SSL_get_verify_result(ssl))
        return switch result {
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
            X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_CERT_SIGNATURE_FAILURE:
            "x509: certificate signed by unknown authority"
        case X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID:
            "x509: certificate has expired or is not yet valid"
        case X509_V_ERR_INVALID_PURPOSE:
            "x509: certificate specifies an incompatible key usage"
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            "x509: certificate is not valid for the name that was dialed"
        case X509_V_ERR_CERT_REVOKED: "transport: certificate revoked"
        case X509_V_ERR_APPLICATION_VERIFICATION: "client certificate authentication failed"
        default:
            "x509: " + String(cString: X509_verify_cert_error_string(Int(result)))
        }
    }

    /// Source: Go's crypto/tls, alertText.
    private static func alert(_ number: Int32) -> String {
        switch number {
        case SSL_AD_UNKNOWN_CA: "unknown certificate authority"
        case SSL_AD_CERTIFICATE_UNKNOWN: "unknown certificate"
        case SSL_AD_CERTIFICATE_EXPIRED: "expired certificate"
        case SSL_AD_CERTIFICATE_REVOKED: "revoked certificate"
        case SSL_AD_CERTIFICATE_REQUIRED: "certificate required"
        case SSL_AD_DECRYPT_ERROR: "error decrypting message"
        default: String(cString: SSL_alert_desc_string_long(number))
        }
    }

    private static func reason(_ code: UInt) -> String {
        guard code != 0 else { return "the connection was closed" }
        guard let text = ERR_reason_error_string(code) else { return "error \(code)" }
        return String(cString: text)
    }
}

// All that the files of a port say, read at one time, so that what belongs together is used
// together.

import CSSL

/// The contents of the files of `TLSSettings`.
struct TLSMaterial: Sendable {
    /// A certificate, what leads from it to its CA, and its key.
    struct Identity: Sendable {
        let chain: [Certificate]
        let key: PrivateKey

        var leaf: Certificate { chain[0] }

        /// - Throws: with the words of Go's tls.X509KeyPair.
        init(_ pair: TLSSettings.Pair) throws(TLSError) {
            let certificates = try readTLSFile(pair.certificate)
            let keys = try readTLSFile(pair.key)
            chain = Certificate.all(inPEM: certificates)
            guard let leaf = chain.first else {
                throw TLSError(
                    "tls: failed to find any PEM data in certificate input (\(pair.certificate))")
            }
            guard let key = PrivateKey(pem: keys) else {
                throw TLSError(
                    "tls: failed to find any PEM data in key input (\(pair.key))")
            }
            self.key = key
            guard X509_check_private_key(leaf.raw, key.raw) == 1 else {
                ERR_clear_error()
                throw TLSError("tls: private key does not match public key")
            }
        }
    }

    let server: Identity
    let client: Identity
    /// Nil: those of the system.
    let trusted: [Certificate]?
    let revocations: [RevocationList]

    /// - Throws: the first that is wrong, in etcd's order (TLSInfo.baseConfig).
    init(_ settings: TLSSettings) throws(TLSError) {
        let (pair, client) = (settings.server, settings.client)
        guard !pair.key.isEmpty, !pair.certificate.isEmpty else {
            throw TLSError(
                "KeyFile and CertFile must both be present[key: \(pair.key), "
                    + "cert: \(pair.certificate)]")
        }
        server = try Identity(pair)
        guard client.key.isEmpty == client.certificate.isEmpty else {
            throw TLSError(
                "ClientKeyFile and ClientCertFile must both be present or both absent: "
                    + "key: \(client.key), cert: \(client.certificate)]")
        }
        self.client = client.isEmpty ? server : try Identity(client)
        trusted = try settings.trustedCAs.isEmpty ? nil : Self.certificates(settings.trustedCAs)
        revocations = try settings.revocations.isEmpty ? [] : Self.lists(settings.revocations)
    }

    private static func certificates(_ path: String) throws(TLSError) -> [Certificate] {
        let found = Certificate.all(inPEM: try readTLSFile(path))
        guard !found.isEmpty else { throw TLSError("\(path) has no certificate in it") }
        return found
    }

    private static func lists(_ path: String) throws(TLSError) -> [RevocationList] {
        let found = RevocationList.all(in: try readTLSFile(path))
        guard !found.isEmpty else { throw TLSError("\(path) has no revocation list in it") }
        return found
    }
}

// The certificates of a member's ports, read before it listens or dials.

import Logging
import Transport

/// On one loop, but for `dialer`'s sake: made and used there.
final class MemberTLS {
    /// Nil when no client listener speaks TLS.
    let client: TLSCredentials?
    /// Nil when no certificate is configured for peers.
    let peer: TLSCredentials?
    private let loop: EventLoop

    /// Reads the files; certificates that the operator left to us are made first.
    /// - Throws: `TLSError`: a file is missing, or not what it should be.
    init(_ configuration: Configuration, on loop: EventLoop, logger: Logger) throws(TLSError) {
        self.loop = loop
        let security = configuration.security
        for generated in [security.peerCertificate, security.clientCertificate] {
            try generated?.makeUnlessThere(logger)
        }
        peer = try Self.credentials(security.peer, "peer", on: loop, logger)
        let listeners = configuration.listeners
        let urls = listeners.client + listeners.clientHTTP + listeners.metrics
        client =
            try urls.contains(where: \.scheme.isSecure)
            ? Self.credentials(security.client, "client", on: loop, logger) : nil
    }

    private static func credentials(
        _ settings: TLSSettings, _ port: String, on loop: EventLoop, _ logger: Logger
    ) throws(TLSError) -> TLSCredentials? {
        guard !settings.isEmpty else { return nil }
        let credentials = try TLSCredentials(settings, on: loop, logger: logger)
        logger.info(
            "starting with \(port) TLS",
            metadata: .fields([
                "tls-info": .string(settings.summary),
                "cipher-suites": .strings(settings.cipherSuites.map(\.name)),
            ]))
        return credentials
    }

    /// Dials other members, with TLS where their URLs ask for it.
    func dialer() -> any StreamDialer { TLSDialer(over: SocketDialer(on: loop), peer) }
}

extension TLSSettings {
    /// Source: etcd's TLSInfo.String.
    fileprivate var summary: String {
        "cert = \(server.certificate), key = \(server.key), "
            + "client-cert=\(client.certificate), client-key=\(client.key), "
            + "trusted-ca = \(trustedCAs), client-cert-auth = \(authenticatesClients), "
            + "crl-file = \(revocations)"
    }
}

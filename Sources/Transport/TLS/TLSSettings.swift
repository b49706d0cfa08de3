// What an operator decides about the TLS of one port, by etcd's flags; nothing is read yet.

/// The TLS of the client port or of the peer port, for accepting and for dialing.
public struct TLSSettings: Hashable, Sendable {
    /// A certificate and its key, as paths of PEM files; empty is none.
    public struct Pair: Hashable, Sendable {
        /// The leaf first, then what leads to its CA.
        public var certificate: String
        public var key: String

        public init(certificate: String = "", key: String = "") {
            self.certificate = certificate
            self.key = key
        }

        public var isEmpty: Bool { certificate.isEmpty && key.isEmpty }
    }

    /// What this member shows to those who connect.
    public var server = Pair()
    /// What it shows when it connects; empty is `server`.
    public var client = Pair()
    /// The path of a PEM file: the CAs of those who connect and of those dialed. Empty is the
    /// system's.
    public var trustedCAs = ""
    /// The path of revocation lists (PEM or DER) for those who connect; empty is none.
    public var revocations = ""
    /// Clients must show a certificate, and its common name says who they are. With `trustedCAs`
    /// they must show one in any case, as in etcd (TLSInfo.ServerConfig).
    public var authenticatesClients = false
    /// Common names accepted from the other side; empty is any.
    public var allowedCommonNames: [String] = []
    /// Host names and addresses, one of which its certificate must be good for; empty is any.
    public var allowedHostNames: [String] = []
    /// A client's certificate that names addresses must name the one it comes from (etcd's
    /// checkSAN, peer port).
    public var checksClientAddress = false
    /// The certificate was made by this member or another like it: whom we dial is not verified.
    public var isSelfSigned = false
    /// For TLS 1.2, by Go's names, the preferred first; empty is a choice of ours.
    public var cipherSuites: [TLSCipherSuite] = []
    public var versions: ClosedRange<TLSVersion> = .v1_2 ... .v1_3

    public init() {}

    /// etcd's TLSInfo.Empty: there is nothing to show to those who connect.
    public var isEmpty: Bool { server.isEmpty }

    public var requiresClientCertificate: Bool { authenticatesClients || !trustedCAs.isEmpty }

    /// What is shown when dialing.
    var dialing: Pair { client.isEmpty ? server : client }

    /// All files that matter.
    var files: [String] {
        let all = [
            server.certificate, server.key, client.certificate, client.key, trustedCAs, revocations,
        ]
        return all.filter { !$0.isEmpty }
    }
}

/// A version of the protocol.
public enum TLSVersion: Int, Hashable, Comparable, Sendable {
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case v1_2
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case v1_3

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// What may be spoken over a connection, told by ALPN (RFC 7301).
public enum TLSApplication: Sendable {
    case http1
    case http1AndHTTP2

    /// By preference.
    var names: [StaticString] {
        switch self {
        case .http1: ["http/1.1"]
        case .http1AndHTTP2: ["h2", "http/1.1"]
        }
    }
}

/// TLS cannot be offered as it is configured: a file that is missing or not what it should be.
public struct TLSError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

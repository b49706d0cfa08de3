import Testing
import Transport

@testable import Node

@Suite("TLS as the operator decides it")
struct SecurityConfigurationTests {
    private static let secure = [
        "-listen-client-urls=https://127.0.0.1:1", "-advertise-client-urls=https://127.0.0.1:1",
    ]
    private static let files = ["-cert-file=a.pem", "-key-file=a.key"]

    private func outcome(_ arguments: [String]) -> String {
        switch CommandLineReader.read(arguments, environment: [:]) {
        case .run(_, let notices):
            notices.filter(\.isWarning).map(\.message).joined(separator: "\n")
        case .refused(.invalid(let words), _): words
        default: "neither"
        }
    }

    private func warnings(_ arguments: [String]) -> [String] {
        outcome(arguments + ["-data-dir=d"]).split(separator: "\n").map(String.init)
    }

    @Test("Nothing given: no TLS, TLS 1.2 and up where there is any")
    func defaults() throws {
        let it = try configuration().security
        #expect(it.client.isEmpty && it.peer.isEmpty)
        #expect(it.client.versions == .v1_2 ... .v1_3)
        #expect(!it.client.requiresClientCertificate)
        #expect(it.clientCertificate == nil && it.peerCertificate == nil)
    }

    @Test("Flags go to the port that they name")
    func flags() throws {
        let it = try configuration(
            "-cert-file=a", "-key-file=b", "-trusted-ca-file=c", "-client-crl-file=d",
            "-client-cert-auth", "-client-cert-file=e", "-client-key-file=f",
            "-client-cert-allowed-hostname=x,y", "-peer-cert-file=A", "-peer-key-file=B",
            "-peer-trusted-ca-file=C", "-peer-crl-file=D", "-peer-client-cert-auth",
            "-peer-client-cert-file=E", "-peer-client-key-file=F", "-peer-cert-allowed-cn=m",
            "-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "-tls-max-version=TLS1.2"
        ).security
        #expect(it.client.server == .init(certificate: "a", key: "b"))
        #expect(it.client.client == .init(certificate: "e", key: "f"))
        #expect(it.client.trustedCAs == "c" && it.client.revocations == "d")
        #expect(it.client.authenticatesClients && it.client.allowedHostNames == ["x", "y"])
        #expect(!it.client.checksClientAddress)
        #expect(it.peer.server == .init(certificate: "A", key: "B"))
        #expect(it.peer.client == .init(certificate: "E", key: "F"))
        #expect(it.peer.trustedCAs == "C" && it.peer.revocations == "D")
        #expect(it.peer.authenticatesClients && it.peer.allowedCommonNames == ["m"])
        #expect(it.peer.checksClientAddress)
        #expect(it.client.versions == .v1_2 ... .v1_2)
        #expect(it.peer.cipherSuites.map(\.name) == ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"])
        #expect(
            try !configuration("-peer-skip-client-san-verification").security.peer
                .checksClientAddress)
    }

    @Test("A CA for clients requires certificates of them, as in etcd")
    func requires() throws {
        #expect(try configuration("-trusted-ca-file=c").security.client.requiresClientCertificate)
        #expect(try configuration("-client-cert-auth").security.client.requiresClientCertificate)
    }

    @Test("-auto-tls makes certificates for the hosts that are listened on, unless some are given")
    func automatic() throws {
        let it = try configuration(
            "-data-dir=d", "-auto-tls", "-peer-auto-tls", "-self-signed-cert-validity=3",
            "-listen-peer-urls=https://127.0.0.1:1,https://[::1]:2",
            "-listen-client-urls=https://127.0.0.1:3", "-advertise-client-urls=https://127.0.0.1:3"
        ).security
        #expect(it.client.server.certificate == "d/fixtures/client/cert.pem")
        #expect(it.peer.server.key == "d/fixtures/peer/key.pem")
        #expect(it.client.isSelfSigned && it.peer.isSelfSigned)
        #expect(it.peerCertificate?.hosts == ["127.0.0.1", "::1"])
        #expect(it.clientCertificate?.years == 3)
        #expect(
            warnings(Self.secure + Self.files + ["-auto-tls"])
                == ["ignoring client auto TLS since certs given"])
    }

    @Test("What cannot be is refused in etcd's words")
    func refused() {
        for (arguments, error) in [
            (
                ["-tls-min-version=TLS1.0"],
                #"unexpected TLS version "TLS1.0" (must be one of: TLS1.2, TLS1.3)"#
            ),
            (
                ["-tls-min-version=TLS1.3", "-tls-max-version=TLS1.2"],
                "min version (TLS1.3) is greater than max version (TLS1.2)"
            ),
            (["-cipher-suites=NONE"], #"unexpected TLS cipher suite "NONE""#),
            (
                [
                    "-tls-min-version=TLS1.3",
                    "-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                ], "cipher suites cannot be configured when only TLS1.3 is enabled"
            ),
            (
                ["-peer-cert-allowed-cn=a,b", "-peer-cert-allowed-hostname=c"],
                "AllowedCNs and AllowedHostnames are mutually exclusive (cns=[a b], hostnames=[c])"
            ),
            (
                Self.secure,
                "TLS key/cert (--cert-file, --key-file) must be provided for client url "
                    + "https://127.0.0.1:1 with HTTPS scheme"
            ),
            (
                ["-listen-peer-urls=https://127.0.0.1:2380"],
                "cannot listen on TLS for 127.0.0.1:2380: KeyFile and CertFile are not presented"
            ),
            (
                ["-listen-metrics-urls=https://127.0.0.1:2381"],
                "cannot listen on TLS for 127.0.0.1:2381: KeyFile and CertFile are not presented"
            ),
        ] {
            #expect(outcome(arguments) == error)
        }
    }

    @Test("Certificates on a port without TLS are pointed out")
    func ignored() {
        #expect(
            warnings(["-cert-file=a", "-key-file=b", "-client-cert-auth"]) == [
                "scheme is http or unix while key and cert files are present; ignoring key and cert "
                    + "files",
                "scheme is http or unix while --client-cert-auth is enabled; ignoring client cert "
                    + "auth for this URL",
            ])
        #expect(
            warnings(["-peer-cert-file=a", "-peer-key-file=b"]) == [
                "scheme is HTTP while key and cert files are present; ignoring key and cert files"
            ])
    }
}

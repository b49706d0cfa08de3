// TLS by etcd's flags: which files, which versions, whose certificates (embed.Config.Validate,
// transport.TLSInfo).

import Transport

extension ConfigurationBuilder {
    /// - Parameter listeners: say whether TLS is needed, and what a certificate of our own is for.
    mutating func security(
        _ listeners: Configuration.Listeners, dataDirectory: String
    ) throws(ConfigurationError) -> Configuration.Security {
        let versions = try versions()
        var client = TLSSettings()
        client.server = pair("cert-file", "key-file")
        client.client = pair("client-cert-file", "client-key-file")
        client.trustedCAs = text("trusted-ca-file")
        client.revocations = text("client-crl-file")
        client.authenticatesClients = bool("client-cert-auth")
        client.allowedHostNames = list("client-cert-allowed-hostname")
        var peer = TLSSettings()
        peer.server = pair("peer-cert-file", "peer-key-file")
        peer.client = pair("peer-client-cert-file", "peer-client-key-file")
        peer.trustedCAs = text("peer-trusted-ca-file")
        peer.revocations = text("peer-crl-file")
        peer.authenticatesClients = bool("peer-client-cert-auth")
        peer.allowedCommonNames = list("peer-cert-allowed-cn")
        peer.allowedHostNames = list("peer-cert-allowed-hostname")
        peer.checksClientAddress = !bool("peer-skip-client-san-verification")
        if !peer.allowedCommonNames.isEmpty, !peer.allowedHostNames.isEmpty {
            throw .invalid(
                "AllowedCNs and AllowedHostnames are mutually exclusive "
                    + "(cns=[\(peer.allowedCommonNames.joined(separator: " "))], "
                    + "hostnames=[\(peer.allowedHostNames.joined(separator: " "))])")
        }
        let suites = try suites(versions)
        (client.versions, peer.versions) = (versions, versions)
        (client.cipherSuites, peer.cipherSuites) = (suites, suites)
        let peerCertificate = generated(
            "peer", "peer-auto-tls", &peer, in: dataDirectory, for: listeners.peer)
        let clientCertificate = generated(
            "client", "auto-tls", &client, in: dataDirectory, for: listeners.client)
        try check(listeners, client, peer)
        return Configuration.Security(
            client: client, peer: peer, clientCertificate: clientCertificate,
            peerCertificate: peerCertificate)
    }

    private func pair(_ certificate: String, _ key: String) -> TLSSettings.Pair {
        TLSSettings.Pair(certificate: text(certificate), key: text(key))
    }

    private func versions() throws(ConfigurationError) -> ClosedRange<TLSVersion> {
        let lowest = try version("tls-min-version") ?? .v1_2
        let highest = try version("tls-max-version") ?? .v1_3
        guard lowest <= highest else {
            throw .invalid(
                "min version (\(text("tls-min-version"))) is greater than max version "
                    + "(\(text("tls-max-version")))")
        }
        return lowest...highest
    }

    private func version(_ flag: String) throws(ConfigurationError) -> TLSVersion? {
        switch text(flag) {
        case "": return nil
        case "TLS1.2": return .v1_2
        case "TLS1.3": return .v1_3
        case let other:
            throw .invalid(
                "unexpected TLS version \(GoNotation.quoted(other)) (must be one of: TLS1.2, TLS1.3)"
            )
        }
    }

    private func suites(
        _ versions: ClosedRange<TLSVersion>
    ) throws(ConfigurationError) -> [TLSCipherSuite] {
        let names = list("cipher-suites")
        if versions.lowerBound == .v1_3, !names.isEmpty {
            throw .invalid("cipher suites cannot be configured when only TLS1.3 is enabled")
        }
        var suites: [TLSCipherSuite] = []
        for name in names {
            guard let suite = TLSCipherSuite(named: name) else {
                throw .invalid("unexpected TLS cipher suite \(GoNotation.quoted(name))")
            }
            suites.append(suite)
        }
        return suites
    }

    /// -auto-tls: a certificate of our own, unless one is given.
    private mutating func generated(
        _ port: String, _ flag: String, _ settings: inout TLSSettings, in dataDirectory: String,
        for urls: [ServerURL]
    ) -> Configuration.GeneratedCertificate? {
        guard bool(flag) else { return nil }
        guard settings.isEmpty else {
            notices.append(.warning("ignoring \(port) auto TLS since certs given"))
            return nil
        }
        let directory = "\(dataDirectory)/fixtures/\(port)"
        settings.server = TLSSettings.Pair(
            certificate: directory + "/cert.pem", key: directory + "/key.pem")
        settings.isSelfSigned = true
        return Configuration.GeneratedCertificate(
            directory: directory, files: settings.server, hosts: urls.map(\.host),
            years: uint("self-signed-cert-validity"))
    }

    private mutating func check(
        _ listeners: Configuration.Listeners, _ client: TLSSettings, _ peer: TLSSettings
    ) throws(ConfigurationError) {
        for url in listeners.peer {
            if url.scheme.isSecure {
                try refuse(peer.isEmpty, url)
            } else {
                ignored("scheme is HTTP", "--peer-client-cert-auth", "peer-url", url, peer)
            }
        }
        for url in listeners.client + listeners.clientHTTP {
            if url.scheme.isSecure, client.isEmpty {
                throw .invalid(
                    "TLS key/cert (--cert-file, --key-file) must be provided for client url \(url) "
                        + "with HTTPS scheme")
            } else if !url.scheme.isSecure {
                ignored("scheme is http or unix", "--client-cert-auth", "client-url", url, client)
            }
        }
        for url in listeners.metrics where url.scheme.isSecure { try refuse(client.isEmpty, url) }
    }

    private func refuse(_ isEmpty: Bool, _ url: ServerURL) throws(ConfigurationError) {
        guard isEmpty else { return }
        throw .invalid(
            "cannot listen on TLS for \(url.address): KeyFile and CertFile are not presented")
    }

    private mutating func ignored(
        _ why: String, _ flag: String, _ field: String, _ url: ServerURL, _ settings: TLSSettings
    ) {
        if !settings.isEmpty {
            notices.append(
                .warning(
                    "\(why) while key and cert files are present; ignoring key and cert files",
                    (field, url.description)))
        }
        if settings.authenticatesClients {
            notices.append(
                .warning(
                    "\(why) while \(flag) is enabled; ignoring client cert auth for this URL",
                    (field, url.description)))
        }
    }
}

// Who may ask over the client port (reference: http-endpoints.md, checks before every request).

extension Configuration.HTTPAccess {
    /// An answer that needs no endpoint: a host that is not on the list, or OPTIONS.
    func answerBeforeRouting(_ request: HTTPStatusRequest) -> HTTPStatusResponse? {
        if !request.isSecure, let hosts, !hosts.contains(Self.name(ofHost: request.host)) {
            return .text(421, Self.explanation(host: Self.name(ofHost: request.host)))
        }
        if request.method == "OPTIONS" {
            return marked(HTTPStatusResponse(200, type: nil, body: []), for: request)
        }
        return nil
    }

    /// With the headers that let a browser's page read the answer, if its origin may.
    func marked(_ response: HTTPStatusResponse, for request: HTTPStatusRequest)
        -> HTTPStatusResponse
    {
        let allowed: String
        if let origins {
            guard let origin = request.origin, origins.contains(origin) else { return response }
            allowed = origin
        } else {
            allowed = "*"
        }
        var response = response
        response.headers += [
            .init(
                name: "Access-Control-Allow-Methods", value: "POST, GET, OPTIONS, PUT, DELETE"),
            .init(name: "Access-Control-Allow-Origin", value: allowed),
            .init(
                name: "Access-Control-Allow-Headers",
                value: "accept, content-type, authorization"),
        ]
        return response
    }

    /// Without the port; an IPv6 address without its brackets.
    static func name(ofHost host: String) -> String {
        if host.hasPrefix("["), let end = host.firstIndex(of: "]") {
            return String(host[..<end].dropFirst())
        }
        guard let colon = host.lastIndex(of: ":") else { return host }
        return String(host[..<colon])
    }

    private static func explanation(host: String) -> String {
        """
        The Host header of this request names a host that this member does not answer to.

        Either serve TLS, or name the host in the configuration:
          --host-whitelist \(GoNotation.quoted(host))

        This keeps web pages from reaching the member by DNS rebinding (CVE-2018-5702).

        """
    }
}

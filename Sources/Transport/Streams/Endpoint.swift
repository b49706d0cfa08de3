// Where a listener listens and a client connects to, as etcd's URLs say it.

import API

/// A place a stream can lead to.
public enum Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// An IP address or a name (`localhost` when listening); an empty host is every interface.
    /// Port 0 lets the system choose when listening.
    case tcp(host: String, port: UInt16)
    /// The path of a Unix socket.
    case unix(path: String)

    /// `host:port` or the path, as in logs. An IPv6 address is bracketed.
    public var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): path
        }
    }

    /// Reads `http://host:port`, `https://host:port`, `unix://path` or `unixs://path`; whether
    /// the scheme asks for TLS is the caller's affair. As in etcd, all that follows `unix://` is
    /// the path: `unix://localhost:2379` is the file `localhost:2379`.
    /// Source: etcd's types.NewURLs, including the texts of the errors.
    public init(url: String) throws(EndpointError) {
        guard let (scheme, rest) = Self.split(url, at: "://") else {
            throw EndpointError("URL scheme must be http, https, unix, or unixs: \(url)")
        }
        switch scheme {
        case "unix", "unixs":
            guard !rest.isEmpty else { throw EndpointError("URL must contain a path: \(url)") }
            self = .unix(path: rest)
        case "http", "https":
            self = try Self.tcp(authority: rest, url: url)
        default:
            throw EndpointError("URL scheme must be http, https, unix, or unixs: \(url)")
        }
    }

    private static func tcp(authority: String, url: String) throws(EndpointError) -> Endpoint {
        if let slash = authority.firstIndex(of: "/") {
            guard authority[slash...] == "/" else {
                throw EndpointError("URL must not contain a path: \(url)")
            }
            return try tcp(authority: String(authority[..<slash]), url: url)
        }
        let malformed = EndpointError(
            #"URL address does not have the form "host:port": \#(url)"#)
        guard let colon = authority.lastIndex(of: ":"),
            let port = UInt16(authority[authority.index(after: colon)...])
        else { throw malformed }
        var host = authority[..<colon]
        if host.first == "[" {
            guard host.last == "]" else { throw malformed }
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw malformed
        }
        return .tcp(host: String(host), port: port)
    }

    private static func split(_ text: String, at mark: String) -> (String, String)? {
        var rest = text[...]
        while let colon = rest.firstIndex(of: ":") {
            if text[colon...].hasPrefix(mark) {
                return (
                    String(text[..<colon]).lowercased(),
                    String(text[colon...].dropFirst(mark.count))
                )
            }
            rest = text[text.index(after: colon)...]
        }
        return nil
    }
}

/// A URL that names no endpoint; the text is etcd's.
public struct EndpointError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}

// An address as etcd's flags give it: http or https with host and port, or a Unix socket.

/// One URL of a listener or of an advertised address.
public struct ServerURL: Hashable, Sendable, CustomStringConvertible {
    public enum Scheme: String, Sendable {
        case http, https, unix, unixs
        public var isSecure: Bool { self == .https || self == .unixs }
        public var isUnixSocket: Bool { self == .unix || self == .unixs }
    }

    public let scheme: Scheme
    /// Without the brackets of an IPv6 address; empty for a Unix socket.
    public let host: String
    /// 0 for a Unix socket, and where the port was left empty: the system chooses.
    public let port: UInt16
    /// The path of a Unix socket, empty otherwise.
    public let socketPath: String
    /// As it was given, the scheme in lower case. Ids are derived from it (MemberIdentity).
    public let description: String

    /// `host:port` as logs name it, or the path of the socket.
    public var address: String {
        if scheme.isUnixSocket { return socketPath }
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}

extension ServerURL {
    /// Comma-separated URLs in etcd's order, which is by text; a repeated one counts once.
    static func list(_ text: String) throws(FlagValueError) -> [ServerURL] {
        guard !text.isEmpty else { return [] }
        var found: [ServerURL] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let url = try ServerURL(parsing: trimmed(part))
            if !found.contains(url) { found.append(url) }
        }
        return found.sorted { $0.description < $1.description }
    }

    private static func trimmed(_ part: Substring) -> String {
        var part = part.drop(while: \.isWhitespace)
        while part.last?.isWhitespace == true { part.removeLast() }
        return String(part)
    }

    /// The rules and the words are those of etcd's `types.NewURLs`.
    init(parsing text: String) throws(FlagValueError) {
        if let first = text.utf8.first, !Self.canBeginScheme(first),
            text.prefix(while: { $0 != "/" }).contains(":")
        {
            throw FlagValueError(
                "parse \(GoNotation.quoted(text)): first path segment in URL cannot contain colon")
        }
        guard let colon = text.firstIndex(of: ":"),
            let scheme = Scheme(rawValue: text[..<colon].lowercased()),
            text[colon...].hasPrefix("://")
        else {
            throw FlagValueError("URL scheme must be http, https, unix, or unixs: \(text)")
        }
        self.scheme = scheme
        let rest = text[colon...].dropFirst(3)
        description = "\(scheme.rawValue)://\(rest)"
        if scheme.isUnixSocket {
            (host, port, socketPath) = ("", 0, String(rest))
            return
        }
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard let (host, portText) = Self.split(authority) else {
            throw FlagValueError("URL address does not have the form \"host:port\": \(text)")
        }
        guard portText.utf8.allSatisfy({ (48...57).contains($0) }),
            let port = UInt16(portText.isEmpty ? "0" : String(portText))
        else {
            let quoted = GoNotation.quoted(":\(portText)")
            throw FlagValueError(
                "parse \(GoNotation.quoted(text)): invalid port \(quoted) after host")
        }
        guard rest.count == authority.count else {
            throw FlagValueError("URL must not contain a path: \(text)")
        }
        (self.host, self.port, socketPath) = (String(host), port, "")
    }

    private static func canBeginScheme(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || byte == UInt8(ascii: ":")
    }

    private static func split(_ authority: Substring) -> (Substring, Substring)? {
        guard let colon = authority.lastIndex(of: ":") else { return nil }
        let port = authority[colon...].dropFirst()
        let host = authority[..<colon]
        if host.hasPrefix("[") {
            guard host.hasSuffix("]") else { return nil }
            return (host.dropFirst().dropLast(), port)
        }
        return host.contains(":") ? nil : (host, port)
    }
}

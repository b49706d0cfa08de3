// A question over HTTP/1 and its answer, as values: whoever speaks HTTP on a socket translates.

/// What matters of a request to the status endpoints.
public struct HTTPStatusRequest: Sendable {
    public let method: String
    /// Without the query.
    public let path: String
    public let query: HTTPQuery
    /// The Host header; empty if there was none.
    public let host: String
    /// The Origin header, if there was one.
    public let origin: String?
    /// Whether it came over TLS.
    public let isSecure: Bool

    /// - Parameter path: decoded.
    /// - Parameter query: as it came, without the `?`.
    public init(
        method: String, path: String, query: String, host: String = "", origin: String? = nil,
        isSecure: Bool = false
    ) {
        self.method = method
        self.path = path
        self.query = HTTPQuery(query[...])
        self.host = host
        self.origin = origin
        self.isSecure = isSecure
    }

    /// - Parameter target: as in the request line: a path, and a query after `?`.
    public init(
        method: String, target: String, host: String = "", origin: String? = nil,
        isSecure: Bool = false
    ) {
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        self.init(
            method: method, path: String(parts.first ?? ""),
            query: parts.count == 2 ? String(parts[1]) : "", host: host, origin: origin,
            isSecure: isSecure)
    }
}

/// The answer. `Date` and `Content-Length` are added by whoever sends it.
public struct HTTPStatusResponse: Sendable, Equatable {
    public struct Header: Sendable, Equatable {
        public let name: String
        public let value: String
    }

    public let status: Int
    public internal(set) var headers: [Header]
    public let body: [UInt8]

    init(_ status: Int, type: String?, body: [UInt8]) {
        self.status = status
        headers = type.map { [Header(name: "Content-Type", value: $0)] } ?? []
        self.body = body
    }

    /// Plain text that no browser may take for something else.
    static func text(_ status: Int, _ body: String) -> Self {
        var response = Self(status, type: plainText, body: Array(body.utf8))
        response.headers.append(Header(name: "X-Content-Type-Options", value: "nosniff"))
        return response
    }

    static let plainText = "text/plain; charset=utf-8"
    static let notFound = text(404, "404 page not found\n")
    static let methodNotAllowed: Self = {
        var response = text(405, "Method Not Allowed\n")
        response.headers.append(Header(name: "Allow", value: "GET"))
        return response
    }()
}

/// The values of a query by name; a name may come several times.
public struct HTTPQuery: Sendable {
    private let pairs: [(name: String, value: String)]

    init(_ text: Substring) {
        pairs = text.split(separator: "&").map { part in
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (Self.decoded(pair[0]), pair.count == 2 ? Self.decoded(pair[1]) : "")
        }
    }

    /// In the order they came.
    func values(_ name: String) -> [String] { pairs.filter { $0.name == name }.map(\.value) }

    func has(_ name: String) -> Bool { pairs.contains { $0.name == name } }

    /// `%41` is A and `+` a space; what is no code stands for itself.
    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2)
            if byte == UInt8(ascii: "%"), digits.count == 2,
                let code = UInt8(String(Substring(digits)), radix: 16)
            {
                bytes.append(code)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

// A request as its handler sees it.

import API

/// The names and values of a message's headers, in the order they came.
public struct HTTP1Headers: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    public private(set) var fields: [(name: String, value: String)] = []

    public init() {}

    public init(dictionaryLiteral elements: (String, String)...) {
        fields = elements.map { (name: $0.0, value: $0.1) }
    }

    public mutating func add(_ name: String, _ value: String) {
        fields.append((name, value))
    }

    /// Replaces the value of the field that came last, which a folded line continues.
    mutating func extendLast(_ text: String) {
        guard !fields.isEmpty else { return }
        fields[fields.count - 1].value += " " + text
    }

    /// The first value of `name`; the case of names does not matter.
    public subscript(name: String) -> String? {
        fields.first { $0.name.equalsIgnoringCase(name) }?.value
    }

    public func values(_ name: String) -> [String] {
        fields.filter { $0.name.equalsIgnoringCase(name) }.map(\.value)
    }

    public static func == (a: Self, b: Self) -> Bool {
        a.fields.elementsEqual(b.fields) { $0 == $1 }
    }

    /// Whether a list such as `keep-alive, Upgrade` has `token` in it.
    func has(_ token: String, in name: String) -> Bool {
        values(name).contains { value in
            value.split(separator: ",").contains {
                $0.trimmingBlanks().equalsIgnoringCase(token)
            }
        }
    }
}

/// What comes before a request's body.
public struct HTTP1RequestHead: Sendable, Equatable {
    public var method: String
    /// As sent, such as `/health?exclude=NOSPACE`.
    public var target: String
    /// The path of `target`, percent-decoded.
    public var path: String
    /// What follows the `?` of `target`, as sent.
    public var query: String
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    public var minorVersion: Int
    public var headers: HTTP1Headers

    public init(
        method: String = "", target: String = "", path: String = "", query: String = "",
        minorVersion: Int = 1, headers: HTTP1Headers = HTTP1Headers()
    ) {
        self.method = method
        self.target = target
        self.path = path
        self.query = query
        self.minorVersion = minorVersion
        self.headers = headers
    }

    /// The host asked for, with its port if one was given.
    public var host: String { headers["Host"] ?? "" }

    /// The values of `name` in the query, decoded; empty strings for `?name`.
    public func queryValues(_ name: String) -> [String] {
        query.split(separator: "&").compactMap { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let key = parts[0].percentDecoded(plusIsSpace: true), key == name else {
                return nil
            }
            return parts.count > 1 ? parts[1].percentDecoded(plusIsSpace: true) : ""
        }
    }

    /// Whether the client wants the connection for more requests (RFC 9112, 9.3).
    var keepsAlive: Bool {
        if headers.has("close", in: "Connection") { return false }
        return minorVersion >= 1 || headers.has("keep-alive", in: "Connection")
    }
}

/// A whole request.
public struct HTTP1Request: Sendable, Equatable {
    public var head: HTTP1RequestHead
    public var body: [UInt8]
    /// The client, as `host:port` or the path of a Unix socket.
    public var remoteAddress: String
    /// What is known of the client by TLS; nil without TLS.
    public var security: StreamSecurity?

    public init(
        head: HTTP1RequestHead, body: [UInt8], remoteAddress: String,
        security: StreamSecurity? = nil
    ) {
        self.head = head
        self.body = body
        self.remoteAddress = remoteAddress
        self.security = security
    }

    public var method: String { head.method }
    public var path: String { head.path }
    public var isSecure: Bool { security != nil }
    public var headers: HTTP1Headers { head.headers }
}

extension StringProtocol {
    func equalsIgnoringCase(_ other: some StringProtocol) -> Bool {
        utf8.count == other.utf8.count
            && zip(utf8, other.utf8).allSatisfy { $0.lowercasedASCII == $1.lowercasedASCII }
    }

    func trimmingBlanks() -> Substring {
        var rest = Substring(self)
        while rest.utf8.first?.isBlank == true { rest.removeFirst() }
        while rest.utf8.last?.isBlank == true { rest.removeLast() }
        return rest
    }

    /// Nil if a `%` is not followed by two hexadecimal digits.
    func percentDecoded(plusIsSpace: Bool = false) -> String? {
        var decoded: [UInt8] = []
        var rest = utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst()?.hexDigit, let low = rest.popFirst()?.hexDigit
                else { return nil }
                decoded.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsSpace: decoded.append(UInt8(ascii: " "))
            default: decoded.append(byte)
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }
}

extension UInt8 {
    var lowercasedASCII: UInt8 { (0x41...0x5A).contains(self) ? self | 0x20 : self }
    var isBlank: Bool { self == 0x20 || self == 0x09 }
    var hexDigit: UInt8? {
        switch self {
        case 0x30...0x39: self - 0x30
        case 0x41...0x46: self - 0x41 + 10
        case 0x61...0x66: self - 0x61 + 10
        default: nil
        }
    }
    /// A character of a method or a header's name (RFC 9110, 5.6.2).
    var isTokenCharacter: Bool {
        switch self {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"),
            UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "_"),
            UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}

// The lines of a request's head, one rule each, with Go's opinion of what is wrong.

enum HTTP1Syntax {
    enum BodyLength: Equatable { case none, bytes(UInt64), chunked }

    static func requestLine(_ line: [UInt8]) throws(HTTP1Refusal) -> HTTP1RequestHead {
        let space = UInt8(ascii: " ")
        guard let first = line.firstIndex(of: space),
            let second = line[(first + 1)...].firstIndex(of: space)
        else { throw .malformed }
        let method = line[..<first]
        let target = line[(first + 1)..<second]
        guard !method.isEmpty, method.allSatisfy(\.isTokenCharacter) else { throw .malformed }
        let minor = try minorVersion(line[(second + 1)...])
        return try head(
            method: String(decoding: method, as: UTF8.self), target: target, minorVersion: minor)
    }

    private static func minorVersion(_ text: ArraySlice<UInt8>) throws(HTTP1Refusal) -> Int {
        let bytes = Array(text)
        guard bytes.count == 8, bytes.starts(with: "HTTP/".utf8), bytes[6] == UInt8(ascii: "."),
            (0x30...0x39).contains(bytes[5]), (0x30...0x39).contains(bytes[7])
        else { throw .malformed }
        guard bytes[5] == UInt8(ascii: "1") else { throw .version }
        return Int(bytes[7] - 0x30)
    }

    private static func head(
        method: String, target bytes: ArraySlice<UInt8>, minorVersion: Int
    ) throws(HTTP1Refusal) -> HTTP1RequestHead {
        // A URL has no control characters; a second space would have ended the target.
        guard !bytes.isEmpty, bytes.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw .malformed
        }
        let target = String(decoding: bytes, as: UTF8.self)
        var rest = target[...]
        if !target.hasPrefix("/") && target != "*" && method != "CONNECT" {
            guard let path = pathOfAbsoluteForm(target) else { throw .malformed }
            rest = path
        }
        let parts = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let path = parts[0].percentDecoded() else { throw .malformed }
        return HTTP1RequestHead(
            method: method, target: target, path: path,
            query: parts.count > 1 ? String(parts[1]) : "", minorVersion: minorVersion)
    }

    /// `http://host/path` is what proxies are sent, and servers must take (RFC 9112, 3.2.2).
    private static func pathOfAbsoluteForm(_ target: String) -> Substring? {
        let schemes = ["http://", "https://"]
        guard let scheme = schemes.first(where: { target.lowercased().hasPrefix($0) }) else {
            return nil
        }
        let authority = target.dropFirst(scheme.count)
        guard let slash = authority.firstIndex(where: { $0 == "/" || $0 == "?" }) else {
            return "/"
        }
        return authority[slash...]
    }

    static func header(
        _ line: [UInt8], into headers: inout HTTP1Headers
    ) throws(HTTP1Refusal) {
        if line[0].isBlank {
            // A folded line: obsolete, but Go still joins it to the one before.
            guard !headers.fields.isEmpty else { throw .malformed }
            return headers.extendLast(try value(line[...]))
        }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0 else {
            throw .malformed
        }
        let name = line[..<colon]
        guard name.allSatisfy(\.isTokenCharacter) else { throw .bad("invalid header name") }
        headers.add(
            String(decoding: name, as: UTF8.self), try value(line[(colon + 1)...]))
    }

    private static func value(_ bytes: ArraySlice<UInt8>) throws(HTTP1Refusal) -> String {
        guard bytes.allSatisfy({ ($0 >= 0x20 && $0 != 0x7F) || $0 == 0x09 }) else {
            throw .bad("invalid header value")
        }
        return String(String(decoding: bytes, as: UTF8.self).trimmingBlanks())
    }

    static func checkHost(_ head: HTTP1RequestHead) throws(HTTP1Refusal) {
        let hosts = head.headers.values("Host")
        if hosts.count > 1 { throw .bad("too many Host headers") }
        guard let host = hosts.first else {
            if head.minorVersion == 0 || head.method == "CONNECT" { return }
            throw .bad("missing required Host header")
        }
        // Go's ValidHostHeader: the characters of a host and port, not their order.
        let isValid = host.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            default: "!$%&'()*+,-.:;=[]_~".utf8.contains(byte)
            }
        }
        if !isValid { throw .bad("malformed Host header") }
    }

    /// RFC 9112, 6.3: chunked outdoes a length; lengths that differ are an attack.
    static func bodyLength(_ head: HTTP1RequestHead) throws(HTTP1Refusal) -> BodyLength {
        let encodings = head.headers.values("Transfer-Encoding")
        if !encodings.isEmpty && head.minorVersion >= 1 {
            guard encodings.count == 1, encodings[0].equalsIgnoringCase("chunked") else {
                throw .transferEncoding
            }
            return .chunked
        }
        let lengths = head.headers.values("Content-Length")
        guard let length = lengths.first else { return .none }
        guard lengths.allSatisfy({ $0 == length }), !length.isEmpty,
            length.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let count = UInt64(length), count <= UInt64(Int64.max)
        else { throw .malformed }
        return count == 0 ? .none : .bytes(count)
    }

    /// The size before a chunk; what follows `;` is ignored.
    static func chunkSize(_ line: [UInt8]) throws(HTTP1Refusal) -> UInt64 {
        let digits = line.prefix { $0 != UInt8(ascii: ";") }.filter { !$0.isBlank }
        guard !digits.isEmpty, digits.count <= 16 else { throw .malformed }
        var size: UInt64 = 0
        for digit in digits {
            guard let value = digit.hexDigit else { throw .malformed }
            size = size << 4 | UInt64(value)
        }
        return size
    }

    /// A value that cannot end its line and so smuggle in another, as Go writes it.
    static func safeValue(_ value: String) -> String {
        guard value.utf8.contains(where: { $0 == 0x0D || $0 == 0x0A }) else { return value }
        return String(
            decoding: value.utf8.map { $0 == 0x0D || $0 == 0x0A ? 0x20 : $0 }, as: UTF8.self)
    }
}

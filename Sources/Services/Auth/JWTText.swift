// A signed token as clients carry it (RFC 7519, RFC 7515): header, claims and signature, taken apart
// without believing any of it.

import API

/// The parts of a token, before its signature is checked.
package struct JWTText {
    /// What was signed.
    package let signed: [UInt8]
    package let signature: [UInt8]
    /// Header member `alg`.
    package let algorithm: String
    package let claims: Claims

    /// What etcd's tokens say.
    package struct Claims: Hashable, Sendable {
        package let user: AuthName
        /// Of users and roles, when the token was made.
        package let revision: UInt64
        /// In Unix seconds; nil for no end.
        package let expires: UInt64?
        package let notBefore: UInt64?
    }

    /// What is longer is none of ours.
    package static let longest = 16 << 10

    /// Nil for what is no token.
    package init?(_ text: UnsafeRawBufferPointer) {
        guard text.count <= Self.longest else { return nil }
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Self.object(parts[0]),
            let claims = Self.object(parts[1]),
            let signature = Base64Text.decode([UInt8](parts[2]), isURL: true),
            // What must be understood (RFC 7515, section 4.1.11) is nothing that is known here.
            let algorithm = header["alg"]?.asString, header["crit"] == nil,
            let read = Claims(claims)
        else { return nil }
        signed = [UInt8](text[..<parts[1].endIndex])
        self.signature = signature
        self.algorithm = algorithm
        self.claims = read
    }

    private static func object(_ part: Slice<UnsafeRawBufferPointer>) -> JSONValue? {
        guard let json = Base64Text.decode([UInt8](part), isURL: true),
            let value = try? JSONValue(parsing: json), case .object(let members) = value
        else { return nil }
        // Of two members with one name, who checks and who uses might take different ones.
        return Set(members.map(\.name)).count == members.count ? value : nil
    }

    /// The text that is signed of a new token.
    static func signedPart(algorithm: String, _ claims: Claims) -> [UInt8] {
        var body = ""
        if let expires = claims.expires { body += "\"exp\":\(expires)," }
        body += "\"revision\":\(claims.revision),\"username\":"
        JSONValue.quote(claims.user.description, to: &body)
        return Base64Text.encodeURL(Array("{\"alg\":\"\(algorithm)\",\"typ\":\"JWT\"}".utf8))
            + [UInt8(ascii: ".")] + Base64Text.encodeURL(Array("{\(body)}".utf8))
    }
}

extension JWTText.Claims {
    fileprivate init?(_ claims: JSONValue) {
        guard let user = claims["username"]?.asString, !user.isEmpty,
            let revision = claims["revision"].flatMap(Self.whole)
        else { return nil }
        self.user = AuthName(user)
        self.revision = revision
        guard let expires = Self.time(claims["exp"]), let start = Self.time(claims["nbf"]) else {
            return nil
        }
        self.expires = expires
        notBefore = start
    }

    /// Nil inside for none; nil for one that is no time.
    private static func time(_ value: JSONValue?) -> UInt64?? {
        guard let value else { return .some(nil) }
        return whole(value).map { .some($0) }
    }

    /// A number from 0 on, without its fraction.
    private static func whole(_ value: JSONValue) -> UInt64? {
        if let number = value.asUInt64 { return number }
        guard case .number(let digits) = value, let number = Double(digits), number >= 0,
            number < 0x1p63
        else { return nil }
        return UInt64(number)
    }
}

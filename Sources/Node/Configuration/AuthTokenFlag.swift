// Flag -auth-token: `simple`, or `jwt,sign-method=ALG[,priv-key=FILE][,pub-key=FILE][,ttl=DURATION]`
// (reference: flags.tsv; semantics.md, Auth).

import Glibc
import Services

/// Why the flag's value is refused. Says nothing of what is in the files.
struct AuthTokenFlagError: Error {
    let description: String
    init(_ description: String) { self.description = description }

    static let options = AuthTokenFlagError("auth: invalid auth options")
}

enum AuthTokenFlag {
    /// - Parameter read: the content of a file; nil when it cannot be read.
    /// - Returns: nil for tokens that members keep.
    static func keys(
        _ text: String, _ read: (String) -> [UInt8]?
    ) throws(AuthTokenFlagError) -> JWTKeys? {
        var parts = text.split(separator: ",", omittingEmptySubsequences: false)[...]
        switch parts.popFirst() {
        case "simple", "", nil: return nil
        case "jwt": break
        default: throw .options
        }
        var options: [Substring: String] = [:]
        for part in parts {
            guard let sign = part.firstIndex(of: "="), options[part[..<sign]] == nil else {
                throw .options
            }
            options[part[..<sign]] = String(part[part.index(after: sign)...])
        }
        guard let method = options["sign-method"] else {
            throw AuthTokenFlagError(JWTKeys.Failure.unknownMethod.description)
        }
        let privateKey = try file(options["priv-key"], read)
        let publicKey = try file(options["pub-key"], read)
        let seconds = try ttl(options["ttl"])
        do throws(JWTKeys.Failure) {
            return try JWTKeys(
                method: method, privateKey: privateKey, publicKey: publicKey, ttlSeconds: seconds)
        } catch {
            throw AuthTokenFlagError(error.description)
        }
    }

    /// A key's file; nil when it cannot be read, or is none that holds a key.
    static func content(of path: String) -> [UInt8]? {
        guard let file = fopen(path, "rb") else { return nil }
        defer { fclose(file) }
        var content = [UInt8](repeating: 0, count: largestFile + 1)
        let count = fread(&content, 1, content.count, file)
        guard ferror(file) == 0, count <= largestFile else { return nil }
        return Array(content.prefix(count))
    }

    private static let largestFile = 1 << 20

    private static func file(
        _ path: String?, _ read: (String) -> [UInt8]?
    ) throws(AuthTokenFlagError) -> [UInt8]? {
        guard let path else { return nil }
        guard let content = read(path) else {
            throw AuthTokenFlagError("auth: the key file \(path) cannot be read")
        }
        return content
    }

    private static func ttl(_ text: String?) throws(AuthTokenFlagError) -> UInt64 {
        guard let text else { return 300 }
        guard let nanoseconds = try? GoNotation.duration(text),
            nanoseconds >= 1_000_000_000
        else { throw .options }
        return UInt64(nanoseconds) / 1_000_000_000
    }
}

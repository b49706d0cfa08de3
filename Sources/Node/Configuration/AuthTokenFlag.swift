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
    /// - Returns: the keys, nil for tokens that members keep; and the names of options that say
    ///   nothing here, sorted.
    static func keys(
        _ text: String, _ read: (String) -> [UInt8]?
    ) throws(AuthTokenFlagError) -> (keys: JWTKeys?, unknown: [String]) {
        var parts = text.split(separator: ",", omittingEmptySubsequences: false)[...]
        let kind = parts.popFirst() ?? ""
        let options = try options(parts)
        switch kind {
        case "simple", "": return (nil, [])
        case "jwt": break
        default: throw .options
        }
        let seconds = try ttl(options["ttl"])
        let publicKey = try file(options["pub-key"], read)
        let privateKey = try file(options["priv-key"], read)
        do throws(JWTKeys.Failure) {
            let keys = try JWTKeys(
                method: options["sign-method"] ?? "", privateKey: privateKey,
                publicKey: publicKey, ttlSeconds: seconds)
            return (keys, options.keys.filter { !known.contains($0) }.sorted())
        } catch {
            throw AuthTokenFlagError(error.description)
        }
    }

    private static let known: Set<String> = ["sign-method", "pub-key", "priv-key", "ttl"]

    private static func options(
        _ parts: ArraySlice<Substring>
    ) throws(AuthTokenFlagError) -> [String: String] {
        var options: [String: String] = [:]
        for part in parts {
            let pair = part.split(separator: "=", omittingEmptySubsequences: false)
            guard pair.count == 2, options[String(pair[0])] == nil else { throw .options }
            options[String(pair[0])] = String(pair[1])
        }
        return options
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
        guard let path, !path.isEmpty else { return nil }
        guard let content = read(path) else { throw .options }
        return content
    }

    /// In whole seconds, as tokens say when they end. One that is no time at all etcd takes, and
    /// makes tokens that have ended.
    private static func ttl(_ text: String?) throws(AuthTokenFlagError) -> UInt64 {
        guard let text, !text.isEmpty else { return 300 }
        guard let nanoseconds = try? GoNotation.duration(text), nanoseconds > 0 else {
            throw .options
        }
        return (UInt64(nanoseconds) + 999_999_999) / 1_000_000_000
    }
}

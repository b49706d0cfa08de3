// Whether two lists of peer URLs lead to the same places. Texts are compared first; only where
// these differ are names looked up (etcd: netutil.URLStringsEqual, with its texts).

import API

/// What a host's name leads to.
public struct HostNames: Sendable {
    let addresses: @Sendable (_ host: String) -> [String]

    /// - Parameter addresses: those of a host, best first; empty when it has none. May block.
    public init(addresses: @escaping @Sendable (_ host: String) -> [String]) {
        self.addresses = addresses
    }

    /// Knows `localhost` alone.
    public static let literal = HostNames { $0 == "localhost" ? ["127.0.0.1"] : [] }

    /// - Returns: nil when both lead to the same places, or why they do not.
    func difference(between a: [ServerURL], and b: [ServerURL]) -> String? {
        let (first, second) = (a.map(\.description), b.map(\.description))
        if first.sorted() == second.sorted() { return nil }
        guard a.count == b.count else { return "len(\(quoted(first))) != len(\(quoted(second)))" }
        var resolved: (first: [String], second: [String]) = ([], [])
        for (one, other) in zip(a, b) {
            do throws(Unknown) {
                resolved.first.append(try text(one))
                resolved.second.append(try text(other))
            } catch {
                return "lookup \(error.host): no such host"
            }
        }
        resolved.first.sort()
        resolved.second.sort()
        for place in first.indices where resolved.first[place] != resolved.second[place] {
            return "\(GoNotation.quoted(resolved.first[place]))(resolved from "
                + "\(GoNotation.quoted(first[place]))) != "
                + "\(GoNotation.quoted(resolved.second[place]))(resolved from "
                + "\(GoNotation.quoted(second[place])))"
        }
        return nil
    }

    private struct Unknown: Error { let host: String }

    /// The URL with its host's address, of which Go takes the first of IPv4.
    private func text(_ url: ServerURL) throws(Unknown) -> String {
        guard !url.scheme.isUnixSocket, !isIPAddress(url.host) else { return url.description }
        let found = addresses(url.host)
        guard let best = found.first(where: { !$0.contains(":") }) ?? found.first else {
            throw Unknown(host: url.host)
        }
        let host = best.contains(":") ? "[\(best)]" : best
        return "\(url.scheme.rawValue)://\(host):\(url.port)"
    }

    private func quoted(_ texts: [String]) -> String {
        "[" + texts.map { GoNotation.quoted($0) }.joined(separator: " ") + "]"
    }
}

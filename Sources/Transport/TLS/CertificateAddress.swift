// Whether a member calls from where its certificate says it is (etcd: checkSAN; reference: flags.tsv,
// peer-skip-client-san-verification).

import API
import Glibc

/// What a certificate's alternative names say of an address.
enum AddressCheck: Equatable {
    case passes
    case refused(String)
    /// Whether the address is that of one of these names has to be looked up.
    case asks(names: [String], address: String)
}

extension CertificateNames {
    /// - Parameter remote: where the certificate's owner calls from, as `address:port`.
    func check(_ remote: String) -> AddressCheck {
        guard !addresses.isEmpty || !hosts.isEmpty else { return .passes }
        guard let address = Self.address(of: remote) else {
            return .refused("address \(remote): missing port in address")
        }
        let known = addresses.map { canonicalAddress($0) ?? $0 }
        if known.contains(address) { return .passes }
        guard hosts.isEmpty else { return .asks(names: hosts, address: address) }
        let list = addresses.joined(separator: ", ")
        return .refused("x509: certificate is valid for \(list), not \(address)")
    }

    /// What is logged of an address that is none of the names'.
    static func mismatch(_ address: String, _ names: [String]) -> String {
        let list = names.map { "\"\($0)\"" }.joined(separator: " ")
        return "tls: \"\(address)\" does not match any of DNSNames [\(list)]"
    }

    private static func address(of remote: String) -> String? {
        guard let colon = remote.lastIndex(of: ":") else { return nil }
        var host = remote[..<colon]
        if host.first == "[", host.last == "]" { host = host.dropFirst().dropLast() }
        return canonicalAddress(String(host.prefix { $0 != "%" }))
    }
}

/// An IP address in its one form; IPv4 in IPv6 is IPv4. Nil for what is no address.
func canonicalAddress(_ text: String) -> String? {
    var bytes = [UInt8](repeating: 0, count: 16)
    if inet_pton(AF_INET, text, &bytes) == 1 { return addressText(AF_INET, bytes) }
    guard inet_pton(AF_INET6, text, &bytes) == 1 else { return nil }
    let mapped = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF]
    if bytes.starts(with: mapped) { return addressText(AF_INET, Array(bytes[12...])) }
    return addressText(AF_INET6, bytes)
}

private func addressText(_ family: Int32, _ bytes: [UInt8]) -> String? {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    guard inet_ntop(family, bytes, &text, socklen_t(text.count)) != nil else { return nil }
    return text.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } }
}

/// Says whether an address is that of one of some names. Takes as long as name servers do.
/// - Parameter answer: called once, on the executor.
typealias NamesOfAddress = (
    _ address: String, _ names: [String], _ executor: any ActorExecutor,
    _ answer: @escaping @Sendable (Bool) -> Void
) -> Void

extension NameLookup {
    /// As etcd: the address has one of the names, or one of the names has the address. What begins
    /// with `*.` is good for any name that ends so.
    static func findNames(
        _ address: String, _ names: [String], on executor: any ActorExecutor,
        answer: @escaping @Sendable (Bool) -> Void
    ) {
        run(on: executor) {
            let own = self.names(of: address)
            let wildcards = names.filter { $0.hasPrefix("*.") }.map { $0.dropFirst() }
            if own.contains(where: { own in wildcards.contains { own.hasSuffix($0) } }) {
                return true
            }
            return names.contains { name in
                own.contains(name)
                    || !name.hasPrefix("*.")
                        && addresses(of: name).contains { canonicalAddress($0) == address }
            }
        } completion: {
            answer($0 == true)
        }
    }

    /// The names of an address, as the system's resolver says (getnameinfo). Blocks.
    private static func names(of address: String) -> [String] {
        let endpoint = Endpoint.tcp(host: address, port: 0)
        return SocketAddress.candidates(for: endpoint).compactMap { candidate in
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let code = candidate.withPointer { raw, length in
                getnameinfo(raw, length, &text, socklen_t(text.count), nil, 0, NI_NAMEREQD)
            }
            guard code == 0 else { return nil }
            let name = text.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } }
            return name.map { $0.hasSuffix(".") ? String($0.dropLast()) : $0 }
        }
    }
}

// Who a member and its cluster are: numbers derived from addresses and a token, so that members
// started apart agree without asking each other (reference: ondisk.md, IDs).

import API
import COpenSSL

public enum MemberIdentity {
    /// The id of a member.
    /// - Parameter addedAt: Unix seconds, for a member added to a running cluster; such a member
    ///   is not bound to a token.
    public static func member(peerURLs: [String], token: String, addedAt: UInt64? = nil) -> MemberID
    {
        var text = peerURLs.sorted().joined()
        if let addedAt { text += String(addedAt) } else { text += token }
        return MemberID(leadingEightBytes(ofSHA1: Array(text.utf8)))
    }

    /// The id of the cluster whose first members are `members`, in any order.
    public static func cluster(members: [MemberID]) -> ClusterID {
        var bytes: [UInt8] = []
        for member in members.sorted() {
            withUnsafeBytes(of: member.rawValue.bigEndian) { bytes.append(contentsOf: $0) }
        }
        return ClusterID(leadingEightBytes(ofSHA1: bytes))
    }

    private static func leadingEightBytes(ofSHA1 bytes: [UInt8]) -> UInt64 {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        let succeeded = EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha1(), nil)
        precondition(succeeded == 1, "SHA-1 is in every libcrypto that has its default provider")
        return digest.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}

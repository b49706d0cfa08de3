// What members of etcd up to 3.5 wrote into the log about themselves and their cluster: a request to
// a store of paths that etcd had before this one (etcdserverpb.Request). Nobody writes them any
// more; logs that were begun by such a version hold a few.

/// A request to the old store, of which logs of a v3 cluster hold two kinds only.
public enum OldRequest: Hashable, Sendable {
    /// `PUT /0/members/<hex id>/attributes`: JSON with `name` and `clientURLs`.
    case setAttributes(MemberID, json: [UInt8])
    /// `PUT /0/version`, such as `3.5.0`.
    case setClusterVersion(String)

    /// - Returns: nil when `data` is no such request.
    public init?(_ data: some Collection<UInt8>) {
        let fields = Array(data).withUnsafeBytes { bytes in try? Self.texts(of: bytes) }
        guard let fields, fields.method == "PUT" else { return nil }
        let path = fields.path.split(separator: "/", omittingEmptySubsequences: false)
        switch path.count {
        case 3 where path[1...] == ["0", "version"]:
            self = .setClusterVersion(String(decoding: fields.value, as: UTF8.self))
        case 5 where path[1...2] == ["0", "members"] && path[4] == "attributes":
            guard let id = UInt64(path[3], radix: 16) else { return nil }
            self = .setAttributes(MemberID(id), json: fields.value)
        default: return nil
        }
    }

    /// Fields 2 to 4; the others say how the old store was to take it, and do not matter here.
    private static func texts(
        of bytes: UnsafeRawBufferPointer
    ) throws(WireError) -> (method: String, path: String, value: [UInt8]) {
        var (method, path, value) = ("", "", [UInt8]())
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field.number {
            case 2: method = String(decoding: try field.bytes(), as: UTF8.self)
            case 3: path = String(decoding: try field.bytes(), as: UTF8.self)
            case 4: value = [UInt8](try field.bytes())
            default: break
            }
        }
        return (method, path, value)
    }
}

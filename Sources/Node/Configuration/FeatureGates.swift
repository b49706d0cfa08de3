// The value of -feature-gates: switches of etcd 3.7.1 by name (reference: flags.tsv). Those of
// functions that come with later versions are refused unless they are as they are by default.

public struct FeatureGates: Hashable, Sendable {
    /// What was given, without `AllAlpha` and `AllBeta`.
    private var given: [String: Bool] = [:]
    private var allAlpha = false
    private var allBeta: Bool?

    /// All of them, with what they are when not given, and whether this version has both ways.
    public static let known: [(name: String, isAlpha: Bool, byDefault: Bool, isServed: Bool)] = [
        ("CompactHashCheck", true, false, true),
        // Waits in both: a renewal's round, which confirms the leadership, waits for it anyway.
        ("FastLeaseKeepAlive", false, true, true),
        ("InitialCorruptCheck", true, false, true),
        ("LeaseCheckpoint", true, false, true),
        ("LeaseCheckpointPersist", true, false, true),
        ("PriorityRequest", true, false, true),
        ("SetMemberLocalAddr", true, false, false),
        ("StopGRPCServiceOnDefrag", true, false, true),
        ("TxnModeWriteWithSharedBuffer", false, true, false),
    ]

    /// A gate that was switched and that this version has one way of only.
    var firstUnserved: String? {
        Self.known.first { !$0.isServed && self[$0.name] != $0.byDefault }?.name
    }

    public init() {}

    init(parsing text: String) throws(FlagValueError) {
        for part in text.split(separator: ",") {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(pair[0])
            guard pair.count == 2 else {
                throw FlagValueError("missing bool value for \(name)")
            }
            let value: Bool
            do { value = try GoNotation.bool(String(pair[1])) } catch {
                throw FlagValueError(
                    "invalid value of \(name)=\(pair[1]), err: strconv.ParseBool: parsing "
                        + "\(GoNotation.quoted(String(pair[1]))): invalid syntax")
            }
            switch name {
            case "AllAlpha": allAlpha = value
            case "AllBeta": allBeta = value
            case _ where Self.known.contains { $0.name == name }: given[name] = value
            default: throw FlagValueError("unrecognized feature gate: \(name)")
            }
        }
    }

    /// Whether a known gate is on; false for an unknown name.
    public subscript(name: String) -> Bool {
        guard let gate = Self.known.first(where: { $0.name == name }) else { return false }
        if let value = given[name] { return value }
        return gate.isAlpha ? allAlpha || gate.byDefault : allBeta ?? gate.byDefault
    }
}

// What a request may ask for, unless flags say otherwise. Values of etcd 3.7.1 (reference:
// semantics.md, Limits and interceptors; flags.tsv), ours where said.

public enum Limits {
    /// The largest encoded proposal in bytes; flag max-request-bytes.
    public static let requestBytes = 1_572_864
    /// How much larger than that a gRPC message may be, in bytes.
    public static let requestOverheadBytes = 524_288
    /// The largest gRPC message sent, in bytes.
    public static let sendBytes = 2_147_483_647
    /// The longest list of a transaction; flag max-txn-ops.
    public static let txnOperations = 128
    /// The longest TTL of a lease, in seconds.
    public static let leaseTTLSeconds: Int64 = 9_000_000_000
    /// Learners in the cluster; flag max-learners.
    public static let learners = 1
    /// Entries committed and not applied, beyond which proposals are turned away.
    public static let unappliedEntries = 5000
    /// The same for the revocation of leases, which frees what others wait for.
    public static let unappliedEntriesForRevoke = 10_000
    /// The store's quota in bytes when flag quota-backend-bytes is 0.
    public static let backendBytes: Int64 = 2_147_483_648

    /// Ours: how deep messages may lie in messages. Decoding takes about a kibibyte of stack for
    /// each level. Go allows 10,000; a transaction of 128 levels, the deepest that can be within
    /// `txnOperations`, is 257 deep.
    public static let messageNesting = 300
    /// The same for a log entry: a request that was taken lies one level deeper in its proposal,
    /// and must be readable there.
    public static let proposalNesting = messageNesting + 1
    /// Ours: the memory one decoded message may take, in bytes. Two bytes on the wire can ask for
    /// a hundred in memory; a request of `requestBytes` that means anything stays far below.
    public static let decodedMessageBytes = 32 << 20
}

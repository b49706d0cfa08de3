// Why a watch was not created or ended, as WatchResponse.cancel_reason says it (reference:
// errors.tsv, last block). No gRPC status: the stream, and other watches on it, go on.

public enum WatchCancelReason {
    /// The watch_id is already in use on the stream.
    public static let duplicateWatchID = "mvcc: duplicate watch ID provided on the WatchStream"
    /// range_end is given and not above key; also when the stream is closed already.
    public static let emptyRange = "mvcc: watcher range is empty"
    /// A negative start_revision.
    public static let compacted = Status.compacted.message
    /// No read permission on the watched range.
    public static let permissionDenied = refusal("PermissionDenied", .permissionDenied)
    public static let invalidAuthToken = refusal("Unauthenticated", .invalidAuthToken)
    /// Rights have changed since the token was checked.
    public static let oldAuthRevision = refusal("InvalidArgument", .oldAuthRevision)
    /// Auth is on and the stream came without credentials.
    public static let userEmpty = refusal("InvalidArgument", .userEmpty)

    /// A gRPC error as Go prints it.
    private static func refusal(_ code: String, _ status: Status) -> String {
        "rpc error: code = \(code) desc = \(status.message)"
    }
}

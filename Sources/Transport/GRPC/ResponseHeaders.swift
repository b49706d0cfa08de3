// The header blocks of responses, made once.

enum ResponseHeaders {
    static let contentType = "application/grpc"

    static let start = HeaderBlock([(":status", "200"), ("content-type", contentType)])
    static let ok = HeaderBlock([("grpc-status", "0")])
    /// A response without a message.
    static let trailersOnlyOK = HeaderBlock([
        (":status", "200"), ("content-type", contentType), ("grpc-status", "0"),
    ])
}

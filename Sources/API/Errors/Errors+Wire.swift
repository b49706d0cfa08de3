// What the gRPC layer itself answers about a message it cannot take, in the words of gRPC's Go
// library, which is what etcd's clients know.

extension Status {
    /// A message of `size` bytes where at most `limit` are taken; said before the bytes are held.
    public static func messageTooLarge(_ size: Int, limit: Int) -> Status {
        Status(.resourceExhausted, "grpc: received message larger than max (\(size) vs. \(limit))")
    }

    /// The request of a unary call that does not decode.
    public static func malformedRequest(_ error: WireError) -> Status {
        Status(.internal, "grpc: error unmarshalling request: \(error.goText)")
    }

    /// A message on a stream that does not decode.
    public static func malformedMessage(_ error: WireError) -> Status {
        Status(.internal, "grpc: failed to unmarshal the received message: \(error.goText)")
    }
}

extension WireError {
    /// As Go's protobuf puts it.
    var goText: String {
        switch self {
        case .truncated, .malformed: "proto: cannot parse invalid wire-format data"
        case .invalidUTF8: "string field contains invalid UTF-8"
        case .nestedTooDeeply: "proto: exceeded maximum recursion depth"
        case .tooLarge: "proto: message needs more memory than a request may use"
        }
    }
}

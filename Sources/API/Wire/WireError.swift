// Why bytes from outside are not the message they are said to be.

/// A message that cannot be decoded. Nothing of it may be used.
public enum WireError: Error, Hashable, Sendable {
    /// The bytes end inside a field.
    case truncated
    /// Not protobuf's wire format, or a field with another wire type than the schema's.
    case malformed
    /// A string field holds bytes that are not UTF-8, which proto3 forbids.
    case invalidUTF8
    /// Messages inside messages beyond `Limits.messageNesting`.
    case nestedTooDeeply
    /// Decoded, the message would take more memory than its arena may use.
    case tooLarge
}

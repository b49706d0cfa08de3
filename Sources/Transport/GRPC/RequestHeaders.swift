// The header fields of a request that gRPC itself reads, and what is wrong with them.
// Source: grpc-go, http2_server.go, operateHeaders: order and texts of the refusals.

import API

struct RequestHeaders {
    /// The header list's size as RFC 9113, section 6.5.2, counts it.
    var size = 0
    /// The path, kept only if no method has it.
    var path = ""
    /// The field last taken was the path.
    private(set) var isPath = false
    private(set) var hasTimeout = false
    /// Nanoseconds from the arrival of the request.
    private(set) var timeout: UInt64 = 0
    private(set) var isGzip = false
    private(set) var unknownEncoding: String?
    /// The answer tells which encodings are understood.
    var announcesEncodings = false
    /// A malformed value of a field.
    var failure: Status?

    private var isPost = false
    private var otherMethod = ""
    private var isGRPC = false
    private(set) var otherContentType = ""

    /// Reads a field. False when it is metadata for the handler.
    mutating func take(
        _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) -> Bool {
        isPath = false
        guard let first = name.first else { return true }
        switch first {
        case UInt8(ascii: ":"): return takePseudo(name, value)
        case UInt8(ascii: "g"): return takeGRPC(name, value)
        case UInt8(ascii: "c"):
            if name.equals("content-type") {
                takeContentType(value)
                return true
            }
        case UInt8(ascii: "t"):
            if name.equals("te") { return true }
        case UInt8(ascii: "h"):
            if name.equals("host") { return true }
        default: break
        }
        return false
    }

    private mutating func takePseudo(
        _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) -> Bool {
        if name.equals(":path") {
            isPath = true
        } else if name.equals(":method") {
            isPost = value.equals("POST")
            if !isPost { otherMethod = String(decoding: value, as: UTF8.self) }
        } else if name.equals(":authority") {
            return false
        }
        return true
    }

    private mutating func takeGRPC(
        _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) -> Bool {
        if name.equals("grpc-timeout") {
            do {
                timeout = try GRPCTimeout.decode(value)
                hasTimeout = true
            } catch { failure = Status(.internal, "malformed grpc-timeout: \(error.reason)") }
        } else if name.equals("grpc-encoding") {
            isGzip = value.equals("gzip")
            unknownEncoding =
                isGzip || value.isEmpty || value.equals("identity")
                ? nil : String(decoding: value, as: UTF8.self)
        } else {
            // Others of the reserved names are not for handlers (grpc-go, isReservedHeader).
            return name.equals("grpc-accept-encoding") || name.equals("grpc-message-type")
                || name.equals("grpc-status") || name.equals("grpc-message")
                || name.equals("grpc-status-details-bin")
        }
        return true
    }

    private mutating func takeContentType(_ value: UnsafeRawBufferPointer) {
        // grpc-go, grpcutil.ContentSubtype.
        let known: StaticString = "application/grpc"
        let length = known.utf8CodeUnitCount
        isGRPC =
            value.hasPrefix(known)
            && (value.count == length || value[length] == UInt8(ascii: "+")
                || value[length] == UInt8(ascii: ";"))
        if !isGRPC { otherContentType = String(decoding: value, as: UTF8.self) }
    }

    /// Whether it is for others than gRPC (see OtherRequest).
    var isOther: Bool { !isGRPC && !otherContentType.contains("application/grpc") }

    var httpMethod: String { isPost ? "POST" : otherMethod }

    /// Why the request is no call, with the HTTP status for it.
    var refusal: (httpStatus: Int, Status)? {
        if !isGRPC {
            return (
                415,
                Status(
                    .invalidArgument,
                    "invalid gRPC request content-type \(quoted(otherContentType))")
            )
        }
        if let failure { return (400, failure) }
        if !isPost {
            return (
                405,
                Status(
                    .internal,
                    "Received a HEADERS frame with :method \(quoted(otherMethod)) which should be POST"
                )
            )
        }
        return nil
    }
}

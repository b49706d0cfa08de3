// Requests that are answered before any handler sees them, and then the connection closes.
//
// Status, text and form are those of Go's net/http, which etcd's clients meet today
// (server.go: conn.serve, and the errors of readRequest).

import API

/// Why a request is not one.
struct HTTP1Refusal: Error, Hashable {
    let status: Int
    /// Go's explanation, if it gives one.
    let detail: String?

    static let malformed = HTTP1Refusal(status: 400, detail: nil)
    static let headersTooLarge = HTTP1Refusal(status: 431, detail: nil)
    static let bodyTooLarge = HTTP1Refusal(status: 413, detail: nil)
    static let expectation = HTTP1Refusal(status: 417, detail: nil)
    static let version = HTTP1Refusal(status: 505, detail: "unsupported protocol version")
    static let transferEncoding = HTTP1Refusal(status: 501, detail: nil)
    static func bad(_ detail: String) -> HTTP1Refusal { HTTP1Refusal(status: 400, detail: detail) }

    /// The whole response.
    var response: String {
        let text = HTTP1Status.text(status)
        let end = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
        switch self {
        case .transferEncoding:
            return "HTTP/1.1 501 \(text)\(end)Unsupported transfer encoding"
        default:
            let line = detail.map { "\(status) \(text): \($0)" } ?? "\(status) \(text)"
            return "HTTP/1.1 \(line)\(end)\(line)"
        }
    }
}

public enum HTTP1Status {
    /// The reason phrase of a status (RFC 9110, 15).
    public static func text(_ status: Int) -> String {
        switch status {
        case 100: "Continue"
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 304: "Not Modified"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 410: "Gone"
        case 412: "Precondition Failed"
        case 413: "Request Entity Too Large"
        case 417: "Expectation Failed"
        case 421: "Misdirected Request"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: "status code \(status)"
        }
    }

    /// Whether a response of this status may have a body.
    static func hasBody(_ status: Int) -> Bool { status >= 200 && status != 204 && status != 304 }
}

// A request over HTTP/2 that is not gRPC's: a browser or curl, who choose HTTP/2 by ALPN and ask for
// /version or /health.
// Source: reference, http-endpoints: on a TLS port a request is gRPC's when it is HTTP/2 and its
// Content-Type contains `application/grpc`, otherwise it is for the HTTP handlers.

import API

extension GRPCServer {
    /// Answers a whole request through `answer`, now or later, once, on the executor.
    public typealias OtherRequests = (
        _ request: HTTP1Request,
        _ answer: @escaping (_ status: Int, _ headers: HTTP1Headers, _ body: [UInt8]) -> Void
    ) -> Void
}

/// Gathers such a request and sends its answer.
final class OtherRequest {
    /// Nil once it was answered or given up.
    private weak var stream: GRPCServerStream?
    private let generation: UInt64
    private let handler: GRPCServer.OtherRequests
    private var request: HTTP1Request

    /// Larger bodies are refused, as over HTTP/1.
    private static let bodyLimit = HTTP1Configuration().maxBodyBytes

    init(
        _ stream: GRPCServerStream, _ head: RequestHeaders,
        _ handler: @escaping GRPCServer.OtherRequests
    ) {
        self.stream = stream
        self.handler = handler
        generation = stream.generation
        let target = head.path.split(
            separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = target.first ?? ""
        var headers = HTTP1Headers()
        for (name, value) in stream.metadata.all {
            let name = name == ":authority" ? "Host" : name
            headers.add(name, String(decoding: value, as: UTF8.self))
        }
        if !head.otherContentType.isEmpty { headers.add("Content-Type", head.otherContentType) }
        let byteStream = stream.connection?.stream
        request = HTTP1Request(
            head: HTTP1RequestHead(
                method: head.httpMethod, target: head.path,
                path: path.percentDecoded() ?? String(path),
                query: target.count > 1 ? String(target[1]) : "", headers: headers),
            body: [], remoteAddress: byteStream?.remoteAddress ?? "",
            security: byteStream?.security)
    }

    func received(_ bytes: UnsafeRawBufferPointer) {
        guard stream != nil else { return }
        request.body.append(contentsOf: bytes)
        if request.body.count > Self.bodyLimit {
            answer(413, ["Content-Type": "text/plain; charset=utf-8"], [])
        }
    }

    func receivedEnd() {
        guard stream != nil else { return }
        // Held by the answer: the stream may be gone by then.
        handler(request) { self.answer($0, $1, $2) }
    }

    private func answer(_ status: Int, _ headers: HTTP1Headers, _ body: [UInt8]) {
        guard let stream, stream.generation == generation else { return }
        self.stream = nil
        var fields = [(":status", "\(status)")]
        for (name, value) in headers.fields {
            // RFC 9113, 8.2: names in lower case, nothing that concerns a connection.
            let name = name.lowercased()
            if name != "connection" { fields.append((name, value)) }
        }
        if HTTP1Status.hasBody(status) { fields.append(("content-length", "\(body.count)")) }
        stream.answerOther(fields, request.method == "HEAD" ? [] : body)
    }
}

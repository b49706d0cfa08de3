// Bytes to requests, without I/O: RFC 9112 as strictly and as leniently as Go's net/http reads it.
//
// The machine is fed whatever has come and hands out one event at a time, so that its driver can
// stop between two pipelined requests. It holds at most one line that is not complete.

/// Reads a sequence of requests. After it has thrown, the connection is of no use.
struct HTTP1RequestParser {
    struct Limits {
        /// Of the request line and all headers. Go's DefaultMaxHeaderBytes and its slop.
        var headBytes = 1 << 20 + 4096
        /// Of a line that gives a chunk's size (Go's maxLineLength).
        var chunkLineBytes = 4096
    }

    enum Event {
        /// - Parameter hasBody: whether `body` may come before `end`.
        case head(HTTP1RequestHead, hasBody: Bool)
        /// A piece of the body, within the input.
        case body(UnsafeRawBufferPointer)
        case end
    }

    private enum State {
        case requestLine
        case headers
        case sizedBody(left: UInt64)
        case chunkSize
        case chunk(left: UInt64)
        case chunkEnd
        case trailers
        case end
    }

    private let limits: Limits
    private var state = State.requestLine
    /// What has been read of the head; beside the state, so that a header is added in place.
    private var head = HTTP1RequestHead()
    /// The beginning of a line whose end has not come.
    private var line: [UInt8] = []
    private var headBytesLeft: Int
    /// Old clients send a line end after the body of a POST (RFC 9112, 2.2).
    private var maySkipLineEnds = false

    init(limits: Limits = Limits()) {
        self.limits = limits
        headBytesLeft = limits.headBytes
    }

    /// Whether part of a request has come, but not all of it.
    var isWithinRequest: Bool {
        if case .requestLine = state { return !line.isEmpty }
        return true
    }

    /// Whether the end of the headers is still to come.
    var isWithinHead: Bool {
        switch state {
        case .requestLine, .headers: true
        case .sizedBody, .chunkSize, .chunk, .chunkEnd, .trailers, .end: false
        }
    }

    /// Takes what it needs from the front of `input`; nil once all is taken and more is needed.
    mutating func next(_ input: inout UnsafeRawBufferPointer) throws(HTTP1Refusal) -> Event? {
        while true {
            switch state {
            case .requestLine:
                if maySkipLineEnds { skipLineEnds(&input) }
                guard let text = try headLine(&input) else { return nil }
                maySkipLineEnds = false
                head = try HTTP1Syntax.requestLine(text)
                state = .headers
            case .headers:
                guard let text = try headLine(&input) else { return nil }
                if text.isEmpty { return try endOfHead() }
                try HTTP1Syntax.header(text, into: &head.headers)
            case .sizedBody(let left), .chunk(let left):
                guard input.count > 0 else { return nil }
                return .body(takeBody(left, &input))
            case .chunkSize:
                guard let text = try takeLine(&input, limit: limits.chunkLineBytes, .malformed)
                else { return nil }
                let size = try HTTP1Syntax.chunkSize(text)
                headBytesLeft = limits.headBytes
                state = size == 0 ? .trailers : .chunk(left: size)
            case .chunkEnd:
                guard let text = try takeLine(&input, limit: 2, .malformed) else { return nil }
                guard text.isEmpty else { throw .malformed }
                state = .chunkSize
            case .trailers:
                guard let text = try headLine(&input) else { return nil }
                if text.isEmpty { state = .end }
            case .end:
                state = .requestLine
                headBytesLeft = limits.headBytes
                return .end
            }
        }
    }

    private mutating func endOfHead() throws(HTTP1Refusal) -> Event {
        defer { head = HTTP1RequestHead() }
        try HTTP1Syntax.checkHost(head)
        maySkipLineEnds = head.method == "POST"
        switch try HTTP1Syntax.bodyLength(head) {
        case .none: state = .end
        case .bytes(let count): state = .sizedBody(left: count)
        case .chunked: state = .chunkSize
        }
        if case .end = state { return .head(head, hasBody: false) }
        return .head(head, hasBody: true)
    }

    private mutating func takeBody(
        _ left: UInt64, _ input: inout UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer {
        let count = Int(min(UInt64(input.count), left))
        let piece = UnsafeRawBufferPointer(rebasing: input[..<count])
        input = UnsafeRawBufferPointer(rebasing: input[count...])
        let rest = left - UInt64(count)
        if case .chunk = state {
            state = rest == 0 ? .chunkEnd : .chunk(left: rest)
        } else {
            state = rest == 0 ? .end : .sizedBody(left: rest)
        }
        return piece
    }

    // MARK: Lines

    /// A line of the head, which as a whole is limited.
    private mutating func headLine(
        _ input: inout UnsafeRawBufferPointer
    ) throws(HTTP1Refusal) -> [UInt8]? {
        let before = line.count + input.count
        let text = try takeLine(&input, limit: headBytesLeft, .headersTooLarge)
        if text != nil { headBytesLeft -= before - input.count }
        return text
    }

    /// A line without its end, which is LF or CRLF.
    private mutating func takeLine(
        _ input: inout UnsafeRawBufferPointer, limit: Int, _ tooLong: HTTP1Refusal
    ) throws(HTTP1Refusal) -> [UInt8]? {
        let end = input.firstIndex(of: 0x0A)
        let piece = input[..<(end ?? input.count)]
        guard line.count + piece.count <= limit else { throw tooLong }
        line.append(contentsOf: piece)
        guard let end else {
            input = UnsafeRawBufferPointer(rebasing: input[input.count...])
            return nil
        }
        input = UnsafeRawBufferPointer(rebasing: input[(end + 1)...])
        if line.last == 0x0D { line.removeLast() }
        defer { line = [] }
        return line
    }

    private func skipLineEnds(_ input: inout UnsafeRawBufferPointer) {
        guard line.isEmpty else { return }
        let count = input.prefix(4).prefix { $0 == 0x0D || $0 == 0x0A }.count
        input = UnsafeRawBufferPointer(rebasing: input[count...])
    }
}

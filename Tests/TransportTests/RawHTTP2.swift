// A client that says things a gRPC client would not: chosen header fields, chosen bytes.

import API

@testable import Transport

/// A stream of an HTTP/2 client without any gRPC in it.
final class RawStream: HTTP2Stream {
    var fields: [(String, String)] = []
    var body: [UInt8] = []
    var closeCode: HTTP2ErrorCode?
    var consumes = true

    func value(_ name: String) -> String? { fields.first { $0.0 == name }?.1 }
    var status: Status? {
        guard let code = value("grpc-status").flatMap({ Int($0) }) else { return nil }
        let message = Array((value("grpc-message") ?? "").utf8)
        return Status(
            StatusCode(rawValue: code)!, message.withUnsafeBytes { PercentEncoding.decode($0) })
    }

    override func receivedHeader(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        fields.append(
            (String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self)))
    }
    override func receivedData(_ bytes: UnsafeRawBufferPointer) {
        body.append(contentsOf: bytes)
        if consumes { session?.consume(bytes.count, on: self) }
    }
    override func closed(_ code: HTTP2ErrorCode) { closeCode = code }
}

final class RawConnection: HTTP2Connection {
    var goAway: (code: HTTP2ErrorCode, text: String)?
    var goAways = 0
    var pongs = 0
    var pings = 0
    var isGone = false
    override func receivedGoAway(_ code: HTTP2ErrorCode, debugData: UnsafeRawBufferPointer) {
        goAway = (code, String(decoding: debugData, as: UTF8.self))
        goAways += 1
    }
    override func receivedPing(isAck: Bool, payload: UInt64) {
        if isAck { pongs += 1 } else { pings += 1 }
    }
    override func connectionClosed(_ error: TransportError?) { isGone = true }
}

/// A gRPC server in memory and a raw client.
struct RawPair {
    let executor = ManualExecutor()
    let server: GRPCServer
    let connection: RawConnection
    let serverEnd: WireEnd
    let clientEnd: WireEnd
    private let end: EndOfWorld

    init(
        _ configuration: GRPCServerConfiguration = GRPCServerConfiguration(),
        settings: HTTP2Settings = HTTP2Settings(),
        _ build: (inout GRPCMethods) -> Void = { $0.echo() }
    ) {
        var methods = GRPCMethods()
        build(&methods)
        server = GRPCServer(methods, configuration: configuration, on: executor)
        (serverEnd, clientEnd) = WireEnd.pair(executor)
        connection = RawConnection(
            clientEnd, session: HTTP2Session(isServer: false, settings: settings)!,
            sink: OutputSink())
        clientEnd.resumeReading()
        end = EndOfWorld(executor, server, serverEnd, clientEnd)
        server.accept(serverEnd)
        executor.run()
    }

    static let usual = [
        (":method", "POST"), (":scheme", "http"), (":path", "/test.Echo/Echo"),
        (":authority", "localhost"), ("te", "trailers"), ("content-type", "application/grpc"),
    ]

    /// Opens a stream with the usual fields, `fields` in their place or behind them.
    func open(
        _ fields: [(String, String)] = [], body: [UInt8] = [], ends: Bool = true
    ) -> RawStream {
        var all = Self.usual
        for field in fields {
            if let index = all.firstIndex(where: { $0.0 == field.0 }) {
                all[index] = field
            } else {
                all.append(field)
            }
        }
        let stream = RawStream()
        body.withUnsafeBytes { stream.output.append($0) }
        if ends { stream.outputEnd = .endStream }
        withHeaderFields(all.filter { $0.1 != "-" }) {
            _ = connection.session.submitRequest(stream, $0)
        }
        executor.run()
        return stream
    }
}

/// A server that is sent bytes, and the frames it answers with.
struct ByteClient {
    let executor = ManualExecutor()
    let server: GRPCServer
    let serverEnd: WireEnd
    let clientEnd: WireEnd
    private let sink = NullHandler()
    private let end: EndOfWorld

    init(_ configuration: GRPCServerConfiguration = GRPCServerConfiguration()) {
        var methods = GRPCMethods()
        methods.echo()
        server = GRPCServer(methods, configuration: configuration, on: executor)
        (serverEnd, clientEnd) = WireEnd.pair(executor)
        serverEnd.record = []
        clientEnd.handler = sink
        clientEnd.resumeReading()
        end = EndOfWorld(executor, server, serverEnd, clientEnd)
        server.accept(serverEnd)
        executor.run()
    }

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + frame(4, 0, 0, [])

    static func frame(
        _ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8], length: Int? = nil
    ) -> [UInt8] {
        let length = length ?? payload.count
        return [
            UInt8(length >> 16 & 255), UInt8(length >> 8 & 255), UInt8(length & 255), type, flags,
        ] + (0..<4).map { UInt8(truncatingIfNeeded: stream >> (24 - 8 * UInt32($0))) } + payload
    }

    func send(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { clientEnd.write($0) }
        executor.run()
    }

    /// The types of the frames the server has sent.
    var frameTypes: [UInt8] {
        let bytes = serverEnd.record ?? []
        var types: [UInt8] = []
        var place = 0
        while place + 9 <= bytes.count {
            let length =
                Int(bytes[place]) << 16 | Int(bytes[place + 1]) << 8 | Int(bytes[place + 2])
            types.append(bytes[place + 3])
            place += 9 + length
        }
        return types
    }
    static let goAway: UInt8 = 7
    static let resetStream: UInt8 = 3
}

final class NullHandler: ByteStreamHandler {
    func received(_ bytes: UnsafeRawBufferPointer) {}
    func drained() {}
    func receivedEnd() {}
    func closed(_ error: TransportError?) {}
}

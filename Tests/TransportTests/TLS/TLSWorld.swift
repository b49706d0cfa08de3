// A port with TLS and those who connect to it, on one thread in virtual time.

import API
import Logging
import TestSupport

@testable import Transport

/// Keeps the lines of a log.
final class LogRecorder: LogHandler, @unchecked Sendable {
    struct Line {
        let message: String
        let fields: Logger.Metadata
    }
    private(set) var lines: [Line] = []
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        lines.append(Line(message: "\(event.message)", fields: event.metadata ?? [:]))
    }

    var logger: Logger { Logger(label: "test") { _ in self } }
    /// The errors of the lines that say `message`.
    func errors(_ message: String) -> [String] {
        lines.filter { $0.message == message }.map { $0.fields["error"]?.description ?? "" }
    }
}

/// What one side of a connection has been told.
final class TLSEnd: ByteStreamHandler {
    let stream: any ByteStream
    private(set) var got: [UInt8] = []
    private(set) var pieces = 0
    private(set) var drains = 0
    private(set) var hasEnd = false
    private(set) var isClosed = false
    private(set) var error: TransportError?
    var onReceived: (() -> Void)?

    init(_ stream: any ByteStream, reads: Bool = true) {
        self.stream = stream
        stream.handler = self
        if reads { stream.resumeReading() }
    }

    var text: String { String(decoding: got, as: UTF8.self) }
    func send(_ text: String) { send(Array(text.utf8)) }
    func send(_ bytes: [UInt8]) { bytes.withUnsafeBytes { stream.write($0) } }

    func received(_ bytes: UnsafeRawBufferPointer) {
        got.append(contentsOf: bytes)
        pieces += 1
        onReceived?()
    }
    func drained() { drains += 1 }
    func receivedEnd() { hasEnd = true }
    func closed(_ error: TransportError?) {
        isClosed = true
        self.error = error
    }
}

/// A port, and the certificates of a CA.
final class TLSWorld {
    let executor = ManualExecutor()
    let folder: CertificateFolder
    let log = LogRecorder()
    let credentials: TLSCredentials
    let acceptor: TLSAcceptor
    /// Those whose handshake is done, in order.
    private(set) var served: [TLSEnd] = []

    /// - Parameter change: of settings that show certificate `server`.
    init(
        limits: TLSAcceptor.Limits = TLSAcceptor.Limits(),
        _ change: (inout TLSSettings, CertificateFolder) throws -> Void = { _, _ in }
    ) throws {
        folder = try CertificateFolder()
        try folder.make("server")
        try folder.make("client")
        var settings = TLSSettings()
        settings.server = folder.pair("server")
        try change(&settings, folder)
        credentials = try TLSCredentials(settings, on: executor, logger: log.logger)
        acceptor = TLSAcceptor(
            credentials, endpoint: "client", limits: limits, logger: log.logger)
    }

    deinit {
        acceptor.abort()
        for end in served { end.stream.abort() }
        executor.run()
        executor.die()
    }

    /// The reasons why connections were rejected.
    var rejections: [String] { log.errors("rejected connection on client endpoint") }

    /// What a client trusts and shows.
    func clientSettings(_ certificate: String = "client") -> TLSSettings {
        var settings = TLSSettings()
        settings.server = folder.pair(certificate)
        settings.trustedCAs = folder.file("ca.pem")
        return settings
    }

    /// A connection in memory that the port has accepted: the client's end.
    func connect(
        for application: TLSApplication = .http1AndHTTP2, from address: String = "far"
    ) -> WireEnd {
        let (near, far) = WireEnd.pair(executor)
        far.remoteAddress = address
        acceptor.accept(far, for: application) { [weak self] in self?.served.append(TLSEnd($0)) }
        return near
    }

    /// Shakes hands with the port.
    /// - Returns: the client's side, or why there is none.
    func dial(
        _ settings: TLSSettings, host: String = "127.0.0.1",
        over wire: WireEnd? = nil
    ) throws -> Result<TLSEnd, TLSError> {
        let credentials = try TLSCredentials(settings, on: executor, logger: log.logger)
        var result: Result<TLSEnd, TLSError>?
        let stream = TLSStream(
            over: wire ?? connect(), credentials.dialing(), application: .http1AndHTTP2,
            host: host, workspace: TLSWorkspace()
        ) { stream, error in result = error.map { .failure($0) } ?? .success(TLSEnd(stream)) }
        executor.run()
        withExtendedLifetime(stream) {}
        return result ?? .failure(TLSError("the handshake has not ended"))
    }

    /// As a client with the certificate `client`.
    func dial() throws -> TLSEnd { try dial(clientSettings()).get() }
}

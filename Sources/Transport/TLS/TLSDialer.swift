// Opening TLS streams, over whatever opens plain ones.

import API

/// Dials `https://` and `unixs://` with TLS, all else as the dialer below does.
public final class TLSDialer: StreamDialer {
    private let below: any StreamDialer
    private let credentials: TLSCredentials?
    private let workspace = TLSWorkspace()

    public var executor: any ActorExecutor { below.executor }

    /// - Parameter credentials: nil: there is nothing to dial with, and TLS is refused.
    public init(over below: any StreamDialer, _ credentials: TLSCredentials?) {
        self.below = below
        self.credentials = credentials
    }

    public func dial(
        _ url: String, timeoutNanoseconds: UInt64,
        completion: @escaping (Result<any ByteStream, TransportError>) -> Void
    ) -> any DialAttempt {
        guard let (plain, isUnixSocket) = Self.plain(url) else {
            return below.dial(url, timeoutNanoseconds: timeoutNanoseconds, completion: completion)
        }
        do throws(EndpointError) {
            guard let credentials else {
                throw EndpointError("no TLS certificate is configured for \(url)")
            }
            var host: String?
            if !isUnixSocket, case .tcp(let name, _) = try Endpoint(url: url) { host = name }
            return TLSDial(
                to: plain, url: url, host: host, over: below, credentials.dialing(), workspace,
                timeoutNanoseconds: timeoutNanoseconds, completion)
        } catch {
            let failure = TransportError(
                operation: "connect to \(url)", name: "EINVAL", reason: error.description)
            return FailedDial(failure, on: executor, completion)
        }
    }

    /// The URL below TLS; nil if there is no TLS in it.
    private static func plain(_ url: String) -> (String, isUnixSocket: Bool)? {
        if url.hasPrefix("https://") { return ("http" + url.dropFirst(5), false) }
        if url.hasPrefix("unixs://") { return ("unix" + url.dropFirst(5), true) }
        return nil
    }
}

/// A connection, then a handshake; both within the time given.
private final class TLSDial: DialAttempt {
    private let url: String
    private var completion: ((Result<any ByteStream, TransportError>) -> Void)?
    private var connecting: (any DialAttempt)?
    private var handshake: TLSStream?
    private var deadline: (any TimerHandle)?

    init(
        to plain: String, url: String, host: String?, over dialer: any StreamDialer,
        _ context: TLSContext, _ workspace: TLSWorkspace, timeoutNanoseconds: UInt64,
        _ completion: @escaping (Result<any ByteStream, TransportError>) -> Void
    ) {
        self.url = url
        self.completion = completion
        deadline = dialer.executor.schedule(afterNanoseconds: timeoutNanoseconds) { [self] in
            deadline = nil
            end(.failure(failure("ETIMEDOUT", "connection timed out")))
        }
        connecting = dialer.dial(plain, timeoutNanoseconds: timeoutNanoseconds) { [self] result in
            connecting = nil
            switch result {
            case .failure(let error): end(.failure(error))
            case .success(let stream):
                handshake = TLSStream(
                    over: stream, context, application: .http1AndHTTP2, host: host,
                    workspace: workspace
                ) { [self] stream, error in shookHands(stream, error) }
            }
        }
    }

    private func shookHands(_ stream: TLSStream, _ error: TLSError?) {
        handshake = nil
        end(error.map { .failure(failure("EPROTO", $0.description)) } ?? .success(stream))
    }

    private func failure(_ name: String, _ reason: String) -> TransportError {
        TransportError(operation: "connect to \(url)", name: name, reason: reason)
    }

    func cancel() {
        completion = nil
        release()
    }

    private func end(_ result: Result<any ByteStream, TransportError>) {
        let completion = self.completion.take()
        release()
        completion?(result)
    }

    /// The attempt and what it waits for hold each other until here.
    private func release() {
        deadline?.cancel()
        deadline = nil
        connecting?.cancel()
        connecting = nil
        handshake?.abort()
        handshake = nil
    }
}

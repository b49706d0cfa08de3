// The certificates of one port as they are now: what the files say, read again when they change.
//
// etcd reads its leaf again for each handshake, and the rest once. Here all files count, and a look
// at them (stat) is taken by the first handshake of each 200 ms. What has changed is read as a
// whole; while it does not fit together (a certificate was written, its key not yet) the former
// stays in use, and the log says so once.

import API
import CSSL
import Logging

/// Makes the contexts of a port and renews them. On one executor.
public final class TLSCredentials {
    public let settings: TLSSettings
    private let executor: any ActorExecutor
    private let logger: Logger
    private var contexts: Contexts
    /// When the files were looked at last, and what they were then.
    private var lastLook: MonotonicTime
    private var stamps: [FileStamp]

    private static let lookNanoseconds: UInt64 = 200_000_000

    private struct Contexts {
        let accepting: TLSContext
        let dialing: TLSContext

        init(_ settings: TLSSettings) throws(TLSError) {
            let material = try TLSMaterial(settings)
            accepting = try TLSContext(settings, material, .accepting)
            dialing = try TLSContext(settings, material, .dialing)
        }
    }

    /// Reads the files. On `executor`.
    public init(
        _ settings: TLSSettings, on executor: any ActorExecutor, logger: Logger
    ) throws(TLSError) {
        self.settings = settings
        self.executor = executor
        self.logger = logger
        // Before reading: what changes meanwhile is read again.
        stamps = settings.files.map { FileStamp($0) }
        lastLook = executor.now
        contexts = try Contexts(settings)
    }

    /// For a handshake with someone who connects.
    func accepting() -> TLSContext {
        look()
        return contexts.accepting
    }

    /// For a handshake with someone we connect to.
    func dialing() -> TLSContext {
        look()
        return contexts.dialing
    }

    private func look() {
        guard executor.now.nanoseconds(since: lastLook) >= Self.lookNanoseconds else { return }
        lastLook = executor.now
        let found = settings.files.map { FileStamp($0) }
        guard found != stamps else { return }
        stamps = found
        do throws(TLSError) {
            contexts = try Contexts(settings)
            logger.info(
                "reloaded TLS certificates, keys and revocation lists",
                metadata: ["files": "\(settings.files)"])
        } catch {
            logger.warning(
                "failed to reload TLS files; those read before stay in use",
                metadata: ["files": "\(settings.files)", "error": "\(error)"])
        }
    }
}

// From the words of a command line to a configuration and a log, or to the end of the process:
// what every start goes through before there is a member.

import API
import Glibc
import Logging

public enum Program {
    /// Runs a member until a signal asks it to stop.
    public static func serve() -> Never {
        let (configuration, log) = configured()
        let logger = log.logger()
        logger.info("starting an etcd server", metadata: .fields(configuration.logFields))
        TerminationSignal.prepare()
        ProcessMemory.giveBackLargeBlocks()
        _ = FileDescriptors.raiseLimit()
        if configuration.locksMemory, let reason = ProcessMemory.lock() {
            logger.critical(
                "failed to lock memory", metadata: .fields(["error": .string(reason)]))
            exit(1)
        }
        let server: MemberServer
        do { server = try MemberServer(configuration, log: log) } catch {
            refuse(error, logger)
        }
        server.start { result in
            switch result {
            case .success: tellServiceManager(logger)
            case .failure(let error): refuse(error, logger)
            }
        }
        let end = Locked<MemberEnd?>(nil)
        server.whenEnded { reason in
            end.withLock { $0 = reason }
            TerminationSignal.terminate.raise()
        }
        let signal = TerminationSignal.wait()
        if end.withLock({ $0 }) == .removed {
            logger.error("the member has been permanently removed from the cluster")
            server.stop()
            exit(0)
        }
        logger.info(
            "received signal; shutting down", metadata: .fields(["signal": .string(signal.name)]))
        server.stop()
        signal.endProcess()
    }

    private static func tellServiceManager(_ logger: Logger) {
        let name = environment()["NOTIFY_SOCKET"]
        if case .failed(let reason) = ServiceManager.notify("READY=1", socketName: name) {
            logger.error(
                "failed to notify systemd for readiness",
                metadata: .fields(["error": .string(reason)]))
        }
    }

    private static func refuse(_ error: any Error, _ logger: Logger) -> Never {
        if let error = error as? BootstrapError {
            logger.error("bootstrap failed", metadata: .fields(["error": .string("\(error)")]))
        }
        logger.critical("discovery failed", metadata: .fields(["error": .string("\(error)")]))
        exit(1)
    }

    /// Reads the command line and the environment and tells the log what they came to. Does not
    /// return for `--help`, `--version` and mistakes (exit statuses: reference, process.md).
    public static func configured() -> (Configuration, ServerLog) {
        let arguments = Array(CommandLine.arguments.dropFirst())
        let early = ServerLog(to: LogSink())
        switch CommandLineReader.read(arguments, environment: environment()) {
        case .answer(let output, let error, let status):
            write(error, to: STDERR_FILENO)
            write(output, to: STDOUT_FILENO)
            exit(status)
        case .refused(let error, let notices):
            log(notices, to: early.logger())
            log(error, to: early.logger())
            exit(1)
        case .run(let configuration, let notices):
            do throws(LogSinkError) {
                let log = try ServerLog(configuration.logging)
                log.logger().info(
                    "Running: ", metadata: .fields(["args": .strings(CommandLine.arguments)]))
                self.log(notices, to: log.logger())
                return (configuration, log)
            } catch {
                self.log(.invalid(error.description), to: early.logger())
                exit(1)
            }
        }
    }

    static func log(_ notices: [StartupNotice], to logger: Logger) {
        for notice in notices {
            var fields: LogFields = [:]
            for field in notice.fields { fields.append(field.name, .string(field.value)) }
            logger.log(
                level: notice.isWarning ? .warning : .info, "\(notice.message)",
                metadata: .fields(fields))
        }
    }

    static func log(_ error: ConfigurationError, to logger: Logger) {
        switch error {
        case .conflict(let variable):
            logger.critical(
                """
                conflicting environment variable "\(variable)" is shadowed by corresponding \
                command-line flag (either unset environment variable or disable flag)
                """)
        case .invalid(let words):
            logger.warning(
                "failed to verify flags", metadata: .fields(["error": .string(words)]))
        }
    }

    /// What the process was started with; of a name that comes twice, the first counts.
    static func environment() -> [String: String] {
        let text = readSmallFile("/proc/self/environ") ?? ""
        var variables: [String: String] = [:]
        for entry in text.split(separator: "\0") {
            let pair = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard pair.count == 2, variables[String(pair[0])] == nil else { continue }
            variables[String(pair[0])] = String(pair[1])
        }
        return variables
    }

    private static func write(_ text: String, to descriptor: Int32) {
        LogSink(descriptor: descriptor).write(Array(text.utf8))
    }
}

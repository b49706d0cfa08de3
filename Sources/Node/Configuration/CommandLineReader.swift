// What a start of the program comes to: run a member, print and leave, or refuse.

public enum CommandLineReader {
    public enum Outcome: Sendable {
        case run(Configuration, [StartupNotice])
        /// Print and leave with the status: `--help`, `--version`, flags that cannot be read.
        case answer(output: String, error: String, status: Int32)
        /// Log and leave with status 1.
        case refused(ConfigurationError, [StartupNotice])
    }

    /// - Parameter arguments: without the program's name.
    public static func read(_ arguments: [String], environment: [String: String]) -> Outcome {
        var given: GivenFlags
        do throws(FlagError) {
            given = try GivenFlags(arguments: arguments)
        } catch {
            switch error {
            case .help: return .answer(output: Usage.flags, error: Usage.synopsis, status: 0)
            case .bad(let words):
                return .answer(output: "", error: "\(words)\n\(Usage.synopsis)", status: 2)
            }
        }
        var notices = given.ignored.map {
            StartupNotice.warning("flag is no longer supported - ignoring", ("flag", "-\($0)"))
        }
        if let word = given.leftover.first {
            return .refused(.invalid("'\(word)' is not a valid flag"), notices)
        }
        if case .bool(true) = given.values["version"]?.value {
            return .answer(output: ProductVersion.lines, error: "", status: 0)
        }
        do throws(ConfigurationError) {
            notices += try given.addEnvironment(environment)
            var builder = ConfigurationBuilder(given)
            let configuration = try builder.build()
            return .run(configuration, notices + builder.notices)
        } catch {
            return .refused(error, notices)
        }
    }
}

// ETCD_* variables stand in for flags that are not given (etcd's `flags.SetFlagsFromEnv`).

/// A line for the log once there is one: the command line is read before logging is set up.
public struct StartupNotice: Hashable, Sendable {
    public let isWarning: Bool
    public let message: String
    public let fields: [Field]

    /// A field of the log line.
    public struct Field: Hashable, Sendable {
        public let name: String
        public let value: String
    }

    static func info(_ message: String, _ fields: (String, String)...) -> Self {
        Self(isWarning: false, message: message, fields: fields.map { Field(name: $0, value: $1) })
    }
    static func warning(_ message: String, _ fields: (String, String)...) -> Self {
        Self(isWarning: true, message: message, fields: fields.map { Field(name: $0, value: $1) })
    }
}

extension GivenFlags {
    /// Variables that concern the process, not a flag (reference: flags.tsv, "special").
    private static let special: Set<String> = ["ETCD_UNSUPPORTED_ARCH"]

    /// Fills in what the command line did not give. An empty variable is as good as none.
    /// - Throws: `.conflict` when a flag is given both ways, `.invalid` for a value that its flag
    ///   does not take.
    mutating func addEnvironment(_ environment: [String: String])
        throws(ConfigurationError) -> [StartupNotice]
    {
        var notices: [StartupNotice] = []
        var used = Self.special
        let flags = FlagTable.byName.values.sorted { $0.name < $1.name }
        let fromCommandLine = Set(values.keys)
        // `version` prints and leaves; as a variable it says nothing about a member.
        if environment["ETCD_VERSION"] != nil {
            used.insert("ETCD_VERSION")
            notices.append(
                .warning(
                    "environment variable is ignored",
                    ("environment-variable", "ETCD_VERSION")))
        }
        for flag in flags where !fromCommandLine.contains(flag.name) && flag.name != "version" {
            let name = flag.environmentName
            guard let text = environment[name], !text.isEmpty else { continue }
            used.insert(name)
            do throws(FlagValueError) {
                set(flag, try flag.kind.parse(text), from: .environment)
            } catch {
                throw .invalid(
                    "invalid value \(GoNotation.quoted(text)) for \(name): \(error.reason)")
            }
            notices.append(
                .info(
                    "recognized and used environment variable", ("variable-name", name),
                    ("variable-value", text)))
        }
        for flag in flags where fromCommandLine.contains(flag.name) {
            if environment[flag.environmentName] != nil { throw .conflict(flag.environmentName) }
        }
        for (name, value) in environment.sorted(by: { $0.key < $1.key })
        where name.hasPrefix("ETCD_") && !used.contains(name) {
            notices.append(
                .warning(
                    "unrecognized environment variable",
                    ("environment-variable", "\(name)=\(value)")))
        }
        return notices
    }
}

/// Why a member cannot be configured as asked. Exit status 1.
public enum ConfigurationError: Error, Hashable {
    /// Level fatal: flag and variable both set; the variable's name.
    case conflict(String)
    /// Logged as `failed to verify flags` with this text as its error.
    case invalid(String)
}

// What --help prints, made from the flag table.

enum Usage {
    /// How the program is called: all that is shown after a mistake.
    static let synopsis = """
        Usage:

          cairn [flags]
            Start a member that serves the etcd v3 API.

          cairn --version
            Show the version of etcd that is served and of cairn.

          cairn -h | --help
            Show the help information about cairn.


        """

    /// Every flag, by section.
    static var flags: String {
        var out = ""
        for section in FlagTable.sections {
            out += "\(section.title):\n"
            for flag in section.flags {
                out += "  --\(flag.name) '\(flag.defaultText)'\n    \(flag.summary)\(note(flag)).\n"
            }
            out += "\n"
        }
        return out + "A flag that is not given is taken from ETCD_<NAME> in the environment.\n"
    }

    private static func note(_ flag: FlagDefinition) -> String {
        switch flag.status {
        case .served: ""
        case .noEffect(let reason): " (no effect: \(reason))"
        case .servedOnlyAtDefault: " (only the default is served)"
        case .notServedYet: " (not served yet)"
        }
    }
}

// The command line, read as Go's flag package reads it: one dash or two, `-flag=value` or
// `-flag value`, a boolean needs no value, `--` or the first other word ends the flags.

/// Where a value came from.
enum FlagSource: Hashable, Sendable { case commandLine, environment }

/// What was given, each value checked against its flag's kind.
struct GivenFlags: Sendable {
    private(set) var values: [String: (value: FlagValue, source: FlagSource)] = [:]
    /// Names of given flags that etcd accepts and ignores, in order.
    private(set) var ignored: [String] = []
    /// Words after the flags.
    private(set) var leftover: [String] = []

    func isGiven(_ name: String) -> Bool { values[name] != nil }

    mutating func set(_ flag: FlagDefinition, _ value: FlagValue, from source: FlagSource) {
        values[flag.name] = (value, source)
    }
}

/// The command line cannot be read. Go's words; the usage follows, and exit status 2.
enum FlagError: Error, Hashable {
    /// `-h` or `-help`.
    case help
    case bad(String)
}

extension GivenFlags {
    init(arguments: [String]) throws(FlagError) {
        var rest = arguments[...]
        while let argument = rest.first {
            guard argument.utf8.count >= 2, argument.hasPrefix("-") else { break }
            rest.removeFirst()
            if argument == "--" { break }
            try take(argument, &rest)
        }
        leftover = Array(rest)
    }

    private mutating func take(_ argument: String, _ rest: inout ArraySlice<String>)
        throws(FlagError)
    {
        let body = argument.dropFirst(argument.hasPrefix("--") ? 2 : 1)
        guard let first = body.first, first != "-", first != "=" else {
            throw .bad("bad flag syntax: \(argument)")
        }
        let pair = body.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(pair[0])
        var text = pair.count == 2 ? String(pair[1]) : nil

        if FlagTable.ignoredLegacy.contains(name) {
            ignored.append(name)
            return
        }
        guard let flag = FlagTable.byName[name] else {
            if name == "h" || name == "help" { throw .help }
            let hint = FlagTable.successor(of: name).map { " (it is \($0) now)" } ?? ""
            throw .bad("flag provided but not defined: -\(name)\(hint)")
        }
        if text == nil, flag.kind == .bool { text = "true" }
        guard let text = text ?? rest.popFirst() else {
            throw .bad("flag needs an argument: -\(name)")
        }
        do throws(FlagValueError) {
            set(flag, try flag.kind.parse(text), from: .commandLine)
        } catch {
            let kind = flag.kind == .bool ? "boolean value" : "value"
            let place = flag.kind == .bool ? "for" : "for flag"
            throw .bad(
                "invalid \(kind) \(GoNotation.quoted(text)) \(place) -\(name): \(error.reason)")
        }
    }
}

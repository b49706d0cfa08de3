import Testing

@testable import Node

/// What a command line comes to, in a form that a test can compare.
func outcome(_ arguments: String..., environment: [String: String] = [:]) -> String {
    switch CommandLineReader.read(arguments, environment: environment) {
    case .run: "runs"
    case .answer(let output, let error, let status):
        "\(status): \((output + error).split(separator: "\n").first ?? "")"
    case .refused(.invalid(let words), _): "invalid: \(words)"
    case .refused(.conflict(let name), _): "conflict: \(name)"
    }
}

func configuration(_ arguments: String..., environment: [String: String] = [:]) throws
    -> Configuration
{
    guard
        case .run(let configuration, _) = CommandLineReader.read(
            arguments, environment: environment)
    else { throw Refused(arguments: arguments) }
    return configuration
}

struct Refused: Error { let arguments: [String] }

@Suite("The command line is read as Go's flag package reads it")
struct CommandLineTests {
    @Test(
        "One dash or two, one word or two, mean the same",
        arguments: [["-name=a"], ["--name=a"], ["-name", "a"], ["--name", "a"]])
    func spellings(_ words: [String]) throws {
        guard case .run(let configuration, _) = CommandLineReader.read(words, environment: [:])
        else { throw Refused(arguments: words) }
        #expect(configuration.name == "a")
    }

    @Test("A boolean stands alone for true and takes only =false for false")
    func booleans() throws {
        #expect(try configuration("-pre-vote").raft.preVote)
        #expect(try !configuration("--pre-vote=false").raft.preVote)
        #expect(outcome("--pre-vote", "false") == "invalid: 'false' is not a valid flag")
    }

    @Test("The last of a repeated flag counts, and a value may hold an equals sign")
    func repeated() throws {
        #expect(try configuration("-name=a", "-name=b=c").name == "b=c")
    }

    @Test("What cannot be read ends with Go's words and status 2")
    func mistakes() {
        #expect(outcome("--bogus") == "2: flag provided but not defined: -bogus")
        let words = "2: flag provided but not defined: -experimental-"
        #expect(
            outcome("--experimental-corrupt-check-time=1s")
                == words + "corrupt-check-time (it is --corrupt-check-time now)")
        #expect(
            outcome("--experimental-initial-corrupt-check")
                == words
                + "initial-corrupt-check (it is --feature-gates=InitialCorruptCheck=true now)")
        #expect(outcome("--experimental-bogus") == words + "bogus")
        #expect(outcome("-name") == "2: flag needs an argument: -name")
        #expect(outcome("--=x") == "2: bad flag syntax: --=x")
        #expect(outcome("---x") == "2: bad flag syntax: ---x")
        #expect(
            outcome("-heartbeat-interval=x")
                == "2: invalid value \"x\" for flag -heartbeat-interval: parse error")
        #expect(
            outcome("--pre-vote=maybe")
                == "2: invalid boolean value \"maybe\" for -pre-vote: parse error")
        #expect(
            outcome("-grpc-keepalive-interval", "5")
                == "2: invalid value \"5\" for flag -grpc-keepalive-interval: parse error")
        #expect(
            outcome("--quota-backend-bytes=99999999999999999999")
                == "2: invalid value \"99999999999999999999\" for flag -quota-backend-bytes: "
                + "value out of range")
        #expect(
            outcome("--max-concurrent-streams=99999999999")
                == "2: invalid value \"99999999999\" for flag -max-concurrent-streams: "
                + "strconv.ParseUint: parsing \"99999999999\": value out of range")
        #expect(
            outcome("--initial-cluster-state=foo")
                == "2: invalid value \"foo\" for flag -initial-cluster-state: invalid value")
        #expect(
            outcome("--v2-deprecation=foo")
                == "2: invalid value \"foo\" for flag -v2-deprecation: invalid value \"foo\"")
        #expect(
            outcome("--listen-client-urls=foo")
                == "2: invalid value \"foo\" for flag -listen-client-urls: "
                + "URL scheme must be http, https, unix, or unixs: foo")
        #expect(outcome("--discovery=x") == "2: flag provided but not defined: -discovery")
    }

    @Test("The usage follows a mistake")
    func usageAfterMistake() {
        guard case .answer(_, let error, 2) = CommandLineReader.read(["--bogus"], environment: [:])
        else {
            Issue.record("an unknown flag is no reason to run")
            return
        }
        #expect(error.hasPrefix("flag provided but not defined: -bogus\nUsage:\n"))
    }

    @Test("Two dashes end the flags; words after them are refused")
    func leftovers() {
        #expect(outcome("--", "-bogus") == "invalid: '-bogus' is not a valid flag")
        #expect(outcome("-") == "invalid: '-' is not a valid flag")
        #expect(outcome("start", "--bogus") == "invalid: 'start' is not a valid flag")
    }

    @Test("Help and version are answered with status 0", arguments: ["-h", "-help", "--help"])
    func help(_ word: String) {
        #expect(outcome(word) == "0: Member:")
    }

    @Test("The version is etcd's four lines and one of our own")
    func version() {
        guard
            case .answer(let output, "", 0) = CommandLineReader.read(
                ["--version"], environment: [:])
        else {
            Issue.record("--version prints and leaves")
            return
        }
        let lines = output.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0] == "etcd Version: 3.7.1")
        #expect(lines[1].hasPrefix("Git SHA: "))
        #expect(lines[2].hasPrefix("Go Version: "))
        #expect(lines[3].hasPrefix("Go OS/Arch: linux/"))
        #expect(lines[4] == "Cairn Version: \(ProductVersion.cairn)")
        #expect(lines[5...] == [""])
    }

    @Test("A legacy flag is noted and ignored, and takes no second word")
    func legacy() {
        guard
            case .run(_, let notices) = CommandLineReader.read(
                ["-snapshot", "--vv=3"], environment: [:])
        else {
            Issue.record("legacy flags do not stop a start")
            return
        }
        #expect(notices.filter { $0.message.contains("no longer supported") }.count == 2)
    }

    @Test("A flag that is not served yet is refused by name, unless it is given its default")
    func unserved() {
        let words = "is known to etcd but not served by this version of cairn yet"
        #expect(outcome("--enable-pprof") == "invalid: flag -enable-pprof \(words)")
        #expect(outcome("--enable-pprof=false") == "runs")
        #expect(outcome("--config-file=a.yaml") == "invalid: flag -config-file \(words)")
        #expect(outcome("--corrupt-check-time=0") == "runs", "equal as a value, not as a text")
        #expect(outcome("--metrics=extensive") == "invalid: flag -metrics \(words)")
        #expect(outcome("--metrics=basic") == "runs")
        #expect(
            outcome(environment: ["ETCD_ENABLE_PPROF": "true"])
                == "invalid: flag -enable-pprof \(words)")
    }

    /// Test rigs (Kubernetes' envtest among them) start every etcd with it.
    @Test("A test rig may ask for unsafe writes; it gets safe ones")
    func unsafeWrites() {
        #expect(outcome("--unsafe-no-fsync") == "runs")
    }
}

@Suite("Variables of the environment stand in for flags")
struct EnvironmentTests {
    @Test("A variable is used when the flag is not given")
    func used() throws {
        #expect(try configuration(environment: ["ETCD_NAME": "x"]).name == "x")
        #expect(try configuration(environment: ["ETCD_NAME": ""]).name == "default")
    }

    @Test("Both at once are a conflict, even when the variable is empty")
    func conflict() {
        #expect(outcome("-name=y", environment: ["ETCD_NAME": "x"]) == "conflict: ETCD_NAME")
        #expect(outcome("-name=y", environment: ["ETCD_NAME": ""]) == "conflict: ETCD_NAME")
    }

    @Test("A bad value is refused with the variable's name")
    func badValue() {
        #expect(
            outcome(environment: ["ETCD_HEARTBEAT_INTERVAL": "abc"])
                == "invalid: invalid value \"abc\" for ETCD_HEARTBEAT_INTERVAL: parse error")
    }

    @Test("What no flag answers to is noted, not refused; other programs' variables are not ours")
    func unrecognized() {
        let environment = ["ETCD_BOGUS": "1", "PATH": "/bin", "ETCD_VERSION": "3"]
        guard case .run(_, let notices) = CommandLineReader.read([], environment: environment)
        else {
            Issue.record("an unknown variable does not stop a start")
            return
        }
        let unknown = notices.filter { $0.message == "unrecognized environment variable" }
        #expect(
            unknown.map(\.fields) == [[.init(name: "environment-variable", value: "ETCD_BOGUS=1")]])
        #expect(!notices.contains { $0.fields.contains { $0.value.contains("PATH") } })
    }
}

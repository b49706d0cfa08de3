import Foundation
import Testing

@testable import Node

/// One row of the reference table of flags.
struct ReferenceFlag {
    let name: String
    let environment: String
    let type: String
    let defaultText: String
    let status: String

    static func all() throws -> [ReferenceFlag] {
        let url = try #require(Bundle.module.url(forResource: "Reference", withExtension: nil))
            .appendingPathComponent("flags.tsv")
        return try String(contentsOf: url, encoding: .utf8).split(separator: "\n").dropFirst(2).map
        {
            let cells = $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            // "0 (effective 100ms)": what is in brackets is the meaning, not the text.
            let defaultText = cells[3].components(separatedBy: " (effective")[0]
            return ReferenceFlag(
                name: cells[0], environment: cells[1], type: cells[2], defaultText: defaultText,
                status: cells[6])
        }
    }

    var isSpecial: Bool { name.hasPrefix("(") || status == "removed" }
    var isGate: Bool { name.hasPrefix("feature-gates:") }
    var isLegacy: Bool { status == "ignored legacy" }
}

@Suite("The flag table is etcd's")
struct FlagTableTests {
    @Test("Every flag of the reference is there, with its default and its variable")
    func everyFlag() throws {
        let reference = try ReferenceFlag.all().filter {
            !$0.isSpecial && !$0.isGate && !$0.isLegacy
        }
        #expect(reference.count > 100)
        for row in reference {
            let flag = try #require(FlagTable.byName[row.name], "-\(row.name) is missing")
            #expect(flag.defaultText == row.defaultText, "-\(row.name)")
            #expect(flag.environmentName == row.environment, "-\(row.name)")
            #expect((flag.kind == .bool) == (row.type == "bool"), "-\(row.name)")
        }
        let own = FlagTable.own.map(\.name)
        #expect(Set(reference.map(\.name) + own) == Set(FlagTable.byName.keys))
        #expect(own.allSatisfy { name in !reference.contains { $0.name == name } })
    }

    @Test("Every default is a value of its flag")
    func defaults() throws {
        for flag in FlagTable.byName.values {
            #expect(throws: Never.self, "-\(flag.name)") {
                try flag.kind.parse(flag.defaultText)
            }
        }
    }

    @Test(
        "What a cluster is told by flags counts",
        arguments: [
            "initial-cluster", "initial-cluster-state", "initial-cluster-token", "max-learners",
            "strict-reconfig-check", "snapshot-catchup-entries", "pre-vote", "force-new-cluster",
        ])
    func cluster(name: String) {
        #expect(FlagTable.byName[name]?.status == .served)
    }

    @Test("Legacy flags are known, and only those")
    func legacy() throws {
        let reference = try ReferenceFlag.all().filter(\.isLegacy).map(\.name)
        #expect(FlagTable.ignoredLegacy == Set(reference))
    }

    @Test("Feature gates have the names and defaults of the reference")
    func gates() throws {
        let reference = try ReferenceFlag.all().filter(\.isGate).map {
            ($0.name.replacingOccurrences(of: "feature-gates:", with: ""), $0.defaultText == "true")
        }.filter { !["AllAlpha", "AllBeta"].contains($0.0) }
        #expect(reference.map(\.0).sorted() == FeatureGates.known.map(\.name).sorted())
        for (name, byDefault) in reference { #expect(FeatureGates()[name] == byDefault, "\(name)") }
    }

    @Test("The usage shows every flag under a heading, and says what is not served")
    func usage() {
        for flag in FlagTable.sections.flatMap(\.flags) {
            #expect(Usage.flags.contains("  --\(flag.name) '\(flag.defaultText)'\n"))
        }
        #expect(Usage.flags.hasPrefix("Member:\n  --name 'default'\n"))
        #expect(Usage.flags.contains("--auto-tls 'false'"))
        #expect(Usage.flags.contains("(not served yet)"))
    }
}

import Foundation
import Testing

@testable import Services

@Suite("The table of who may call what")
struct AccessRulesTests {
    /// A method that is not in it cannot be registered; one that etcd serves is not forgotten.
    @Test("has just the methods that etcd serves")
    func methods() throws {
        let file = try #require(
            Bundle.module.url(forResource: "Reference/api-services", withExtension: "tsv"))
        let paths = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
            .dropFirst(2).map { String($0.split(separator: "\t")[3]) }
        #expect(paths.count > 40)
        #expect(Set(AccessRules.table.keys) == Set(paths))
    }
}

import API
import Foundation
import Testing

@Suite("The gateway's paths")
struct GatewayRouteTests {
    @Test("are those of the reference, each for its method")
    func complete() throws {
        let url = try #require(
            Bundle.module.url(forResource: "Reference/api-services", withExtension: "tsv"))
        var expected: [String: String] = [:]
        for line in try String(contentsOf: url, encoding: .utf8).split(separator: "\n") {
            let columns = line.split(separator: "\t", omittingEmptySubsequences: false)
            guard columns.count > 8, columns[3].hasPrefix("/"), columns[8] != "-" else { continue }
            let shape = "\(columns[6])\(columns[7])"
            for binding in columns[8].split(separator: ";") {
                let path = binding.split(separator: " ").last.map(String.init) ?? ""
                expected[path] = "\(columns[3]) \(shape)"
            }
        }
        #expect(expected.count > 40)
        let served = GatewayRoute.all.map { route in
            let shape =
                switch route.shape {
                case .unary: "nn"
                case .serverStreaming: "ny"
                case .bidirectional: "yy"
                }
            return (route.path, "\(route.method) \(shape)")
        }
        #expect(Dictionary(uniqueKeysWithValues: served) == expected)
    }
}

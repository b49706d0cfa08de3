// The corpora of the fuzzers, played without libFuzzer: what was ever found stays mended.

import Foundation
import Testing

@Suite("What the fuzzers start from")
struct CorpusTests {
    private static func corpus(_ name: String) throws -> [(name: String, bytes: Data)] {
        let folder = try #require(
            Bundle.module.url(forResource: "Corpus/\(name)", withExtension: nil))
        let files = try FileManager.default.contentsOfDirectory(
            at: folder, includingPropertiesForKeys: nil)
        return try files.sorted { $0.path < $1.path }.map {
            ($0.lastPathComponent, try Data(contentsOf: $0))
        }
    }

    private func play(_ corpus: String, _ target: some FuzzTarget) throws {
        let inputs = try Self.corpus(corpus)
        #expect(inputs.count > 10)
        for input in inputs {
            for length in 0...input.bytes.count {
                #expect(throws: Never.self, "\(input.name), the first \(length) bytes") {
                    try input.bytes.prefix(length).withUnsafeBytes { try target.run($0) }
                }
            }
        }
    }

    @Test("Requests, whole and cut anywhere, are refused or mean the same in every encoding")
    func requests() throws { try play("requests", RequestTarget()) }

    @Test("Transactions, whole and cut anywhere, are refused without a trace or applied once")
    func transactions() throws { try play("txn", try TxnTarget()) }

    @Test("Tokens, whole and cut anywhere, name nobody whom their signature does not")
    func tokens() throws { try play("tokens", try TokenTarget()) }

    @Test("A rule that does not hold is a finding")
    func findings() {
        #expect(throws: Finding.self) { try demand(1 == 2, "one is two") }
    }
}

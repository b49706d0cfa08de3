// A short run of cairn-chaos: three members under faults, and every promise checked from outside.

import Foundation
import Testing

@Suite("Chaos")
struct ChaosTests {
    @Test("Members that are killed, paused, cut off and out of space keep their promises")
    func shortRun() throws {
        let program = MemberProcess.binary.deletingLastPathComponent()
            .appendingPathComponent("cairn-chaos")
        let ended = try run(program.path, ["--seed", "7", "--duration", "8"])
        #expect(ended.status == 0, "\(ended.output)\n\(ended.errors)")
        #expect(ended.output.contains("every promise was kept"))
    }
}

import Foundation
import Testing

@Suite("Scenario files") struct ScenarioTests {
    @Test("Every story ends as it is told", arguments: try Scenario.all(in: "Scenarios"))
    func story(_ story: Scenario) throws {
        var stage = Stage()
        var told = story
        for (place, line) in story.lines.enumerated() where line.isCommand {
            let outcome = try stage.play(line.text)
            if Scenario.isRewriting {
                told.lines[place].expected = outcome
            } else {
                #expect(
                    outcome == line.expected,
                    "\(story.file.lastPathComponent):\(line.number) \(line.text)")
            }
        }
        if Scenario.isRewriting { try told.rewrite() }
    }
}

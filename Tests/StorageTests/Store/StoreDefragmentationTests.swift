// Giving space back to the disk: what it does, what goes on meanwhile, and a crash at every step.

import API
import Foundation
import Testing

@testable import Storage

@Suite("A defragmentation")
struct StoreDefragmentationTests {
    /// Keys of 4 KB put again and again, all but the newest compacted away: mostly free pages.
    private func wasteful() throws -> StoreHarness {
        let harness = try StoreHarness()
        let value = String(repeating: "x", count: 4000)
        for round in 0..<20 {
            for key in 0..<10 {
                try harness.apply { _ = try $0.put("k\(key)", "\(round)\(value)") }
            }
        }
        harness.commit()
        try harness.compact(201)
        harness.commit()
        return harness
    }

    private final class Answer: @unchecked Sendable {
        var result: Result<DefragmentationReport, StoreError>?
    }

    private func defragment(_ harness: StoreHarness) -> Answer {
        let answer = Answer()
        harness.read { $0.defragment { answer.result = $0 } }
        return answer
    }

    private func state(of harness: StoreHarness) throws -> [String] {
        try harness.recordsOnDisk()
            + harness.read { store in
                try store.pairs(KeyRange("a..")).pairs.map(\.description)
            }
    }

    @Test("makes the file as small as what is in use, and changes nothing")
    func shrinks() throws {
        let harness = try wasteful()
        let before = try state(of: harness)
        let size = harness.read { $0.durable.size }
        let answer = defragment(harness)
        harness.finishCommits()
        let report = try #require(try answer.result?.get())
        #expect(report.before == size)
        #expect(report.after.total < size.total / 3)
        #expect(report.after.total == report.after.inUse)
        #expect(harness.read { $0.durable.size } == report.after)
        let file = try FileManager.default.attributesOfItem(atPath: harness.configuration.path)
        #expect(file[.size] as? Int64 == report.after.total)
        #expect(try state(of: harness) == before)

        try harness.apply { _ = try $0.put("k1", "after") }
        try harness.finishAndReopen()
        #expect(try state(of: harness).last == before.last)
        #expect(
            try harness.read { try $0.pairs(KeyRange("k1")).pairs.map(\.value) } == [
                Array("after".utf8)
            ])
    }

    @Test("lets applies and reads go on; they are committed to the new file")
    func besideTraffic() throws {
        let harness = try wasteful()
        try harness.apply { _ = try $0.put("before", "1") }
        let answer = defragment(harness)
        try harness.apply { _ = try $0.put("meanwhile", "1") }
        harness.read { store in store.flush { #expect($0 == nil) } }
        #expect(try harness.read { try $0.pairs(KeyRange("meanwhile")).pairs.count } == 1)
        #expect(answer.result == nil)
        harness.disk.run()
        harness.core.runOne()
        #expect(
            harness.read { $0.commits.isInFlight }, "what waited is committed at once")
        harness.finishCommits()
        #expect(try answer.result?.get() != nil)
        try harness.crash()
        let names = try harness.read { store in
            try store.pairs(KeyRange("a..")).pairs.map { String(decoding: $0.key, as: UTF8.self) }
        }
        #expect(names.suffix(2) == ["k9", "meanwhile"] && names.first == "before")
    }

    @Test("one run serves all who asked before it began, a later one the others")
    func shared() throws {
        let harness = try wasteful()
        try harness.apply { _ = try $0.put("a", "1") }
        harness.startCommit()
        let early = [defragment(harness), defragment(harness)]
        harness.disk.run()
        harness.core.runOne()
        let late = defragment(harness)
        harness.disk.runOne()
        harness.core.runOne()
        #expect(early.allSatisfy { (try? $0.result?.get()) != nil } && late.result == nil)
        harness.finishCommits()
        #expect(try late.result?.get() != nil)
    }

    @Test("that cannot write its copy leaves all as it was")
    func noCopy() throws {
        let harness = try wasteful()
        let before = try state(of: harness)
        let obstacle = harness.configuration.path + ".defrag"
        try FileManager.default.createDirectory(
            atPath: obstacle, withIntermediateDirectories: false)
        let answer = defragment(harness)
        harness.finishCommits()
        #expect(throws: StoreError.self) { try answer.result?.get() }
        try harness.apply { _ = try $0.put("z", "1") }
        try harness.finishAndReopen()
        let after = try state(of: harness)
        #expect(after.filter { !$0.hasPrefix("z=") && !$0.hasSuffix(" z") } == before)
        #expect(after.count == before.count + 2)
    }

    @Test("interrupted at any step leaves a store that opens with all that was committed")
    func crashes() throws {
        let harness = try wasteful()
        let expected = try state(of: harness)
        harness.crashLeavingFile()
        let path = harness.configuration.path
        let directory = (path as NSString).deletingLastPathComponent
        var copies: [(step: Defragmentation.Step, directory: TemporaryDirectory)] = []
        do {
            var run = Defragmentation(environment: try Environment(path: path, mapBytes: 1 << 30))
            run.observe = { step in
                guard let copy = try? TemporaryDirectory() else { return }
                for name in (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
                {
                    try? FileManager.default.copyItem(
                        atPath: directory + "/" + name, toPath: copy.path + "/" + name)
                }
                copies.append((step, copy))
            }
            _ = try run.run()
        }
        #expect(copies.map(\.step) == Defragmentation.Step.allCases)
        for (step, copy) in copies {
            let restarted = try StoreHarness(in: copy)
            #expect(try state(of: restarted) == expected, "\(step)")
            let names = try FileManager.default.contentsOfDirectory(atPath: copy.path)
            #expect(names.sorted() == ["cairn.mdb", "cairn.mdb-lock"], "\(step)")
            try restarted.apply { _ = try $0.put("z", "1") }
            try restarted.finishAndReopen()
            #expect(try state(of: restarted).count == expected.count + 2, "\(step)")
        }
    }

    @Test("cut short while it copied leaves a part of a copy, which the next start removes")
    func cutShort() throws {
        let harness = try wasteful()
        let expected = try state(of: harness)
        try harness.crash { path in
            let whole = try Data(contentsOf: URL(fileURLWithPath: path))
            try whole.prefix(5000).write(to: URL(fileURLWithPath: path + ".defrag"))
        }
        #expect(try state(of: harness) == expected)
        #expect(!FileManager.default.fileExists(atPath: harness.configuration.path + ".defrag"))
    }
}

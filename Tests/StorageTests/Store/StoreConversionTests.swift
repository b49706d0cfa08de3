// A file as versions before checksums wrote it.

import API
import Foundation
import TestSupport
import Testing

@testable import Storage

@Suite("A store's file without checksums")
struct StoreConversionTests {
    private func story() throws -> StoreHarness {
        let harness = try StoreHarness()
        for round in 1...20 {
            try harness.apply { store in
                for key in ["a", "b", "c"] { _ = try store.put(key, "\(key)\(round)", lease: 5) }
            }
        }
        try harness.apply { _ = try $0.delete(KeyRange("b")) }
        try harness.apply { store in
            for table in [Table.members, .lease, .authUsers] {
                try store.write(table, key: [0x70], value: Array(table.name.utf8))
            }
            store.setConfState(ConfState(voters: [MemberID(1), MemberID(2)]))
        }
        harness.commit()
        return harness
    }

    @Test("is converted by a start, which tells of it, and is the same store")
    func converted() throws {
        let told = Locked<[ConversionEvent]>([])
        let harness = try StoreHarness { configuration in
            configuration.observeConversion = { event in told.withLock { $0.append(event) } }
        }
        harness.crashLeavingFile()
        let story = try story()
        let expected = try story.everything()
        story.crashLeavingFile()
        let path = harness.configuration.path
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.copyItem(atPath: story.configuration.path, toPath: path)
        try StoreFile(path).makeOld()
        #expect(try !StoreFile(path).hasChecksums)
        #expect(try IncomingSnapshot.indexOfStore(at: path) == story.lastIndex)
        #expect(try !StoreFile(path).hasChecksums, "a look at it changes nothing")

        try harness.crash()
        #expect(try harness.everything() == expected)
        #expect(try StoreFile(path).hasChecksums)
        let events = told.withLock { $0 }
        guard events.count == 2, case .began = events[0], case .finished(let records) = events[1]
        else {
            Issue.record("\(events)")
            return
        }
        #expect(records == 61 + 3 + 3)
        try harness.apply { _ = try $0.put("d", "new") }
        try harness.finishAndReopen()
        #expect(told.withLock { $0.count } == 2, "once is enough")
        #expect(try harness.read { "\(try $0.pairs(KeyRange("d")).pairs)" } == "[d=new 23 23 1]")
    }

    @Test("interrupted at any step of the conversion is a whole store, old or new")
    func crashes() throws {
        let story = try story()
        let expected = try story.everything()
        story.crashLeavingFile()
        let path = story.configuration.path
        try StoreFile(path).makeOld()
        let directory = (path as NSString).deletingLastPathComponent
        let copies = Locked<[(step: IncomingFile.Step, directory: TemporaryDirectory)]>([])
        var conversion = Conversion(
            old: try Environment(path: path, mapBytes: 1 << 30), quotaBytes: 1 << 28,
            observe: { _ in })
        conversion.observeStep = { step in
            guard let copy = try? TemporaryDirectory() else { return }
            for name in (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [] {
                try? FileManager.default.copyItem(
                    atPath: directory + "/" + name, toPath: copy.path + "/" + name)
            }
            copies.withLock { $0.append((step, copy)) }
        }
        #expect(try conversion.run().hasChecksums)
        let seen = copies.withLock { $0 }
        #expect(seen.map(\.step) == [.began, .renamedLock, .renamed, .synced])
        for (step, copy) in seen {
            let restarted = try StoreHarness(in: copy)
            #expect(try restarted.everything() == expected, "\(step)")
            let names = try FileManager.default.contentsOfDirectory(atPath: copy.path)
            #expect(names.sorted() == ["cairn.mdb", "cairn.mdb-lock"], "\(step)")
            try restarted.apply { _ = try $0.put("z", "1") }
            try restarted.finishAndReopen()
        }
    }

    @Test("that cannot be written anew stays as it is")
    func noSpace() throws {
        let story = try story()
        let expected = try story.everything()
        let path = story.configuration.path
        try story.crash { _ in }
        story.crashLeavingFile()
        try StoreFile(path).makeOld()
        let obstacle = path + ".converting"
        try FileManager.default.createDirectory(
            atPath: obstacle, withIntermediateDirectories: false)
        #expect(throws: StoreError.self) { try StoreHarness(in: story.directory) }
        #expect(try !StoreFile(path).hasChecksums)
        try FileManager.default.removeItem(atPath: obstacle)
        #expect(try StoreHarness(in: story.directory).everything() == expected)
    }

    @Test("that another member sent before a crash becomes the state, and is converted")
    func incoming() throws {
        let story = try story()
        let expected = try story.everything()
        story.crashLeavingFile()
        let directory = try TemporaryDirectory()
        let path = directory.path + "/cairn.mdb"
        try FileManager.default.copyItem(
            atPath: story.configuration.path, toPath: path + ".incoming")
        try StoreFile(path + ".incoming").makeOld()
        let found = try #require(try IncomingSnapshot.find(at: path))
        #expect(found.index == story.lastIndex)
        try IncomingSnapshot.install(at: path)
        #expect(try StoreHarness(in: directory).everything() == expected)
        #expect(try StoreFile(path).hasChecksums)
    }
}

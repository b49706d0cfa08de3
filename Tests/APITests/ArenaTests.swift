import Testing

@testable import API

@Suite("The arena")
struct ArenaTests {
    @Test("Pieces are aligned and apart")
    func pieces() throws {
        let arena = Arena(chunkBytes: 64)
        var last = 0
        for size in [0, 1, 15, 16, 17, 100, 5000, 3] {
            let piece = try #require(arena.allocate(size))
            #expect(Int(bitPattern: piece) % 16 == 0)
            #expect(Int(bitPattern: piece) != last)
            piece.initializeMemory(as: UInt8.self, repeating: 0xee, count: size)
            last = Int(bitPattern: piece)
        }
    }

    @Test("Once it has seen a size, the same again takes nothing from the system")
    func steady() throws {
        let arena = Arena(chunkBytes: 64)
        func work() throws {
            arena.reset()
            for _ in 0..<100 { _ = try #require(arena.allocate(40)) }
        }
        try work()
        try work()
        let held = arena.heldBytes
        for _ in 0..<10 { try work() }
        #expect(arena.heldBytes == held)
        #expect(held < 2 * 100 * 48)
    }

    @Test("A peak is forgotten, usual sizes are kept")
    func bounded() throws {
        let arena = Arena(chunkBytes: 64, keptBytes: 1024)
        _ = try #require(arena.allocate(1 << 20))
        #expect(arena.heldBytes >= 1 << 20)
        arena.reset()
        #expect(arena.heldBytes <= 1024 && arena.usedBytes == 0)
    }

    @Test("Past its limit it gives nothing, and is as new after a reset")
    func limit() throws {
        let arena = Arena(chunkBytes: 64, keptBytes: 64, limitBytes: 1000)
        #expect(arena.allocate(1001) == nil)
        #expect(arena.allocate(.max) == nil)
        _ = try #require(arena.allocate(990))
        #expect(arena.allocate(20) == nil)
        arena.reset()
        #expect(arena.allocate(500) != nil)
    }
}

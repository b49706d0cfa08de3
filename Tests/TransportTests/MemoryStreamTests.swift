import API
import Testing

@testable import Transport

@Suite("A stream in memory")
struct MemoryStreamTests {
    /// Two ends, on one loop or each on its own.
    private func withPair(
        window: Int = 1 << 20, apart: Bool,
        _ body: (_ a: TestPeer, _ b: TestPeer) async throws -> Void
    ) async throws {
        try await withLoop { first in
            try await withLoop { other in
                let second = apart ? other : first
                let (a, b) = MemoryStream.pair(a: first, b: second, window: window)
                // However busy the machine is, nothing is given up.
                for stream in [a, b] { stream.lingerNanoseconds = 600_000_000_000 }
                let peers = (
                    await onLoop(first) { TestPeer(a) }, await onLoop(second) { TestPeer(b) }
                )
                try await body(peers.0, peers.1)
                for peer in [peers.0, peers.1] {
                    await peer.abort()
                    await peer.untilClosed()
                }
            }
        }
    }

    @Test("carries bytes both ways", arguments: [false, true])
    func carries(apart: Bool) async throws {
        try await withPair(apart: apart) { a, b in
            await a.send("ping")
            #expect(await b.receiveText(4) == "ping")
            await b.send("pong!")
            #expect(await a.receiveText(5) == "pong!")
        }
    }

    @Test(
        "shows what the reader has no room for, and tells when that has gone",
        arguments: [false, true])
    func backpressure(apart: Bool) async throws {
        let sent = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 ^ ($0 >> 8)) }
        try await withPair(window: 100_000, apart: apart) { a, b in
            await b.pause()
            await a.send(Array(sent[..<100_000]))
            #expect(await a.bufferedBytes == 0)
            for start in stride(from: 100_000, to: sent.count, by: 90_000) {
                await a.send(Array(sent[start..<start + 90_000]))
            }
            #expect(await a.bufferedBytes == 900_000)
            #expect(await a.drains == 0)
            await b.resume()
            #expect(await b.receive(sent.count) == sent)
            await a.untilDrained()
            #expect(await a.drains == 1)
            #expect(await a.bufferedBytes == 0)
        }
    }

    @Test("delivers everything before an orderly close", arguments: [false, true])
    func close(apart: Bool) async throws {
        try await withPair(window: 1000, apart: apart) { a, b in
            await b.pause()
            await a.send([UInt8](repeating: 1, count: 50_000))
            await a.close()
            #expect(await !a.isClosed)
            await b.resume()
            #expect(await b.receive(50_000).count == 50_000)
            await b.untilEnd()
            #expect(await a.untilClosed() == nil)
            await b.close()
            #expect(await b.untilClosed() == nil)
        }
    }

    @Test("resets who writes to an end that is closed", arguments: [false, true])
    func writeToClosed(apart: Bool) async throws {
        try await withPair(apart: apart) { a, b in
            await a.close()
            await a.untilClosed()
            await b.untilEnd()
            await b.send("anybody there?")
            #expect(await b.untilClosed()?.name == "ECONNRESET")
        }
    }

    @Test(
        "resets the other end when aborted, or when it lingers too long", arguments: [false, true])
    func resets(apart: Bool) async throws {
        try await withPair(apart: apart) { a, b in
            await a.abort()
            #expect(await b.untilClosed()?.name == "ECONNRESET")
        }
        try await withPair(window: 1000, apart: apart) { a, b in
            await b.pause()
            await a.send([UInt8](repeating: 1, count: 50_000))
            await a.with { stream in
                (stream as? MemoryStream)?.lingerNanoseconds = 1_000_000
                stream.close()
            }
            #expect(await b.untilClosed()?.name == "ECONNRESET")
        }
    }

    @Test("tells the end to a handler that comes after it")
    func lateHandler() {
        let executor = ManualExecutor()
        let (near, far) = MemoryStream.pair(a: executor, b: executor)
        near.abort()
        executor.run()
        let late = Witness()
        far.handler = late
        executor.run()
        #expect(late.ends == ["ECONNRESET"])
    }

    @Test("tells a writer who saw a backlog that it has gone, even if it went before the flush")
    func creditBeforeFlush() {
        let executor = ManualExecutor()
        let (writer, reader) = MemoryStream.pair(a: executor, b: executor, window: 100)
        let (writing, reading) = (Witness(), Witness())
        (writer.handler, reader.handler) = (writing, reading)
        let bytes = [UInt8](repeating: 1, count: 80)
        bytes.withUnsafeBytes { writer.write($0) }
        executor.run()
        // All at the end of one turn: the reader takes what came, its credit arrives, the writer,
        // who has seen 60 bytes too many, flushes.
        executor.atTurnEnd(.gather) {
            bytes.withUnsafeBytes { writer.write($0) }
            #expect(writer.bufferedBytes == 60)
        }
        reader.resumeReading()
        executor.run()
        #expect(reading.received == 160)
        #expect(writing.drains == 1)
        writer.abort()
        executor.run()
    }
}

/// Notes what a stream tells.
private final class Witness: ByteStreamHandler {
    private(set) var received = 0
    private(set) var drains = 0
    private(set) var ends: [String?] = []
    func received(_ bytes: UnsafeRawBufferPointer) { received += bytes.count }
    func drained() { drains += 1 }
    func receivedEnd() {}
    func closed(_ error: TransportError?) { ends.append(error?.name) }
}

// Hashes of what a member stores, to be compared with other members'. Local: no read index.

import API
import Storage
import Transport

extension MaintenanceService {
    func hash(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        let arena = gate.arenas.take()
        defer { gate.arenas.putBack(arena) }
        do throws(RequestRefusal) {
            _ = try decodeRequest(HashRequest.self, bytes, in: arena)
            onState(reply) { $0.hashOfAllTables(reply) }
        } catch {
            reply.fail(error.status)
        }
    }

    func hashKV(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        let arena = gate.arenas.take()
        defer { gate.arenas.putBack(arena) }
        do throws(RequestRefusal) {
            let revision = try decodeRequest(HashKVRequest.self, bytes, in: arena).revision
            onState(reply) { $0.hash(at: revision == Revision(0) ? nil : revision, reply) }
        } catch {
            reply.fail(error.status)
        }
    }

    func onState(
        _ reply: any Replying, _ body: @escaping @Sendable (isolated Applier) -> Void
    ) {
        reads.submit(
            StateRead(of: reads.applier, isSerializable: true, body) { reply.fail($0) })
    }
}

extension Applier {
    /// Answers with the hash of the keys up to `revision`; nil is now.
    func hash(at revision: Revision?, _ reply: any Replying) {
        // The header tells the revision of when the hash was asked for.
        let (held, header) = (hold(reply), header())
        let watch = counters.times.stopwatch
        let (began, time) = (watch(), counters.times.hashOfRevision)
        do throws(StoreError) {
            try store.enter { store throws(StoreError) in
                try store.hash(at: revision) { [weak self] result in
                    time.observe(watch() - began)
                    let answer = result.map { hash in
                        var response = ByteBuffer()
                        response.appendHashKVResponse(
                            header, hash: hash.value, compacted: hash.compacted,
                            revision: hash.revision)
                        return response.array
                    }
                    self?.assumeIsolated { $0.give(held, answer.mapError { Status($0) }) }
                }
            }
        } catch {
            give(held, .failure(Status(error)))
        }
    }

    func hashOfAllTables(_ reply: any Replying) {
        let (held, header) = (hold(reply), header())
        let watch = counters.times.stopwatch
        let (began, time) = (watch(), counters.times.hash)
        do throws(StoreError) {
            try store.enter { store throws(StoreError) in
                try store.hashOfAllTables { [weak self] result in
                    time.observe(watch() - began)
                    let answer = result.map { hash in
                        var response = ByteBuffer()
                        response.appendHashResponse(header, hash: hash)
                        return response.array
                    }
                    self?.assumeIsolated { $0.give(held, answer.mapError { Status($0) }) }
                }
            }
        } catch {
            give(held, .failure(Status(error)))
        }
    }
}

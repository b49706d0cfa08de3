// Defragment: a member gives back the space that nothing lies in.

import API
import Storage
import Transport

extension MaintenanceService {
    /// On this member only.
    func defragment(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        let arena = gate.arenas.take()
        defer { gate.arenas.putBack(arena) }
        do throws(RequestRefusal) {
            _ = try decodeRequest(DefragmentRequest.self, bytes, in: arena)
            onState(reply) { $0.defragment(reply) }
        } catch {
            reply.fail(error.status)
        }
    }
}

extension Applier {
    /// Answers once the space is given back. The answer has no header (semantics.md, Headers).
    func defragment(_ reply: any Replying) {
        let held = hold(reply)
        events.storeDefragmentation(.began)
        let health = settings.defragmentsOutOfService ? health : nil
        health?.pause()
        store.assumeIsolated { store in
            store.defragment { [weak self, events] result in
                health?.resume()
                switch result {
                case .success(let report): events.storeDefragmentation(.finished(report))
                case .failure(let error): events.storeDefragmentation(.failed(error))
                }
                let answer = result.map { _ in [UInt8]() }.mapError { Status(notDefragmented: $0) }
                self?.assumeIsolated { $0.give(held, answer) }
            }
        }
    }
}

extension Status {
    /// The data are as they were.
    fileprivate init(notDefragmented error: StoreError) {
        self.init(.unknown, "etcdserver: defragmentation failed: \(error)")
    }
}

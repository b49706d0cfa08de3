// v3lockpb.Lock.

import API
import Transport

struct LockService: Sendable {
    let services: InnerServices
    private var arenas: ArenaPool { services.kv.gate.arenas }

    init(_ services: InnerServices) { self.services = services }

    func register(in methods: inout GuardedMethods) {
        methods.unary("/v3lockpb.Lock/Lock") { call, caller, bytes in
            let candidacy = lock(bytes, as: caller, call)
            call.context.onCancel { candidacy?.cancel() }
        }
        methods.unary("/v3lockpb.Lock/Unlock") { call, caller, bytes in
            unlock(bytes, as: caller, call)
        }
    }

    /// - Returns: what is to be cancelled with the call.
    @discardableResult
    func lock(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ reply: any Replying
    ) -> Candidacy? {
        let arena = arenas.take()
        defer { arenas.putBack(arena) }
        do throws(RequestRefusal) {
            let request = try decodeRequest(LockRequest.self, bytes, in: arena)
            let candidacy = Candidacy(
                .lock, name: [UInt8](request.name), lease: request.lease, by: services,
                as: caller
            ) { result in
                switch result {
                case .success(let won):
                    var answer = ByteBuffer()
                    answer.appendLockResponse(won.header, key: won.leader.key)
                    answer.withUnsafeBytes { reply.respond($0) }
                case .failure(let status): reply.fail(status)
                }
            }
            candidacy.begin()
            return candidacy
        } catch {
            reply.fail(error.status)
            return nil
        }
    }

    func unlock(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ reply: any Replying
    ) {
        let arena = arenas.take()
        defer { arenas.putBack(arena) }
        do throws(RequestRefusal) {
            let request = try decodeRequest(UnlockRequest.self, bytes, in: arena)
            services.delete([UInt8](request.key), as: caller) {
                [applier = services.applier] result in
                reply.answer(result.map { _ in }, with: applier)
            }
        } catch {
            reply.fail(error.status)
        }
    }
}

extension Replying {
    /// Answers with a header only, made now. On the executor of the applied state.
    func answer(_ result: Result<Void, Status>, with applier: Applier) {
        switch result {
        case .success:
            var answer = ByteBuffer()
            answer.appendResponseHeader(applier.assumeIsolated { $0.header() })
            answer.withUnsafeBytes { respond($0) }
        case .failure(let status): fail(status)
        }
    }
}

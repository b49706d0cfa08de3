// Downgrade: an operator prepares a cluster for members of the version before (reference:
// semantics.md, Maintenance).

import API
import Transport

extension MaintenanceService {
    func downgrade(
        _ bytes: UnsafeRawBufferPointer, as caller: Principal, _ reply: any Replying
    ) {
        let arena = gate.arenas.take()
        defer { gate.arenas.putBack(arena) }
        do throws(RequestRefusal) {
            let request = try decodeRequest(DowngradeRequest.self, bytes, in: arena)
            let target = ClusterVersion(parsing: request.version)
            switch request.action {
            case .validate, .enable:
                guard let target else { return reply.fail(.wrongDowngradeVersionFormat) }
                let enables = request.action == .enable
                onLinearizableState(reply) { applier in
                    if let refusal = applier.refusal(ofDowngradeTo: target) {
                        return reply.fail(refusal)
                    }
                    if enables { return propose(target, as: caller, reply) }
                    applier.answerDowngrade(reply)
                }
            case .cancel: propose(nil, as: caller, reply)
            case nil: reply.fail(.unknownMethod)
            }
        } catch {
            reply.fail(error.status)
        }
    }

    /// - Parameter target: nil ends a downgrade.
    private func propose(
        _ target: ClusterVersion?, as caller: Principal, _ reply: any Replying
    ) {
        let arena = gate.arenas.take()
        DowngradeInfoSetRequest.withEncoded(target: target) { bytes in
            do throws(RequestRefusal) {
                let request = try decodeRequest(DowngradeInfoSetRequest.self, bytes, in: arena)
                gate.submit(
                    .downgradeInfoSet, request: bytes, operation: .downgradeInfoSet(request),
                    arena: arena, as: caller, reply: reply)
            } catch {
                gate.arenas.putBack(arena)
                reply.fail(error.status)
            }
        }
    }

    /// What other members ask to find the version that all of them can do.
    func version(_ reply: any Replying) {
        onState(reply) { applier in
            let versions = ServerVersions(
                cluster: applier.membership.clusterVersion ?? "",
                storage: applier.storageVersion ?? "")
            versions.append(to: &applier.response.bytes)
            applier.response.take { reply.respond($0) }
        }
    }

    private func onLinearizableState(
        _ reply: any Replying, _ body: @escaping @Sendable (isolated Applier) -> Void
    ) {
        reads.submit(
            StateRead(of: reads.applier, isSerializable: false, body) { reply.fail($0) })
    }
}

extension Applier {
    fileprivate func refusal(ofDowngradeTo target: ClusterVersion) -> Status? {
        let current = membership.clusterVersion.flatMap { ClusterVersion(parsing: $0) }
        guard let current else { return .clusterVersionUnavailable }
        guard target == current.previous else { return .invalidDowngradeTargetVersion }
        return membership.downgradeTarget == nil ? nil : .downgradeInProcess
    }

    fileprivate func answerDowngrade(_ reply: any Replying) {
        appendDowngradeResponse()
        response.take { reply.respond($0) }
    }

    /// Into `response`.
    func appendDowngradeResponse() {
        let current = membership.clusterVersion.flatMap { ClusterVersion(parsing: $0) }
        response.bytes.appendResponseHeader(header())
        response.bytes.appendField(2, string: current?.short ?? "")
    }
}

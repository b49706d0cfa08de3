// A small read of the applied state that has no request to carry along.

import API

/// Calls `body` on the applied state, after a read index if it is not serializable.
final class StateRead: AppliedRead {
    let applier: Applier
    let isSerializable: Bool
    /// Who asks may ask: keys that are read are the body's to check.
    let caller = Principal.member
    private let body: @Sendable (isolated Applier) -> Void
    private let failed: @Sendable (Status) -> Void

    init(
        of applier: Applier, isSerializable: Bool,
        _ body: @escaping @Sendable (isolated Applier) -> Void,
        failed: @escaping @Sendable (Status) -> Void
    ) {
        self.applier = applier
        self.isSerializable = isSerializable
        self.body = body
        self.failed = failed
    }

    func refusal(given access: KeyAccess) -> Status? { nil }
    func serve(from applier: isolated Applier) { body(applier) }
    func fail(_ status: Status) { failed(status) }
}

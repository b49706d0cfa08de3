// Calls of the Lease service, with answers as texts that can be compared between servers.

import API

extension TestClient {
    func grant(_ id: Int64, ttl: Int64) async throws -> String {
        let bytes = try await call(
            "/etcdserverpb.Lease/LeaseGrant",
            encoded { $0.appendLeaseGrantRequest(ttl: ttl, id: LeaseID(id)) })
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            let answer = try LeaseGrantResponse.decode(bytes, in: arena)
            return try "granted \(answer.id.rawValue) \(answer.ttl) at "
                + "\(Header(answer.header).revision)"
        }
    }

    func revoke(_ id: Int64) async throws -> String {
        let bytes = try await call(
            "/etcdserverpb.Lease/LeaseRevoke", encoded { $0.appendLeaseRequest(LeaseID(id)) })
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            let answer = try LeaseRevokeResponse.decode(bytes, in: arena)
            return try "revoked at \(Header(answer.header).revision)"
        }
    }

    /// The rest is told to ten seconds: two servers are not asked at the same moment.
    func timeToLive(_ id: Int64) async throws -> String {
        let bytes = try await call(
            "/etcdserverpb.Lease/LeaseTimeToLive",
            encoded { $0.appendLeaseTimeToLiveRequest(LeaseID(id), wantsKeys: true) })
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            let answer = try LeaseTimeToLiveResponse.decode(bytes, in: arena)
            let keys = answer.keys.map { String(decoding: $0, as: UTF8.self) }.sorted()
            let rest = answer.ttl < 0 ? "\(answer.ttl)" : "\((answer.ttl + 9) / 10)0"
            return try "\(answer.id.rawValue): \(rest) of \(answer.grantedTTL) "
                + "[\(keys.joined(separator: " "))] at \(Header(answer.header).revision)"
        }
    }

    func leases() async throws -> String {
        let bytes = try await call("/etcdserverpb.Lease/LeaseLeases")
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            let answer = try LeaseLeasesResponse.decode(bytes, in: arena)
            return try "\(answer.leases.map(\.id.rawValue)) at \(Header(answer.header).revision)"
        }
    }

    func renew(_ id: Int64) async throws -> String {
        let stream = await StreamProbe(
            self, "/etcdserverpb.Lease/LeaseKeepAlive",
            first: encoded { $0.appendLeaseRequest(LeaseID(id)) })
        guard let bytes = await stream.next() else { return "no answer" }
        let arena = Arena()
        return try withExtendedLifetime(arena) {
            let answer = try LeaseKeepAliveResponse.decode(bytes, in: arena)
            return try "renewed \(answer.id.rawValue) \(answer.ttl) at "
                + "\(Header(answer.header).revision)"
        }
    }
}

import API
import Testing

extension EndToEnd {
    /// What is served beside KV, and what is said about the rest.
    @Suite("services of a member")
    struct ServiceTests {
        let member: MemberProcess
        let client: TestClient

        init() async throws {
            member = try MemberProcess(arguments: ["--quota-backend-bytes", "0"])
            client = try await TestClient(member)
        }

        @Test("MemberList names the one member, with no revision in its header")
        func memberList() async throws {
            try await client.put("a", "1")
            for isLinearizable in [false, true] {
                let bytes = try await client.call(
                    "/etcdserverpb.Cluster/MemberList",
                    encoded { $0.appendMemberListRequest(isLinearizable: isLinearizable) })
                let arena = Arena()
                let answer = try MemberListResponse.decode(bytes, in: arena)
                let header = try Header(answer.header)
                #expect(header.revision == 0)
                #expect(header.member != 0 && header.cluster != 0 && header.term >= 2)
                #expect(answer.members.count == 1)
                let found = try #require(answer.members.first)
                #expect(found.id.rawValue == header.member)
                #expect(found.name == "default")
                #expect(found.clientURLs == ["http://\(member.endpoint)"])
                #expect(found.peerURLs == ["http://localhost:2380"])
                #expect(!found.isLearner)
            }
        }

        @Test("Status tells etcd's version, who leads, sizes and indexes")
        func status() async throws {
            let put = try await client.put("a", "1")
            let bytes = try await client.call("/etcdserverpb.Maintenance/Status")
            let arena = Arena()
            let answer = try StatusResponse.decode(bytes, in: arena)
            #expect(try Header(answer.header) == put.header)
            #expect(answer.version == "3.7.1")
            #expect(answer.storageVersion == "3.7.0")
            #expect(answer.leader.rawValue == put.header.member)
            #expect(answer.raftTerm.rawValue == put.header.term)
            #expect(answer.raftIndex == answer.raftAppliedIndex)
            #expect(answer.dbSize >= answer.dbSizeInUse && answer.dbSizeInUse > 0)
            #expect(answer.dbSizeQuota == 2_147_483_648)
            #expect(answer.errors.isEmpty && !answer.isLearner)
        }

        @Test("there is no alarm")
        func alarms() async throws {
            let arena = Arena()
            let bytes = try await client.call("/etcdserverpb.Maintenance/Alarm")
            let answer = try AlarmResponse.decode(bytes, in: arena)
            #expect(answer.alarms.isEmpty)
            #expect(answer.header != nil)
        }

        @Test("Health knows the server as a whole, and no other service")
        func health() async throws {
            let arena = Arena()
            let bytes = try await client.call("/grpc.health.v1.Health/Check")
            #expect(try HealthCheckResponse.decode(bytes, in: arena).status == .serving)
            await #expect(throws: Status(.notFound, "unknown service")) {
                try await client.call(
                    "/grpc.health.v1.Health/Check",
                    encoded { $0.appendHealthCheckRequest(service: "etcdserverpb.KV") })
            }
        }

        @Test("what is not served is named as gRPC's Go library names it")
        func unknown() async throws {
            let cases = [
                (
                    "/etcdserverpb.Maintenance/Snapshot",
                    "unknown method Snapshot for service etcdserverpb.Maintenance"
                ),
                ("/etcdserverpb.KV/", "unknown method  for service etcdserverpb.KV"),
                ("/no.such.Service/Call", "unknown service no.such.Service"),
            ]
            for (path, message) in cases {
                await #expect(throws: Status(.unimplemented, message)) {
                    try await client.call(path)
                }
            }
        }
    }
}

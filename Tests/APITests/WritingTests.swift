import Testing

@testable import API

@Suite("Writing responses and proposals")
struct WritingTests {
    let arena = Arena()
    let header = HeaderFields(
        cluster: ClusterID(.max), member: MemberID(10), revision: Revision(300), term: Term(2))
    /// {key "k", create 2, mod 3, version 2, value "v"}
    let stored: [UInt8] = [0x0a, 1, 0x6b, 0x10, 2, 0x18, 3, 0x20, 2, 0x2a, 1, 0x76]

    func check(_ decoded: ResponseHeader?) throws {
        let decoded = try #require(decoded)
        #expect(decoded.clusterID == header.cluster && decoded.memberID == header.member)
        #expect(decoded.revision == header.revision && decoded.raftTerm == header.term)
    }

    func check(_ pair: KeyValueView) {
        #expect(text(pair.key) == "k" && text(pair.value) == "v")
        #expect(pair.createRevision == Revision(2) && pair.modRevision == Revision(3))
        #expect(pair.version == 2 && pair.lease == .none)
    }

    @Test("A Put's answer, with and without the pair before")
    func put() throws {
        let plain = try PutResponse.decode(
            encoded { $0.appendPutResponse(header) }, in: arena)
        try check(plain.header)
        #expect(plain.prevKV == nil)
        let previous = try withBytes(stored) { stored in
            try PutResponse.decode(
                encoded { $0.appendPutResponse(header, previous: stored) }, in: arena)
        }
        check(try #require(previous.prevKV).view)
    }

    @Test("A Range's answer splices what is stored")
    func range() throws {
        let bytes = try withBytes(stored) { stored in
            let view = try KeyValueView(decoding: stored)
            return encoded { buffer in
                buffer.appendRangeBegin(header)
                buffer.appendRangePair(stored: stored)
                buffer.appendRangePair(view)
                buffer.appendRangePairWithoutValue(view)
                buffer.appendRangeEnd(more: true, count: 4)
            }
        }
        let range = try RangeResponse.decode(bytes, in: arena)
        try check(range.header)
        #expect(range.kvs.count == 3 && range.more && range.count == 4)
        check(range.kvs[0].view)
        check(range.kvs[1].view)
        #expect(range.kvs[2].view.value.isEmpty && range.kvs[2].view.version == 2)
    }

    @Test("A DeleteRange's answer, and one of a request that only has a header")
    func delete() throws {
        let bytes = withBytes(stored) { stored in
            encoded { buffer in
                buffer.appendDeleteRangeBegin(header, deleted: 1)
                buffer.appendDeletedPair(stored: stored)
            }
        }
        let delete = try DeleteRangeResponse.decode(bytes, in: arena)
        try check(delete.header)
        #expect(delete.deleted == 1)
        check(delete.prevKVs[0].view)
    }

    @Test("A member's status in full")
    func status() throws {
        var status = StatusFields()
        status.version = "3.7.1"
        status.dbSize = 25
        status.leader = MemberID(1)
        status.raftIndex = LogIndex(2)
        status.raftTerm = Term(3)
        status.raftAppliedIndex = LogIndex(4)
        status.errors = ["memberID:1 alarm:NOSPACE ", ""]
        status.dbSizeInUse = 5
        status.isLearner = true
        status.storageVersion = "3.7.0"
        status.dbSizeQuota = 6
        status.downgrade = (true, "3.6.0")
        let bytes = encoded { $0.appendStatusResponse(header, status) }
        let read = try StatusResponse.decode(bytes, in: arena)
        try check(read.header)
        #expect(read.version == "3.7.1" && read.storageVersion == "3.7.0")
        #expect(read.dbSize == 25 && read.dbSizeInUse == 5 && read.dbSizeQuota == 6)
        #expect(read.leader == MemberID(1) && read.raftTerm == Term(3) && read.isLearner)
        #expect(read.raftIndex == LogIndex(2) && read.raftAppliedIndex == LogIndex(4))
        #expect(read.errors == status.errors)
        #expect(bytes.suffix(11) == [0x6a, 9, 8, 1, 0x12, 5] + Array("3.6.0".utf8))
    }

    @Test("Members, alarms and health")
    func others() throws {
        let member = MemberFields(
            id: MemberID(5), name: "m0", peerURLs: ["http://a:1", "http://b:1"],
            clientURLs: [String(repeating: "u", count: 200)], isLearner: true)
        let members = try MemberListResponse.decode(
            encoded { $0.appendMemberListResponse(header, [member, MemberFields(id: .none)]) },
            in: arena)
        #expect(members.members.count == 2)
        let first = members.members[0]
        #expect(first.id == member.id && first.name == "m0" && first.isLearner)
        #expect(first.peerURLs == member.peerURLs && first.clientURLs == member.clientURLs)

        let alarms = try AlarmResponse.decode(
            encoded {
                $0.appendAlarmResponse(
                    header, [AlarmFields(member: MemberID(9), alarm: .corrupt)])
            }, in: arena)
        #expect(alarms.alarms[0].member == MemberID(9) && alarms.alarms[0].alarm == .corrupt)

        #expect(encoded { $0.appendHealthCheckResponse(.serving) } == [8, 1])
    }

    @Test("A Put goes into the log as it came, header behind it")
    func putProposal() throws {
        let put: [UInt8] = [0x0a, 1, 0x6b, 0x12, 1, 0x76]
        let bytes = withBytes(put) { put in
            encoded {
                $0.appendProposal(ProposalHeader(id: RequestID(300)), .put, request: put)
            }
        }
        #expect(bytes == [0x22, 6] + put + [0xa2, 0x06, 3, 8, 0xac, 2])
        let read = try InternalRaftRequest.decode(bytes, in: arena)
        #expect(read.id == RequestID(300) && read.username == .none && read.authRevision == 0)
        guard case .put(let request) = read.operation else {
            Issue.record("no put in the proposal")
            return
        }
        #expect(text(request.key) == "k" && text(request.value) == "v")
    }

    /// Entries 3 and 4 of the fixture's log of etcd 3.7.1.
    @Test("What a member and its leader publish are the bytes that etcd writes")
    func clusterProposals() throws {
        let attributes = encoded {
            $0.appendClusterMemberAttrSet(
                ProposalHeader(id: RequestID(0x2aed_a1fb_e01b_5501)),
                member: MemberID(1_991_473_312_055_241_453), name: "m0",
                clientURLs: ["http://127.0.0.1:25379"])
        }
        #expect(
            attributes == [
                0xa2, 0x06, 0x0a, 0x08, 0x81, 0xaa, 0xed, 0x80, 0xbe, 0xbf, 0xe8, 0xf6, 0x2a,
                0xaa, 0x51, 0x28, 0x08, 0xed, 0xd5, 0xe4, 0x85, 0xd1, 0xcd, 0xc8, 0xd1, 0x1b,
                0x12, 0x1c, 0x0a, 0x02, 0x6d, 0x30, 0x12, 0x16,
            ] + Array("http://127.0.0.1:25379".utf8))
        let read = try InternalRaftRequest.decode(attributes, in: arena)
        guard case .clusterMemberAttrSet(let set) = read.operation else {
            Issue.record("no attributes in the proposal")
            return
        }
        #expect(set.attributes?.name == "m0")
        #expect(set.attributes?.clientURLs == ["http://127.0.0.1:25379"])

        let version = encoded {
            $0.appendClusterVersionSet(
                ProposalHeader(id: RequestID(1), username: AuthName("u"), authRevision: 2),
                version: "3.7.0")
        }
        #expect(
            version == [0xa2, 0x06, 7, 8, 1, 0x12, 1, 0x75, 0x18, 2, 0xa2, 0x51, 7, 0x0a, 5]
                + Array("3.7.0".utf8))
        let second = try InternalRaftRequest.decode(version, in: arena)
        #expect(second.username == AuthName("u") && second.authRevision == 2)
        guard case .clusterVersionSet(let raised) = second.operation else {
            Issue.record("no version in the proposal")
            return
        }
        #expect(raised.version == "3.7.0")
    }

    @Test("Old entries carry their id outside the header; a proposal may be empty")
    func oldID() throws {
        let read = try InternalRaftRequest.decode([8, 9], in: arena)
        #expect(read.id == RequestID(9))
        #expect(read.operation == nil)
    }
}

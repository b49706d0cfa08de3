// The log of a real etcd comes to the same state here as it did there.

import API
import Storage
import Testing

@testable import Services

@Suite("The log of an etcd, replayed")
struct EtcdLogStories {
    @Test(
        "ends at its revision, its hash of the keys, and every key",
        arguments: EtcdFixture.present)
    func replay(_ fixture: EtcdFixture) throws {
        let facts = try fixture.facts()
        // Raft is not started: there are no entries but those of the log.
        let member = try PlayedMember(starts: false)
        member.applyForeign(try fixture.entries())
        member.finishCompactions()

        let all = member.range(Request.range("\0", to: "\0", isSerializable: true))
        let pairs = try StoredPair.list(#require(all.message, "\(all.answers)"))
        #expect(try pairs == fixture.pairs())
        let hash = try Self.hash(of: member)
        #expect(hash.text == "\(facts.revision), \(facts.revision), \(facts.compacted)")
        #expect(hash.hash == facts.hash)

        let leases = member.state { applier in
            applier.lessor.assumeIsolated { lessor in
                lessor.list.map { id in
                    var keys: [String] = []
                    lessor.forEachKey(of: id) { keys.append(String(decoding: $0, as: UTF8.self)) }
                    return "\(id.rawValue): \(lessor.timeToLive(id)?.grantedTTL ?? 0) \(keys)"
                }
            }
        }
        #expect(leases == [#"\#(facts.lease): 86400 ["leased"]"#])
        let membership = member.state { $0.membership }
        #expect(membership.sorted.map(\.id.hex) == ["1ba3226d10b92aed"])
        #expect(membership.sorted.first?.clientURLs == ["http://127.0.0.1:25379"])
        let version = fixture.rawValue.split(separator: "-")[1].split(separator: ".").prefix(2)
        #expect(membership.clusterVersion == version.joined(separator: ".") + ".0")
    }

    @Test(
        "leaves its users and roles, in the very bytes of its store",
        arguments: EtcdFixture.present)
    func users(_ fixture: EtcdFixture) throws {
        let member = try PlayedMember(starts: false)
        member.applyForeign(try fixture.entries())
        let state = member.state { $0.authority.assumeIsolated { $0.state } }

        #expect(state.users.keys.map(\.description) == ["alice"])
        let alice = try #require(state.users[AuthName("alice")])
        #expect(alice.roles == [AuthName("reader")])
        #expect(Bcrypt.verify(Array("secret".utf8), alice.password))
        #expect(!Bcrypt.verify(Array("Secret".utf8), alice.password))
        let reader = try #require(state.roles[AuthName("reader")])
        #expect(
            reader.permissions == [
                Permission(
                    kind: 0, key: Array("/registry/".utf8), rangeEnd: Array("/registry0".utf8))
            ])
        #expect(!state.isEnabled)

        guard let file = try fixture.snapshot() else { return }
        let revision = withUnsafeBytes(of: state.revision.bigEndian) { [UInt8]($0) }
        #expect(file.contains(Array("authRevision".utf8) + revision))
        #expect(file.contains(Array("reader".utf8) + reader.record))
        // etcd 3.4 logged the password, and every member made a salt of its own.
        if fixture != .etcd3423 { #expect(file.contains(Array("alice".utf8) + alice.record)) }
    }

    /// Of the newest revision; answered once the store has looked at all of it.
    private static func hash(of member: PlayedMember) throws -> (text: String, hash: UInt32) {
        let caller = member.hashKV()
        for _ in 0..<6 where caller.answers.isEmpty { member.runCommitter() }
        return try Response.hashKV(#require(caller.message, "\(caller.answers)"))
    }

    @Test("Old requests are known by method and path; what else is no request ends the member")
    func oldRequests() {
        func request(_ method: String, _ path: String, _ value: String) -> [UInt8] {
            encoded {
                $0.appendField(1, uint64: 7)
                $0.appendField(2, string: method)
                $0.appendField(3, string: path)
                $0.appendField(4, string: value)
                $0.appendField(5, bool: false)
            }
        }
        #expect(OldRequest(request("PUT", "/0/version", "3.4.0")) == .setClusterVersion("3.4.0"))
        #expect(
            OldRequest(request("PUT", "/0/members/1f/attributes", "{}"))
                == .setAttributes(MemberID(0x1f), json: Array("{}".utf8)))
        for (method, path) in [
            ("GET", "/0/version"), ("PUT", "/1/keys"), ("PUT", "/0/members/1f/raftAttributes"),
            ("PUT", "/0/members/x/attributes"), ("", ""),
        ] {
            #expect(OldRequest(request(method, path, "{}")) == nil)
        }
        #expect(OldRequest([0xff, 0xff]) == nil)
    }
}

import API
import Testing

@testable import Services

@Suite("A member's record")
struct ClusterMemberTests {
    @Test("is etcd's JSON, its empty fields left out")
    func json() throws {
        let unstarted = ClusterMember(
            id: MemberID(1_991_473_312_055_241_453), peerURLs: ["http://a:1"])
        #expect(
            unstarted.json.description
                == #"{"id":1991473312055241453,"peerURLs":["http://a:1"]}"#)
        var started = unstarted
        started.isLearner = true
        started.name = "m0"
        started.clientURLs = ["http://b:2", "http://c:3"]
        let text =
            #"{"id":1991473312055241453,"peerURLs":["http://a:1"],"isLearner":true,"name":"m0","#
            + #""clientURLs":["http://b:2","http://c:3"]}"#
        #expect(started.json.description == text)
        #expect(try ClusterMember(json: text.utf8) == started)
    }

    @Test("of etcd's bootstrap entry is understood, null peer URLs too")
    func foreign() throws {
        let bytes = Array(#"{"id":7,"peerURLs":null,"isPromote":true}"#.utf8)
        #expect(try ClusterMember(json: bytes) == ClusterMember(id: MemberID(7), peerURLs: []))
    }

    @Test(
        "without an id is refused",
        arguments: ["{}", "[]", "{\"id\":\"7\"}", "{\"id\":-1}", "x"])
    func refused(_ text: String) {
        #expect(throws: MembershipError.self) { try ClusterMember(json: text.utf8) }
    }
}

import API
import Testing

@testable import Services

@Suite("Membership")
struct MembershipTests {
    private let a = ClusterMember(id: MemberID(10), peerURLs: ["http://a:1"])
    private let b = ClusterMember(id: MemberID(2), peerURLs: ["http://b:1"])

    @Test("lists its members by id")
    func sorted() {
        let membership = Membership(cluster: ClusterID(1), members: [a, b])
        #expect(membership.sorted.map(\.id.rawValue) == [2, 10])
    }

    @Test("takes the attributes of a member and ignores those of a stranger")
    func attributes() {
        var membership = Membership(cluster: ClusterID(1), members: [a])
        let changed = membership.setAttributes(of: a.id, name: "m0", clientURLs: ["http://c:1"])
        #expect(changed?.name == "m0")
        #expect(membership.members[a.id] == changed)
        let stranger = membership.setAttributes(of: b.id, name: "x", clientURLs: [])
        #expect(stranger == nil)
        #expect(membership.members.count == 1)
    }
}

@Suite("Alarms")
struct AlarmTests {
    @Test("are active once, listed by kind, and go by exact member and kind only")
    func life() {
        var alarms = AlarmSet()
        let space = AlarmFields(member: MemberID(7), alarm: .noSpace)
        let activations = [alarms.activate(space), alarms.activate(space)]
        #expect(activations == [true, false])
        #expect(alarms.list(.none) == [space])
        #expect(alarms.list(.corrupt).isEmpty)
        #expect(alarms.contains(.noSpace) && !alarms.contains(.corrupt))
        let deactivations = [
            alarms.deactivate(AlarmFields(member: MemberID(7), alarm: .corrupt)),
            alarms.deactivate(AlarmFields(member: MemberID(8), alarm: .noSpace)),
            alarms.deactivate(space),
        ]
        #expect(deactivations == [false, false, true])
        #expect(alarms.list(.none).isEmpty)
        #expect(space.text == "memberID:7 alarm:NOSPACE")
    }
}

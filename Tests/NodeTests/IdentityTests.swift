import API
import Services
import Testing

@Suite("Ids are derived, not agreed on")
struct IdentityTests {
    @Test("A member's id does not depend on the order of its URLs, but on its token")
    func memberID() {
        let urls = ["http://b:1", "http://a:1"]
        let id = MemberIdentity.member(peerURLs: urls, token: "t")
        #expect(id == MemberIdentity.member(peerURLs: urls.reversed(), token: "t"))
        #expect(id != MemberIdentity.member(peerURLs: urls, token: "u"))
    }

    @Test("A member added later has its time in place of the token")
    func addedMember() {
        let urls = ["http://a:1"]
        #expect(
            MemberIdentity.member(peerURLs: urls, token: "t", addedAt: 12)
                == MemberIdentity.member(peerURLs: urls, token: "12"))
    }

    @Test("A cluster's id does not depend on the order of its members")
    func clusterID() {
        let members = [MemberID(2), MemberID(1), MemberID(3)]
        #expect(
            MemberIdentity.cluster(members: members)
                == MemberIdentity.cluster(members: members.reversed()))
        #expect(
            MemberIdentity.cluster(members: [MemberID(1_991_473_312_055_241_453)]).rawValue
                == 7_006_761_732_897_752_647)
    }

    @Test("Request ids begin with the member, and count up from its start")
    func requestIDs() {
        var ids = RequestIDs(
            member: MemberID(0xffff_aaaa_bbbb_2aed), startMilliseconds: 0x1_a1fb_e009_17)
        #expect(ids.next().rawValue == 0x2aed_a1fb_e009_1701)
        #expect(ids.next().rawValue == 0x2aed_a1fb_e009_1702)
        for _ in 0..<254 { _ = ids.next() }
        #expect(ids.next().rawValue == 0x2aed_a1fb_e009_1801, "the counter carries into the time")
    }

    @Test("A lease id is positive, and has the form of the recorded servers' leases")
    func leaseIDs() {
        var ids = RequestIDs(
            member: MemberID(1_991_473_312_055_241_453), startMilliseconds: 0x1_a1fb_e009_17)
        #expect(ids.nextLease().rawValue == 0x2aed_a1fb_e009_1701)
        var high = RequestIDs(member: MemberID(0xffff), startMilliseconds: 0)
        #expect(high.nextLease().rawValue == 0x7fff_0000_0000_0001)
    }

    @Test("The count wraps inside its 48 bits and leaves the member alone")
    func wraps() {
        var ids = RequestIDs(member: MemberID(7), startMilliseconds: 0xff_ffff_ffff)
        for _ in 0..<256 { _ = ids.next() }
        #expect(ids.next().rawValue == 0x0007_0000_0000_0001)
    }
}

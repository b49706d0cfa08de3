// The cluster's version is the lowest of its members'.

import API
import Consensus
import Testing

@testable import Services

private func version(_ text: String) -> ClusterVersion? { ClusterVersion(parsing: text) }

@Suite("Which version a cluster runs at")
struct ClusterVersionRuleTests {
    private func decide(
        _ current: String?, _ members: [String?], to target: String? = nil
    ) -> String? {
        ClusterVersionRule.decide(
            current: current.flatMap(version), members: members.map { $0.flatMap(version) },
            downgradingTo: target.flatMap(version))?.short
    }

    @Test("a new one: that of the lowest, or 3.0 while not all are heard of")
    func new() {
        #expect(decide(nil, ["3.7.1", "3.7.0"]) == "3.7")
        #expect(decide(nil, ["3.7.1", "3.6.4", "3.7.1"]) == "3.6")
        #expect(decide(nil, ["3.7.1", nil]) == "3.0")
    }

    @Test("it rises with the last member, and never falls by itself")
    func rises() {
        #expect(decide("3.0.0", ["3.7.1", "3.7.1"]) == "3.7")
        #expect(decide("3.6.0", ["3.7.1", "3.7.1"]) == "3.7")
        #expect(decide("3.6.0", ["3.7.1", "3.6.9"]) == nil)
        #expect(decide("3.6.0", ["3.7.1", nil]) == nil)
        #expect(decide("3.7.0", ["3.7.1", "3.6.9"]) == nil)
        #expect(decide("3.7.0", ["4.0.0"]) == nil, "not over a major version")
    }

    @Test("a downgrade lowers it by one minor, and is over when all members run that")
    func falls() {
        #expect(decide("3.7.0", ["3.7.1", "3.7.1"], to: "3.6.0") == "3.6")
        #expect(decide("3.6.0", ["3.7.1", "3.6.1"], to: "3.6.0") == nil)
        #expect(decide("3.7.0", ["3.7.1"], to: "3.5.0") == nil)
        let target = version("3.6.0")
        #expect(
            !ClusterVersionRule.isDone(
                downgradingTo: target, members: ["3.7.1", "3.6.1"].map(version)))
        #expect(
            ClusterVersionRule.isDone(
                downgradingTo: target, members: ["3.6.0", "3.6.1"].map(version)))
    }

    @Test(
        "only X.Y and X.Y.Z are versions",
        arguments: ["", "3", "3.", "3.x", "3.7.1.2", "-3.7", "3.7.1-rc", "+3.+7", "3.+7.1"])
    func malformed(text: String) { #expect(version(text) == nil) }
}

@Suite("The leader asks the members what they run")
struct ClusterVersionStories {
    private let urlB = "http://b:1"

    private func member(version: String, cluster: String = "") -> [UInt8] {
        encoded { ServerVersions(server: version, cluster: cluster).append(to: &$0) }
    }

    /// A leader of a cluster of two whose version is still to be decided: B runs, and is silent.
    private func undecided() throws -> (member: PlayedMember, b: MemberID) {
        let member = try PlayedMember {
            $0.checksReconfiguration = false
        }
        let b = member.memberID([urlB])
        try #require(member.addMember([urlB]).message != nil)
        member.others.reached = [b]
        let payload = encoded {
            $0.appendClusterVersionSet(
                ProposalHeader(id: RequestID(9)), version: "3.0.0")
        }
        member.applyOwn(payload, followedBy: b)
        return (member, b)
    }

    @Test("and raises the cluster's version once all have answered; one that is silent keeps it")
    func raised() throws {
        let (member, b) = try undecided()
        #expect(member.state { $0.membership.clusterVersion } == "3.0.0")
        member.passSeconds(5, followedBy: b)
        let silent = try #require(member.others.takeCall())
        #expect(silent.method == .version && silent.member == b)
        member.life.core.turn { silent.answer(.failure(Status(.unavailable, "gone"))) }
        member.passSeconds(2, followedBy: b)
        #expect(member.state { $0.membership.clusterVersion } == "3.0.0")
        #expect(member.others.takeCall() == nil, "every four seconds")
        member.passSeconds(3, followedBy: b)
        let call = try #require(member.others.takeCall())
        member.life.core.turn { call.answer(.success(self.member(version: "3.7.0"))) }
        member.followed(by: b)
        #expect(member.state { $0.membership.clusterVersion } == "3.7.0")
        #expect(member.state { $0.storageVersion } == "3.7.0")
        member.passSeconds(9, followedBy: b)
        #expect(member.others.takeCall() == nil, "there is nothing left to decide")
    }

    @Test("A member says what it runs to who asks")
    func answers() throws {
        let member = try PlayedMember()
        let asked = member.call { life, caller in life.maintenance.version(caller) }
        let answer = try #require(asked.message)
        let versions = try answer.withUnsafeBytes { try ServerVersions(decoding: $0) }
        #expect(
            versions == ServerVersions(server: "3.7.1", cluster: "3.7.0", storage: "3.7.0"))
    }

    @Test("A member is too old for a cluster that has agreed on more than it knows")
    func tooOld() {
        #expect(Applier.refusal(ofClusterVersion: nil) == nil)
        #expect(Applier.refusal(ofClusterVersion: "3.7.0") == nil)
        #expect(
            Applier.refusal(ofClusterVersion: "3.8.0")?.hasPrefix(
                "invalid downgrade; server version is lower than determined cluster version")
                == true)
    }
}

@Suite("A downgrade is prepared through the log")
struct DowngradeStories {
    private func ask(_ member: PlayedMember, _ action: UInt64, _ version: String) -> Caller {
        let request = encoded {
            $0.appendField(1, uint64: action)
            $0.appendField(2, string: version)
        }
        return member.call { life, caller in
            request.withUnsafeBytes { life.maintenance.downgrade($0, as: .nobody, caller) }
        }
    }

    private func status(_ member: PlayedMember) -> String {
        member.state {
            let fields = $0.statusFields().downgrade
            return "\(fields?.isEnabled ?? false) \(fields?.targetVersion ?? "")"
        }
    }

    @Test("to the minor before and no other, one at a time, and it can be cancelled")
    func enabled() throws {
        let member = try PlayedMember()
        let (validate, enable, cancel): (UInt64, UInt64, UInt64) = (0, 1, 2)
        for action in [validate, enable] {
            #expect(ask(member, action, "3").failure == .wrongDowngradeVersionFormat)
            for wrong in ["3.7", "3.5", "2.6", "3.8.0"] {
                #expect(ask(member, action, wrong).failure == .invalidDowngradeTargetVersion)
            }
        }
        #expect(ask(member, 7, "3.6").failure == .unknownMethod)
        #expect(status(member) == "false ")
        let answer = encoded {
            $0.appendResponseHeader(member.header(1))
            $0.appendField(2, string: "3.7")
        }
        #expect(ask(member, validate, "3.6").message == answer)
        #expect(ask(member, enable, "3.6.0").message == answer)
        #expect(status(member) == "true 3.6.0")
        member.advance(milliseconds: 5000)
        #expect(member.state { $0.membership.clusterVersion } == "3.6.0")
        #expect(member.state { $0.storageVersion } == "3.6.0")
        #expect(ask(member, enable, "3.5").failure == .downgradeInProcess)

        member.commit()
        try member.crash()
        #expect(status(member) == "true 3.6.0", "it outlives the process")
        #expect(ask(member, cancel, "").message != nil)
        #expect(status(member) == "false ")
        member.advance(milliseconds: 5000)
        #expect(member.state { $0.membership.clusterVersion } == "3.7.0")
        #expect(ask(member, cancel, "").message != nil, "with none in progress, as in etcd")
    }
}

import Foundation
import Testing

extension EndToEnd {
    /// A member whose file was altered behind its back.
    @Suite("A cluster with a corrupt member")
    struct ClusterCorruptionTests {
        /// Changes one byte of a value where it lies in the file of a member that does not run.
        private func alter(_ value: String, of member: MemberProcess) throws {
            var bytes = try Data(contentsOf: member.storeFile)
            let marks = Data(value.utf8)
            var count = 0
            while let place = bytes.range(of: marks) {
                bytes[place.lowerBound] ^= 0x20
                count += 1
            }
            #expect(count > 0)
            try bytes.write(to: member.storeFile)
        }

        @Test("the leader finds it, writes are refused, and it does not start with a check before")
        func found() throws {
            let cluster = try ClusterProcesses(arguments: ["--corrupt-check-time", "1s"])
            #expect(try cluster.etcdctl("put", "a", "a-value-to-be-altered") == "OK\n")
            #expect(try cluster.etcdctl("put", "b", "1") == "OK\n")
            let leader = try cluster.waitForLeader()
            _ = try cluster.members[leader].log.wait(for: "finished peer corruption check")
            let follower = (leader + 1) % 3
            let corrupt = cluster.members[follower]
            corrupt.end(by: SIGTERM)
            try alter("a-value-to-be-altered", of: corrupt)
            try corrupt.start()
            _ = try cluster.members[leader].log.wait(
                for: "same compact revision then hashes must match")
            _ = try cluster.members[leader].log.wait(for: "alarm raised")
            #expect(try cluster.etcdctl("alarm", "list").contains("alarm:CORRUPT"))
            let refused = try cluster.etcdctl("put", "a", "2", at: [leader])
            #expect(refused.contains("etcdserver: corrupt cluster"))
            #expect(try cluster.etcdctl("get", "b", at: [leader]) == "b\n1\n")

            corrupt.end(by: SIGTERM)
            corrupt.arguments += ["--feature-gates", "InitialCorruptCheck=true"]
            let refusal = try corrupt.startExpectingRefusal()
            #expect(refusal.status == 1)
            #expect(
                refusal.log.contains {
                    $0.message == "found different hash values from remote peer"
                })
            // One that is whole starts with the same check.
            let whole = cluster.members[(leader + 2) % 3]
            whole.end(by: SIGTERM)
            whole.arguments += ["--feature-gates", "InitialCorruptCheck=true"]
            let lines = try whole.start()
            #expect(
                lines.contains { $0.contains("initial corruption checking passed; no corruption") })
        }
    }
}

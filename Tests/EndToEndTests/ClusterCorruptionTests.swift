import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// A member whose file was altered behind its back.
    @Suite("A cluster with a corrupt member")
    struct ClusterCorruptionTests {
        /// The record of the newest pair with `value`, of a member that does not run.
        private func record(of value: String, _ member: MemberProcess) throws -> StoredPlace {
            let places = try StoreFile(member.storeFile.path).places()
            return try #require(
                places.last { Data($0.value).range(of: Data(value.utf8)) != nil })
        }

        /// Changes one byte of a value where it lies in the file of a member that does not run, as
        /// if it had been written so.
        private func alter(_ value: String, of member: MemberProcess) throws {
            let place = try record(of: value, member)
            let range = try #require(Data(place.value).range(of: Data(value.utf8)))
            StoreFile(member.storeFile.path).alter(place, at: range.lowerBound, by: 0x20)
        }

        @Test("whose disk has flipped a bit stops when it reads it, and does not start again")
        func flippedBit() throws {
            let cluster = try ClusterProcesses()
            #expect(try cluster.etcdctl("put", "a", "a-value-to-be-damaged") == "OK\n")
            #expect(try cluster.etcdctl("put", "b", "1") == "OK\n")
            let leader = try cluster.waitForLeader()
            let follower = (leader + 1) % 3
            let member = cluster.members[follower]
            // Stopped and started, it has all on disk.
            member.end(by: SIGTERM)
            let place = try record(of: "a-value-to-be-damaged", member)
            try member.start()
            let file = StoreFile(member.storeFile.path)
            file.flip(bit: 2, at: place.valueOffset + place.value.count - 8)
            let answer = try cluster.etcdctl(
                "get", "a", "--consistency", "s", "--command-timeout", "2s", at: [follower])
            #expect(!answer.contains("a-value"))
            let line = try member.log.wait(
                for: "the store's file is damaged; the member stops before anything of it is served"
            )
            #expect("\(line)".contains("does not match its checksum"))
            #expect(try cluster.etcdctl("get", "a", at: [leader]) == "a\na-value-to-be-damaged\n")
            #expect(member.waitForEnd() != 0)

            let refusal = try member.startExpectingRefusal()
            #expect(refusal.status == 1)
            #expect(
                refusal.log.contains { "\($0)".contains("table key does not match its checksum") })
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

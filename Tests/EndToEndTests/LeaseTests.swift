import API
import Foundation
import TestSupport
import Testing
import Transport

extension EndToEnd {
    @Suite("leases of a member")
    struct LeaseTests {
        @Test("etcdctl grants, lists, keeps alive and revokes; keys go with their lease")
        func etcdctl() throws {
            let member = try MemberProcess()
            let script = """
                set -e
                id=$(etcdctl lease grant 100 | cut -d' ' -f2)
                etcdctl put --lease=$id a 1
                etcdctl put --lease=$id b 2
                etcdctl put --ignore-lease a 3
                etcdctl lease list | sed "s/$id/ID/"
                etcdctl lease timetolive $id --keys | sed "s/$id/ID/; s/remaining.*s), //; s/b a/a b/"
                etcdctl lease keep-alive --once $id | sed "s/$id/ID/"
                etcdctl lease revoke $id | sed "s/$id/ID/"
                etcdctl get --prefix ''
                etcdctl lease timetolive $id | sed "s/$id/ID/"
                etcdctl lease grant -- -7 | sed 's/lease .* granted/granted/'
                ! etcdctl lease revoke 123
                ! etcdctl put --lease=123 a 1
                ! etcdctl lease grant 9000000001
                """
            let result = try shell(script, member)
            #expect(result.status == 0, "\(result.errors)")
            #expect(
                result.output == """
                    OK
                    OK
                    OK
                    found 1 leases
                    ID
                    lease ID granted with TTL(100s), attached keys([a b])
                    lease ID keepalived with TTL(100)
                    lease ID revoked
                    lease ID already expired
                    granted with TTL(2s)

                    """)
            let errors = result.errors.split(separator: "\n").filter { $0.hasPrefix("Error") }
            #expect(
                errors == [
                    "Error: failed to revoke lease (etcdserver: requested lease not found)",
                    "Error: etcdserver: requested lease not found",
                    "Error: failed to grant lease (etcdserver: too large lease TTL)",
                ])
        }

        @Test("A lease that its client keeps alive stays; when the client dies, its keys go")
        func expires() throws {
            let member = try MemberProcess()
            let script = """
                set -e
                id=$(etcdctl lease grant 2 | cut -d' ' -f2)
                etcdctl lease keep-alive $id > /dev/null & keeper=$!
                etcdctl put --lease=$id a 1
                sleep 4
                etcdctl get a
                kill -9 $keeper
                for n in $(seq 100); do
                    [ -n "$(etcdctl get a)" ] || break
                    sleep 0.1
                done
                etcdctl get a
                """
            let result = try shell(script, member)
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.output == "OK\na\n1\n")
        }

        @Test("Leases and their keys outlive a crash of the member")
        func crash() async throws {
            let member = try MemberProcess()
            let client = try await TestClient(member)
            _ = try await client.grant(7, ttl: 1000)
            try await client.put(Put(key: "a", value: "1", lease: 7))
            member.end(by: SIGKILL)
            try member.start()
            let again = try await TestClient(member)
            let rest = try await again.timeToLive(7)
            #expect(rest.contains("of 1000 [a]"))
            _ = try await again.revoke(7)
            #expect(try await again.get("a") == nil)
        }

        @Test(
            "One stream renews many leases and says which are unknown; it ends when the client does"
        )
        func keepAlive() async throws {
            let member = try MemberProcess()
            let client = try await TestClient(member)
            for id in 1...3 { _ = try await client.grant(Int64(id), ttl: 100) }
            let stream = await StreamProbe(client, "/etcdserverpb.Lease/LeaseKeepAlive")
            var heard: Set<String> = []
            for id in [1, 9, 2, -1, 3, 0] {
                await stream.send(encoded { $0.appendLeaseRequest(LeaseID(Int64(id))) })
            }
            for _ in 0..<6 { heard.insert(try renewal(await stream.next())) }
            #expect(heard == ["1:100", "2:100", "3:100", "9:0", "-1:0", "0:0"])
            await stream.halfClose()
            #expect(await stream.next() == nil)
        }

        @Test(
            "A client that sends a hundred thousand renewals and reads nothing meanwhile gets all")
        func flood() async throws {
            let member = try MemberProcess()
            let client = try await TestClient(member)
            _ = try await client.grant(1, ttl: 100)
            let stream = await StreamProbe(client, "/etcdserverpb.Lease/LeaseKeepAlive")
            let request = encoded { $0.appendLeaseRequest(LeaseID(1)) }
            var sent = 0
            var heard = 0
            while sent < 100_000 {
                for _ in 0..<1000 { await stream.send(request) }
                sent += 1000
                while heard < sent - 5000, await stream.next() != nil { heard += 1 }
            }
            while heard < sent, await stream.next() != nil { heard += 1 }
            #expect(heard == sent)
        }

        private func renewal(_ bytes: [UInt8]?) throws -> String {
            let arena = Arena()
            return try withExtendedLifetime(arena) {
                let answer = try LeaseKeepAliveResponse.decode(#require(bytes), in: arena)
                return "\(answer.id.rawValue):\(answer.ttl)"
            }
        }
    }

    @Suite("locks and elections of a member")
    struct LockTests {
        @Test("etcdctl lock: of many at once one runs at a time, and all run")
        func manyLocks() throws {
            let member = try MemberProcess()
            let directory = try TemporaryDirectory()
            let script = """
                cd \(directory.path)
                for n in 1 2 3 4 5 6; do
                    etcdctl lock doors -- sh -c 'echo in >> log; sleep 0.05; echo out >> log' &
                done
                wait
                cat log
                etcdctl get --prefix ''
                """
            let result = try shell(script, member)
            #expect(result.output == String(repeating: "in\nout\n", count: 6), "\(result.errors)")
        }

        @Test("etcdctl lock: when the holder dies the next gets it after the TTL")
        func holderDies() throws {
            let member = try MemberProcess()
            let script = """
                etcdctl lock --ttl 2 doors > holder & holder=$!
                until [ -s holder ]; do sleep 0.05; done
                kill -9 $holder
                etcdctl lock doors echo next
                """
            let result = try shell(script, member)
            #expect(result.output == "next\n", "\(result.errors)")
        }

        @Test(
            "etcdctl elect: a second candidate leads when the first resigns; observers hear of both"
        )
        func elect() throws {
            let member = try MemberProcess()
            let script = """
                etcdctl elect boss one > one & first=$!
                until [ -s one ]; do sleep 0.05; done
                etcdctl elect -l boss > seen & observer=$!
                until [ -s seen ]; do sleep 0.05; done
                etcdctl elect boss two > two & second=$!
                until [ $(etcdctl get --prefix boss/ --keys-only | grep -c boss) = 2 ]; do
                    sleep 0.05
                done
                [ ! -s two ] && echo waits
                kill -INT $first
                until [ -s two ]; do sleep 0.05; done
                tail -n 1 two
                until [ $(wc -l < seen) -ge 4 ]; do sleep 0.05; done
                sed -n '2p;4p' seen
                kill -9 $second $observer
                """
            let result = try shell(script, member)
            #expect(result.output == "waits\ntwo\none\ntwo\n", "\(result.errors)")
        }

        @Test("etcdctl elect: of many at once one leads at a time; when it dies the next does")
        func manyCandidates() throws {
            let member = try MemberProcess()
            let script = """
                for n in 1 2 3 4; do
                    etcdctl elect boss value$n > out$n & echo $! > pid$n
                done
                until [ $(etcdctl get --prefix boss/ --keys-only | grep -c boss) = 4 ]; do
                    sleep 0.05
                done
                for round in 1 2 3 4; do
                    # Who leads prints the key it leads with, then its value.
                    until [ $(cat out* | wc -l) -ge 2 ]; do sleep 0.05; done
                    [ $(grep -l value out* | wc -l) = 1 ] && echo one leads
                    leader=$(grep -l value out* | sed 's/out//')
                    key=$(head -n 1 out$leader)
                    kill -9 $(cat pid$leader)
                    rm out$leader
                    # What the end of its TTL, a minute, comes to.
                    etcdctl lease revoke ${key#boss/} > revoked && echo its lease is over
                done
                etcdctl get --prefix ''
                """
            let result = try shell(script, member)
            #expect(
                result.output
                    == String(repeating: "one leads\nits lease is over\n", count: 4),
                "\(result.errors)")
        }

        @Test("The Lock service: the next is woken; a cancelled wait leaves no key behind")
        func service() async throws {
            let member = try MemberProcess()
            let client = try await TestClient(member)
            for id in 1...3 { _ = try await client.grant(Int64(id), ttl: 1000) }
            let lock = "/v3lockpb.Lock/Lock"
            let first = try await client.call(lock, lockRequest("a", lease: 1))
            #expect(try lockKey(first) == "a/1")
            await #expect(throws: Status.self) {
                _ = try await client.connection.call(
                    GRPCClientMethod(lock), lockRequest("a", lease: 2),
                    options: GRPCCallOptions(timeout: 300_000_000))
            }
            async let third = client.call(lock, lockRequest("a", lease: 3))
            while try await client.get("a/3") == nil {}
            #expect(try await client.all(prefix: "a").pairs.map(\.key) == ["a/1", "a/3"])
            _ = try await client.call(
                "/v3lockpb.Lock/Unlock", encoded { $0.appendField(1, string: "a/1") })
            #expect(try lockKey(try await third) == "a/3")
        }

        @Test("Observe tells the leader, what it proclaims, and the next one")
        func observe() async throws {
            let member = try MemberProcess()
            let client = try await TestClient(member)
            for id in 1...2 { _ = try await client.grant(Int64(id), ttl: 1000) }
            let stream = await StreamProbe(
                client, "/v3electionpb.Election/Observe",
                first: encoded { $0.appendField(1, string: "e") })
            func campaign(_ lease: Int64, _ value: String) async throws -> [UInt8] {
                try await client.call(
                    "/v3electionpb.Election/Campaign",
                    encoded {
                        $0.appendField(1, string: "e")
                        $0.appendField(2, int64: lease)
                        $0.appendField(3, string: value)
                    })
            }
            _ = try await campaign(1, "one")
            #expect(try leader(await stream.next()) == "e/1=one")
            async let second = campaign(2, "two")
            while try await client.get("e/2") == nil {}
            _ = try await campaign(1, "uno")
            #expect(try leader(await stream.next()) == "e/1=uno")
            _ = try await client.revoke(1)
            _ = try await second
            #expect(try leader(await stream.next()) == "e/2=two")
            await stream.cancel()
        }

        private func lockRequest(_ name: String, lease: Int64) -> [UInt8] {
            encoded {
                $0.appendField(1, string: name)
                $0.appendField(2, int64: lease)
            }
        }

        private func lockKey(_ bytes: [UInt8]) throws -> String {
            let arena = Arena()
            return try withExtendedLifetime(arena) {
                String(decoding: try LockResponse.decode(bytes, in: arena).key, as: UTF8.self)
            }
        }

        private func leader(_ bytes: [UInt8]?) throws -> String {
            let arena = Arena()
            return try withExtendedLifetime(arena) {
                let answer = try LeaderResponse.decode(#require(bytes), in: arena)
                let pair = Pair(try #require(answer.kv))
                return "\(pair.key)=\(pair.value)"
            }
        }
    }
}

/// Runs a script in a directory of its own, with etcdctl set up for `member`.
private func shell(_ script: String, _ member: MemberProcess) throws -> ProgramResult {
    let directory = try TemporaryDirectory()
    return try withExtendedLifetime(directory) {
        try run(
            "/usr/bin/timeout",
            ["-k", "1", "60", "/bin/sh", "-c", "cd \(directory.path)\n\(script)"],
            environment: ["ETCDCTL_API": "3", "ETCDCTL_ENDPOINTS": member.endpoint])
    }
}

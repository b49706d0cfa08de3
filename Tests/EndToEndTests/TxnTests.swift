import API
import Foundation
import Testing

extension EndToEnd {
    @Suite("transactions")
    struct TxnTests {
        /// What etcdctl 3.4 prints of etcd 3.5.1's answers to the same.
        @Test("etcdctl txn prints what it prints of etcd's answers, in the order given")
        func etcdctl() throws {
            let member = try MemberProcess()
            // Comparisons, operations if they hold, operations if not: each ends with an empty line.
            let table: [(script: String, options: [String], status: Int32, printed: String)] = [
                (
                    "mod(\"k\") = \"0\"\n\nput k v1\nput l \"two words\"\n\nget k\n\n", [], 0,
                    "SUCCESS\n\nOK\n\nOK\n"
                ),
                (
                    "mod(\"k\") = \"0\"\n\nput k v2\n\nget k\nget \"\" --from-key --keys-only\n\n",
                    [], 0, "FAILURE\n\nk\nv1\n\nk\n\nl\n\n"
                ),
                (
                    "value(\"k\") = \"v1\"\nversion(\"l\") < \"2\"\ncreate(\"k\") > \"1\"\n\n"
                        + "del k --prev-kv\nget k\nput m n --prev-kv\n\nget k\n\n",
                    ["-i"], 0,
                    "compares:\nsuccess requests (get, put, del):\n"
                        + "failure requests (get, put, del):\nSUCCESS\n\n1\nk\nv1\n\n\nOK\n"
                ),
                ("value(\"zz\") != \"v1\"\n\n\nget l\n\n", [], 0, "FAILURE\n\nl\ntwo words\n"),
                (
                    "\nput a 1\nput a 2\n\n\n", [], 1,
                    "Error: etcdserver: duplicate key given in txn request"
                ),
                ("\nput a 1\ndel \"\" --from-key\n\n\n", [], 0, "SUCCESS\n\nOK\n\n3\n"),
                (
                    "\nput b 1\nget a --rev=99\n\n\n", [], 1,
                    "Error: etcdserver: mvcc: required revision is a future revision"
                ),
                ("\nget \"\" --from-key\n\n\n", [], 0, "SUCCESS\n\n"),
            ]
            for (script, options, status, printed) in table {
                let result = try run(
                    "/usr/bin/etcdctl", ["--endpoints", member.endpoint, "txn"] + options,
                    environment: ["ETCDCTL_API": "3"], input: script)
                #expect(result.status == status, "\(script)")
                let complaint = result.errors.split(separator: "\n").last.map(String.init) ?? ""
                #expect((status == 0 ? result.output : complaint) == printed, "\(script)")
            }
        }

        @Test("Guarded writes of many clients: none is lost, none happens twice")
        func contention() async throws {
            let member = try MemberProcess()
            let (clients, each) = (4, 25)
            let attempts = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<clients {
                    group.addTask { try await Self.count(to: each, on: TestClient(member)) }
                }
                return try await group.reduce(0, +)
            }
            #expect(attempts >= clients * each)
            let counter = try await TestClient(member).get("counter")
            #expect(counter?.value == "\(clients * each)")
            #expect(counter?.version == Int64(clients * each))
        }

        /// Adds one to the key `counter` so many times, as others do.
        /// - Returns: how many transactions it took.
        private static func count(to goal: Int, on client: TestClient) async throws -> Int {
            var seen: (value: Int, revision: Int64) = (0, 0)
            var (done, attempts) = (0, 0)
            while done < goal {
                attempts += 1
                let answer = try await client.call(
                    "/etcdserverpb.KV/Txn", guarded("\(seen.value + 1)", since: seen.revision))
                let arena = Arena()
                let response = try TxnResponse.decode(answer, in: arena)
                try withExtendedLifetime(arena) {
                    if response.succeeded {
                        done += 1
                        let header = try Header(response.header)
                        seen = (seen.value + 1, header.revision)
                    } else if case .range(let found) = response.responses.first?.response {
                        let pair = try #require(found.kvs.first.map(Pair.init))
                        seen = (try #require(Int(pair.value)), pair.modified)
                    }
                }
            }
            return attempts
        }

        private static func guarded(_ value: String, since revision: Int64) -> [UInt8] {
            let (key, value) = (Array("counter".utf8), Array(value.utf8))
            return encoded { request in
                key.withUnsafeBytes { key in
                    request.appendTxnCompare(
                        key: key, .mod, .equal, .modRevision(Revision(revision)))
                    let put = request.beginTxnOperation(.put, in: .success)
                    value.withUnsafeBytes { request.appendPutRequest(key: key, value: $0) }
                    request.endTxnOperation(put)
                    let get = request.beginTxnOperation(.range, in: .failure)
                    request.appendRangeRequest(key: key)
                    request.endTxnOperation(get)
                }
            }
        }
    }
}

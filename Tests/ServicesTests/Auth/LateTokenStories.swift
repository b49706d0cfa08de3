// Calls with tokens of entries that this member has not applied yet, or that nobody ever gave.

import API
import Testing
import Transport

@testable import Services

@Suite("Tokens of entries to come")
struct LateTokenStories {
    private let put = "/etcdserverpb.KV/Put"

    private func token(_ index: UInt64) -> [(name: String, value: [UInt8])] {
        [("token", Array("bQkUyPwRXqhdWcmL.\(index)".utf8))]
    }

    @Test("are waited for within bounds: of bytes, and of entries that there may be")
    func bounds() throws {
        let member = try PlayedMember()
        member.enableAuth()
        let client = try PlayedClient(member)
        let request = Request.put("k", String(repeating: "a", count: 1 << 20))
        func start(_ index: UInt64) -> PlayedClient.Outcome {
            client.start(put, request, GRPCCallOptions(metadata: token(index)))
        }
        let next = member.nextIndex.rawValue
        for far in [next + 6000, 99_999_999_999, UInt64.max] {
            #expect(start(far).result == .failure(.invalidAuthToken))
        }
        let calls = (0..<20).map { _ in start(next + 100) }
        #expect(calls.count { $0.result == nil } == 15)
        #expect(calls.count { $0.result == .failure(.invalidAuthToken) } == 5)
        member.advance(milliseconds: 3000)
        #expect(calls.allSatisfy { $0.result == .failure(.invalidAuthToken) })
        // What they took is free again.
        let more = (0..<15).map { _ in start(next + 100) }
        #expect(more.allSatisfy { $0.result == nil })
    }

    @Test(
        "let a call go on once they are known, if its client still waits",
        arguments: [50, 500] as [UInt64])
    func known(after milliseconds: UInt64) throws {
        let member = try PlayedMember()
        member.enableAuth()
        let client = try PlayedClient(member)
        let options = GRPCCallOptions(
            timeout: 100_000_000, metadata: token(member.nextIndex.rawValue))
        let call = client.start(put, Request.put("a", "1"), options)
        #expect(call.result == nil)
        member.advance(milliseconds: milliseconds)
        let index = member.nextIndex
        _ = member.token(of: "root")
        let isLate = milliseconds > 100
        #expect(member.nextIndex == (isLate ? index.next : index.next.next))
        if isLate {
            let failure = #expect(throws: Status.self) { try call.result?.get() }
            #expect(failure?.code == .deadlineExceeded)
        } else {
            #expect(try call.result?.get() != nil)
        }
    }
}

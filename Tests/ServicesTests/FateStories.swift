import API
import Consensus
import TestSupport
import Testing

@testable import Services

@Suite("Whatever becomes of a write, its caller is told once")
struct FateStories {
    @Test("After 7 s the caller is told that time is over; that it came to pass is not told again")
    func expiry() throws {
        let member = try PlayedMember()
        member.disk.isHeld = true
        let caller = member.put("a", "1")
        member.advance(milliseconds: 6999)
        #expect(caller.answers.isEmpty)
        member.advance(milliseconds: 501)
        #expect(caller.failure == .requestTimeout)
        member.disk.isHeld = false
        member.life.core.runUntilIdle()
        #expect(try member.everything() == "[a=1 2 2 1] count 1", "it was in the log all the same")
        #expect(caller.answers.count == 1)
    }

    @Test("A write that another leader was sent is answered when its entry comes back")
    func forwarded() throws {
        let member = try PlayedMember()
        let (caller, payload) = try forward(member, Request.put("a", "1"))
        #expect(caller.answers.isEmpty)
        member.applyForeign([
            Entry(term: Term(3), index: member.nextIndex, data: payload)
        ])
        #expect(
            try Response.put(#require(caller.message)) == "cluster c1 member a1 revision 2 term 2")
    }

    @Test("A write that another leader was sent and that never comes back expires")
    func forwardedInVain() throws {
        let member = try PlayedMember()
        let (caller, payload) = try forward(member, Request.put("a", "1"))
        member.advance(milliseconds: 7500)
        #expect(caller.failure == .requestTimeout)
        member.applyForeign([Entry(term: Term(3), index: member.nextIndex, data: payload)])
        #expect(caller.answers.count == 1)
        #expect(try member.everything() == "[a=1 2 2 1] count 1")
    }

    @Test("A write that another leader was sent is told when the member stops")
    func forwardedAndStopped() throws {
        let member = try PlayedMember()
        let (caller, _) = try forward(member, Request.put("a", "1"))
        let life = member.life
        life.core.turn {
            life.raft.assumeIsolated { $0.stop() }
            life.applier.assumeIsolated { $0.detach() }
        }
        #expect(caller.failure == .stopped)
    }

    /// A put that Raft has sent to another leader, as a follower would.
    private func forward(
        _ member: PlayedMember, _ request: [UInt8]
    ) throws -> (Caller, payload: [UInt8]) {
        let caller = Caller()
        let arena = Arena()
        let decoded = try PutRequest.decode(request, in: arena)
        let (applier, core) = (member.life.applier, member.life.core)
        let payload = request.withUnsafeBytes { request in
            encoded { $0.appendProposal(ProposalHeader(id: RequestID(99)), .put, request: request) }
        }
        let proposal = ClientProposal(
            id: RequestID(99), payload: payload, operation: .put(decoded), arena: arena,
            from: ArenaPool(), as: .nobody, reply: caller, applier: applier)
        core.turn {
            applier.assumeIsolated { $0.limitTime(of: proposal) }
            proposal.forwarded()
        }
        return (caller, payload)
    }

    @Test("When the log's disk fails, writes under way and later ones are told; reads go on")
    func storageFailed() throws {
        let member = try PlayedMember()
        member.put("a", "1")
        member.disk.failure = EntryStoreFailure(.noSpace, "write wal/0: no space left")
        let underWay = member.put("a", "2")
        let later = member.put("a", "3")
        for caller in [underWay, later] {
            #expect(caller.failure?.code == .unavailable)
            #expect(caller.failure?.message.contains("no space left") == true)
        }
        #expect(try member.everything() == "[a=1 2 2 1] count 1")
        let linearizable = member.range(Request.range("a"))
        #expect(
            try Response.range(#require(linearizable.message)) == "[a=1 2 2 1] count 1")
        #expect(member.life.events.heard.last == "log failed: write wal/0: no space left")
    }

    @Test("When the member stops, those who wait are told so, and so are those who come")
    func stopped() throws {
        let member = try PlayedMember()
        member.disk.isHeld = true
        let waiting = member.put("a", "1")
        let life = member.life
        life.core.turn { life.raft.assumeIsolated { $0.stop() } }
        #expect(waiting.failure == .stopped)
        #expect(member.put("a", "2").failure == .stopped)
        #expect(member.range(Request.range("a")).failure == .stopped)
        #expect(member.range(Request.range("a", isSerializable: true)).message != nil)
    }

    @Test("While there is no leader a write waits for one, as long as a request may take")
    func leaderless() throws {
        let member = try PlayedMember(starts: false)
        member.disk.isHeld = true
        member.start()
        let caller = member.put("a", "1")
        #expect(caller.answers.isEmpty)
        member.disk.isHeld = false
        member.life.core.runUntilIdle()
        #expect(caller.message != nil)
    }

    @Test("More bytes than may be under way are refused")
    func tooMany() throws {
        let member = try PlayedMember { $0.options.maxProposalBytes = 1000 }
        member.disk.isHeld = true
        let value = String(repeating: "x", count: 600)
        let first = member.put("a", value)
        let second = member.put("b", value)
        #expect(second.failure == .tooManyRequests)
        member.disk.isHeld = false
        member.life.core.runUntilIdle()
        #expect(first.message != nil)
        #expect(member.put("b", value).message != nil, "there is room again")
    }

    @Test("Refused writes are not kept until their time would be over")
    func refusedAreLetGo() throws {
        let member = try PlayedMember { $0.options.maxProposalBytes = 1000 }
        member.disk.isHeld = true
        let value = String(repeating: "x", count: 600)
        member.put("a", value)
        for _ in 0..<100 { member.put("b", value) }
        let life = member.life
        let waiting = life.core.turn { life.applier.assumeIsolated { $0.timedRequests } }
        #expect(waiting == 1)
    }

    @Test("A proposal may be as large as --max-request-bytes, its header included, no larger")
    func tooLarge() throws {
        let member = try PlayedMember { $0.maxRequestBytes = 1000 }
        func size(_ value: Int) -> Int {
            Request.put("a", String(repeating: "x", count: value)).withUnsafeBytes { request in
                encoded {
                    // An id of this member, started at its first millisecond.
                    let id = RequestID(PlayedMember.identity.member.rawValue << 48 | 1 << 8)
                    $0.appendProposal(ProposalHeader(id: id), .put, request: request)
                }.count
            }
        }
        let largest = try #require((900..<1000).last { size($0) <= 1000 })
        #expect(member.put("a", String(repeating: "x", count: largest)).message != nil)
        #expect(
            member.put("a", String(repeating: "x", count: largest + 1)).failure
                == .requestTooLarge)
    }

    @Test(
        "What Raft says is told in etcd's words",
        arguments: [
            (ProposalDrop.refused(.tooManyRequests), Status.tooManyRequests),
            (.refused(.noLeader), .requestTimeout),
            (.refused(.stopped), .stopped),
            (.stopped, .stopped),
            (.overwritten, .leaderChanged),
        ])
    func drops(_ drop: ProposalDrop, _ status: Status) {
        #expect(Status(drop) == status)
    }
}

@Suite("An entry that cannot be applied ends the process: no later one may be")
struct InapplicableStories {
    @Test("An entry that is no request")
    func garbage() async throws {
        let result = await #expect(
            processExitsWith: .exitCode(PlayedEvents.cannotApplyStatus),
            observing: [\.standardErrorContent]
        ) {
            let member = try PlayedMember()
            member.applyForeign([
                Entry(term: Term(2), index: member.nextIndex, data: [0xff, 0xff])
            ])
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains("is no request"))
    }

    @Test("An entry that asks for what this version does not serve")
    func unknown() async throws {
        let result = await #expect(
            processExitsWith: .exitCode(PlayedEvents.cannotApplyStatus),
            observing: [\.standardErrorContent]
        ) {
            let member = try PlayedMember()
            let payload = [UInt8]().withUnsafeBytes { nothing in
                encoded {
                    $0.appendProposal(
                        ProposalHeader(id: RequestID(1)), .range, request: nothing)
                }
            }
            member.applyForeign([Entry(term: Term(2), index: member.nextIndex, data: payload)])
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains("not served yet"))
    }

    @Test("A configuration change of another member than it says")
    func confChange() async throws {
        let result = await #expect(
            processExitsWith: .exitCode(PlayedEvents.cannotApplyStatus),
            observing: [\.standardErrorContent]
        ) {
            let member = try PlayedMember()
            let change = ConfChange(
                kind: .addNode, node: MemberID(8),
                context: Array(PlayedMember.record.json.description.utf8))
            member.applyForeign([
                Entry(
                    term: Term(2), index: member.nextIndex, kind: .configurationChange,
                    data: encoded { change.encode(into: &$0) })
            ])
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains("names member 8, its record"))
    }
}

// Transactions from the request to the answer (reference: semantics.md, Txn).

import API
import Testing

@testable import Consensus
@testable import Services

@Suite("A transaction, from the request to the answer")
struct TxnStories {
    @Test("The branch that the comparisons choose is run as one change")
    func branches() throws {
        let member = try PlayedMember()
        let create = Txn(
            .init("a", .mod, .equal, 0), then: [.put("a", "1"), .put("b", "2")],
            else: [.get("a")])
        #expect(try member.answer(create) == "yes@2: put@2; put@2")
        #expect(try member.answer(create) == "no@2: get@2 [a=1 2 2 1] count 1")
        #expect(try member.everything() == "[a=1 2 2 1, b=2 2 2 1] count 2")
    }

    @Test("Operations see those before them, comparisons see none")
    func order() throws {
        let member = try PlayedMember()
        member.put("a", "old")
        let answer = try member.answer(
            Txn(
                then: [
                    .get("a"), .delete("z"), .put("a", "new"), .get("a"), .delete("z"),
                    .txn(.init("a", value: .equal, "old"), then: [.get("a")]),
                    .delete("b", to: "c"), .get("a", revision: 2),
                ]))
        #expect(
            answer == "yes@3: get@2 [a=old 2 2 1] count 1; delete@2 0; put@3; "
                + "get@3 [a=new 2 3 2] count 1; delete@3 0; "
                + "(yes@0: get@3 [a=new 2 3 2] count 1); delete@3 0; "
                + "get@3 [a=old 2 2 1] count 1")
    }

    @Test("Previous pairs are told as for requests that come alone")
    func previousPairs() throws {
        let member = try PlayedMember()
        member.put("a", "1")
        member.put("b", "1")
        let answer = try member.answer(
            Txn(then: [
                .put(Request.put("a", "2", prevKV: true)),
                .put(Request.put("n", "2", prevKV: true)),
                .delete(Request.delete("b", to: "c", prevKV: true)),
            ]))
        #expect(answer == "yes@4: put@4 [a=1 2 2 1]; put@4; delete@4 1 [b=1 3 3 1]")
    }

    @Test("A transaction that changes nothing makes no revision")
    func nothing() throws {
        let member = try PlayedMember()
        let nothing = Txn(then: [.delete("a"), .txn(then: [.delete("b", to: "c")])])
        #expect(try member.answer(nothing) == "yes@1: delete@1 0; (yes@0: delete@1 0)")
        member.put("b", "1")
        #expect(try member.answer(nothing) == "yes@3: delete@2 0; (yes@0: delete@3 1)")
        #expect(try member.everything() == "[] count 0")
    }

    @Test("The header of the whole is the member's, those within tell a revision only")
    func headers() throws {
        let member = try PlayedMember()
        let bytes = try #require(
            member.txn(Txn(then: [.put("a"), .txn(then: [.put("b")])])).message)
        let inner = HeaderFields(
            cluster: ClusterID(0), member: .none, revision: Revision(2), term: .zero)
        let expected = encoded {
            $0.appendTxnBegin(member.header(2), succeeded: true)
            let put = $0.beginTxnResponse(.put)
            $0.appendPutResponse(inner)
            $0.endTxnResponse(put)
            let txn = $0.beginTxnResponse(.txn)
            $0.append([0x0a, 0x00, 0x10, 0x01])  // an empty header, succeeded
            let innermost = $0.beginTxnResponse(.put)
            $0.appendPutResponse(inner)
            $0.endTxnResponse(innermost)
            $0.endTxnResponse(txn)
        }
        #expect(bytes == expected)
    }

    @Test("All is checked before anything is done, on the chosen path only")
    func checks() throws {
        let member = try PlayedMember()
        member.put("a", "1")
        let impossible: [(Txn.Op, Status)] = [
            (.get("a", revision: 3), .futureRevision),
            (.get("a", revision: -2), .compacted),
            (.put(Request.put("x", ignoreValue: true)), .keyNotFound),
            (.put(Request.put("x", ignoreLease: true)), .keyNotFound),
            (.put(Request.put("x", lease: 7)), .leaseNotFound),
        ]
        for (op, status) in impossible {
            #expect(member.txn(Txn(then: [.put("b"), op])).failure == status)
            #expect(member.txn(Txn(then: [.put("b"), .txn(then: [op])])).failure == status)
            #expect(
                try member.answer(Txn(then: [.delete("z"), .txn(then: [], else: [op])]))
                    == "yes@2: delete@2 0; (yes@0: )")
        }
        #expect(try member.everything() == "[a=1 2 2 1] count 1")
        #expect(
            try member.answer(Txn(then: [.get("a", revision: -1)]))
                == "yes@2: get@2 [a=1 2 2 1] count 1")
    }

    @Test("A put may keep what the transaction itself has deleted")
    func keepingDeleted() throws {
        let member = try PlayedMember()
        member.put("a", "kept")
        let answer = try member.answer(
            Txn(then: [
                .delete("\0", to: "\0"), .put(Request.put("a", ignoreValue: true)), .get("a"),
            ]))
        #expect(answer == "yes@3: delete@3 1; put@3; get@3 [a=kept 3 3 1] count 1")
    }

    @Test("Only reads: no entry in the log, and serializable if each read is")
    func readOnly() throws {
        let member = try PlayedMember()
        member.put("a", "1")
        let place = member.nextIndex
        #expect(
            try member.answer(Txn(then: [.get("a")], else: [.get("b")]))
                == "yes@2: get@2 [a=1 2 2 1] count 1")
        #expect(try member.answer(Txn()) == "yes@2: ")
        #expect(member.nextIndex == place)
        // A nested transaction makes it a write, even one that only reads.
        #expect(
            try member.answer(Txn(then: [.txn(then: [.get("a")])]))
                == "yes@2: (yes@0: get@2 [a=1 2 2 1] count 1)")
        #expect(member.nextIndex == place.next)

        let serializable = Txn.Op.range(Request.range("a", isSerializable: true))
        let natures: [(Txn, readOnly: Bool, serializable: Bool)] = [
            (Txn(), true, true),
            (Txn(then: [serializable], else: [serializable]), true, true),
            (Txn(then: [serializable], else: [serializable, .get("a")]), true, false),
            (Txn(then: [serializable], else: [.put("a")]), false, false),
            (Txn(then: [.txn(then: [serializable])]), false, false),
        ]
        for (txn, readOnly, isSerializable) in natures {
            try txn.decoded {
                #expect($0.isReadOnly == readOnly)
                #expect($0.isSerializable == isSerializable)
            }
        }
    }
}

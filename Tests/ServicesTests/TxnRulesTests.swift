// What is decided about a transaction from the request alone, and when a comparison holds
// (reference: semantics.md, Txn).

import API
import Testing

@testable import Services

@Suite("A comparison holds as its target, result and operand say")
struct CompareRulesTests {
    private func holds(
        _ condition: Txn.If, _ body: (Compare) throws -> Bool
    ) throws -> Bool {
        try Txn(condition).decoded { try body($0.compare[0]) }
    }

    @Test(
        "Stored op given, for each kind of number",
        arguments: [Compare.Target.version, .create, .mod, .lease])
    func numbers(_ target: Compare.Target) throws {
        let table: [(Compare.Result, holdsBelow: Bool, holdsAt: Bool, holdsAbove: Bool)] = [
            (.equal, false, true, false), (.notEqual, true, false, true),
            (.greater, false, false, true), (.less, true, false, false),
        ]
        for (result, below, at, above) in table {
            for given in [-3, 0, 7, .max - 1] as [Int64] {
                for (stored, expected) in [(given - 1, below), (given, at), (given + 1, above)] {
                    let found = try holds(.init("k", target, result, given)) {
                        $0.holds(for: stored)
                    }
                    #expect(found == expected, "\(stored) \(result) \(given)")
                }
            }
        }
    }

    @Test("Values are compared byte by byte")
    func values() throws {
        let table: [(stored: String, Compare.Result, given: String, Bool)] = [
            ("b", .equal, "b", true), ("b", .equal, "bb", false), ("", .equal, "", true),
            ("b", .notEqual, "c", true), ("b", .notEqual, "b", false),
            ("bb", .greater, "b", true), ("b", .greater, "b", false), ("a", .greater, "b", false),
            ("10", .less, "9", true), ("b", .less, "", false), ("\u{7f}", .less, "é", true),
        ]
        for (stored, result, given, expected) in table {
            let found = try holds(.init("k", value: result, given)) { compare in
                Array(stored.utf8).withUnsafeBytes { compare.holds(forValue: $0) }
            }
            #expect(found == expected, "\(stored) \(result) \(given)")
        }
    }

    @Test("Nothing to compare with is 0, or no bytes; so is what belongs to another target")
    func unset() throws {
        let equal = UInt64(Compare.Result.equal.rawValue)
        for operand in [nil, (4, [9])] as [(Int, [UInt8])?] {
            let mod = Txn.If("k", UInt64(Compare.Target.mod.rawValue), equal, operand)
            #expect(try holds(mod) { $0.holds(for: 0) })
            #expect(try !holds(mod) { $0.holds(for: 9) })
            let value = Txn.If("k", UInt64(Compare.Target.value.rawValue), equal, operand)
            #expect(try holds(value) { $0.holds(forValue: .init(start: nil, count: 0)) })
        }
    }

    @Test("Numbers that the schema does not know are taken as etcd takes them")
    func unknown() throws {
        #expect(try holds(.init("k", 9, 0, (4, [5]))) { $0.holdsForNone })
        #expect(try !holds(.init("k", 9, 3, (4, [5]))) { $0.holdsForNone })
        #expect(try holds(.init("k", 2, 9, nil)) { $0.holds(for: 5) })
        #expect(try !holds(.init("k", 3, 9, nil)) { $0.holdsForNone })
    }

    @Test("A missing key has all numbers 0 and no value at all; a range is met by each key of it")
    func keys() throws {
        let member = try PlayedMember()
        member.put("a", "x")  // revision 2
        member.put("b", "x")
        member.put("b", "x")  // 4, version 2
        let table: [(Txn.If, Bool)] = [
            (.init("n", .version, .equal, 0), true), (.init("n", .create, .less, 1), true),
            (.init("n", .mod, .notEqual, 0), false), (.init("n", .lease, .equal, 0), true),
            (.init("n", value: .equal, ""), false), (.init("n", value: .notEqual, "x"), false),
            (.init("n", value: .less, "x"), false),
            (.init("a", .create, .equal, 2), true), (.init("b", .mod, .equal, 4), true),
            (.init("b", .create, .equal, 3), true), (.init("b", .version, .equal, 2), true),
            (.init("a", .lease, .equal, 0), true), (.init("a", value: .equal, "x"), true),
            (.init("a", to: "c", .version, .greater, 0), true),
            (.init("a", to: "c", .version, .greater, 1), false),
            (.init("a", to: "\0", .mod, .less, 4), false),
            (.init("a", to: "\0", value: .equal, "x"), true),
            (.init("c", to: "d", .version, .equal, 0), true),
            (.init("c", to: "d", value: .notEqual, "x"), false),
            (.init("b", to: "a", .version, .equal, 0), true),  // a range of no keys
            (.init("b", to: "b", value: .equal, "x"), false),
        ]
        for (condition, expected) in table {
            let answer = try member.answer(Txn(condition))
            #expect(answer == (expected ? "yes@4: " : "no@4: "), "\(condition)")
        }
        let all = Txn([table[0].0, table[7].0], then: [.get("a")])
        #expect(try member.answer(all).hasPrefix("yes"))
        #expect(try member.answer(Txn([table[0].0, table[2].0])).hasPrefix("no"))
    }
}

@Suite("One transaction may not change a key twice")
struct DuplicateKeyTests {
    private func isRefused(_ ops: [Txn.Op]) throws -> Bool {
        func refusal(_ txn: Txn) throws -> Status? {
            try txn.decoded { request in
                do throws(RequestRefusal) { try checkTxn(request, limit: 128) } catch {
                    return error.status
                }
                return nil
            }
        }
        let refusals = try [refusal(Txn(then: ops)), refusal(Txn(else: ops))]
        #expect(refusals[0] == refusals[1], "both branches have the same rules")
        #expect(refusals[0] == nil || refusals[0] == .duplicateKey)
        return refusals[0] != nil
    }

    @Test("In one list")
    func flat() throws {
        let table: [([Txn.Op], isRefused: Bool)] = [
            ([], false), ([.put("a")], false),
            ([.put("a"), .put("b")], false), ([.put("a"), .put("a")], true),
            ([.put("a"), .get("a"), .get("a")], false),
            ([.put("a"), .delete("a")], true), ([.delete("a"), .put("a")], true),
            ([.put("a"), .delete("b")], false), ([.put("a\0"), .delete("a")], false),
            ([.delete("a"), .delete("a")], false), ([.delete("a", to: "c"), .delete("b")], false),
            ([.put("b"), .delete("a", to: "c")], true),
            ([.put("a"), .delete("a", to: "c")], true),
            ([.put("c"), .delete("a", to: "c")], false),
            ([.put("b"), .delete("c", to: "a")], false),  // a range of no keys
            // To the end of the key space: etcd lets it pass.
            ([.put("b"), .delete("a", to: "\0")], false),
            ([.put("b"), .delete("\0", to: "\0")], false),
            // Intervals that overlap, touch and contain each other.
            ([.delete("a", to: "m"), .delete("c"), .put("k")], true),
            ([.delete("c"), .delete("c", to: "e"), .put("d")], true),
            ([.delete("a", to: "c"), .delete("c"), .put("c")], true),
            ([.delete("a", to: "c"), .delete("d", to: "f"), .put("c")], false),
        ]
        for (ops, expected) in table { #expect(try isRefused(ops) == expected, "\(ops)") }
    }

    @Test("In nested transactions")
    func nested() throws {
        let table: [([Txn.Op], isRefused: Bool)] = [
            ([.txn(then: [.put("a"), .put("a")])], true),
            ([.txn(else: [.put("a"), .delete("a")])], true),
            // One of the two happens.
            ([.txn(then: [.put("a")], else: [.put("a")])], false),
            ([.txn(then: [.put("a")], else: [.delete("a")])], false),
            // With the level around.
            ([.put("a"), .txn(then: [.put("a")])], true),
            ([.txn(else: [.put("a")]), .put("a")], true),
            ([.delete("a"), .txn(then: [.put("a")])], true),
            ([.txn(else: [.put("a")]), .delete("a", to: "b")], true),
            ([.put("a"), .txn(else: [.delete("a")])], true),
            ([.txn(then: [.delete("a", to: "c")]), .put("b")], true),
            ([.delete("a"), .txn(then: [.delete("a")])], false),
            // With siblings.
            ([.txn(then: [.put("a")]), .txn(else: [.put("a")])], true),
            ([.txn(then: [.put("a")]), .txn(else: [.put("b")])], false),
            ([.txn(then: [.delete("a")]), .txn(then: [.put("a")])], true),
            ([.txn(then: [.put("a")]), .txn(then: [.delete("a")])], false),  // as in etcd
            // However deep.
            ([.txn(then: [.txn(else: [.txn(then: [.put("a")])])]), .put("a")], true),
            ([.put("a"), .txn(then: [.txn(then: [.delete("\0", to: "b")])])], true),
            ([.txn(then: [.txn(then: [.put("a")], else: [.put("a")])]), .put("b")], false),
        ]
        for (ops, expected) in table { #expect(try isRefused(ops) == expected, "\(ops)") }
    }

    @Test(
        "Among hundreds of nested writes the one that conflicts is found, and none where none does")
    func many() throws {
        func nested(_ last: Txn.Op) -> [Txn.Op] {
            let leaves = (0..<8).map { branch in
                Txn.Op.txn(
                    Txn(
                        then: (0..<8).map { .put("p\(branch).\($0)") },
                        else: (0..<8).map { .delete("d\(branch).\($0)", to: "d\(branch).\($0)x") }))
            }
            let deep = (0..<8).reduce(Txn(then: leaves)) { inner, level in
                Txn(then: [.delete("x\(level)"), .txn(inner)])
            }
            return [.txn(deep), last]
        }
        #expect(try !isRefused(nested(.put("p8.0"))))
        for conflict in [
            .put("p7.7"), .put("d3.4"), .put("d3.4w"), .put("x5"), .delete("p0.", to: "p1"),
        ]
            as [Txn.Op]
        {
            #expect(try isRefused(nested(conflict)), "\(conflict)")
        }
    }
}

@Suite("A transaction is checked before it is proposed")
struct TxnCheckTests {
    private func refusal(_ txn: Txn, limit: Int = 4) throws -> Status? {
        try txn.decoded { request in
            do throws(RequestRefusal) { try checkTxn(request, limit: limit) } catch {
                return error.status
            }
            return nil
        }
    }

    @Test("The longest list counts, and what a level uses is not left to those within it")
    func limits() throws {
        func gets(_ count: Int) -> [Txn.Op] { Array(repeating: .get("a"), count: count) }
        let conditions = Array(repeating: Txn.If("a", .mod, .equal, 0), count: 5)
        let table: [(Txn, isRefused: Bool)] = [
            (Txn(then: gets(4), else: gets(4)), false), (Txn(then: gets(5)), true),
            (Txn(else: gets(5)), true), (Txn(conditions), true),
            (Txn(Array(conditions.prefix(4)), then: gets(4)), false),
            (Txn(then: [.txn(Txn(then: gets(3)))]), false),
            (Txn(then: [.txn(Txn(then: gets(4)))]), true),
            (Txn(Array(conditions.prefix(2)), then: [.txn(Txn(then: gets(2)))]), false),
            (Txn(Array(conditions.prefix(2)), then: [.txn(Txn(then: gets(3)))]), true),
            (.nested(4, [.get("a")]), false), (.nested(5, [.get("a")]), true),
            // The innermost may ask for nothing, which is no operation.
            (.nested(5), false), (.nested(6), true),
        ]
        for (txn, isRefused) in table {
            #expect(try refusal(txn) == (isRefused ? .tooManyOps : nil), "\(txn)")
        }
    }

    @Test("Every operation of both branches is checked as if it came alone")
    func operations() throws {
        let table: [(Txn.Op, Status)] = [
            (.none, .keyNotFound), (.put(""), .emptyKey), (.get(""), .emptyKey),
            (.delete(""), .emptyKey),
            (.put(Request.put("a", "x", ignoreValue: true)), .valueProvided),
            (.put(Request.put("a", lease: 1, ignoreLease: true)), .leaseProvided),
            (.txn(.init("", .mod, .equal, 0)), .emptyKey),
        ]
        for (op, status) in table {
            #expect(try refusal(Txn(then: [op])) == status)
            #expect(try refusal(Txn(else: [.get("a"), op])) == status)
            #expect(try refusal(Txn(then: [.txn(then: [.txn(else: [op])])])) == status)
        }
        #expect(try refusal(Txn(.init("", .mod, .equal, 0))) == .emptyKey)
    }

    @Test("It costs what the branch costs that may add more, nested ones with theirs")
    func cost() throws {
        func cost(_ txn: Txn) throws -> Int64 { try txn.decoded { $0.spaceCost } }
        #expect(try cost(Txn(then: [.get("a"), .delete("b")], else: [.txn(then: [])])) == 0)
        #expect(try cost(Txn(then: [.put("ab", "cde")])) == 261)
        #expect(
            try cost(
                Txn(
                    then: [.put("a"), .put("b")],
                    else: [.put("a", "1"), .txn(then: [.put("c"), .put("d")], else: [.put("e")])]))
                == 258 + 2 * 257)
    }
}

// The harness itself: what it must find it finds, what it must not mind it does not.

import API
import TestSupport
import Testing

@Suite("comparing with etcd")
struct DifferentialHarnessTests {
    // MARK: Comparison

    private func pair(_ key: String, version: Int64 = 1, lease: Int64 = 0) -> Message {
        var pair = Message(.keyValue)
        pair.set(1, Array(key.utf8))
        pair.set(4, version)
        if lease != 0 { pair.set(6, lease) }
        return pair
    }

    private func rangeAnswer(_ pairs: [Message], count: Int64, more: Bool = false) -> Message {
        var answer = Message(.rangeAnswer)
        for pair in pairs { answer.set(2, pair) }
        if more { answer.set(3, 1) }
        answer.set(4, count)
        return answer
    }

    private func difference(_ request: Message, _ ours: Message, _ theirs: Message) -> String? {
        Comparison.difference(request, ours: .answered(ours), theirs: .answered(theirs))
    }

    @Test("a field that differs is named, however deep it lies")
    func deepField() {
        func request() -> Message {
            var operation = Message(.operation)
            operation.set(1, Message(.range))
            var inner = Message(.txn)
            inner.set(2, operation)
            var nested = Message(.operation)
            nested.set(4, inner)
            var txn = Message(.txn)
            txn.set(2, nested)
            txn.set(2, nested)
            return txn
        }
        func answer(lease: Int64) -> Message {
            func nested(_ lease: Int64) -> Message {
                var response = Message(.operationAnswer)
                response.set(
                    1, rangeAnswer([pair("a"), pair("b", lease: lease)], count: 2))
                var inner = Message(.txnAnswer)
                inner.set(2, 1)
                inner.set(3, response)
                var operation = Message(.operationAnswer)
                operation.set(4, inner)
                return operation
            }
            var answer = Message(.txnAnswer)
            answer.set(2, 1)
            answer.set(3, nested(0))
            answer.set(3, nested(lease))
            return answer
        }
        #expect(difference(request(), answer(lease: 7), answer(lease: 7)) == nil)
        #expect(
            difference(request(), answer(lease: 7), answer(lease: 8))
                == "responses[1].txn.responses.range.kvs[1].lease")
    }

    @Test("one pair more, another code, another message, a refusal")
    func otherAnswers() {
        let range = Message(.range)
        let one = rangeAnswer([pair("a")], count: 2)
        let two = rangeAnswer([pair("a"), pair("b")], count: 2)
        #expect(difference(range, one, two) == "kvs, 1 not 2")
        let refusals = [
            Status(.notFound, "x"), Status(.notFound, "y"), Status(.unknown, "x"),
        ].map { Answer.refused($0) }
        for ours in refusals {
            for theirs in refusals {
                let found = Comparison.difference(range, ours: ours, theirs: theirs)
                #expect((found == nil) == (ours == theirs))
            }
        }
        #expect(
            Comparison.difference(range, ours: refusals[0], theirs: .answered(one)) != nil)
        #expect(
            Comparison.difference(range, ours: .answered(one), theirs: refusals[0]) != nil)
    }

    @Test("ids and terms are not looked at, the revision is")
    func header() {
        func answer(cluster: UInt64, revision: Int64, term: UInt64) -> Answer {
            let bytes = encoded {
                let header = $0.beginMessage(1)
                $0.appendField(1, uint64: cluster)
                $0.appendField(2, uint64: cluster + 1)
                $0.appendField(3, int64: revision)
                $0.appendField(4, uint64: term)
                $0.endMessage(header)
            }
            return Answer(.put, .success(bytes))
        }
        let put = Message(.put)
        #expect(
            Comparison.difference(
                put, ours: answer(cluster: 1, revision: 5, term: 2),
                theirs: answer(cluster: 9, revision: 5, term: 3)) == nil)
        #expect(
            Comparison.difference(
                put, ours: answer(cluster: 1, revision: 5, term: 2),
                theirs: answer(cluster: 1, revision: 6, term: 2)) == "header.revision")
    }

    @Test("a field that the schema does not have is no answer")
    func unknownField() {
        let answer = Answer(.put, .success(encoded { $0.appendField(77, uint64: 1) }))
        guard case .unreadable = answer else {
            Issue.record("it was read: \(answer)")
            return
        }
        let difference = Comparison.difference(Message(.put), ours: answer, theirs: answer)
        #expect(difference != nil)
    }

    @Test("what a sort leaves equal may change places, and nothing else may")
    func ties() {
        var request = Message(.range)
        request.set(6, 1)  // by version
        let sorted = [pair("a"), pair("b"), pair("c", version: 2)]
        let swapped = [pair("b"), pair("a"), pair("c", version: 2)]
        let wrong = [pair("a"), pair("c", version: 2), pair("b")]
        func compare(_ ours: [Message], _ theirs: [Message], count: Int64, more: Bool = false)
            -> String?
        {
            difference(
                request, rangeAnswer(ours, count: count, more: more),
                rangeAnswer(theirs, count: count, more: more))
        }
        #expect(compare(sorted, swapped, count: 7) == nil)
        #expect(compare(sorted, swapped, count: 3) != nil, "so few are in the order of keys")
        #expect(compare(sorted, wrong, count: 7) != nil)
        #expect(compare(sorted, [pair("a"), pair("x"), pair("c", version: 2)], count: 7) != nil)
        // Behind the limit there may be more of the last version, so any of them may be shown.
        let cut = [pair("a"), pair("b"), pair("d", version: 2)]
        #expect(compare(sorted, cut, count: 7, more: true) == nil)
        #expect(compare(sorted, cut, count: 7) != nil)
    }

    // MARK: Generator

    @Test("a seed gives the same sequence again, another seed another one")
    func seeds() {
        func steps(_ seed: UInt64) -> [Step] {
            var generator = SequenceGenerator(seed: seed)
            return generator.steps(300)
        }
        #expect(steps(1) == steps(1))
        #expect(steps(1) != steps(2))
    }

    @Test("every field of every request comes up, and every method")
    func coverage() {
        var seen: Set<[Int]> = []
        func look(_ message: Message) {
            for field in message.fields {
                seen.insert([message.type.rawValue, field.number])
                if case .message(let inner) = field.value { look(inner) }
            }
        }
        var methods: Set<Method> = []
        for seed in 1...10 as ClosedRange<UInt64> {
            var generator = SequenceGenerator(seed: seed)
            for case .call(let method, let request) in generator.steps(2000) {
                methods.insert(method)
                look(request)
            }
        }
        #expect(methods == Set(Method.allCases))
        for type in [
            MessageType.put, .range, .delete, .txn, .compare, .operation, .compact, .hashKV,
        ] {
            for number in 1...64 where type.field(number) != nil {
                #expect(seen.contains([type.rawValue, number]), "\(type) \(number)")
            }
        }
    }

    // MARK: Shrinking

    @Test("a failure that takes two of a thousand steps becomes those two, and their least")
    func shrinking() async throws {
        var generator = SequenceGenerator(seed: 3, methods: [.put, .range, .txn])
        var steps = generator.steps(998)
        var put = Message(.put)
        put.set(1, Array("culprit".utf8))
        put.set(2, Array("value".utf8))
        put.set(4, 1)
        var operation = Message(.operation)
        operation.set(2, put)
        var txn = Message(.txn)
        txn.set(1, generator.compare())
        txn.set(2, operation)
        steps.insert(.call(.txn, txn), at: 700)
        steps.insert(.call(.put, put), at: 200)

        func fails(_ steps: [Step]) -> Bool {
            func isCulprit(_ put: Message) -> Bool {
                put.type == .put && put.bytes(1) == Array("culprit".utf8)
            }
            let first = steps.firstIndex { $0.request.map(isCulprit) ?? false }
            let second = steps.lastIndex {
                $0.request?.messages(2).flatMap { $0.messages(2) }.contains(where: isCulprit)
                    ?? false
            }
            guard let first, let second else { return false }
            return first < second
        }
        var shrinker = Shrinker { fails($0) }
        let short = try await shrinker.shrink(steps)
        #expect(
            short.map { $0.text(at: Moment()) } == [
                #"Put(key "culprit")"#, #"Txn(success Op(put Put(key "culprit")))"#,
            ])
    }
}

extension EndToEnd {
    @Suite("a difference between the servers", .enabled(if: Rival.isExpected, Rival.absence))
    struct DifferenceTests {
        @Test("is found and told in one request: a limit that is not the same")
        func limit() async throws {
            var generator = SequenceGenerator(seed: 1, methods: [.put, .txn])
            let comparison = SequenceComparison(
                habits: generator.habits, ourArguments: ["--max-txn-ops", "1"])
            let steps = generator.steps(100)
            let mismatch = try #require(try await comparison.run(steps).mismatch)
            let finding = try await comparison.shrink(steps, failing: mismatch)
            #expect(finding.steps.count == 1)
            #expect(finding.description.contains("Cairn: invalidArgument: etcdserver: too many"))
        }
    }
}

import API
import Testing

@testable import Transport

@Suite("A unary call")
struct GRPCUnaryTests {
    @Test("brings the request to its handler and the response back")
    func echo() {
        let pair = GRPCPair { $0.echo() }
        #expect(pair.call("/test.Echo/Echo", Array("hello".utf8)).text == "hello")
        #expect(pair.call("/test.Echo/Echo", []).response == [])
    }

    @Test("a thousand of them leave in one write per turn and side")
    func coalesced() {
        let pair = GRPCPair { $0.echo() }
        let before = (pair.clientEnd.writeCount, pair.serverEnd.writeCount)
        let outcomes = (0..<1000).map { pair.start("/test.Echo/Echo", Array("\($0)".utf8)).0 }
        pair.executor.run()
        for (number, outcome) in outcomes.enumerated() { #expect(outcome.text == "\(number)") }
        #expect(pair.clientEnd.writeCount - before.0 == 1)
        #expect(pair.serverEnd.writeCount - before.1 <= 2)
    }

    @Test("may be answered later, from another thread, many answers with one wake")
    func answeredElsewhere() {
        let waiting = Waiting()
        let pair = GRPCPair { methods in
            methods.unary("/test.Echo/Later") { call, request in
                waiting.calls.append((call, Array(request)))
            }
        }
        let outcomes = (0..<10).map { pair.start("/test.Echo/Later", [UInt8($0)]).0 }
        pair.executor.run()
        #expect(waiting.calls.count == 10)
        let posts = pair.executor.postCount
        pair.executor.isElsewhere = true
        for (call, request) in waiting.calls { call.respond(request) }
        pair.executor.isElsewhere = false
        #expect(pair.executor.postCount == posts + 1)
        pair.executor.run()
        for (number, outcome) in outcomes.enumerated() {
            #expect(outcome.response == [UInt8(number)])
        }
    }

    @Test("that fails carries its code and message, whatever characters it has")
    func failure() {
        let message = "100% of \"grün\"\n is 緑"
        let pair = GRPCPair { methods in
            methods.unary("/test.Echo/Fail") { call, _ in
                call.fail(Status(.failedPrecondition, message))
            }
        }
        #expect(
            pair.call("/test.Echo/Fail").status == Status(.failedPrecondition, message))
    }
}

/// Calls that a handler has kept.
final class Waiting: @unchecked Sendable {
    var calls: [(UnaryCall, [UInt8])] = []
}

// What clients did and were told, from outside: the material of every check.
//
// A call's effect lies somewhere between its invocation and its return. A call whose answer never
// came may have taken effect at any time after its invocation, even long after its client gave up,
// or never (Herlihy and Wing, "Linearizability", 1990, on pending invocations). A refused one, of
// which the server said that it was not carried out, never had an effect.

/// A moment of the clients' clock, in nanoseconds.
public typealias Moment = UInt64

/// How a call ended, as far as its client knows.
public enum Outcome<Answer> {
    case answered(Answer)
    /// Certainly without effect.
    case refused
    /// Perhaps carried out, perhaps not, perhaps yet to be.
    case unknown
}

/// One call of one client.
public struct Operation<Call, Answer> {
    public var client: Int
    public var call: Call
    public var invoked: Moment
    /// When the client learned of the outcome. An unknown outcome has no end that matters.
    public var returned: Moment
    public var outcome: Outcome<Answer>

    public init(
        client: Int, _ call: Call, invoked: Moment, returned: Moment, _ outcome: Outcome<Answer>
    ) {
        precondition(invoked <= returned, "an answer before its question")
        self.client = client
        self.call = call
        self.invoked = invoked
        self.returned = returned
        self.outcome = outcome
    }

    public var answer: Answer? {
        if case .answered(let answer) = outcome { answer } else { nil }
    }
}

extension Operation: CustomStringConvertible {
    public var description: String {
        let end =
            switch outcome {
            case .answered(let answer): "-> \(answer)"
            case .refused: "refused"
            case .unknown: "unknown"
            }
        return "c\(client) [\(seconds(invoked)) \(seconds(returned))] \(call) \(end)"
    }
}

/// A moment as people read it: seconds, to the microsecond.
public func seconds(_ moment: Moment) -> String {
    let micros = String(moment / 1000 % 1_000_000)
    return "\(moment / 1_000_000_000)." + String(repeating: "0", count: 6 - micros.count) + micros
}

/// A promise that was broken, with what a reader needs to see it.
public struct Violation: Hashable, Sendable, CustomStringConvertible {
    /// Which promise: a short name that stays the same from run to run.
    public let promise: String
    public let details: String

    public init(_ promise: String, _ details: String) {
        self.promise = promise
        self.details = details
    }

    public var description: String { "\(promise): \(details)" }
}

// What a workload's clients may ask of the world they live in. The simulator offers it in virtual
// time, the chaos runner over sockets; the workloads cannot tell.
//
// All of it happens on one thread: the world's methods are called there, and it calls back there.

import API

/// How a call ended for its client.
public enum CallEnd {
    /// The encoded response.
    case answered([UInt8])
    case failed(Status)
    /// It never left: nobody took the connection.
    case neverSent
}

/// A call of a streaming method that is under way.
public protocol ClientStream: AnyObject {
    /// Harmless once the call has ended.
    func send(_ message: [UInt8])
    /// `ended` is called, if it was not yet.
    func cancel()
}

public protocol ClientWorld: AnyObject {
    /// Nanoseconds of the clients' clock.
    var now: UInt64 { get }
    func schedule(afterNanoseconds nanoseconds: UInt64, _ work: @escaping () -> Void)
    /// Chance that repeats itself with the world's seed.
    func random() -> UInt64

    /// Members that clients know of, as 0..<memberCount. Some may be down.
    var memberCount: Int { get }

    /// Whether it may be asked for its state: not if it has left the cluster for good.
    func isMember(_ member: Int) -> Bool

    /// Calls a unary method, such as `/etcdserverpb.KV/Put`.
    /// - Parameters:
    ///   - token: what a login gave, to say who calls.
    ///   - completion: called once, never before this returns; when the timeout is over at the
    ///     latest, also if the member is down.
    func call(
        _ method: String, _ request: [UInt8], to member: Int, token: [UInt8]?,
        timeoutNanoseconds: UInt64,
        completion: @escaping (CallEnd) -> Void)

    /// Begins a call of a streaming method.
    /// - Parameters:
    ///   - received: called for each message, never before this returns.
    ///   - ended: called once, never before this returns; nothing is received afterwards.
    func openStream(
        _ method: String, to member: Int, token: [UInt8]?,
        received: @escaping ([UInt8]) -> Void,
        ended: @escaping (Status) -> Void
    ) -> any ClientStream

    /// A line for the timeline of the run.
    func note(_ line: @autoclosure () -> String)
}

extension ClientWorld {
    /// Of a cluster whose members stay.
    public func isMember(_ member: Int) -> Bool { true }
}

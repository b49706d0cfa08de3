// What the status endpoints ask of a member.

import Consensus

/// An alarm as the health endpoints name it.
public enum HealthAlarm: String, Sendable {
    case noSpace = "NOSPACE"
    case corrupt = "CORRUPT"
    /// One of a later version.
    case unknown = "UNKNOWN"
}

/// Asked on the executor of the connection that brought the question.
public protocol ServerStatus: AnyObject {
    /// Such as `3.7.0`; nil until it is decided.
    var clusterVersion: String? { get }
    /// Such as `3.7.0`; nil until it is known.
    var storageVersion: String? { get }
    /// Those that are active on any member.
    var alarms: [HealthAlarm] { get }
    var hasLeader: Bool { get }
    var isLearner: Bool { get }
    /// nil where there is no Raft to ask.
    var raft: RaftStatus? { get }
    /// The others, as a leader knows them; else empty.
    var followers: [MemberProgress] { get }

    /// Reads one key of the whole range.
    /// - Parameter linearizable: through the leader, or from what this member has applied.
    /// - Parameter done: called once, on the same executor, within five seconds and two election
    ///   timeouts: with nil when the read succeeded, else with its error's text.
    func probeRead(linearizable: Bool, _ done: @escaping (_ error: String?) -> Void)
}

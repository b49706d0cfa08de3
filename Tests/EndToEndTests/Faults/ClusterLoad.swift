// Writes that never stop, whatever happens to the members, and what of them was acknowledged.

import API
import Foundation
import Synchronization
import Testing
import Transport

/// Clients of all members that put keys nobody else puts, one after the other. A client whose
/// member does not answer tries it again, with the next key: what became of the last one nobody
/// knows.
final class ClusterLoad: Sendable {
    /// All its keys begin so.
    static let prefix = "load/"
    private static let patience: UInt64 = 2000

    private struct State {
        var isOver = false
        /// The revision of each acknowledged write.
        var acknowledged: [String: Int64] = [:]
        var count = 0
        var countOfMember: [Int: Int] = [:]
        var lastTime: ContinuousClock.Instant?
        var longestGap: Duration = .zero
        var complaints: [String] = []
    }

    private let state = Mutex(State())
    /// Before each key, so that loads one after the other do not meet.
    private let name: String
    private let lanes = Mutex<[Task<Void, Never>]>([])
    /// The clients' own thread: tests block those of the pool.
    private let loop: EventLoop

    /// - Parameter lanes: so many clients of each member.
    init(on members: [MemberProcess], lanes: Int = 2, name: String = "a") throws {
        self.name = name
        loop = try EventLoop(name: "load")
        for (number, member) in members.enumerated() { add(member, number, lanes: lanes) }
    }

    /// Ends all clients when it goes.
    deinit {
        state.withLock { $0.isOver = true }
        loop.stop()
    }

    /// More clients, of one more member.
    func add(_ member: MemberProcess, _ number: Int, lanes count: Int = 2) {
        for lane in 0..<count {
            let endpoint = member.clientEndpoint
            let task = Task(executorPreference: loop) { [weak self] in
                var sequence = 0
                while let self, !self.isOver {
                    guard let client = try? await TestClient(endpoint) else {
                        try? await Task.sleep(for: .milliseconds(5))
                        continue
                    }
                    sequence = await self.write(client, number, lane, from: sequence)
                }
            }
            lanes.withLock { $0.append(task) }
        }
    }

    /// Writes until the client is of no more use.
    private func write(
        _ client: TestClient, _ member: Int, _ lane: Int, from first: Int
    ) async -> Int {
        var sequence = first
        while !isOver {
            let key = "\(Self.prefix)\(name)/\(member).\(lane)/\(sequence)"
            sequence += 1
            do {
                let put = Put(key: key, value: Self.value(of: key))
                let bytes = try await client.call(
                    "/etcdserverpb.KV/Put", put.encoded, timeoutMilliseconds: Self.patience)
                acknowledge(key, member, try PutAnswer(bytes).header.revision)
            } catch let status as Status {
                refuse(status)
                // Who is told to go away at once does not come back at once.
                try? await Task.sleep(for: .milliseconds(5))
                if await client.isClosed { return sequence }
            } catch {
                state.withLock { $0.complaints.append("\(key): \(error)") }
            }
        }
        return sequence
    }

    static func value(of key: String) -> String { "value of " + key }

    private func acknowledge(_ key: String, _ member: Int, _ revision: Int64) {
        let now = ContinuousClock.now
        state.withLock {
            $0.acknowledged[key] = revision
            $0.count += 1
            $0.countOfMember[member, default: 0] += 1
            if let last = $0.lastTime { $0.longestGap = max($0.longestGap, now - last) }
            $0.lastTime = now
        }
    }

    private func refuse(_ status: Status) {
        switch status.code {
        case .unavailable, .deadlineExceeded, .cancelled, .resourceExhausted: return
        default: state.withLock { $0.complaints.append("\(status)") }
        }
    }

    private var isOver: Bool { state.withLock { $0.isOver } }

    // MARK: What a test asks

    /// How many writes were acknowledged so far.
    var count: Int { state.withLock { $0.count } }
    /// The longest time in which no client of any member had an answer.
    var longestGap: Duration { state.withLock { $0.longestGap } }
    /// Forgets it.
    func resetGap() { state.withLock { $0.longestGap = .zero } }

    /// Waits until clients of these members have `more` acknowledgements each, from now on.
    func expectProgress(
        at members: [Int], _ more: Int = 20, location: SourceLocation = #_sourceLocation
    ) async throws {
        let before = state.withLock { $0.countOfMember }
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            let now = state.withLock { $0.countOfMember }
            let waiting = members.filter { now[$0, default: 0] < before[$0, default: 0] + more }
            if waiting.isEmpty { return }
            guard ContinuousClock.now < deadline else {
                Issue.record("no progress at \(waiting)", sourceLocation: location)
                throw ProcessFailure(description: "no progress at \(waiting)")
            }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    /// Ends the load, after which nothing is acknowledged any more.
    /// - Returns: the revision of each acknowledged write.
    @discardableResult
    func stop() async -> [String: Int64] {
        state.withLock { $0.isOver = true }
        for task in lanes.withLock({ $0 }) { await task.value }
        let complaints = state.withLock { $0.complaints }
        #expect(complaints.isEmpty, "\(complaints.prefix(5))")
        return state.withLock { $0.acknowledged }
    }
}

extension ClusterProcesses {
    /// What every fault must leave: all acknowledged writes at all members, with their revisions,
    /// and members that agree.
    func expectAll(_ acknowledged: [String: Int64]) async throws {
        for number in present {
            let client = try await TestClient(members[number])
            let pairs = try await client.all(prefix: ClusterLoad.prefix).pairs
            var missing = acknowledged
            var wrong: [String] = []
            for pair in pairs {
                let revision = missing.removeValue(forKey: pair.key) ?? pair.modified
                let isRight =
                    pair.value == ClusterLoad.value(of: pair.key) && pair.version == 1
                    && pair.modified == revision
                if !isRight { wrong.append("\(pair), acknowledged at \(revision)") }
            }
            #expect(missing.isEmpty, "m\(number + 1) lost \(missing.count): \(missing.first!)")
            #expect(wrong.isEmpty, "m\(number + 1) has \(wrong[0])")
        }
        try expectAgreement()
    }

    /// What a member took while nobody led may be proposed later than all that was asked for: the
    /// hashes are compared until they are of one revision.
    private func expectAgreement() throws {
        let deadline = Date(timeIntervalSinceNow: 20)
        var hashes = try hashes()
        while hashes.count > 1, Date() < deadline { hashes = try self.hashes() }
        #expect(hashes.count == 1, "the members' hashes differ: \(hashes)")
    }
}

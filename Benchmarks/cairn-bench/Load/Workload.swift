// What is asked of a server: which requests, how many at once, of what size.

import Foundation

/// The mix of requests.
enum Operation: String, CaseIterable, Codable {
    case put
    /// Linearizable reads of single keys.
    case range
    /// Reads of single keys from local state.
    case serializableRange = "serializable-range"
    /// Nine linearizable reads for each put.
    case mixed
    /// Puts guarded by the revision at which the key was last seen, as Kubernetes writes.
    case txn

    /// Whether the keys must be there beforehand.
    var reads: Bool { self != .put }
}

/// Which member of a cluster is asked.
enum AskedMember: String, Codable {
    case leader
    case follower
}

/// How keys are picked out of the key space.
enum KeyOrder: String, CaseIterable, Codable {
    case sequential
    case random
}

/// One measured run.
struct Workload: Codable {
    var operation = Operation.put
    var connections = 10
    /// Calls in flight on each connection, at most.
    var streams = 50
    /// In bytes, as the next; no less than the digits of `keySpace`.
    var keySize = 32
    var valueSize = 256
    /// Values are of sizes between; nil: all of `valueSize`.
    var largestValueSize: Int?
    /// Sizes that one value of 64 has, each of them.
    var rareValueSizes: [Int] = []
    /// How many different keys there are.
    var keySpace = 100_000
    var keyOrder = KeyOrder.random
    /// Measured requests in all, unless `seconds` are over first.
    var requests = 200_000
    /// The longest time for the measured requests; nil is for ever.
    var seconds: Double?
    /// Requests before the measured ones, which nothing counts.
    var warmUp = 20_000
    /// Requests per second to send, answered or not; nil is the closed loop: the next as soon as
    /// one is answered.
    var rate: Double?
    /// Nil: there is one member only.
    var asked: AskedMember?

    /// The sizes that come in turn.
    var valueSizes: [Int] {
        if rareValueSizes.isEmpty { return commonValueSizes }
        let common = commonValueSizes
        return rareValueSizes
            + (rareValueSizes.count..<64).map { common[$0 % common.count] }
    }

    /// A few sizes from the smallest to the largest, each the same part larger than the last.
    private var commonValueSizes: [Int] {
        guard let largestValueSize, largestValueSize > valueSize else { return [valueSize] }
        let count = 13
        let ratio = Double(largestValueSize) / Double(max(1, valueSize))
        return (0..<count).map { step in
            let part = Double(step) / Double(count - 1)
            return Int((Double(max(1, valueSize)) * pow(ratio, part)).rounded())
        }
    }

    var title: String {
        let values = operation == .put || operation == .mixed || operation == .txn
        let size = values ? ", \(byteCount(valueSize)) values" : ""
        let pace = rate.map { ", \(Int($0))/s" } ?? ""
        let place = asked.map { ", \($0.rawValue)" } ?? ""
        return "\(operation.rawValue)\(size), \(connections) x \(streams)\(pace)\(place)"
    }
}

private func byteCount(_ count: Int) -> String {
    count >= 1024 && count % 1024 == 0 ? "\(count >> 10) KiB" : "\(count) B"
}

/// What one request is.
enum RequestKind {
    case put
    case range
    case serializableRange
    case txn
}

/// Deterministic keys and operations: equal seeds ask equal questions of every server.
struct RequestSource {
    private let workload: Workload
    private var state: UInt64
    private var sequence: Int
    private let lane: Int
    private let stride: Int

    /// - Parameters:
    ///   - lane: the number of whoever asks, of `lanes`: sequential keys of lanes do not meet.
    ///   - pass: another one gives other random keys.
    init(_ workload: Workload, lane: Int, of lanes: Int, pass: Int = 0) {
        self.workload = workload
        state = 0x9E37_79B9_7F4A_7C15 &* UInt64(pass * lanes + lane + 1)
        sequence = lane
        self.lane = lane
        stride = lanes
    }

    /// xorshift64*: enough for picking keys.
    private mutating func random() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }

    /// Which key comes next, in 0..<keySpace.
    mutating func nextKey() -> Int {
        switch workload.keyOrder {
        case .sequential:
            defer { sequence += stride }
            return sequence % workload.keySpace
        case .random:
            let key = Int(random().multipliedFullWidth(by: UInt64(workload.keySpace)).high)
            guard workload.operation == .txn else { return key }
            // Lanes keep to keys of their own, as each writer of Kubernetes does: those of the
            // sequential order, which fills the key space.
            let own = key - key % stride + lane
            return own < workload.keySpace ? own : lane
        }
    }

    mutating func nextKind() -> RequestKind {
        switch workload.operation {
        case .put: .put
        case .range: .range
        case .serializableRange: .serializableRange
        case .mixed: random().multipliedFullWidth(by: 10).high == 0 ? .put : .range
        case .txn: .txn
        }
    }
}

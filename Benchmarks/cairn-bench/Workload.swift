// What is asked of a server: which requests, how many at once, of what size.

/// The mix of requests.
enum Operation: String, CaseIterable {
    case put
    /// Linearizable reads of single keys.
    case range
    /// Reads of single keys from local state.
    case serializableRange = "serializable-range"
    /// Nine reads for each put.
    case mixed
}

/// How keys are picked out of the key space.
enum KeyOrder: String, CaseIterable {
    case sequential
    case random
}

/// One measured run.
struct Workload {
    var operation = Operation.put
    var connections = 10
    /// Calls in flight on each connection.
    var streams = 50
    var keySize = 32
    var valueSize = 256
    var keySpace = 100_000
    var keyOrder = KeyOrder.random
    /// Measured requests in all.
    var requests = 200_000
    /// Requests per second to aim at; nil is the closed loop: the next as soon as one is answered.
    var rate: Double?

    var title: String {
        let size = operation == .put ? ", \(valueSize) B values" : ""
        let pace = rate.map { ", \(Int($0))/s" } ?? ""
        return "\(operation.rawValue)\(size), \(connections) x \(streams)\(pace)"
    }
}

/// Deterministic keys and operations: equal seeds ask equal questions of every server.
struct RequestSource {
    private let workload: Workload
    private var state: UInt64
    private var sequence: Int
    private let stride: Int

    /// - Parameters:
    ///   - lane: this connection's number, of `lanes`: sequential keys of lanes do not meet.
    init(_ workload: Workload, lane: Int, of lanes: Int) {
        self.workload = workload
        state = 0x9E37_79B9_7F4A_7C15 &* UInt64(lane + 1)
        sequence = lane
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
        case .random: return Int(random() % UInt64(workload.keySpace))
        }
    }

    /// Whether the next request is a put.
    mutating func nextIsPut() -> Bool {
        switch workload.operation {
        case .put: true
        case .range, .serializableRange: false
        case .mixed: random() % 10 == 0
        }
    }
}

/// The key with this number: decimal digits behind zeros, `size` bytes.
func key(_ number: Int, size: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: UInt8(ascii: "0"), count: size)
    var rest = number
    var place = size - 1
    while rest > 0 && place >= 0 {
        bytes[place] = UInt8(ascii: "0") + UInt8(rest % 10)
        rest /= 10
        place -= 1
    }
    return bytes
}

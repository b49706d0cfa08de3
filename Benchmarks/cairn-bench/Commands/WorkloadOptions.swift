// The words of the command line for a workload.

import ArgumentParser

extension Operation: ExpressibleByArgument {}
extension KeyOrder: ExpressibleByArgument {}

struct WorkloadOptions: ParsableArguments {
    @Option(help: "The requests: \(Operation.allCases.map(\.rawValue).joined(separator: ", ")).")
    var operation = Operation.put

    @Option(help: "Connections to the server.")
    var connections = 10

    @Option(help: "Calls in flight on each connection, at most.")
    var streams = 50

    @Option(help: "Bytes of a key.")
    var keySize = 32

    @Option(help: "Bytes of a value.")
    var valueSize = 256

    @Option(help: "How many different keys there are.")
    var keySpace = 100_000

    @Option(help: "sequential or random.")
    var keyOrder = KeyOrder.random

    @Option(help: "Measured requests.")
    var requests = 200_000

    @Option(help: "Seconds after which no more requests are sent.")
    var duration: Double?

    @Option(help: "Requests sent before the measured ones.")
    var warmUp = 20_000

    @Option(
        help: """
            Requests per second, sent whatever becomes of them; latency counts from the moment a \
            request is due. Without it, an answer sends the next request.
            """)
    var rate: Double?

    @Option(help: "Threads of the generator.")
    var threads = 1

    @Flag(inversion: .prefixedNo, help: "Put all keys before a workload that reads.")
    var fill = true

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        let positive = [
            ("connections", connections), ("streams", streams), ("key-size", keySize),
            ("key-space", keySpace), ("requests", requests), ("threads", threads),
        ]
        for (name, value) in positive where value < 1 {
            throw ValidationError("--\(name) must be at least 1")
        }
        guard valueSize >= 0, warmUp >= 0 else {
            throw ValidationError("--value-size and --warm-up must not be negative")
        }
        guard String(keySpace - 1).count <= keySize else {
            throw ValidationError("keys of \(keySize) bytes cannot tell \(keySpace) keys apart")
        }
        guard rate ?? 1 > 0, duration ?? 1 > 0 else {
            throw ValidationError("--rate and --duration must be more than 0")
        }
    }

    var workload: Workload {
        Workload(
            operation: operation, connections: connections, streams: streams, keySize: keySize,
            valueSize: valueSize, keySpace: keySpace, keyOrder: keyOrder, requests: requests,
            seconds: duration, warmUp: warmUp, rate: rate)
    }

    func report(_ measurement: Measurement) throws {
        print(json ? try cairn_bench.json(measurement) : measurement.text)
        if measurement.failures > 0 { throw ExitCode.failure }
    }
}

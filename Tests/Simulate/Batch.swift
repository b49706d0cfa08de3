// Many seeds, some at a time in a process of its own: all cores are used, and a trap in what is
// tested ends one run and not the others.

import Glibc
import Simulation

struct Batch {
    private var next: UInt64
    private let end: UInt64
    private let jobs: Int
    private let keepGoing: Bool
    private var running: [pid_t: Range<UInt64>] = [:]
    private var hasFailed = false
    /// Seeds of one process: its start costs as much as a tenth of a run.
    static let chunk: UInt64 = 100

    init(_ seeds: Range<UInt64>, jobs: Int, keepGoing: Bool) {
        next = seeds.lowerBound
        end = seeds.upperBound
        self.jobs = jobs
        self.keepGoing = keepGoing
    }

    /// - Returns: whether all went well.
    mutating func run(_ arguments: [String]) throws -> Bool {
        // LMDB asks for megabytes of zeros with every start of a member, of which it uses little:
        // fresh pages are zeros (mallopt(3)). The rest is kept, not given back and taken again.
        setenv("MALLOC_MMAP_THRESHOLD_", "\(256 << 10)", 1)
        setenv("MALLOC_TRIM_THRESHOLD_", "\(256 << 20)", 1)
        // One thread: what it frees is kept for it by size, and many pieces of each (mallopt(3)).
        setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=2000", 1)
        while !running.isEmpty || (next < end && (keepGoing || !hasFailed)) {
            while running.count < jobs, next < end, keepGoing || !hasFailed {
                let seeds = next..<min(next + Self.chunk, end)
                next = seeds.upperBound
                running[try Self.start(seeds, arguments)] = seeds
            }
            waitForOne()
        }
        return !hasFailed
    }

    private static func start(_ seeds: Range<UInt64>, _ arguments: [String]) throws -> pid_t {
        let all =
            [
                CommandLine.arguments[0], "--seed", "\(seeds.lowerBound)", "--seeds",
                "\(seeds.count)",
            ]
            + arguments
        var words = all.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var child = pid_t()
        let code = posix_spawn(&child, "/proc/self/exe", nil, nil, &words, environ)
        guard code == 0 else {
            throw SimError("cannot start a process: \(String(cString: strerror(code)))")
        }
        return child
    }

    private mutating func waitForOne() {
        var status: Int32 = 0
        let child = wait(&status)
        guard child > 0, let seeds = running.removeValue(forKey: child) else { return }
        guard status != 0 else { return }
        hasFailed = true
        guard status & 0x7F != 0 else { return }
        // Which seed it was, the directory that it left behind tells.
        for seed in seeds {
            let directory = SimulationRun.directory(process: child, seed: seed)
            guard access(directory, F_OK) == 0 else { continue }
            removeTree(directory)
            print("seed \(seed): FAILED: the process was ended by signal \(status & 0x7F)")
        }
    }
}

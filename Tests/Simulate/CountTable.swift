// How often what happened in all runs together, which are in processes of their own: each adds lines
// to one file.

import Glibc

struct CountTable {
    let path = "/tmp/cairn-simulation-\(getpid()).counts"

    /// Adds what happened in one run.
    static func add(_ counts: [(name: String, count: Int)], to path: String) {
        guard let file = fopen(path, "a") else { return }
        // One write: processes take turns.
        fputs(counts.map { "\($0.name)\t\($0.count)\n" }.joined(), file)
        fclose(file)
    }

    /// Shows the sums, and in how many runs there was any of it.
    func show() {
        defer { unlink(path) }
        var sums: [String: (count: Int, runs: Int)] = [:]
        guard let file = fopen(path, "r") else { return }
        defer { fclose(file) }
        while let line = readLine(from: file) {
            let parts = line.split(separator: "\t")
            guard parts.count == 2, let count = Int(parts[1]), count > 0 else { continue }
            sums[String(parts[0]), default: (0, 0)].count += count
            sums[String(parts[0]), default: (0, 0)].runs += 1
        }
        print("| what | times | in runs |\n| --- | --- | --- |")
        for (name, sum) in sums.sorted(by: { $0.key < $1.key }) {
            print("| \(name) | \(sum.count) | \(sum.runs) |")
        }
    }

    private func readLine(from file: UnsafeMutablePointer<FILE>) -> String? {
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        guard getline(&line, &capacity, file) >= 0, let line else { return nil }
        return String(cString: line).split(separator: "\n").first.map(String.init) ?? ""
    }
}

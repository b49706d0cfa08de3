// What else a reader of figures must know.

import Foundation

enum Machine {
    /// Figures taken beside other work say little.
    static var description: String {
        var loads = [0.0, 0.0, 0.0]
        getloadavg(&loads, 3)
        let load = String(format: "%.1f", loads[0])
        return "\(ProcessInfo.processInfo.activeProcessorCount) CPUs, load average \(load) before"
    }
}

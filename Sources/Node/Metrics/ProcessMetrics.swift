// The process's own figures, by the names that Go's Prometheus client gives them.

import API
import Glibc

enum ProcessMetrics {
    static func register(in registry: MetricsRegistry) {
        registry.counter(
            "process_cpu_seconds_total", "Total user and system CPU time spent in seconds."
        ) { ProcessStatistics.current()?.cpuSeconds ?? .nan }
        registry.gauge("process_resident_memory_bytes", "Resident memory size in bytes.") {
            ProcessStatistics.current().map { Double($0.residentBytes) } ?? .nan
        }
        registry.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.") {
            ProcessStatistics.current().map { Double($0.virtualBytes) } ?? .nan
        }
        registry.gauge(
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds."
        ) { ProcessStatistics.current()?.startSeconds ?? .nan }
        let open: @Sendable () -> Double = { FileDescriptors.openCount.map(Double.init) ?? .nan }
        let limit: @Sendable () -> Double = { Double(FileDescriptors.limit) }
        registry.gauge("process_open_fds", "Number of open file descriptors.", read: open)
        registry.gauge("process_max_fds", "Maximum number of open file descriptors.", read: limit)
        registry.gauge("os_fd_used", "The number of used file descriptors.", read: open)
        registry.gauge("os_fd_limit", "The file descriptor limit.", read: limit)
    }
}

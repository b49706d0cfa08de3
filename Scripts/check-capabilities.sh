#!/bin/bash
# No component reads time, chance, files or sockets past its capabilities: else a simulated cluster
# would not be the one that ships, nor two runs of a seed the same (docs/simulation.md).
#
# What may is named here: the files that are the system behind a capability, and LMDB's.
set -euo pipefail
cd "$(dirname "$0")/.."

calls='clock_gettime|clock_nanosleep|nanosleep|usleep|gettimeofday|time\(nil|ContinuousClock|SuspendingClock|DispatchTime|Task\.sleep'
calls+='|SystemRandomNumberGenerator|getrandom|arc4random|drand48|\.random\(|\.randomElement\(|\.shuffled\(\)'
calls+='|Glibc\.(open|read|write|rename|unlink)|\b(pread|pwrite|fsync|fdatasync|fopen|unlink|opendir|statvfs)\('
calls+='|\b(socket|getaddrinfo|sendto|recvfrom)\(|\bThread\(|pthread_create|Task\.detached'

# path of a file or folder, why it may
allowed=$(
    awk '{print $1}' <<'ALLOWED'
Sources/Node/Member/SystemCapabilities.swift   the system's clock and chance
Sources/Storage/WAL/WALConfiguration.swift     the clock for those who give none
Sources/Storage/Files/SystemFiles.swift        the system's files
Sources/Storage/Backend/                       LMDB maps real files
Sources/Storage/Snapshots/IncomingFile.swift   LMDB's, renamed
Sources/Storage/Snapshots/IncomingSnapshot.swift   LMDB's, found
Sources/Transport/EventLoop/                   threads and their clock
Sources/Transport/Streams/                     sockets
Sources/Node/Configuration/                    names of hosts, before there is a member
Sources/Node/Logging/LogSink.swift             log files
Sources/Node/Member/GeneratedCertificate.swift the files of -auto-tls, before there is a member
Sources/Transport/TLS/TLSFiles.swift           certificates, as the operator changes them
Sources/Node/Process/                          the process itself
Sources/Node/Metrics/ProcessMetrics.swift      what is shown of the process
Sources/Tools/                                 programs
ALLOWED
)

found=$(
    grep -rnE "$calls" --include='*.swift' \
        Sources/API Sources/Transport Sources/Storage Sources/Consensus Sources/Services \
        Sources/Node |
        grep -vE '^[^:]+:[0-9]+:[[:space:]]*//' |
        { grep -vFf <(printf '%s\n' "$allowed") || true; }
) || true
[ -z "$found" ] || {
    printf 'Past the capabilities (API/Capabilities.swift, Storage/Files/FileSystem.swift):\n%s\n' \
        "$found" >&2
    exit 1
}

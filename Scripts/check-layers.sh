#!/bin/bash
# House rules that the compiler does not know (docs/architecture.md): an import only ever points
# down, and what comes from outside cannot stop the process.
set -euo pipefail
cd "$(dirname "$0")/.."
status=0

# Reads `path:line:text` and reports what is more than a comment.
complain() {
    local found
    found=$(grep -vE '^[^:]+:[0-9]+:[[:space:]]*//' || true)
    [ -z "$found" ] || {
        printf '%s:\n%s\n' "$1" "$found" >&2
        status=1
    }
}

# layer, then the layers that it may import
while read -r layer allowed; do
    for other in API Transport Storage Consensus Services Node; do
        [ "$other" != "$layer" ] || continue
        case " $allowed " in *" $other "*) continue ;; esac
        complain "$layer may not import $other" < <(
            grep -rnE "^[^/]*\bimport +([a-z]+ +)?$other\b" --include='*.swift' "Sources/$layer" || true
        )
    done
done <<'LAYERS'
API
Transport API
Storage API
Consensus API
Services API Transport Storage Consensus
Node API Transport Storage Consensus Services
LAYERS

complain "Foundation would cost memory (README): use Glibc, Synchronization" < <(
    grep -rnE "\bimport +([a-z]+ +)?Foundation" --include='*.swift' Sources || true
)
complain "Throw instead" < <(
    grep -rnE '\btry!|\bas!|\bfatalError\(' --include='*.swift' Sources || true
)
complain "Finish it, or leave it out" < <(
    grep -rnE '\b(TODO|FIXME|XXX)\b' --include='*.swift' Sources Tests Benchmarks || true
)
exit $status

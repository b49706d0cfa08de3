#!/bin/bash
# Feeds the decoder of requests, the evaluation of transactions and the readers of tokens with what
# libFuzzer makes up, under AddressSanitizer. The corpora are where it starts; what it learns stays in .build-fuzz.
#
#   Scripts/fuzz.sh              20 seconds each, after the build
#   Scripts/fuzz.sh 300s         so many seconds each
#   Scripts/fuzz.sh 1000000      so many executions each
#   Scripts/fuzz.sh 300s FuzzTxn one of them
#
# A finding is written to .build-fuzz/findings. Mend the code, give the file a telling name and put
# it into Tests/FuzzingTests/Corpus, where the tests play it from then on.
set -euo pipefail
cd "$(dirname "$0")/.."

amount=${1:-20s}
if [[ $amount =~ ^[0-9]+s$ ]]; then
    limit=-max_total_time=${amount%s}
elif [[ $amount =~ ^[0-9]+$ ]]; then
    limit=-runs=$amount
else
    echo "usage: $0 [SECONDSs|EXECUTIONS] [FuzzRequests|FuzzTxn|FuzzTokens]" >&2
    exit 64
fi
programs=("${2:-FuzzRequests}")
[ $# -ge 2 ] || programs+=(FuzzTxn FuzzTokens)

# Debug, for the rules reach into modules, but optimized. The last -sanitize is the one that
# counts; --sanitize tells SwiftPM that the program has no main.
build=(
    --scratch-path .build-fuzz --sanitize fuzzer -Xswiftc -sanitize=fuzzer,address -Xswiftc -O
    -Xcc -fsanitize=fuzzer-no-link,address -Xcc -O1
)
work=$PWD/.build-fuzz
mkdir -p "$work/findings"
# Leaks are for the tests to find (make sanitize): here worlds are still held at the end, and what
# the key index holds by tagged pointers would be taken for lost.
export ASAN_OPTIONS=detect_leaks=0
# Worlds are made and thrown away by the thousand: in memory, if there is such a place.
memory=/dev/shm
[ -w "$memory" ] || memory=/tmp
TMPDIR=$(mktemp -d "$memory/cairn-fuzz.XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

for program in "${programs[@]}"; do
    echo "Building $program (a few minutes the first time)"
    CAIRN_FUZZ=1 swift build "${build[@]}" --product "$program" --quiet 2>&1 |
        { grep -v "Cannot export local symbol" || true; }
    case "$program" in
    FuzzRequests) seeds=Tests/FuzzingTests/Corpus/requests ;;
    FuzzTxn) seeds=Tests/FuzzingTests/Corpus/txn ;;
    FuzzTokens) seeds=Tests/FuzzingTests/Corpus/tokens ;;
    esac
    mkdir -p "$work/corpus/$program"
    # Swift's own backtracer hangs on a process under AddressSanitizer.
    SWIFT_BACKTRACE=enable=no nice "$work/debug/$program" "$limit" -max_len=4096 -timeout=10 \
        -detect_leaks=0 -print_final_stats=1 -artifact_prefix="$work/findings/$program-" \
        "$work/corpus/$program" "$seeds" 2>"$work/$program.log" || {
        grep -v "^#" "$work/$program.log" | tail -40 >&2
        echo "$program: a finding, see $work/findings and $work/$program.log" >&2
        exit 1
    }
    grep "INFO: Seed\|number_of_executed_units\|peak_rss_mb" "$work/$program.log"
done

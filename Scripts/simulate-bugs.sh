#!/bin/bash
# Makes each mistake of Sources/API/DeliberateBug.swift in turn, in a build that has them, and runs
# seeds from 1 on until one finds it. Fails when one is not found.
#
#   Scripts/simulate-bugs.sh 1000              all, at most 1000 seeds each: a table
#   Scripts/simulate-bugs.sh 1000 stale-read   one
set -euo pipefail
cd "$(dirname "$0")/.."

seeds=${1:-1000}
shift || true
bugs=("$@")
if [ ${#bugs[@]} -eq 0 ]; then
    mapfile -t bugs < <(sed -n 's/^ *case .* = "\(.*\)"$/\1/p' Sources/API/DeliberateBug.swift)
fi

echo "Building (a few minutes the first time)" >&2
CAIRN_BUGS=1 swift build -c release --product simulate --scratch-path .build-bugs --quiet

# One row: the bug, the first seed that finds it, the virtual seconds of that run, what was seen.
row() {
    local said seed time what
    if said=$(.build-bugs/release/simulate --bug "$1" --seed 1 --seeds "$2" --jobs 1 --brief 2>&1)
    then
        echo "| $1 | not in $2 | | |"
        return 1
    fi
    said=$(printf '%s' "$said" | tr '\n' ' ' | grep -oE 'seed [0-9]+: FAILED.*' || echo "$said")
    seed=$(sed -E 's/^seed ([0-9]+):.*/\1/' <<<"$said")
    time=$(sed -E 's/.* steps, ([0-9]+) s simulated.*/\1/' <<<"$said")
    what=$(sed -E 's/^seed [0-9]+: FAILED at step [0-9]+: //; s/, [0-9]+ operations, .*//' <<<"$said")
    echo "| $1 | $seed | $time | ${what:0:110} |"
}
export -f row

echo "| mistake | found by seed | after virtual s | seen as |"
echo "| --- | --- | --- | --- |"
printf '%s\n' "${bugs[@]}" | xargs -P 2 -I{} bash -c 'row {} '"$seeds"

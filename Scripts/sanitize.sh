#!/bin/bash
# Runs the unit tests under a sanitizer; any report is a failure.
#
#   Scripts/sanitize.sh address            memory errors and leaks
#   Scripts/sanitize.sh thread             data races
#   Scripts/sanitize.sh thread StorageTests   one target
#
# One target after the other: all in one process, tests that wait for real threads starve each other
# at a tenth of their speed, and a report would not say whose it is.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:-}
case "$kind" in
address) scratch=.build-asan ;;
thread) scratch=.build-tsan ;;
*)
    echo "usage: $0 address|thread [TARGET...]" >&2
    exit 64
    ;;
esac
shift
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    # The end-to-end tests run processes of their own, which no sanitizer would watch.
    for folder in Tests/*Tests; do
        [ "$folder" = Tests/EndToEndTests ] || targets+=("$(basename "$folder")")
    done
fi

echo "Building (a few minutes the first time)"
swift build --build-tests --sanitize "$kind" --scratch-path "$scratch" --quiet 2>&1 |
    { grep -v "Cannot export local symbol" || true; }

export LSAN_OPTIONS=suppressions=$PWD/Tests/leaks.supp:print_suppressions=0
# Swift's own backtracer hangs on a process under AddressSanitizer.
export SWIFT_BACKTRACE=enable=no
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=()
for target in "${targets[@]}"; do
    if swift test --skip-build --sanitize "$kind" --scratch-path "$scratch" --disable-xctest \
        --filter "^$target\\." >"$log" 2>&1 && ! grep -q "^SUMMARY: .*Sanitizer" "$log"; then
        echo "$kind: $target: $(grep -o "Test run with .*" "$log" || echo "no tests")"
    else
        failed+=("$target")
        grep -v "^[◇✔]" "$log" >&2 || true
    fi
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "$kind: ${failed[*]} failed" >&2
    exit 1
fi

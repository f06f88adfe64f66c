#!/usr/bin/env bash
# Tries every target for so many seconds (60), beginning with the fixtures; ends at a find.
set -euo pipefail
cd "$(dirname "$0")"
seconds="${1:-60}"

if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "SKIPPED: cargo-fuzz is not installed (cargo install cargo-fuzz --locked)" >&2
    exit 0
fi
./corpus.sh
toolchain=()
if cargo +nightly --version >/dev/null 2>&1; then
    toolchain=(+nightly)
else
    export RUSTC_BOOTSTRAP=1
fi
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
for target in fuzz_targets/*.rs; do
    target="$(basename "$target" .rs)"
    if cargo "${toolchain[@]}" fuzz run --sanitizer none "$target" -- \
        -max_total_time="$seconds" >"$log" 2>&1; then
        printf '%-24s %s\n' "$target" "$(tail -n 1 "$log")"
    else
        tail -n 60 "$log" >&2
        printf '%-24s FAILED\n' "$target" >&2
        exit 1
    fi
done

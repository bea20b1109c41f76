#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-only
# Fuzzes each module for a time: tests/fuzz/run.sh SECONDS [name...]. A crash is left in build/fuzz/crash/.
set -eu

[ $# -ge 1 ] || { echo "usage: $0 SECONDS [name...]" >&2; exit 64; }
seconds=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
build=${FUZZ_BUILD:-$here/../../build/fuzz}

[ -f "$build/build.ninja" ] || CC=clang meson setup "$build" "$here/../.." -Dfuzz=true \
    -Db_sanitize=address,undefined -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link

if [ $# -eq 0 ]; then
    for f in "$here"/fuzz_*.c; do
        name=$(basename "$f" .c)
        [ "$name" = fuzz_main ] || set -- "$@" "${name#fuzz_}"
    done
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$build/crash"
failed=
for name in "$@"; do
    ninja -C "$build" "tests/fuzz/fuzz_$name" >"$scratch/log" || { cat "$scratch/log"; exit 1; }
    cp -r "$here/corpus/$name" "$scratch/$name"
    echo "$name: $seconds s"
    # What is found stays in the copy: the tree's corpus is chosen by hand.
    "$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$build/crash/$name-" "$scratch/$name" >"$scratch/log" 2>&1 || {
        tail -n 60 "$scratch/log"
        failed="$failed $name"
        continue
    }
    grep -E 'stat::(number_of_executed_units|average_exec_per_sec)' "$scratch/log" || true
done
[ -z "$failed" ] || { echo "failed:$failed (inputs in $build/crash)" >&2; exit 1; }

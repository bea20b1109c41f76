#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-only
# run_sfu.sh BUILD_DIR [SUBSCRIBERS...]: bench_sfu.c says what it measures; without numbers 10, 100 and 500, about a minute.
set -eu
build=$1
shift
exec "$build/tests/bench/bench_sfu" -s "$build/daemons/sfud/sfud" "$@"

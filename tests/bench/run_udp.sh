#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-only
# run_udp.sh BUILD_DIR [ARGUMENT...]: bench_udp.c says what it measures.
set -eu
build=$1
shift
exec "$build/tests/bench/bench_udp" "$@"

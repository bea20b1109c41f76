#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-only
#
# Calls through the relay, end to end: a node as in test_call.sh and three browsers of two engines that send and receive
# nothing but relayed media, over UDP, over TCP, and over TLS on port 443. What is asked of them is in call/relay.mjs.
#
#   test_relay.sh [PART ...]   only these parts of the story
#   EDGE_BUILD=DIR   the build to take the daemons from (default build/test, then build)
#   E2E_OUT=DIR      where logs, and screenshots in relay/, are kept (default build/e2e)
set -u

ROOT=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
NAME=relay
PEOPLE='1 2 3'
. "$ROOT/tests/e2e/call/network.sh"

check_programs
[ -n "$TURND" ] || skip "no turnd in ${EDGE_BUILD:-build/test or build}"
command -v certutil > /dev/null || skip "no certutil, to make browsers trust the test's certificate: apt-get install libnss3-tools"
make_everything
tell_story relay.mjs "$@"

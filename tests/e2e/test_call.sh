#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-only
#
# Group calls, end to end: the node (front, hub, sfud, and turnd and tunneld where they are built) and four browsers of two
# engines, each in a network namespace of its own. A bridge in the node's namespace joins them; nothing leads out. What is
# asked of the call is in call/run.mjs.
#
#   test_call.sh [PART ...]   only these parts of the story, after people have joined
#   EDGE_BUILD=DIR   the build to take the daemons from (default build/test, then build)
#   E2E_OUT=DIR      where logs, and screenshots in call/, are kept (default build/e2e)
set -u

ROOT=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
NAME=call
PEOPLE='1 2 3 4'
. "$ROOT/tests/e2e/call/network.sh"

check_programs
make_everything
tell_story run.mjs "$@"

#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-only
#
# The part of other_debian.sh that runs on the other Debian, as root on a machine with nothing installed.
set -eu
cd "$(dirname "$0")/.."

wanted=(unit fuzz sim oom central front interop)
mapfile -t suites < <(./edge test --list | grep -Fx "$(printf '%s\n' "${wanted[@]}")")
./edge test "${suites[@]}" || true

# The network is the outer machine's, where another demo may be running on the usual ports.
export EDGE_HTTPS_PORT=18443 EDGE_HTTP_PORT=18080 EDGE_MEDIA_PORT=17878
export EDGE_SIGNAL_PORT=18920 EDGE_HUB_PORT=18930 EDGE_METRICS_PORT=19317
export EDGE_TURN_PORT=13478 EDGE_TURN_TLS_PORT=15349 EDGE_TURN_METRICS_PORT=19318
export EDGE_TUNNEL_METRICS_PORT=19642 EDGE_HEALTH_PORT=19640 EDGE_CANARY_PORT=19080

rows=build/results/rows.json
if ./edge demo --detach; then
    /usr/bin/python3 tests/tally.py add $rows demo "starts and answers" pass
    ./edge demo --stop
else
    /usr/bin/python3 tests/tally.py add $rows demo "starts and answers" fail "./edge demo --detach failed, see above"
fi

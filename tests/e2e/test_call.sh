#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-only
#
# Group calls, end to end: the node (front, hub, sfud) and four browsers of two engines, each in a network namespace of
# its own. A bridge in the node's namespace joins them; nothing leads out. What is asked of the call is in call/run.mjs.
#
#   test_call.sh [PART ...]   only these parts of the story, after people have joined
#   EDGE_BUILD=DIR   the build to take sfud from (default build/test, then build)
#   E2E_OUT=DIR      where logs, and screenshots in call/, are kept (default build/e2e)
# shellcheck disable=SC2317    # clean_up and what it calls are reached by the trap
set -u

ROOT=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT" || exit 1
export PATH="$PATH:/usr/sbin:/sbin"
OUT=${E2E_OUT:-$ROOT/build/e2e}
MODULES=$ROOT/build/e2e           # its node_modules: never in the tree of sources
HERE=$ROOT/tests/e2e/call
NODE_NS=edge-call-$$-node
PEOPLE='1 2 3 4'
STATE=''
RUN_PID=''

skip() {
    echo "1..0 # SKIP $1"
    exit 0
}

# --- what it takes ---

sfud_binary() {
    local dir builds=("$ROOT/build/test" "$ROOT/build")
    [ -z "${EDGE_BUILD-}" ] || builds=("$EDGE_BUILD")
    for dir in "${builds[@]}"; do
        [ ! -x "$dir/daemons/sfud/sfud" ] || { echo "$dir/daemons/sfud/sfud"; return; }
    done
    return 1
}

check_programs() {
    local program
    [ "$(id -u)" -eq 0 ] || skip "only root can make network namespaces"
    for program in ip bridge nginx openssl curl setpriv; do
        command -v "$program" > /dev/null || skip "$program is not installed"
    done
    for program in chromium firefox-esr; do
        [ -x "/usr/bin/$program" ] || skip "no $program: apt-get install $program"
    done
    command -v node > /dev/null || skip "no node: apt-get install nodejs"
    [ "$(node -p 'parseInt(process.versions.node)')" -ge 18 ] || skip "node $(node --version) is older than 18"
    SFUD=$(sfud_binary) || skip "no sfud in ${EDGE_BUILD:-build/test or build}: ./edge build"
}

# The locked packages, installed beside the build; without a registry those of an earlier run are good.
install_packages() {
    mkdir -p "$MODULES"
    cmp -s "$HERE/package-lock.json" "$MODULES/node_modules/.lock-of-call" && return
    command -v npm > /dev/null || skip "no npm: apt-get install npm"
    cp "$HERE/package.json" "$HERE/package-lock.json" "$MODULES/"
    PUPPETEER_SKIP_DOWNLOAD=1 timeout 300 npm ci --prefix "$MODULES" --ignore-scripts --no-audit --no-fund \
        > "$OUT/npm.log" 2>&1 < /dev/null || skip "npm ci failed, see $OUT/npm.log: $(tail -n 1 "$OUT/npm.log")"
    cp "$HERE/package-lock.json" "$MODULES/node_modules/.lock-of-call"
}

# --- namespaces ---

person_ns() { echo "edge-call-$$-$1"; }

make_namespaces() {
    local n
    ip netns add "$NODE_NS" 2> "$OUT/netns.log" || skip "no network namespaces here: $(head -n 1 "$OUT/netns.log")"
    {
        ip -n "$NODE_NS" link set lo up
        ip -n "$NODE_NS" link add calls type bridge
        ip -n "$NODE_NS" addr add 10.87.0.1/24 dev calls
        ip -n "$NODE_NS" link set calls up
        for n in $PEOPLE; do
            ip netns add "$(person_ns "$n")"
            ip -n "$(person_ns "$n")" link set lo up
            ip -n "$NODE_NS" link add "person$n" type veth peer name eth0 netns "$(person_ns "$n")"
            ip -n "$NODE_NS" link set "person$n" master calls up
            ip -n "$(person_ns "$n")" addr add "10.87.0.1$n/24" dev eth0
            ip -n "$(person_ns "$n")" link set eth0 up
        done
    } > "$OUT/netns.log" 2>&1
    [ ! -s "$OUT/netns.log" ] || skip "no bridge or veth here: $(head -n 1 "$OUT/netns.log")"
}

# Every process in our namespaces is ours, grandchildren of browsers included.
pids_inside() {
    local n
    ip netns pids "$NODE_NS" 2> /dev/null
    for n in $PEOPLE; do
        ip netns pids "$(person_ns "$n")" 2> /dev/null
    done
}

clean_up() {
    local n pid signal
    trap '' INT TERM HUP
    trap - EXIT
    [ -z "$RUN_PID" ] || kill -TERM "$RUN_PID" 2> /dev/null
    for signal in TERM KILL; do
        for pid in $(pids_inside); do
            kill "-$signal" "$pid" 2> /dev/null
        done
        for ((n = 0; n < 50; n++)); do
            [ -n "$(pids_inside)" ] || break
            sleep 0.1
        done
    done
    [ -z "$RUN_PID" ] || wait "$RUN_PID" 2> /dev/null
    ip netns del "$NODE_NS" 2> /dev/null
    for n in $PEOPLE; do
        ip netns del "$(person_ns "$n")" 2> /dev/null
    done
    case $STATE in /tmp/edge-call.*) rm -rf "$STATE" ;; esac
}

# --- the node's files ---

write_node_files() {
    STATE=$(mktemp -d /tmp/edge-call.XXXXXX)
    mkdir "$STATE"/{run,log,tmp,acme,tls}
    (umask 077 && openssl rand -hex 32 > "$STATE/secret")
    cat > "$STATE/sfud.conf" <<CONF
[Media]
Port=7878
Bind=0.0.0.0
Advertise=10.87.0.1

[Signal]
Bind=127.0.0.1
Port=8920
SecretFile=$STATE/secret

[Metrics]
Bind=127.0.0.1
Port=9317

[Control]
Socket=$STATE/run/sfud
CONF
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=10.87.0.1 \
        -addext subjectAltName=IP:10.87.0.1 -keyout "$STATE/tls/privkey.pem" -out "$STATE/tls/fullchain.pem" \
        > "$OUT/certificate.log" 2>&1 || return 1
    "$ROOT/daemons/front/render.sh" -o "$STATE/nginx.conf" PREFIX="$STATE" HTTP_PORT=8080 HTTPS_PORT=8443 IPV6= \
        UPSTREAM=127.0.0.1:8930 SFUD=127.0.0.1:8920 ERROR_LOG=stderr > "$OUT/render.log" 2>&1 || return 1
    # Nobody runs the parts, as in the demo, unless the tree is where nobody may not go.
    RUN_AS=''
    setpriv --reuid=nobody --regid=nogroup --clear-groups test -x "$SFUD" -a -r "$ROOT/tests/central/hub.py" || return 0
    RUN_AS='setpriv --reuid=nobody --regid=nogroup --clear-groups --bounding-set=-all --no-new-privs'
    chown -R nobody:nogroup "$STATE"
}

mkdir -p "$OUT/call"
rm -f "$OUT"/call/*.png
check_programs
install_packages
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
make_namespaces
write_node_files || { echo "Bail out! the node's files cannot be made, see $OUT/*.log"; exit 1; }

export ROOT OUT STATE SFUD RUN_AS MODULES NODE_NS
PEOPLE_NS=$(for n in $PEOPLE; do person_ns "$n"; done) node "$HERE/run.mjs" "$@" < /dev/null &
RUN_PID=$!
wait "$RUN_PID"
status=$?
RUN_PID=''
exit $status

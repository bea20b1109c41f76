# shellcheck shell=bash
# SPDX-License-Identifier: AGPL-3.0-only
#
# What test_call.sh and test_relay.sh share: what it takes, the network namespaces, the node's files, and clearing away.
# They set ROOT, NAME (of the directory for logs) and PEOPLE (numbers), and read this.
# shellcheck disable=SC2317    # clean_up and what it calls are reached by the trap

cd "$ROOT" || exit 1
export PATH="$PATH:/usr/sbin:/sbin"
OUT=${E2E_OUT:-$ROOT/build/e2e}
MODULES=$ROOT/build/e2e           # its node_modules: never in the tree of sources
HERE=$ROOT/tests/e2e/call
LOGS=$OUT/$NAME
NODE_NS=edge-call-$$-node
TURNS_NAME=turns.edge.test
STATE=''
RUN_PID=''

skip() {
    echo "1..0 # SKIP $1"
    exit 0
}

# --- what it takes ---

# binary_of DAEMON: its path, or nothing
binary_of() {
    local dir builds=("$ROOT/build/test" "$ROOT/build")
    [ -z "${EDGE_BUILD-}" ] || builds=("$EDGE_BUILD")
    for dir in "${builds[@]}"; do
        [ ! -x "$dir/daemons/$1/$1" ] || { echo "$dir/daemons/$1/$1"; return; }
    done
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
    SFUD=$(binary_of sfud)
    [ -n "$SFUD" ] || skip "no sfud in ${EDGE_BUILD:-build/test or build}: ./edge build"
    TURND=$(binary_of turnd)
    TUNNELD=$(binary_of tunneld)
    REFRESHD=$(binary_of refreshd)
    [ -n "$REFRESHD" ] || skip "no refreshd in ${EDGE_BUILD:-build/test or build}: ./edge build"
}

# The locked packages, installed beside the build; without a registry those of an earlier run are good.
install_packages() {
    mkdir -p "$MODULES"
    cmp -s "$HERE/package-lock.json" "$MODULES/node_modules/.lock-of-call" && return
    command -v npm > /dev/null || skip "no npm: apt-get install npm"
    cp "$HERE/package.json" "$HERE/package-lock.json" "$MODULES/"
    PUPPETEER_SKIP_DOWNLOAD=1 timeout 300 npm ci --prefix "$MODULES" --ignore-scripts --no-audit --no-fund \
        > "$LOGS/npm.log" 2>&1 < /dev/null || skip "npm ci failed, see $LOGS/npm.log: $(tail -n 1 "$LOGS/npm.log")"
    cp "$HERE/package-lock.json" "$MODULES/node_modules/.lock-of-call"
}

# --- namespaces ---

person_ns() { echo "edge-call-$$-$1"; }

make_namespaces() {
    local n
    ip netns add "$NODE_NS" 2> "$LOGS/netns.log" || skip "no network namespaces here: $(head -n 1 "$LOGS/netns.log")"
    {
        ip -n "$NODE_NS" link set lo up
        ip -n "$NODE_NS" link add calls type bridge
        ip -n "$NODE_NS" addr add 10.87.0.1/24 dev calls
        ip -n "$NODE_NS" link set calls up
        # ports 80 and 443 for a front that is nobody
        ip netns exec "$NODE_NS" sh -c 'echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start'
        for n in $PEOPLE; do
            ip netns add "$(person_ns "$n")"
            ip -n "$(person_ns "$n")" link set lo up
            ip -n "$NODE_NS" link add "person$n" type veth peer name eth0 netns "$(person_ns "$n")"
            ip -n "$NODE_NS" link set "person$n" master calls up
            ip -n "$(person_ns "$n")" addr add "10.87.0.1$n/24" dev eth0
            ip -n "$(person_ns "$n")" link set eth0 up
            mkdir -p "/etc/netns/$(person_ns "$n")"    # what `ip netns exec` shows as /etc
            printf '127.0.0.1 localhost\n10.87.0.1 %s\n' "$TURNS_NAME" > "/etc/netns/$(person_ns "$n")/hosts"
        done
    } > "$LOGS/netns.log" 2>&1
    [ ! -s "$LOGS/netns.log" ] || skip "no bridge or veth here: $(head -n 1 "$LOGS/netns.log")"
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
        rm -rf "/etc/netns/$(person_ns "$n")"
    done
    rmdir /etc/netns 2> /dev/null
    case $STATE in /tmp/edge-call.*) rm -rf "$STATE" ;; esac
}

# --- the node's files ---

# All pages that ask the hub within one second have one username: the quota is for all of them.
write_turnd_conf() {
    (umask 077 && openssl rand -hex 32 > "$STATE/turn-secret")
    cat > "$STATE/turnd.conf" <<CONF
[Server]
Listen=10.87.0.1:3478
ListenTls=10.87.0.1:5349
TurnsSocket=$STATE/run/turns.sock
CoverSocket=$STATE/run/cover.sock
CoverH2Socket=$STATE/run/cover-h2.sock
RelayAddress=10.87.0.1
Realm=edge.test
SecretFile=$STATE/turn-secret
Certificate=$STATE/tls/fullchain.pem
PrivateKey=$STATE/tls/privkey.pem

[Policy]
AllowPeer=10.87.0.1
UserQuota=100

[Metrics]
Bind=127.0.0.1
Port=9318

[Control]
Socket=$STATE/run/turnd
CONF
}

write_tunneld_conf() {
    mkdir "$STATE/run/channels"
    cat > "$STATE/tunneld.conf" <<CONF
[Pool]
Web=$STATE/run/web
Ws=$STATE/run/ws
ChannelDirectory=$STATE/run/channels
HealthHost=edge.test
HealthInterval=2s

[Channel2]
Name=ch2
Type=tcp
Address=127.0.0.1:8930

[Metrics]
Bind=127.0.0.1
Port=9642

[Control]
Socket=$STATE/run/tunneld
CONF
}

# An authority that the browsers are made to trust, and the node's certificate by it: a browser asks about a page's
# certificate, never about a TURN server's.
make_certificates() {
    local key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
    # shellcheck disable=SC2086
    openssl req -x509 $key -days 2 -subj '/CN=Edge test authority' -addext keyUsage=critical,keyCertSign,cRLSign \
        -keyout "$STATE/tls/ca.key" -out "$STATE/tls/ca.pem" &&
    openssl req $key -subj /CN=10.87.0.1 -keyout "$STATE/tls/privkey.pem" -out "$STATE/tls/request.pem" &&
    openssl x509 -req -days 2 -in "$STATE/tls/request.pem" -CA "$STATE/tls/ca.pem" -CAkey "$STATE/tls/ca.key" \
        -CAcreateserial -out "$STATE/tls/fullchain.pem" -extfile - <<EXT
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=IP:10.87.0.1,DNS:$TURNS_NAME
EXT
}

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
    local web=127.0.0.1:8930 ws=127.0.0.1:8930
    if [ -n "$TUNNELD" ]; then
        write_tunneld_conf
        web=unix:$STATE/run/web ws=unix:$STATE/run/ws
    fi
    [ -z "$TURND" ] || write_turnd_conf
    make_certificates > "$LOGS/certificate.log" 2>&1 || return 1
    "$REFRESHD" front --share "$ROOT/daemons" -o "$STATE/nginx.conf" PREFIX="$STATE" HTTP_PORT=80 HTTPS_PORT=443 IPV6= \
        WEB_UPSTREAM="$web" WS_UPSTREAM="$ws" SFUD=127.0.0.1:8920 TURNS_NAME="${TURND:+$TURNS_NAME}" ERROR_LOG=stderr \
        > "$LOGS/render.log" 2>&1 || return 1
    # Nobody runs the parts, as in the demo, unless the tree is where nobody may not go.
    RUN_AS=''
    setpriv --reuid=nobody --regid=nogroup --clear-groups \
        test -x "$SFUD" -a -x "${TURND:-$SFUD}" -a -x "${TUNNELD:-$SFUD}" -a -r "$ROOT/tests/central/hub.py" || return 0
    RUN_AS='setpriv --reuid=nobody --regid=nogroup --clear-groups --bounding-set=-all --no-new-privs'
    chown -R nobody:nogroup "$STATE"
}

# --- the story ---

make_everything() {
    mkdir -p "$LOGS"
    rm -f "$LOGS"/*.png
    install_packages
    trap clean_up EXIT
    trap 'exit 130' INT TERM HUP
    make_namespaces
    write_node_files || { echo "Bail out! the node's files cannot be made, see $LOGS/*.log"; exit 1; }
}

# tell_story FILE [PART ...]: and ends with its status
tell_story() {
    local file=$1 status
    shift
    export ROOT LOGS STATE SFUD TURND TUNNELD TURNS_NAME RUN_AS MODULES NODE_NS
    PEOPLE_NS=$(for n in $PEOPLE; do person_ns "$n"; done) node "$HERE/$file" "$@" < /dev/null &
    RUN_PID=$!
    wait "$RUN_PID"
    status=$?
    RUN_PID=''
    exit $status
}

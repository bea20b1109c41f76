# shellcheck shell=bash
# SPDX-License-Identifier: AGPL-3.0-only
#
# A whole node on this machine, and a hub in the place of the central system: front, tunneld, sfud, turnd, healthd, each with
# a log in build/demo. As root they run as nobody. What they write, sockets included, is in a short directory under /tmp,
# because a Unix socket's path is limited and nobody may not enter every home directory. Copies of the programs are there
# for the same reason.

DEMO=build/demo
HTTPS_PORT=${EDGE_HTTPS_PORT:-8443}
HTTP_PORT=${EDGE_HTTP_PORT:-8080}
MEDIA_PORT=${EDGE_MEDIA_PORT:-7878}
SIGNAL_PORT=${EDGE_SIGNAL_PORT:-8920}
HUB_PORT=${EDGE_HUB_PORT:-8930}
METRICS_PORT=${EDGE_METRICS_PORT:-9317}
TURN_PORT=${EDGE_TURN_PORT:-3478}
TURN_TLS_PORT=${EDGE_TURN_TLS_PORT:-5349}
TURN_METRICS_PORT=${EDGE_TURN_METRICS_PORT:-9318}
TUNNEL_METRICS_PORT=${EDGE_TUNNEL_METRICS_PORT:-9642}
HEALTH_PORT=${EDGE_HEALTH_PORT:-9640}
CANARY_PORT=${EDGE_CANARY_PORT:-9080}
TURNS_NAME=turns.localhost     # browsers know by themselves that this is here
URL=https://localhost:$HTTPS_PORT/
HEALTH_URL=http://127.0.0.1:$HEALTH_PORT/
STARTED=()                     # NAME/PID/START-TIME, in the order of starting
USER_SWITCH=()

# --- processes ---

# start_time PID: tells a process from a later one with the same id; empty when it is gone or a zombie
start_time() {
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" { print $20 }'
}

is_alive() {
    local pid=${1#*/}
    [ -n "${1##*/}" ] && [ "$(start_time "${pid%/*}")" = "${1##*/}" ]
}

# start NAME COMMAND...: as the parts' user, in a session of its own, so that Ctrl-C reaches us and we end them in order
start() {
    local name=$1 pid
    shift
    setsid "${USER_SWITCH[@]}" "$@" > "$DEMO/$name.log" 2>&1 < /dev/null 9>&- &
    pid=$!
    STARTED+=("$name/$pid/$(start_time $pid)")
}

# until_answers NAME WHAT COMMAND...: asks until it answers; a part that ended or stays silent is an error
until_answers() {
    local name=$1 what=$2 entry deadline=$((SECONDS + 30))
    shift 2
    for entry in "${STARTED[@]}"; do
        [ "${entry%%/*}" = "$name" ] && break
    done
    printf '==> %s ... ' "$what"
    # an answer counts only while our part lives: it could be another program's on the same port
    until "$@" > /dev/null 2>&1 && is_alive "$entry"; do
        if ! is_alive "$entry" || [ $SECONDS -ge $deadline ]; then
            printf 'failed\n'
            show_log "$DEMO/$name.log"
            is_alive "$entry" && die "$name does not answer" "its log $DEMO/$name.log tells more"
            die "$name ended right after its start" "its log $DEMO/$name.log ends with the cause"
        fi
        sleep 0.1
    done
    printf 'answers\n'
}

# stop_all ENTRY...: TERM in reverse order, ten seconds, KILL; only processes we know by id and start time
stop_all() {
    local i entry pid deadline=$((SECONDS + 10))
    for ((i = $#; i > 0; i--)); do
        entry=${!i}
        pid=${entry#*/}
        ! is_alive "$entry" || kill -TERM "${pid%/*}" 2>/dev/null || true
    done
    for entry; do
        while is_alive "$entry" && [ $SECONDS -lt $deadline ]; do
            sleep 0.1
        done
        pid=${entry#*/}
        ! is_alive "$entry" || kill -KILL "${pid%/*}" 2>/dev/null || true
    done
}

# --- what they need ---

# free_port tcp|udp PORT VARIABLE
free_port() {
    local flag=-Hlnup taken
    [ "$1" = udp ] || flag=-Hlntp
    taken=$(ss $flag "sport = :$2" | head -n 1)
    [ -z "$taken" ] ||
        die "port $2/$1 is taken$(printf %s "$taken" | sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/ by \1 (pid \2)/p')" \
            "end that program (./edge demo --stop, if it is an earlier demo) or choose another port with $3=..."
}

free_ports() {
    free_port tcp "$HTTPS_PORT" EDGE_HTTPS_PORT
    free_port tcp "$HTTP_PORT" EDGE_HTTP_PORT
    free_port tcp "$HUB_PORT" EDGE_HUB_PORT
    free_port tcp "$SIGNAL_PORT" EDGE_SIGNAL_PORT
    free_port tcp "$METRICS_PORT" EDGE_METRICS_PORT
    free_port udp "$MEDIA_PORT" EDGE_MEDIA_PORT
    free_port udp "$TURN_PORT" EDGE_TURN_PORT
    free_port tcp "$TURN_PORT" EDGE_TURN_PORT
    free_port udp "$TURN_TLS_PORT" EDGE_TURN_TLS_PORT
    free_port tcp "$TURN_TLS_PORT" EDGE_TURN_TLS_PORT
    free_port tcp "$TURN_METRICS_PORT" EDGE_TURN_METRICS_PORT
    free_port tcp "$TUNNEL_METRICS_PORT" EDGE_TUNNEL_METRICS_PORT
    free_port tcp "$HEALTH_PORT" EDGE_HEALTH_PORT
    free_port tcp "$CANARY_PORT" EDGE_CANARY_PORT
}

# The address that others in the LAN reach this machine by; a look-up in the routing table, nothing is sent.
primary_address() {
    ip -4 -o route get 198.51.100.1 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p'
}

make_certificate() {
    local names="DNS:localhost,DNS:$TURNS_NAME,IP:127.0.0.1,IP:::1${1:+,IP:$1}"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost \
        -addext "subjectAltName=$names" -keyout "$STATE/tls/privkey.pem" -out "$STATE/tls/fullchain.pem"
}

write_sfud_conf() {
    cat > "$STATE/sfud.conf" <<CONF
[Media]
Port=$MEDIA_PORT
Bind=0.0.0.0
Advertise=127.0.0.1${1:+ $1}

[Signal]
Bind=127.0.0.1
Port=$SIGNAL_PORT
SecretFile=$STATE/secret

[Metrics]
Bind=127.0.0.1
Port=$METRICS_PORT

[Control]
Socket=$STATE/run/sfud
CONF
}

# Peers on this machine are otherwise out of bounds for a relay; sfud is one. Pages that ask the hub within one second
# have one username, so that the quota of a user is for all of them.
write_turnd_conf() {
    cat > "$STATE/turnd.conf" <<CONF
[Server]
Listen=0.0.0.0:$TURN_PORT
ListenTls=0.0.0.0:$TURN_TLS_PORT
TurnsSocket=$STATE/run/turns.sock
CoverSocket=$STATE/run/cover.sock
CoverH2Socket=$STATE/run/cover-h2.sock
RelayAddress=$TURN_HOST
Realm=localhost
SecretFile=$STATE/turn-secret
Certificate=$STATE/tls/fullchain.pem
PrivateKey=$STATE/tls/privkey.pem

[Policy]
AllowPeer=127.0.0.1
AllowPeer=$TURN_HOST
UserQuota=250

[Metrics]
Bind=127.0.0.1
Port=$TURN_METRICS_PORT

[Control]
Socket=$STATE/run/turnd
CONF
}

# One channel, which is the hub's port. A node's channels lead through the mesh and beyond.
write_tunneld_conf() {
    cat > "$STATE/tunneld.conf" <<CONF
[Pool]
Web=$STATE/run/web
Ws=$STATE/run/ws
ChannelDirectory=$STATE/run/channels
HealthHost=localhost
HealthInterval=2s

[Channel2]
Name=ch2
Type=tcp
Address=127.0.0.1:$HUB_PORT

[Metrics]
Bind=127.0.0.1
Port=$TUNNEL_METRICS_PORT

[Control]
Socket=$STATE/run/tunneld
CONF
}

# Without Node.Id nothing is reported: there is no central. Nobody would restart what healthd asks for. The site's
# certificate is its own authority.
write_healthd_conf() {
    cat > "$STATE/healthd.conf" <<CONF
[Node]
Domain=localhost
TurnsName=$TURNS_NAME
StateDirectory=$STATE
ConfigDirectory=$STATE

[Probe]
Interval=15s
Channels=ch2
ChannelDirectory=$STATE/run/channels
ChannelHost=localhost
TurnAddress=$TURN_HOST:$TURN_PORT
TurnSecretFile=$STATE/turn-secret
SfuSecretFile=$STATE/secret
SfuSignal=127.0.0.1:$SIGNAL_PORT
Front=127.0.0.1:$HTTPS_PORT
Canary=127.0.0.1:$CANARY_PORT
FrontCaFile=$STATE/tls/fullchain.pem
Peers=no

[Http]
Listen=127.0.0.1:$HEALTH_PORT

[Repair]
Enabled=no

[Control]
Directory=$STATE/run
Socket=$STATE/run/healthd
CONF
}

copy_programs() {
    local daemon
    for daemon in sfud turnd tunneld healthd; do
        cp "$ROOT/build/daemons/$daemon/$daemon" "$STATE/bin/"
    done
    cp -r "$ROOT/tests/central" "$STATE/bin/"
    cp "$ROOT/build/units/retry.html" "$STATE/"
}

# The state directory and all that is in it belong to the user the parts run as.
prepare() {
    local address
    address=$(primary_address)
    [ -n "$address" ] || say "no route to anywhere: only browsers on this machine will connect"
    STATE=$(mktemp -d /tmp/edge-demo.XXXXXX)
    ln -sfn "$STATE" "$DEMO/state"
    mkdir "$STATE"/{bin,run,run/channels,log,tmp,acme,tls}
    copy_programs
    (umask 077 && openssl rand -hex 32 > "$STATE/secret")
    cp -p "$STATE/secret" "$DEMO/secret"
    (umask 077 && openssl rand -hex 32 > "$STATE/turn-secret")
    TURN_HOST=${address:-127.0.0.1}
    write_sfud_conf "$address"
    write_turnd_conf
    write_tunneld_conf
    write_healthd_conf
    step "certificate for localhost${address:+ and $address}" "$DEMO/certificate.log" make_certificate "$address" ||
        die "openssl made no certificate" "its message is above"
    step "front's configuration" "$DEMO/render.log" build/daemons/refreshd/refreshd front --share daemons \
        -o "$STATE/nginx.conf" PREFIX="$STATE" HTTP_PORT="$HTTP_PORT" HTTPS_PORT="$HTTPS_PORT" \
        WEB_UPSTREAM="unix:$STATE/run/web" WS_UPSTREAM="unix:$STATE/run/ws" SFUD="127.0.0.1:$SIGNAL_PORT" \
        TURNS_NAME="$TURNS_NAME" CANARY_PORT="$CANARY_PORT" RETRY_PAGE="$STATE/retry.html" ERROR_LOG=stderr ||
        die "the front's configuration cannot be rendered" "its message names the value"
    if [ "$(id -u)" -eq 0 ]; then
        chown -R nobody:nogroup "$STATE"
        USER_SWITCH=(setpriv --reuid=nobody --regid=nogroup --clear-groups --bounding-set=-all --no-new-privs)
    fi
}

ask() {
    curl --fail --silent --noproxy '*' --insecure --max-time 2 "$@"
}

# A STUN Binding request that gets a success response: bytes as in RFC 8489 5, without a line end, which would split them.
turnd_answers() {
    local answer
    answer=$({
        printf '\x00\x01\x00\x00\x21\x12\xa4\x42edge-ready-1' >&3 &&
            timeout 1 head -c 2 <&3 | od -An -tx1
    } 3<> "/dev/udp/$TURN_HOST/$TURN_PORT") && [ "$answer" = " 01 01" ]
}

# sfud behind the front answers an upgrade somehow; 502 and 504 are the front's own words that it does not
sfud_behind_front() {
    local status
    status=$(curl --silent --noproxy '*' --insecure --http1.1 --max-time 2 --output /dev/null --write-out '%{http_code}' \
        -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
        -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' "${URL}sfu/ws/ready") || true
    case $status in 000 | 502 | 503 | 504) return 1 ;; esac
}

# ask_node COMMAND [OPTION...]: the program that an operator asks a node with
ask_node() {
    build/daemons/healthd/oxpulse-partner-edge "$@" --config="$STATE/healthd.conf"
}

# has healthd probe everything now, and asks what it found
node_serves() {
    ask_node report && ask_node status --json | grep -q '"verdict":"ok"'
}

# --- the node ---

demo_start() {
    local daemon
    mkdir -p $DEMO
    exec 9> $DEMO/lock
    flock -n 9 || die "another ./edge demo is at work in this tree" "wait for it, or end it"
    if [ -e $DEMO/demo.env ]; then
        ! demo_is_running || die "a demo of this tree is running already" "use it, or end it first: ./edge demo --stop"
        demo_stop quietly    # it died: clear what it left
    fi
    want_packages build demo
    free_ports    # soon, so that nobody waits for a build in vain
    cmd_build
    free_ports

    trap 'demo_abort' EXIT
    trap 'exit 130' INT TERM HUP
    prepare
    ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

    start hub "$PYTHON" "$STATE/bin/central/hub.py" --listen "127.0.0.1:$HUB_PORT" --secret-file "$STATE/secret" \
        --turn-secret-file "$STATE/turn-secret" --turn "$TURN_HOST:$TURN_PORT" --turns "$TURNS_NAME:$HTTPS_PORT"
    for daemon in sfud turnd tunneld healthd; do
        start "$daemon" "$STATE/bin/$daemon" -c "$STATE/$daemon.conf"
    done
    start front "$(command -v nginx)" -p "$STATE" -c "$STATE/nginx.conf" -e stderr -g 'daemon off;'
    until_answers hub "hub" ask "http://127.0.0.1:$HUB_PORT/api/health"
    until_answers sfud "sfud" ask "http://127.0.0.1:$METRICS_PORT/metrics"
    until_answers turnd "turnd" turnd_answers
    until_answers tunneld "tunneld" ask "http://127.0.0.1:$TUNNEL_METRICS_PORT/metrics"
    until_answers front "front, tunneld and hub behind it" ask "${URL}api/health"
    until_answers front "front, sfud behind it" sfud_behind_front
    until_answers healthd "healthd" ask "${HEALTH_URL}metrics"
    until_answers healthd "every probe" node_serves
    write_env
}

demo_is_running() {
    local EDGE_PARTS='' entry
    # shellcheck disable=SC1091
    . $DEMO/demo.env
    for entry in $EDGE_PARTS; do
        ! is_alive "$entry" || return 0
    done
    return 1
}

write_env() {
    local entry name pid
    (umask 077 && : > $DEMO/demo.env.new)    # it holds a secret
    {
        echo "EDGE_URL=$URL"
        for entry in "${STARTED[@]}"; do
            name=${entry%%/*} pid=${entry#*/}
            echo "EDGE_${name^^}_PID=${pid%/*}"
        done
        echo "EDGE_PARTS='${STARTED[*]}'"
        echo "EDGE_STATE=$STATE"
        echo "EDGE_SECRET_FILE=$ROOT/$DEMO/secret"
        echo "EDGE_METRICS_URL=http://127.0.0.1:$METRICS_PORT/metrics"
        echo "EDGE_CONTROL_SOCKET=$STATE/run/sfud"
        echo "EDGE_ACCESS_LOG=$STATE/log/access.log"
        echo "TURN_HOST=$TURN_HOST"
        echo "TURN_PORT=$TURN_PORT"
        echo "TURN_TLS_PORT=$TURN_TLS_PORT"
        echo "TURN_SECRET=$(cat "$STATE/turn-secret")"
        echo "TURNS_NAME=$TURNS_NAME"
        echo "TURNS_PORT=$HTTPS_PORT"
        echo "EDGE_TURN_METRICS_URL=http://127.0.0.1:$TURN_METRICS_PORT/metrics"
        echo "EDGE_TURN_CONTROL_SOCKET=$STATE/run/turnd"
        echo "EDGE_TUNNEL_METRICS_URL=http://127.0.0.1:$TUNNEL_METRICS_PORT/metrics"
        echo "EDGE_TUNNEL_CONTROL_SOCKET=$STATE/run/tunneld"
        echo "EDGE_HEALTH_URL=$HEALTH_URL"
        echo "EDGE_HEALTH_CONF=$STATE/healthd.conf"
        echo "EDGE_HEALTH_CONTROL_SOCKET=$STATE/run/healthd"
        echo "EDGE_CANARY_URL=http://127.0.0.1:$CANARY_PORT/canary/tunnel"
    } > $DEMO/demo.env.new
    mv $DEMO/demo.env.new $DEMO/demo.env
}

demo_abort() {
    trap '' INT TERM HUP
    [ ${#STARTED[@]} -eq 0 ] || { stop_all "${STARTED[@]}"; say "stopped"; }
    [ -z "${STATE-}" ] || remove_state "$STATE"
    rm -f $DEMO/demo.env
}

remove_state() {
    cp "$1/log/access.log" $DEMO/access.log 2>/dev/null || true
    case $1 in /tmp/edge-demo.*) rm -rf "$1" ;; esac
    rm -f $DEMO/state $DEMO/secret
}

say_urls() {
    say "url: $URL"
    say "status page: $HEALTH_URL"
}

demo_run() {
    local entry
    demo_start
    say_urls
    say "Ctrl-C ends it. Logs: $DEMO/*.log. The certificate is self-signed: the browser asks once."
    while :; do
        for entry in "${STARTED[@]}"; do
            if ! is_alive "$entry"; then
                [ -e $DEMO/demo.env ] || exit 0    # ended by ./edge demo --stop
                show_log "$DEMO/${entry%%/*}.log"
                die "${entry%%/*} ended" "its log $DEMO/${entry%%/*}.log ends with the cause"
            fi
        done
        sleep 1 & wait $! || true
    done
}

demo_detach() {
    demo_start
    trap - EXIT INT TERM HUP
    say_urls
}

demo_stop() {
    local EDGE_PARTS='' EDGE_STATE=''
    if [ ! -e $DEMO/demo.env ]; then
        say "no demo is running"
        return
    fi
    # shellcheck disable=SC1091
    . $DEMO/demo.env
    rm -f $DEMO/demo.env
    # shellcheck disable=SC2086
    stop_all $EDGE_PARTS
    remove_state "$EDGE_STATE"
    [ "${1-}" = quietly ] || say "stopped"
}

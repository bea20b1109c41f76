#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-only
# run_turn.sh BUILD_DIR [turnd | coturn]: turnd beside Debian's coturn on the loopback, one relay thread each on the first
# processor; the generators have the second. bench_turn.c says what is measured. Server and order alternate, the
# first round does not count. Five to six minutes.
#   EDGE_BENCH_ROUNDS=5   rounds, the first included; with one it counts
#   EDGE_BENCH_FIRST=1    as root: before everything else on this machine, which then stands still
#   EDGE_BENCH_PORT=23470 the first of ten ports
#   EDGE_BENCH_KEEP=FILE  where to leave the raw figures
set -eu

build=$1
only=${2-}
rounds=${EDGE_BENCH_ROUNDS:-5}
port=${EDGE_BENCH_PORT:-23470}
peer_port=$((port + 8))
secret=bench-secret-of-no-other-use
latest=$(($(date +%s) + 345))       # no round begins that would end later
here=$(dirname "$0")
tmp=$(mktemp -d /tmp/bench_turn.XXXXXX)
server=
peer=
generator=

# end PID: ends a process of ours and waits for it
end() {
    [ -n "$1" ] || return 0
    kill "$1" 2>/dev/null || return 0
    wait "$1" 2>/dev/null || true
}

clean() {
    end "$generator"
    end "$server"
    end "$peer"
    [ -z "${EDGE_BENCH_KEEP-}" ] || cp "$tmp/results" "$EDGE_BENCH_KEEP" || true
    rm -rf "$tmp"
}
trap clean EXIT
trap 'exit 130' INT TERM HUP

# The processors this shell may use, one a line
processors() {
    sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status | tr ',' '\n' |
        awk -F- '{ for (i = $1; i <= (NF > 1 ? $2 : $1); i++) print i }'
}
first=$(processors | sed -n 1p)
second=$(processors | sed -n 2p)
if [ -z "$second" ]; then
    echo "one processor for server and generator: the peaks say nothing"
    second=$first
fi

# on CPU COMMAND...: pinned, and gone when this shell is. A session of its own is what its priority counts for.
on() {
    on_cpu=$1
    shift
    if [ -n "${EDGE_BENCH_FIRST-}" ] && [ "$(id -u)" -eq 0 ]; then
        exec setpriv --pdeathsig KILL setsid -w taskset -c "$on_cpu" sh -c \
            '[ ! -w /proc/self/autogroup ] || echo -20 > /proc/self/autogroup; exec nice -n -20 "$@"' sh "$@"
    fi
    exec setpriv --pdeathsig KILL taskset -c "$on_cpu" "$@"
}

# generate COMMAND...: on the second processor; in the background, so that a signal ends it at once
generate() {
    on "$second" timeout 60 "$@" &
    generator=$!
    status=0
    wait "$generator" || status=$?
    generator=
    return $status
}

# listening PORT NAME: waits for a UDP socket
listening() {
    hex=$(printf ':%04X ' "$1")
    for _ in $(seq 50); do
        ! grep -q "$hex" /proc/net/udp /proc/net/udp6 2>/dev/null || { sleep 0.5; return 0; }
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    echo "run_turn: $2 does not listen:" >&2
    tail -n 5 "$tmp/$2.log" >&2
    exit 1
}

start_turnd() {
    printf '%s\n' "$secret" > "$tmp/secret"
    chmod 600 "$tmp/secret"
    cat > "$tmp/turnd.conf" <<CONF
[Server]
Listen=127.0.0.1:$port
RelayAddress=127.0.0.1
Realm=bench
SecretFile=$tmp/secret
Workers=1
MinPort=49152
MaxPort=65535
[Policy]
AllowPeer=127.0.0.1
UserQuota=0
TotalQuota=0
[Metrics]
Port=$((port + 5))
[Control]
Socket=none
[Log]
Level=warning
CONF
    on "$first" "$build/daemons/turnd/turnd" -c "$tmp/turnd.conf" > "$tmp/turnd.log" 2>&1 &
    server=$!
    listening "$port" turnd
}

# As fast as it can be: no lookups of realms and peer lists in its database, no log, no TLS, no second service. Its two
# threads of authentication would both create the tables of an empty database, and one of them would stay without.
start_coturn() {
    "${PYTHON:-python3}" -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(open(sys.argv[2]).read())' \
        "$tmp/coturn.db" /usr/share/coturn/schema.sql
    on "$first" turnserver -n -p "$port" -L 127.0.0.1 -E 127.0.0.1 --relay-threads=1 \
        --lt-cred-mech --use-auth-secret --static-auth-secret="$secret" --realm=bench \
        --allow-loopback-peers --min-port=49152 --max-port=65535 --user-quota=0 --total-quota=0 \
        --no-tls --no-dtls --no-cli --no-rfc5780 --no-software-attribute \
        --no-auth-pings --no-dynamic-ip-list --no-dynamic-realms \
        --pidfile="$tmp/coturn.pid" --userdb="$tmp/coturn.db" --log-file=/dev/null --simple-log --no-stdout-log \
        > "$tmp/coturn.log" 2>&1 &
    server=$!
    listening "$port" coturn
}

stop() {
    end "$server"
    server=
    rm -f "$tmp/coturn.db" "$tmp/coturn.db-journal"
}

# Nanoseconds of all threads of the server
cpu_ns() {
    cat "/proc/$server"/task/*/schedstat | awk '{ s += $1 } END { printf "%.0f\n", s }'
}

# uclient NAME [FLAG]: coturn's own generator: 12 clients (a /24 gets no more challenges at a time from turnd), each message
# there and back. Prints figures that begin with NAME.
uclient() {
    used=$(cpu_ns)
    # shellcheck disable=SC2086 # no flag is no argument
    generate turnutils_uclient ${2-} -c -m 12 -n 600 -z 1 -l 1000 -u bench -W "$secret" -L 127.0.3.1 \
        -e 127.0.0.1 -r "$peer_port" -p "$port" 127.0.0.1 > "$tmp/uclient" 2>&1 || {
        echo "# turnutils_uclient ${2-}: $(tail -n 1 "$tmp/uclient")"
        echo "$1_failed 1"
        return 0
    }
    awk -v name="$1" -v ns="$(($(cpu_ns) - used))" '
        /tot_send_msgs=/ { match($0, /tot_recv_msgs=[0-9]+/); got = substr($0, RSTART + 14, RLENGTH - 14) }
        /Total lost packets/ { match($0, /\([0-9.]+/); print name "_loss", substr($0, RSTART + 1, RLENGTH - 1) / 100 }
        /Average round trip/ { match($0, /[0-9.]+ ms/); print name "_rtt", substr($0, RSTART, RLENGTH - 3) * 1000 }
        /Average jitter/ { match($0, /[0-9.]+ ms/); print name "_jitter", substr($0, RSTART, RLENGTH - 3) * 1000 }
        END { if (got > 0 && ns > 0) { print name "_pcs", 2 * got * 1e9 / ns; print name "_cpu_ms", ns / 1e6 } }
    ' "$tmp/uclient"
}

# measure ROUND NAME
measure() {
    "start_$2"
    generate "$build/tests/bench/bench_turn" -p "$port" -P "$server" -s "$secret" > "$tmp/figures" ||
        { echo "run_turn: round $1 of $2 was cut short" >&2; sed 's/^/    /' "$tmp/$2.log" | tail -n 3 >&2; }
    if [ -n "$peer" ]; then
        { uclient uclient; uclient ucsend -s; } >> "$tmp/figures"
    fi
    stop
    grep '^#' "$tmp/figures" | sed "s/^#/# $1 $2/" >> "$tmp/results" || true
    grep -v '^#' "$tmp/figures" | sed "s/^/$1 $2 /" >> "$tmp/results" || true
}

names="turnd coturn"
if [ -n "$only" ]; then
    names=$only
elif ! command -v turnserver > /dev/null; then
    echo "coturn is not installed: turnd alone (as root: apt-get install coturn; its own service is not needed)"
    names=turnd
fi
# shellcheck disable=SC3045 # dash has it
ulimit -n 20000 2>/dev/null || ulimit -n "$(ulimit -Hn)"
: > "$tmp/results"
if command -v turnutils_uclient > /dev/null; then
    on "$second" turnutils_peer -L 127.0.0.1 -p "$peer_port" > /dev/null 2>&1 &
    peer=$!
fi
round=1
longest=0
while [ "$round" -le "$rounds" ] && [ $(($(date +%s) + longest)) -le "$latest" ]; do
    began=$(date +%s)
    for name in $names; do
        measure "$round" "$name"
    done
    took=$(($(date +%s) - began))
    [ "$took" -le "$longest" ] || longest=$took
    echo "round $round of $rounds: $names, $took s"
    names=$(echo "$names" | awk '{ print $2 (NF > 1 ? " " : "") $1 }')
    round=$((round + 1))
done
awk -v first="${EDGE_BENCH_FIRST-}" -f "$here/table_turn.awk" "$tmp/results"

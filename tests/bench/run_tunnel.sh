#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-only
# run_tunnel.sh BUILD_DIR: tunneld beside Debian's HAProxy in TCP mode, with and without splice-auto, one thread each on the first
# processor; clients and central have the second. bench_tunnel.c says what is measured. The order alternates, the first round
# does not count. Figures are medians; a ratio is tunneld's figure by the better one of HAProxy's two. Three minutes.
#   EDGE_BENCH_ROUNDS=5   rounds, the first included; with one it counts
#   EDGE_BENCH_FIRST=1    as root: before everything else on this machine, which then stands still
#   EDGE_BENCH_PORT=23570 the first of two ports
#   EDGE_BENCH_KEEP=FILE  where to leave the raw figures
set -eu

build=$1
rounds=${EDGE_BENCH_ROUNDS:-5}
port=${EDGE_BENCH_PORT:-23570}
tmp=$(mktemp -d /tmp/bench_tunnel.XXXXXX)
server=
export PATH="$PATH:/usr/sbin"

stop() {
    [ -n "$server" ] || return 0
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
}

clean() {
    stop
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
[ -n "$second" ] || { echo "one processor for all: rates say nothing"; second=$first; }

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

# generate CPU ARGUMENT...
generate() {
    generate_cpu=$1
    shift
    on "$generate_cpu" timeout 120 "$build/tests/bench/bench_tunnel" "$@" &
    wait $!
}

# Latency with everything on one processor: what the code costs, without the wake-ups of another one
one() {
    generate "$first" "$@" -o latency | sed 's/^p/one_p/'
}

start_tunneld() {
    mkdir -p "$tmp/channels"
    cat > "$tmp/tunneld.conf" <<CONF
[Pool]
Web=$tmp/web
Ws=$tmp/ws
ChannelDirectory=$tmp/channels
HealthInterval=1s
[Channel1]
Name=ch2
Address=127.0.0.1:$port
[Metrics]
Port=$((port + 1))
[Control]
Socket=none
[Log]
Level=err
CONF
    on "$first" "$build/daemons/tunneld/tunneld" -c "$tmp/tunneld.conf" > "$tmp/log" 2>&1 &
    server=$!
}

# start_haproxy OPTION
start_haproxy() {
    cat > "$tmp/haproxy.cfg" <<CONF
global
    nbthread 1
    maxconn 4000
defaults
    mode tcp
    $1
    timeout connect 2s
    timeout client 60s
    timeout server 60s
listen pool
    bind unix@$tmp/web
    server central 127.0.0.1:$port
CONF
    on "$first" haproxy -db -q -f "$tmp/haproxy.cfg" > "$tmp/log" 2>&1 &
    server=$!
}

# setsid -w waits for the server in a process of its own; the server is its child then
busy_pid() {
    child=$(cat "/proc/$server/task/$server/children" 2>/dev/null || true)
    echo "${child%% *}" | grep . || echo "$server"
}

# measure ROUND NAME
measure() {
    rm -f "$tmp/web" "$tmp/ws"
    case $2 in
        tunneld) start_tunneld ;;
        haproxy) start_haproxy "" ;;
        haproxy_splice) start_haproxy "option splice-auto" ;;
    esac
    for _ in $(seq 50); do
        [ ! -S "$tmp/web" ] || break
        sleep 0.1
    done
    {
        generate "$second" -w 2 -u "$tmp/web" -t "$port" -p "$(busy_pid)" && one -w 2 -u "$tmp/web" -t "$port"
    } > "$tmp/figures" || {
        echo "run_tunnel: round $1 of $2 was cut short" >&2
        tail -n 3 "$tmp/log" >&2
    }
    stop
    sed "s/^/$1 $2 /" "$tmp/figures" >> "$tmp/results"
}

names="tunneld haproxy haproxy_splice"
command -v haproxy > /dev/null || {
    echo "haproxy is not installed: tunneld alone (as root: apt-get install haproxy; its own service is not needed)"
    names=tunneld
}
: > "$tmp/results"
round=1
while [ "$round" -le "$rounds" ]; do
    began=$(date +%s)
    { generate "$second" -t "$port"; one -t "$port"; } > "$tmp/figures"
    sed "s/^/$round direct /" "$tmp/figures" >> "$tmp/results"
    for name in $names; do
        measure "$round" "$name"
    done
    echo "round $round of $rounds: $names, $(($(date +%s) - began)) s"
    names=$(echo "$names" | awk '{ for (i = NF; i; i--) printf "%s ", $i }')
    round=$((round + 1))
done
awk -v rounds="$rounds" '
    $1 > 1 || rounds == 1 { n[$2, $3]++; v[$2, $3, n[$2, $3]] = $4 }
    function median(who, what,   k, i, j, t, a) {
        k = n[who, what]
        if (!k) return -1
        for (i = 1; i <= k; i++) a[i] = v[who, what, i]
        for (i = 1; i < k; i++) for (j = i + 1; j <= k; j++) if (a[j] < a[i]) { t = a[i]; a[i] = a[j]; a[j] = t }
        return k % 2 ? a[(k + 1) / 2] : (a[k / 2] + a[k / 2 + 1]) / 2
    }
    function row(what, text, more, base,   t, h, s, best) {
        t = median("tunneld", what) - base; h = median("haproxy", what); s = median("haproxy_splice", what)
        if (h < 0) { printf "%-44s %10.3f\n", text, t; return }
        h -= base; s -= base
        best = more ? (h > s ? h : s) : (h < s ? h : s)
        printf "%-44s %10.3f %10.3f %10.3f %8.2f %s\n", text, t, h, s, best ? t / best : 0, more ? "(more is better)" : ""
    }
    END {
        printf "%-44s %10s %10s %10s %8s\n", "", "tunneld", "haproxy", "+splice", "ratio"
        row("up_1", "CPU s/GB to central, 1 stream"); row("up_16", "CPU s/GB to central, 16 streams")
        row("down_1", "CPU s/GB from central, 1 stream"); row("down_16", "CPU s/GB from central, 16 streams")
        row("msg_us", "CPU us per exchange, 64 streams"); row("conn_us", "CPU us per connection")
        row("one_p50", "added us, median, all on one processor", 0, median("direct", "one_p50"))
        row("p50", "added us, median of an exchange", 0, median("direct", "p50"))
        row("p99", "added us, 99th percentile", 0, median("direct", "p99"))
        row("up_1_gbps", "GB/s to central, 1 stream", 1); row("down_1_gbps", "GB/s from central, 1 stream", 1)
        row("msg_rate", "exchanges/s, 64 streams", 1); row("conn_rate", "connections/s, 8 at a time", 1)
        printf "directly: median %.1f us, 99th percentile %.1f us\n", median("direct", "p50"), median("direct", "p99")
    }' "$tmp/results"

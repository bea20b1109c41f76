#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-only
#
# systemd's own varlinkctl (257 and later) talks to a running sfud: every verb it has, every method that is safe to call,
# and the errors. TAP.
set -eu
cd "$(dirname "$0")/../.."

if ! command -v varlinkctl > /dev/null; then
    echo "1..0 # SKIP varlinkctl is not here: it comes with systemd 257 (Debian 13)"
    exit 0
fi
sfud=${EDGE_BUILD:-build/test}/daemons/sfud/sfud
if [ ! -x "$sfud" ]; then
    echo "1..0 # SKIP $sfud is not built: ./edge test interop builds it"
    exit 0
fi

dir=$(mktemp -d)
pid=
# shellcheck disable=SC2317
finish() {
    [ -z "$pid" ] || kill "$pid" 2> /dev/null || true
    rm -rf "$dir"
}
trap finish EXIT
head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' > "$dir/secret"
chmod 0600 "$dir/secret"
cat > "$dir/sfud.conf" <<CONF
[Media]
Port=0
Bind=127.0.0.1
[Signal]
Port=0
SecretFile=$dir/secret
[Metrics]
Port=0
[Control]
Socket=$dir/control
CONF
"$sfud" -c "$dir/sfud.conf" 2> "$dir/log" &
pid=$!
for _ in $(seq 100); do
    [ ! -S "$dir/control" ] || break
    sleep 0.1
done

n=0
# row CLAIM PATTERN COMMAND...: its output (both streams) must match
row() {
    local claim=$1 pattern=$2 out
    shift 2
    n=$((n + 1))
    out=$("$@" 2>&1 < /dev/null) || true
    if grep -Eq -- "$pattern" <<< "$out"; then
        echo "ok $n - $claim"
    else
        echo "not ok $n - $claim"
        printf '%s\n' "want: $pattern" "$out" | sed 's/^/# /'
    fi
}
call() { varlinkctl call "$dir/control" "$@"; }

row "info names the product" 'Product: *sfud' varlinkctl info "$dir/control"
row "info lists the interfaces" 'io.oxpulse.Edge' varlinkctl info "$dir/control"
row "list-interfaces" '^io.oxpulse.Sfu$' varlinkctl list-interfaces "$dir/control"
row "introspect parses io.oxpulse.Edge" 'method Status\(\)' varlinkctl introspect "$dir/control" io.oxpulse.Edge
row "introspect parses io.oxpulse.Sfu" 'method ListRooms\(\)' varlinkctl introspect "$dir/control" io.oxpulse.Sfu
row "introspect parses org.varlink.service" 'method GetInfo\(\)' varlinkctl introspect "$dir/control" org.varlink.service
row "Status" '"state" *: *"serving"' call io.oxpulse.Edge.Status '{}'
row "Metrics" 'sfu_active_rooms' call io.oxpulse.Edge.Metrics '{}'
row "SetLogLevel" '^\{\}$' call io.oxpulse.Edge.SetLogLevel '{"level":"debug"}'
row "SetLogLevel refuses another word" 'InvalidParameter|[Ii]nvalid' call io.oxpulse.Edge.SetLogLevel '{"level":"loud"}'
row "Reload" '"restart" *: *\[' call io.oxpulse.Edge.Reload '{}'
row "ListRooms" '"rooms" *: *\[' call io.oxpulse.Sfu.ListRooms '{}'
row "an unknown method is an error" 'MethodNotFound|not found|No such' call io.oxpulse.Sfu.Nothing '{}'
row "Drain" '"sessions" *: *0' call io.oxpulse.Edge.Drain '{"limit":5}'
for _ in $(seq 100); do
    kill -0 "$pid" 2> /dev/null || break
    sleep 0.1
done
kill "$pid" 2> /dev/null && echo "# it did not end by itself within 10 s"
n=$((n + 1))
if wait "$pid"; then
    echo "ok $n - an empty daemon that drains ends with status 0"
else
    echo "not ok $n - an empty daemon that drains ends with status 0"
    sed 's/^/# /' "$dir/log"
fi
pid=
echo "1..$n"

#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-only
#
# What `meson install` puts into an empty directory is a whole suite: every unit with the programs it starts, users, directories,
# and the files that make the front's configuration. Then the two scripts that the units bring along, against stand-ins for what
# they call. Output is TAP.
#
#   EDGE_BUILD=DIR   the build to install (default build/test, then build)
set -u

ROOT=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
PATH=$PATH:/usr/sbin:/sbin
count=0 failed=0
tmp=$(mktemp -d "${TMPDIR:-/tmp}/edge-install-XXXXXXXX")
trap 'rm -rf "$tmp"' EXIT
dest=$tmp/dest units=$tmp/dest/usr/lib/systemd/system lib=$tmp/dest/usr/lib/oxpulse-partner-edge

# row CLAIM COMMAND...: what it says is shown when it fails
row() {
    local claim=$1 status=0
    shift
    count=$((count + 1))
    "$@" > "$tmp/said" 2>&1 || status=$?
    if [ $status -eq 0 ]; then
        echo "ok $count - $claim"
    else
        sed 's/^/# /' "$tmp/said"
        echo "not ok $count - $claim"
        failed=1
    fi
}

# skipped CLAIM REASON
skipped() {
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}

build=${EDGE_BUILD:-}
for candidate in "$ROOT/build/test" "$ROOT/build"; do
    [ -n "$build" ] || [ ! -e "$candidate/build.ninja" ] || build=$candidate
done
if [ -z "$build" ] || ! command -v meson > /dev/null; then
    echo "1..0 # SKIP there is no build: ./edge build"
    exit 0
fi

# --- the installed tree ---

install_all() {
    ninja -C "$build" && DESTDIR=$dest meson install -C "$build" --no-rebuild --quiet
}

# programs: what units start, without Debian's own
programs() {
    sed -nE 's#^Exec[A-Za-z]+=[-+!@:]*(/[^ ]+).*#\1#p' "$units"/oxpulse-* | sort -u |
        grep -vE '^/(bin/sh|usr/bin/systemctl|usr/sbin/nginx)$'
}

every_unit_of_the_tree() {
    diff <(cd "$ROOT/units" && ls oxpulse-*) <(cd "$units" && ls)
}

every_program_of_a_unit() {
    local program missing=0
    for program in $(programs); do
        [ -x "$dest$program" ] || { echo "$program is not installed"; missing=1; }
    done
    return $missing
}

every_name_that_operators_know() {
    local path missing=0
    for path in sbin/oxpulse-partner-edge sbin/oxpulse-partner-edge-healthcheck lib/oxpulse-partner-edge/deploy-certificate \
        share/oxpulse-partner-edge/front/{nginx.conf.in,front.values,node.values,retry.html} \
        lib/sysusers.d/oxpulse-partner-edge.conf lib/tmpfiles.d/oxpulse-partner-edge.conf; do
        [ -s "$dest/usr/$path" ] || { echo "/usr/$path is not installed"; missing=1; }
    done
    return $missing
}

# An inherited socket that the daemon does not ask for by name would take connections that nobody accepts.
every_socket_is_asked_for() {
    local socket name program missing=0
    for socket in "$units"/*.socket; do
        name=$(sed -n 's/^FileDescriptorName=//p' "$socket")
        program=$(sed -n 's/^Service=oxpulse-\(.*\)\.service/\1/p' "$socket")
        grep -aqF "$name" "$dest/usr/sbin/$program" || { echo "$program knows no descriptor $name"; missing=1; }
    done
    return $missing
}

# With the installed programs in the place they have here.
verify() {
    local unit program edits=()
    for program in $(programs); do
        edits+=(-e "s#^(Exec[A-Za-z]+=[-+!@:]*)$program( |\$)#\1$dest$program\2#")
    done
    [ -x /usr/sbin/nginx ] || edits+=(-e 's#^(Exec[A-Za-z]+=[-+!@:]*)/usr/sbin/nginx#\1/bin/true#')
    mkdir "$tmp/verify"
    for unit in "$units"/*; do
        sed -E "${edits[@]}" "$unit" > "$tmp/verify/${unit##*/}"
    done
    SYSTEMD_UNIT_PATH=$tmp/verify: systemd-analyze verify --man=no "$tmp"/verify/* > "$tmp/verified" 2>&1
    ! grep -E "oxpulse|$tmp" "$tmp/verified"
}

# The page that strangers see tells nothing of where it comes from, and is otherwise the tree's.
page_without_origin() {
    local page=$dest/usr/share/oxpulse-partner-edge/front/retry.html
    ! grep -i -e spdx -e oxpulse -e agpl "$page" &&
        diff <(sed /SPDX-License-Identifier/d "$ROOT/daemons/front/retry.html.in") "$page"
}

# name_of ID FILE
name_of() {
    awk -F: -v id="$1" '$3 == id { print $1 }' "$dest/etc/$2"
}

# owner_and_mode PATH: by the names of the new system
owner_and_mode() {
    local uid gid mode
    read -r uid gid mode < <(stat -c '%u %g %a' "$dest$1")
    echo "$1 $mode $(name_of "$uid" passwd):$(name_of "$gid" group)"
}

directories() {
    local row bad=0
    mkdir -p "$dest/etc"
    echo root:x:0:0::/root:/bin/sh > "$dest/etc/passwd"
    echo root:x:0: > "$dest/etc/group"
    systemd-sysusers --root="$dest" && systemd-tmpfiles --root="$dest" --create oxpulse-partner-edge.conf || return 1
    for row in \
        '/etc/oxpulse-partner-edge 755 oxpulse-refreshd:oxpulse-refreshd' \
        '/etc/oxpulse-partner-edge/front/tls 750 oxpulse-refreshd:oxpulse-tls' \
        '/etc/oxpulse-partner-edge/sfud.conf.d 755 oxpulse-refreshd:oxpulse-refreshd' \
        '/var/lib/oxpulse-partner-edge/generations 755 oxpulse-refreshd:oxpulse-refreshd' \
        '/run/oxpulse-partner-edge 755 root:root' \
        '/run/oxpulse-partner-edge/requests 1730 root:oxpulse-requests' \
        '/run/oxpulse-partner-edge/results 755 root:root' \
        '/run/oxpulse-partner-edge/private 700 root:root'; do
        [ "$(owner_and_mode "${row%% *}")" = "$row" ] || { echo "$(owner_and_mode "${row%% *}"), wanted: $row"; bad=1; }
    done
    return $bad
}

# --- request ---

# Stand-ins: systemctl tells what it was asked and answers from files, stat names the owner.
stand_ins() {
    mkdir -p "$tmp/bin" "$tmp/run/requests" "$tmp/run/results" "$tmp/state"
    cat > "$tmp/bin/systemctl" <<STUB
#!/bin/sh
case "\$*" in
    *ActiveState*) cat "$tmp/state/active" ;;
    *Result*) echo exit-code ;;
    *ExecMainStatus*) cat "$tmp/state/status" ;;
    *is-active*) [ -e "$tmp/state/suite" ] ;;
    *) echo "\$*" >> "$tmp/state/asked"; [ ! -e "$tmp/state/broken" ] ;;
esac
STUB
    printf '#!/bin/sh\ncat "%s"\n' "$tmp/state/owner" > "$tmp/bin/stat"
    printf '#!/bin/sh\n' > "$tmp/bin/sleep"
    chmod +x "$tmp"/bin/*
    touch "$tmp/state/suite"
    echo 0 > "$tmp/state/status"
}

# asked OWNER STATE VERB NONCE: one run of the script with that request
asked() {
    rm -f "$tmp/state/asked" "$tmp"/run/results/*
    echo "$1" > "$tmp/state/owner"
    echo "$2" > "$tmp/state/active"
    [ -z "$3" ] || [ -n "$(ls -A "$tmp/run/requests")" ] || printf %s "$4" > "$tmp/run/requests/$3"
    PATH=$tmp/bin:$PATH OXPULSE_PREFIX_RUN=$tmp/run timeout 20 "$lib/request" > "$tmp/state/log" 2>&1
}

# says VERB RESULT [SYSTEMCTL]: what came of it: the result and what systemd was asked for; the request is gone
says() {
    local got asked
    got=$(cat "$tmp/run/results/$1" 2> /dev/null)
    asked=$(tr '\n' ';' 2> /dev/null < "$tmp/state/asked")
    [ "$got" = "$2" ] && [ "$asked" = "${3:-}" ] && [ -z "$(ls -A "$tmp/run/requests")" ] && return
    echo "result: $got, asked: $asked, left: $(ls -A "$tmp/run/requests"), log:"
    cat "$tmp/state/log"
    return 1
}

fresh() {
    rm -rf "$tmp/run/private"
}

request_table() {
    local verb
    fresh
    asked oxpulse-refreshd active reload-front n1 &&
        says reload-front 'n1 ok' 'try-reload-or-restart oxpulse-front.service;' || return
    for verb in front sfud turnd tunneld; do
        for user in oxpulse-refreshd oxpulse-healthd; do
            asked $user active restart-$verb n_-2 && says restart-$verb 'n_-2 ok' "try-restart oxpulse-$verb.service;" || return
        done
    done
    asked oxpulse-refreshd activating reload-front n3 && says reload-front 'n3 ok' 'try-restart oxpulse-front.service;' || return
    touch "$tmp/state/broken"
    asked oxpulse-refreshd active restart-sfud n4 && says restart-sfud 'n4 failed' 'try-restart oxpulse-sfud.service;' || return
    rm "$tmp/state/broken"
    [ "$(stat -c %a "$tmp/run/results/restart-sfud")" = 644 ]
}

request_leaves_stopped_alone() {
    fresh
    for state in inactive deactivating failed; do
        for verb in reload-front restart-sfud; do
            asked oxpulse-refreshd $state $verb n && says $verb 'n not-running' || return
        done
    done
    # What gave up because of its configuration was not stopped by anybody, unless the suite was.
    echo 78 > "$tmp/state/status"
    asked oxpulse-refreshd failed restart-sfud n &&
        says restart-sfud 'n ok' 'reset-failed oxpulse-sfud.service;start oxpulse-sfud.service;' || return
    rm "$tmp/state/suite"
    asked oxpulse-refreshd failed restart-sfud n && says restart-sfud 'n not-running' || return
    touch "$tmp/state/suite"
    echo 0 > "$tmp/state/status"
}

request_refuses_others() {
    fresh
    for user in root nobody oxpulse-sfud UNKNOWN; do
        asked $user active restart-sfud n && says restart-sfud 'n failed' || return
    done
    asked oxpulse-healthd active reload-front n && says reload-front 'n failed' &&
        grep -q 'oxpulse-healthd may not' "$tmp/state/log"
}

request_garbage() {
    local long
    fresh
    long=$(printf 'x%.0s' $(seq 65))
    for nonce in '' ' ' 'a b' '../x' 'a;b' "$(printf 'a\nb')" "$long" 'ключ'; do
        asked oxpulse-refreshd active restart-sfud "$nonce"
        says restart-sfud '' || return
    done
    printf 'a\0b' > "$tmp/run/requests/restart-sfud"
    asked oxpulse-refreshd active restart-sfud '' && says restart-sfud '' || return
    asked oxpulse-refreshd active restart-sfud "${long#x}" &&
        says restart-sfud "${long#x} ok" 'try-restart oxpulse-sfud.service;' || return
    echo secret > "$tmp/secret"
    ln -s "$tmp/secret" "$tmp/run/requests/restart-sfud"
    asked oxpulse-refreshd active restart-sfud '' && says restart-sfud '' && [ "$(cat "$tmp/secret")" = secret ] || return
    ln -s /nowhere "$tmp/run/requests/restart-sfud"
    asked oxpulse-refreshd active restart-sfud '' && says restart-sfud '' || return
    mkfifo "$tmp/run/requests/restart-sfud"
    asked oxpulse-refreshd active restart-sfud '' && says restart-sfud '' || return
    mkdir -p "$tmp/run/requests/restart-sfud/a/b"
    asked oxpulse-refreshd active restart-sfud '' && says restart-sfud '' || return
    # A verb that has no row is not looked at.
    touch "$tmp/run/requests/restart-sshd"
    asked oxpulse-refreshd active '' ''
    [ ! -e "$tmp/state/asked" ] && rm "$tmp/run/requests/restart-sshd"
}

request_six_in_an_hour() {
    local i now
    fresh
    for i in 1 2 3 4 5 6; do
        asked oxpulse-healthd active restart-sfud "n$i" && says restart-sfud "n$i ok" 'try-restart oxpulse-sfud.service;' || return
    done
    asked oxpulse-healthd active restart-sfud n7 && says restart-sfud 'n7 failed' || return
    asked oxpulse-healthd active restart-turnd n8 && says restart-turnd 'n8 ok' 'try-restart oxpulse-turnd.service;' || return
    now=$(date +%s)
    for i in 3601 3600 3599 100 10 1; do echo $((now - i)); done > "$tmp/run/private/spent-restart-sfud"
    asked oxpulse-healthd active restart-sfud n9 && says restart-sfud 'n9 ok' 'try-restart oxpulse-sfud.service;' || return
    [ "$(wc -l < "$tmp/run/private/spent-restart-sfud")" -le 6 ]
}

# --- deploy-certificate ---

# certificate NAME DNS-NAME...: $tmp/certs/NAME.{pem,key}
certificate() {
    local name=$1 names
    shift
    names=$(printf ',DNS:%s' "$@")
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=x \
        -addext "subjectAltName=${names#,}" -keyout "$tmp/certs/$name.key" -out "$tmp/certs/$name.pem" 2> /dev/null
}

deploy() {
    OXPULSE_PREFIX_ETC=$tmp/node/etc OXPULSE_PREFIX_LIB=$tmp/node/lib OXPULSE_CERTIFICATE_USER=$(id -un) \
        OXPULSE_CERTIFICATE_GROUP=$(id -gn) "$lib/deploy-certificate" "$@" > "$tmp/deployed" 2>&1
}

# in_place NAME: that pair is what front and turnd would read, and nothing else lies there
in_place() {
    local tls=$tmp/node/etc/front/tls
    cmp "$tls/fullchain.pem" "$tmp/certs/$1.pem" && cmp "$tls/privkey.pem" "$tmp/certs/$1.key" &&
        [ "$(cd "$tls" && stat -c '%n %a' -- * | tr '\n' ' ')" = 'fullchain.pem 640 privkey.pem 640 ' ] ||
        { cat "$tmp/deployed"; ls -l "$tls"; return 1; }
}

# refused WORDS ARGUMENT...
refused() {
    local words=$1
    shift
    if deploy "$@"; then echo "deploy-certificate $*: accepted"; return 1; fi
    grep -q -- "$words" "$tmp/deployed" && grep -q 'to fix it' "$tmp/deployed" || { cat "$tmp/deployed"; return 1; }
}

deploy_prepared() {
    mkdir -p "$tmp/certs" "$tmp/node/etc/front/tls" "$tmp/node/lib"
    printf "X='1'\nPARTNER_DOMAIN='edge.test'\nTURNS_SUBDOMAIN=api-1\n" > "$tmp/node/lib/install.env"
    certificate one edge.test api-1.edge.test && certificate two '*.edge.test' edge.test && certificate narrow edge.test &&
        certificate other other.test wwwedge.test edge.test.evil.test
}

deploy_pairs() {
    deploy "$tmp/certs/one.pem" "$tmp/certs/one.key" && in_place one || return
    deploy "$tmp/certs/two.pem" "$tmp/certs/two.key" && in_place two || return
    ! grep -q warning "$tmp/deployed" && deploy "$tmp/certs/narrow.pem" "$tmp/certs/narrow.key" && in_place narrow &&
        grep -q 'warning.*api-1.edge.test' "$tmp/deployed"
}

deploy_refuses() {
    deploy "$tmp/certs/one.pem" "$tmp/certs/one.key" || return
    head -c 200 "$tmp/certs/two.pem" > "$tmp/certs/half.pem"
    { cat "$tmp/certs/two.pem"; sed 's/[a-z]/A/g' "$tmp/certs/other.pem"; } > "$tmp/certs/broken-chain.pem"
    refused 'is not the key of' "$tmp/certs/two.pem" "$tmp/certs/one.key" &&
        refused 'is not for edge.test' "$tmp/certs/other.pem" "$tmp/certs/other.key" &&
        refused 'is not for edge.test' "$tmp/certs/half.pem" "$tmp/certs/two.key" &&
        refused 'is not the key of' "$tmp/certs/two.pem" "$tmp/certs/two.pem" &&
        refused 'holds something that is no certificate' "$tmp/certs/broken-chain.pem" "$tmp/certs/two.key" &&
        refused 'cannot read' "$tmp/certs/none.pem" "$tmp/certs/two.key" &&
        refused 'wrong arguments' "$tmp/certs/two.pem" && refused 'no certificate was given' && in_place one
}

deploy_as_hook() {
    mkdir -p "$tmp/live"
    deploy "$tmp/certs/one.pem" "$tmp/certs/one.key" || return
    cp "$tmp/certs/other.pem" "$tmp/live/fullchain.pem" && cp "$tmp/certs/other.key" "$tmp/live/privkey.pem"
    RENEWED_LINEAGE=$tmp/live deploy && in_place one || return
    cp "$tmp/certs/two.pem" "$tmp/live/fullchain.pem" && cp "$tmp/certs/two.key" "$tmp/live/privkey.pem"
    RENEWED_LINEAGE=$tmp/live deploy && in_place two
}

# Every moment at which the power may go: afterwards the pair is the old one or the new one.
deploy_crashes() {
    local tls=$tmp/node/etc/front/tls step
    for step in staged-chain staged-both moved-key; do
        deploy "$tmp/certs/one.pem" "$tmp/certs/one.key" || return
        cp "$tmp/certs/two.pem" "$tls/fullchain.pem.new"
        case $step in
            staged-both) cp "$tmp/certs/two.key" "$tls/privkey.pem.new" ;;
            moved-key) cp "$tmp/certs/two.key" "$tls/privkey.pem" ;;
        esac
        chmod 640 "$tls"/*
        deploy --finish || return
        if [ $step = staged-chain ]; then
            rm "$tls/fullchain.pem.new" && in_place one || return
        else
            in_place two || return
        fi
    done
}

# --- rows ---

row "meson installs into a directory" install_all
if [ $failed -ne 0 ]; then
    echo "1..$count"
    exit 1
fi
row "every unit of the tree is there" every_unit_of_the_tree
row "every program that a unit starts is there" every_program_of_a_unit
row "every name that operators and daemons know is there" every_name_that_operators_know
row "every socket that systemd makes is one its daemon asks for" every_socket_is_asked_for
row "the page for strangers does not tell where it comes from" page_without_origin
if command -v systemd-analyze > /dev/null; then
    row "systemd-analyze verify has nothing to say" verify
else
    skipped "systemd-analyze verify has nothing to say" "systemd is not installed: apt-get install systemd"
fi
if [ "$(id -u)" -eq 0 ] && command -v systemd-sysusers > /dev/null; then
    row "users and directories are made with their owners and modes" directories
else
    skipped "users and directories are made with their owners and modes" "only root can make them, with systemd's tools"
fi
stand_ins
row "request: each verb does its one thing and answers with the nonce" request_table
row "request: what does not run is left alone" request_leaves_stopped_alone
row "request: who is not in the verb's row is refused" request_refuses_others
row "request: links, directories, pipes and wrong nonces are taken away and nothing is done" request_garbage
row "request: six restarts of a unit in an hour" request_six_in_an_hour
if command -v openssl > /dev/null; then
    row "deploy-certificate: certificates for its tests" deploy_prepared
    row "deploy-certificate: puts pairs in place" deploy_pairs
    row "deploy-certificate: what does not fit changes nothing and is told with the fix" deploy_refuses
    row "deploy-certificate: as a hook it passes over other names" deploy_as_hook
    row "deploy-certificate: a crash at any moment leaves one whole pair" deploy_crashes
else
    skipped "deploy-certificate" "openssl is not installed: apt-get install openssl"
fi
echo "1..$count"
exit $failed

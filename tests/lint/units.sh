#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-only
#
# units.sh ROOT: every unit is well-formed and as closed as it can be. A unit without capabilities may be exposed up to
# 1.2 of systemd-analyze's ten, one with capabilities up to 1.8. Output is TAP.
set -eu

root=$1
count=0
failed=0
tmp=$(mktemp -d "${TMPDIR:-/tmp}/edge-lint-XXXXXXXX")
trap 'rm -rf "$tmp"' EXIT

if ! command -v systemd-analyze >/dev/null; then
    echo "1..0 # SKIP systemd-analyze is missing: apt-get install systemd"
    exit 0
fi

# row STATUS CLAIM
row() {
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        failed=1
    fi
}

# limit_of UNIT: in tenths
limit_of() {
    if grep -Eq '^(AmbientCapabilities|CapabilityBoundingSet)=.*CAP_' "$1"; then echo 18; else echo 12; fi
}

# verify UNIT: programs that are not installed here stand for themselves as /bin/true; what a program does is no
# business of a unit's grammar. Messages about other units of this machine are not ours.
verify() {
    name=$(basename "$1")
    sed -E 's#^(Exec[A-Za-z]+=[-+!@:]*)/[^ ]+#\1/bin/true#' "$1" > "$tmp/$name"
    status=0
    systemd-analyze verify --man=no "$tmp/$name" > "$tmp/out" 2>&1 || status=1
    # What is said of our file, with its real name and a line to begin with.
    sed -En "s#^.*$name(:[0-9]+)?: *#\1: #; T; s#^: #:1: #; s#^#\# $1#p" "$tmp/out" | grep . && return 1
    [ $status -eq 0 ] || ! grep -q "$name" "$tmp/out"
}

# exposure UNIT
exposure() {
    limit=$(limit_of "$1")
    systemd-analyze security --no-pager --offline=true --threshold="$limit" "$1" > "$tmp/out" 2>&1 && return 0
    sed -n 's/ *[0-9.]*$//; s/  */ /g; s/^✗ //p' "$tmp/out" | sed "s|^|# $1:1: |"
    echo "# $1:1: $(tail -n 1 "$tmp/out" | tr -cd '[:alnum:]. -'), allowed are $limit tenths"
    return 1
}

# user_exists UNIT: units and sysusers agree on who runs it
user_exists() {
    user=$(sed -n 's/^User=//p' "$1")
    [ -z "$user" ] && return 0
    grep -Eqs "^u +$user( |\$)" "$root"/units/*.sysusers && return 0
    echo "# $1:$(grep -n '^User=' "$1" | cut -d: -f1): no *.sysusers makes $user"
    return 1
}

# fails COMMAND...: for the proof that a check can fail
fails() {
    ! "$@" > "$tmp/said" && [ -s "$tmp/said" ]
}

cat > "$tmp/open.service" <<'UNIT'
[Service]
ExecStart=/usr/sbin/sfud
UNIT
cat > "$tmp/typo.service" <<'UNIT'
[Service]
ExecStart=/usr/sbin/sfud
Protectsystem=strict
UNIT
cat > "$tmp/stranger.service" <<'UNIT'
[Service]
User=stranger
UNIT
if ! systemd-analyze security --no-pager --offline=true "$tmp/open.service" > "$tmp/out" 2>&1; then
    echo "1..0 # SKIP this systemd-analyze cannot work offline: $(head -n 1 "$tmp/out")"
    exit 0
fi
mkdir "$tmp/planted"
mv "$tmp"/*.service "$tmp/planted"

status=0; fails exposure "$tmp/planted/open.service" || status=1
row $status "sees a planted fault: a unit without any protection"
status=0; fails verify "$tmp/planted/typo.service" || status=1
row $status "sees a planted fault: an unknown setting"
status=0; fails user_exists "$tmp/planted/stranger.service" || status=1
row $status "sees a planted fault: a user that nothing makes"

for unit in "$root"/units/*; do
    case $unit in
        *.service)
            status=0; exposure "$unit" || status=1
            row $status "$(basename "$unit") is exposed no more than $(limit_of "$unit") tenths"
            status=0; user_exists "$unit" || status=1
            row $status "$(basename "$unit") runs as a user that exists"
            ;;
        *.socket | *.timer | *.path | *.target) ;;
        *) continue ;;
    esac
    status=0; verify "$unit" || status=1
    row $status "$(basename "$unit") is well-formed"
done
echo "1..$count"
exit $failed

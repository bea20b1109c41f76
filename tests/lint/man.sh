#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-only
#
# man.sh ROOT PROGRAM...: the man pages, put together from prose and key table, have the grammar that mandoc wants.
# Output is TAP.
set -eu

root=$1
shift
tmp=$(mktemp -d "${TMPDIR:-/tmp}/edge-lint-XXXXXXXX")
trap 'rm -rf "$tmp"' EXIT

if ! command -v mandoc >/dev/null; then
    echo "1..0 # SKIP mandoc is missing: apt-get install mandoc"
    exit 0
fi

# clean PAGE: says what is wrong with it. Lines of the key table are as long as they are.
clean() {
    mandoc -T lint -W style "$1" > "$tmp/out" 2>&1 || true
    grep -Ev 'referenced manual not found|longer than 80 bytes|mandoc.db' "$tmp/out" | sed 's/^/# /' | grep . || return 0
    return 1
}

status=0
printf '.Dd November 1, 2026\n.Dt X 8\n.Os\n.Sh NAME\n.Nm x\n.Nd y\n.Sh DESCRIPTION\n.Bl -tag\n.It a\ntext\n' > "$tmp/bad.8"
if clean "$tmp/bad.8" > "$tmp/said"; then
    echo "not ok 1 - sees a planted fault: a list without an end"
    status=1
else
    echo "ok 1 - sees a planted fault: a list without an end"
fi
printf 'no macro @KEYS@ here\n' > "$tmp/bad.in"
if sh "$root/docs/man/make.sh" "$tmp/bad.in" "$1" "$tmp/x.8" 2> "$tmp/said"; then
    echo "not ok 2 - sees a planted fault: prose without a place for the keys"
    status=1
else
    echo "ok 2 - sees a planted fault: prose without a place for the keys"
fi
count=2
for program; do
    page=$(basename "$program").8
    count=$((count + 1))
    if sh "$root/docs/man/make.sh" "$root/docs/man/$page.in" "$program" "$tmp/$page" && clean "$tmp/$page"; then
        echo "ok $count - $page"
    else
        echo "not ok $count - $page"
        status=1
    fi
done
echo "1..$count"
exit $status

#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-only
#
# other_debian.sh RELEASE ROWS: the tree on another Debian: what `./edge test` says there without browsers, and a demo
# started and stopped. Result rows go to ROWS. Needs root and debootstrap (debian_tree.sh).
set -eu

release=$1 rows=$2
cache=${EDGE_CACHE:-/var/cache/partner-edge}
log=$PWD/build/logs/$release.log
mkdir -p build/logs "$cache"
exec 9> "$cache/$release.lock"
flock 9    # one tree at a time

bash tests/debian_tree.sh "$release" > "$log" 2>&1 || { tail -n 20 "$log"; exit 1; }
root=$(tail -n 1 "$log")
rm -rf "$root/src"
mkdir "$root/src"
tar --exclude=./build --exclude=./.git --exclude=node_modules -cf - . | tar -xf - -C "$root/src"

# A mount and a process namespace of its own: whatever the tests leave behind ends with it.
# shellcheck disable=SC2016
unshare --mount --pid --fork --kill-child sh -eu -c '
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
    mount -t tmpfs tmpfs "$1/tmp"
    exec env -i HOME=/root TERM=dumb PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
        chroot "$1" bash /src/tests/other_debian_inside.sh' sh "$root" || true
cp "$root/src/build/results/rows.json" "$rows"

#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-only
#
# debian_tree.sh RELEASE [PACKAGE...]: an installation of this Debian with these packages, made once and kept outside the tree of
# sources for all of them: $EDGE_CACHE/RELEASE, whose path is the last line of output. Needs root and debootstrap. Who writes into
# it holds $EDGE_CACHE/RELEASE.lock; machines that boot from it put a layer of their own above it.
set -eu

release=$1
shift
cache=${EDGE_CACHE:-/var/cache/partner-edge}
root=$cache/$release
mkdir -p "$cache"

if [ ! -e "$root/complete" ]; then
    echo "installing Debian $release into $root"
    rm -rf "$root"
    debootstrap --variant=minbase "$release" "$root"
    echo force-unsafe-io > "$root/etc/dpkg/dpkg.cfg.d/fast"
    touch "$root/complete"
fi

missing=()
for package; do
    [ "$(dpkg-query --root="$root" -W -f '${db:Status-Status}' "$package" 2> /dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "installing ${missing[*]}"
    # No service of a package starts in a tree that is not booted.
    printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    # shellcheck disable=SC2016
    unshare --mount --pid --fork --kill-child sh -eu -c '
        root=$1
        shift
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin
        chroot "$root" apt-get update -q
        chroot "$root" apt-get install -y -q --no-install-recommends -o Dpkg::Use-Pty=0 "$@"' sh "$root" "${missing[@]}"
    rm -f "$root/usr/sbin/policy-rc.d"
fi
echo "$root"

# shellcheck shell=bash
# SPDX-License-Identifier: AGPL-3.0-only
#
# Debian packages by purpose: the only list. Names are the same on Debian 12 and 13 unless a line says otherwise.
# PROGRAM?PACKAGE is wanted only where PROGRAM is missing, whoever installed it.

packages_of() {
    case $1 in
        build) echo "gcc libc6-dev meson ninja-build pkgconf"
            echo "libssl-dev libevent-dev libsystemd-dev libwslay-dev libcurl4-openssl-dev" ;;
        demo)  echo "nginx libnginx-mod-stream openssl curl iproute2 procps python3 python3-aiohttp" ;;
        oracle) echo "libsrtp2-dev" ;;    # other people's code that unit tests compare ours with
        bench) echo "coturn haproxy python3" ;;   # other people's servers that benches compare ours with
        turn) echo "coturn python3-aiortc openssl iproute2 curl" ;;    # other people's clients of turnd
        test)  echo "openssl clang binutils universal-ctags nghttp2-client systemd python3" ;;
        browser) echo "node?nodejs npm?npm chromium firefox-esr certutil?libnss3-tools" ;;
        other_debian) echo "debootstrap" ;;
        node) echo "systemd systemd-sysv dbus nginx libnginx-mod-stream openssl curl ca-certificates iproute2" ;;    # a host
        system) echo "debootstrap systemd-container iproute2 curl procps python3 python3-aiohttp openssl" ;;    # machines that boot
        *) die "packages_of: there is no group $1" ;;
    esac
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# want_packages GROUP...: installs what is missing; without root names it, and goes on
want_packages() {
    local group entry package nginx_was_here=yes
    local missing=()

    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian system: packages are up to you: $(for group; do packages_of "$group"; done | tr '\n' ' ')"
        return
    fi
    for group; do
        for entry in $(packages_of "$group"); do
            package=${entry#*\?}
            [ "$package" = "$entry" ] || ! command -v "${entry%%\?*}" >/dev/null || continue
            is_installed "$package" || missing+=("$package")
        done
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    if [ "$(id -u)" -ne 0 ]; then
        say "missing packages: ${missing[*]}"
        say "as root:          apt-get install --no-install-recommends ${missing[*]}"
        return
    fi
    is_installed nginx || nginx_was_here=no
    for package in coturn haproxy; do
        [[ " ${missing[*]} " != *" $package "* ]] || keep_down $package
    done
    say "installing: ${missing[*]}"
    step "package lists" build/logs/apt-update.log apt_get update ||
        die "apt-get update failed" "check this machine's network and /etc/apt/sources.list, then try again"
    step "packages (log: build/logs/apt-install.log)" build/logs/apt-install.log \
        apt_get install --no-install-recommends "${missing[@]}" ||
        die "apt-get install failed" "see the message above; \`apt-get --fix-broken install\` mends a half-done installation"
    [ $nginx_was_here = yes ] || stop_stock_nginx
}

apt_get() {
    DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

# Debian's nginx package starts a server of its own on port 80. We install it for the program only; a server that was
# there before us is its owner's.
stop_stock_nginx() {
    is_installed nginx || return 0
    if [ -d /run/systemd/system ]; then
        systemctl --quiet disable --now nginx.service || true
    elif [ -s /run/nginx.pid ]; then
        kill -QUIT "$(cat /run/nginx.pid)" 2>/dev/null || true
    fi
}

# Debian's coturn package starts a relay that is open to the network, haproxy's starts a proxy. We install them for their programs
# only: the service is masked before it is there. Without systemd neither starts.
keep_down() {
    [ ! -d /run/systemd/system ] || systemctl --quiet mask "$1.service" || true
}

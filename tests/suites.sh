# shellcheck shell=bash
# SPDX-License-Identifier: AGPL-3.0-only
#
# What `./edge test` runs. A suite whose tests do not exist in this tree is not in the list; a test that cannot run here
# is a skip with its reason, and a build that fails is a failure of every suite that needs it.

RESULTS=build/results
ROWS=$RESULTS/rows.json
TALLY=("$PYTHON" tests/tally.py)
TURN_CLIENTS=tests/interop/test_turn_clients.py
declare -A BUILT=()

# suite            packages                what runs it
SUITES='
lint               build,oracle,test       meson_suite  test  lint
unit               build,oracle            meson_suite  test  unit
fuzz               build,oracle            meson_suite  test  fuzz
sim                build,oracle            meson_suite  test  sim
oom                build,oracle            meson_suite  test  oom
asan               build,oracle            meson_suite  asan  unit fuzz sim oom
clang              build,oracle,test       compiles     clang
central            build,demo              programs     tests/central
e2e                build,demo,test,browser,turn with_build   tests/e2e
interop            build,oracle,demo,test,turn  with_build   tests/interop
debian13           other_debian            other_debian trixie
system             demo,test,browser,system  programs   tests/e2e/system
'

# --- builds ---

# built NAME: build/NAME with warnings as errors, made once per run
built() {
    local dir=build/$1 log=build/logs/$1.log options=(-Dwerror=true --buildtype=debugoptimized) compiler=gcc
    case $1 in
        asan) options+=('-Db_sanitize=address,undefined' -Db_lundef=false) ;;
        clang) compiler=clang ;;
    esac
    if [ -z "${BUILT[$1]-}" ]; then
        BUILT[$1]=no
        ! CC=$compiler step "building $dir" "$log" build_in "$dir" "${options[@]}" || BUILT[$1]=yes
    fi
    [ "${BUILT[$1]}" = yes ]
}

# --- the kinds of suite ---

# meson_suite SUITE BUILD MESON-SUITE...
meson_suite() {
    local suite=$1 dir=build/$2 kind flags=() log
    built "$2" || { "${TALLY[@]}" add $ROWS "$suite" build fail "build/$2 does not build: build/logs/$2.log" || true; return; }
    shift 2
    for kind; do
        ! has_meson_suite "$dir" "$kind" || flags+=(--suite "$kind")
    done
    log=$dir/meson-logs/edge-$suite.json
    rm -f "$log"
    meson test -C "$dir" --no-rebuild --print-errorlogs --quiet --logbase "edge-$suite" \
        --timeout-multiplier "$([ "$suite" = asan ] && echo 6 || echo 3)" "${flags[@]}" < /dev/null || true
    if [ -s "$log" ]; then
        "${TALLY[@]}" meson $ROWS "$suite" "$log" || true
    else
        "${TALLY[@]}" add $ROWS "$suite" meson fail "meson test left no results" || true
    fi
}

# A build that is up to date knows its suites.
has_meson_suite() {
    "${TALLY[@]}" has "$1/meson-info/intro-tests.json" "$2"
}

# Before the build, or after a change of it, the words of the meson.build files tell.
will_have_meson_suite() {
    grep -rqsE --include=meson.build "suite: *(\[[^]]*)?'$1'" tests daemons libcommon
}

compiles() {
    if built "$2"; then
        "${TALLY[@]}" add $ROWS "$1" "builds without a warning" pass
    else
        "${TALLY[@]}" add $ROWS "$1" "builds without a warning" fail "see build/logs/$2.log" || true
    fi
}

# with_build SUITE DIRECTORY-OR-FILE: programs that use what build/test holds
with_build() {
    if built test; then
        programs "$@"
    else
        "${TALLY[@]}" add $ROWS "$1" build fail "build/test does not build: build/logs/test.log" || true
    fi
}

# programs SUITE DIRECTORY-OR-FILE: every executable test_* speaks TAP; Python files get tests/tap.py around them
programs() {
    local file command
    for file in $(test_programs "$2"); do
        command=("$ROOT/$file")
        [ "${file##*.}" != py ] || command=("$PYTHON" tests/tap.py "$file")
        "${TALLY[@]}" run $ROWS "$1" "$(basename "$file")" 1200 "${command[@]}" || true
    done
}

test_programs() {
    find "$1" -maxdepth 1 -type f -name 'test_*' \( -executable -o -name '*.py' \) 2>/dev/null | sort
}

other_debian() {
    local rows=$ROOT/$RESULTS/$1.json
    if [ "$(id -u)" -ne 0 ]; then
        "${TALLY[@]}" add $ROWS "$1" "$2" skip "only root can make a chroot"
    elif grep -q "^VERSION_CODENAME=$2" /etc/os-release; then
        "${TALLY[@]}" add $ROWS "$1" "$2" skip "this machine is a Debian $2 itself"
    elif ! command -v debootstrap >/dev/null; then
        "${TALLY[@]}" add $ROWS "$1" "$2" skip "debootstrap is not installed: apt-get install debootstrap"
    else
        rm -f "$rows"
        bash tests/other_debian.sh "$2" "$rows" || true
        [ -s "$rows" ] || "${TALLY[@]}" add "$rows" "$1" "$2" fail "no result: see build/logs/$2.log" || true
        "${TALLY[@]}" merge $ROWS "$1" "$rows" || true
    fi
}

# --- the list ---

# suite_names: those that this tree has tests for, then each program of tests/e2e by its own name, and turn, which is turnd
# with the clients of others
suite_names() {
    local name packages kind args
    while read -r name packages kind args; do
        [ -n "$name" ] || continue
        # shellcheck disable=SC2086
        case $kind in
            meson_suite) ! will_have_any $args || echo "$name" ;;
            programs | with_build) [ -z "$(test_programs "$args")" ] || echo "$name" ;;
            *) echo "$name" ;;
        esac
    done <<< "$SUITES"
}

will_have_any() {
    local kind
    shift    # the build's name
    for kind; do
        ! will_have_meson_suite "$kind" || return 0
    done
    return 1
}

single_names() {
    test_programs tests/e2e | sed 's|.*/test_||; s|\..*||'
    [ ! -e $TURN_CLIENTS ] || echo turn
}

# row_of SUITE: its line of the table; a single program of tests/e2e gets one made for it
row_of() {
    local row file
    row=$(grep "^$1 " <<< "$SUITES") || {
        file=$(find tests/e2e -maxdepth 1 -name "test_$1.*" | head -n 1)
        row="$1 build,demo,test,browser with_build $file"
        [ "$1" != front ] && [ "$1" != refreshd ] || row="$1 build,demo,test with_build $file"
        [ "$1" != turn ] || row="$1 build,turn with_build $TURN_CLIENTS"
        [ "$1" != turn_abuse ] || row="$1 build,turn with_build $file"
    }
    printf '%s\n' "$row"
}

run_suites() {
    local wanted=("$@") known name groups kind args began=$SECONDS
    local packages=()
    known=$(suite_names; single_names)
    if [ "${1-}" = --list ]; then
        say "$known"
        return
    fi
    case ${1-} in
        "") mapfile -t wanted < <(suite_names) ;;
        quick) mapfile -t wanted < <(suite_names | grep -vx system) ;;
    esac
    for name in "${wanted[@]}"; do
        grep -qx -- "$name" <<< "$known" || die "test: there is no suite $name" "choose of: $(tr '\n' ' ' <<< "$known")"
        read -r _ groups _ <<< "$(row_of "$name")"
        packages+=("${groups//,/ }")
    done
    # shellcheck disable=SC2046
    want_packages $(printf '%s\n' "${packages[@]}" | tr -s " " "\n" | sort -u)

    mkdir -p $RESULTS
    rm -f $ROWS
    for name in "${wanted[@]}"; do
        say "=== $name"
        read -r _ _ kind args <<< "$(row_of "$name")"
        # shellcheck disable=SC2086
        $kind "$name" $args
    done
    say "=== $((SECONDS - began)) s"
    "${TALLY[@]}" sum $ROWS
}

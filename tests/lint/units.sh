#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-only
#
# units.sh ROOT: every unit is well-formed, as closed as it can be, and tied to the others as docs and comments say. Each check
# first has to find a fault planted into a copy of the units. Output is TAP; findings are FILE:LINE: REASON.
set -eu

root=$1
suite=oxpulse-partner-edge.target
count=0
failed=0
tmp=$(mktemp -d "${TMPDIR:-/tmp}/edge-lint-XXXXXXXX")
trap 'rm -rf "$tmp"' EXIT

if ! command -v systemd-analyze >/dev/null; then
    echo "1..0 # SKIP systemd-analyze is missing: apt-get install systemd"
    exit 0
fi
printf '[Service]\nExecStart=/bin/true\n' > "$tmp/probe.service"
if ! systemd-analyze security --no-pager --offline=true "$tmp/probe.service" > "$tmp/out" 2>&1; then
    echo "1..0 # SKIP this systemd-analyze cannot work offline: $(head -n 1 "$tmp/out")"
    exit 0
fi

# --- reading units ---

# all KEY UNIT: every word of it
all() {
    sed -n "s/^$1=//p" "$2" | tr '\n' ' '
}

# has KEY WORD UNIT: whether one of the words is it
has() {
    case " $(all "$1" "$3")" in *" $2 "*) return 0 ;; esac
    return 1
}

# finding UNIT KEY REASON: at the key's line, or at the first
finding() {
    line=$(grep -n "^$2=" "$1" | head -n 1 | cut -d: -f1)
    echo "$1:${line:-1}: $3"
}

# of DIRECTORY SUFFIX...: its units of these kinds
of() {
    dir=$1
    shift
    for suffix; do
        find "$dir" -name "*.$suffix"
    done | sort
}

# started_by UNIT: what a timer or a path starts
started_by() {
    name=$(all Unit "$1")
    echo "$(dirname "$1")/$(echo "${name:-$(basename "${1%.*}").service}" | tr -d ' ')"
}

# --- the checks: each is given a directory of units and prints what it finds ---

# Programs stand for themselves as /bin/true, since they need not be installed here; what a program does is no business of a
# unit's grammar. All units are looked at together, because they name each other.
well_formed() {
    rm -rf "$tmp/verify"
    mkdir "$tmp/verify"
    for unit in $(of "$1" service socket timer path target); do
        sed -E 's#^(Exec[A-Za-z]+=[-+!@:]*)/[^ ]+#\1/bin/true#' "$unit" > "$tmp/verify/$(basename "$unit")"
    done
    valid=yes
    SYSTEMD_UNIT_PATH="$tmp/verify:" systemd-analyze verify --man=no "$tmp"/verify/* > "$tmp/out" 2>&1 || valid=no
    # Messages about other units of this machine are not ours.
    grep -E "oxpulse|$tmp/verify" "$tmp/out" |
        sed -E "s#$tmp/verify/##; s#^([^ :]+\.[a-z]+:[0-9]+:)#$1/\1#; t; s#^([^ :]+\.[a-z]+):#$1/\1:1:#"
    [ $valid = yes ] || grep -qE "oxpulse|$tmp/verify" "$tmp/out" || sed "s#^#$1: #" "$tmp/out"
}

# In tenths of systemd-analyze's ten: 1.2, and 1.8 with capabilities. Why a line is missing stands in the unit.
exposed() {
    for unit in $(of "$1" service); do
        limit=12
        ! grep -Eq '^(AmbientCapabilities|CapabilityBoundingSet)=.*CAP_' "$unit" || limit=18
        systemd-analyze security --no-pager --offline=true --threshold=$limit "$unit" > "$tmp/out" 2>&1 && continue
        sed -n 's/ *[0-9.]*$//; s/  */ /g; s/^✗ //p' "$tmp/out" | sed "s|^|$unit:1: |"
        echo "$unit:1: $(tail -n 1 "$tmp/out" | tr -cd '[:alnum:]. -'), allowed are $limit tenths"
    done
}

# Users and groups are made by our sysusers file.
users() {
    for unit in $(of "$1" service socket); do
        for key in User Group SocketUser SocketGroup; do
            for name in $(all $key "$unit"); do
                case $name,$key in root,User) continue ;; esac
                grep -Eqs "^[ug] +$name( |\$)" "$1"/*.sysusers || finding "$unit" $key "no *.sysusers makes $name"
            done
        done
        case $unit in
            *.service) [ -n "$(all User "$unit")" ] || finding "$unit" User "does not say who runs it" ;;
        esac
    done
    owners=$(sed -n 's/^User=//p' "$1"/*.service | grep -v '^root$' | sort -u)
    for user in $(sed -n 's/^u *\([^ ]*\).*/\1/p' "$1"/*.sysusers); do
        echo "$owners" | grep -qx "$user" || echo "$1/oxpulse.sysusers:1: nothing runs as $user"
    done
}

# What is bounded, watched, and started again.
bounds() {
    for unit in $(of "$1" service); do
        for key in MemoryMax TasksMax LimitNOFILE LimitCORE UMask Type; do
            [ -n "$(all $key "$unit")" ] || finding "$unit" $key "has no $key="
        done
        case $(all Type "$unit") in
            "notify ")
                [ -n "$(all WatchdogSec "$unit")" ] || finding "$unit" Type "Type=notify and no WatchdogSec="
                has RestartPreventExitStatus 64 "$unit" && has RestartPreventExitStatus 78 "$unit" ||
                    finding "$unit" RestartPreventExitStatus "RestartPreventExitStatus= is without 64 (EX_USAGE) or 78 (EX_CONFIG)"
                [ -z "$(all ExecStartPre "$unit")" ] ||
                    finding "$unit" ExecStartPre "its exit code would not count for RestartPreventExitStatus="
                ;;
            "oneshot ")
                [ -n "$(all TimeoutStartSec "$unit")" ] || finding "$unit" Type "may run for ever: no TimeoutStartSec="
                ;;
        esac
        case $(all Type "$unit") in
            "notify ") ;;
            *) [ -z "$(all WatchdogSec "$unit")" ] || finding "$unit" WatchdogSec "WatchdogSec= is for Type=notify" ;;
        esac
        case $(all Type "$unit") in
            "oneshot ") ;;
            *)
                has Restart on-failure "$unit" && [ -n "$(all RestartSec "$unit")" ] ||
                    finding "$unit" Restart "a daemon has Restart=on-failure and RestartSec="
                grep -q '^ConditionPathExists=/etc/oxpulse-partner-edge/' "$unit" ||
                    finding "$unit" ConditionPathExists "would start on a host that is not registered"
                ;;
        esac
    done
}

# Everything says what it is, is started by the suite and stopped with it.
suite() {
    for unit in $(of "$1" service socket timer path target); do
        name=$(basename "$unit")
        for key in Description Documentation; do
            [ -n "$(all $key "$unit")" ] || finding "$unit" $key "has no $key="
        done
        for page in $(all Documentation "$unit"); do
            echo "$page" | grep -Eqx 'man:[a-z-]+\(8\)' || finding "$unit" Documentation "$page names no page of section 8"
        done
        case $name in
            "$suite")
                has WantedBy multi-user.target "$unit" || finding "$unit" WantedBy "is not started at boot"
                for other in $(all Wants "$unit"); do
                    [ -e "$1/$other" ] || finding "$unit" Wants "there is no $other"
                done
                continue
                ;;
        esac
        ! grep -qx '\[Install\]' "$unit" || finding "$unit" WantedBy "$suite alone is enabled; it wants the others"
        case $name in
            *.socket) continue ;;
        esac
        has PartOf $suite "$unit" || finding "$unit" PartOf "is not stopped with $suite"
        has Wants "$name" "$1/$suite" || grep -qs "^Unit=$name\$" "$1"/*.path || [ -e "${unit%.service}.timer" ] ||
            finding "$unit" Description "neither $suite nor a timer or a path starts it"
    done
}

# A socket lives as long as its service is wanted, and keeps connections while that restarts.
sockets() {
    for unit in $(of "$1" socket); do
        name=$(basename "$unit")
        service=$1/$(all Service "$unit" | tr -d ' ')
        for line in StopWhenUnneeded=yes RemoveOnStop=yes; do
            grep -qx $line "$unit" || finding "$unit" ListenStream "has no $line"
        done
        [ -n "$(all FileDescriptorName "$unit")" ] || finding "$unit" ListenStream "has no FileDescriptorName="
        [ -z "$(all PartOf "$unit")" ] || finding "$unit" PartOf "PartOf= would close it whenever the service restarts"
        grep -rqs "^Wants=.*$name" "$1" && finding "$unit" ListenStream "something wants it: it would outlive its service"
        for key in Sockets Requires After; do
            has $key "$name" "$service" || finding "$service" $key "$key= is without $name"
        done
        [ "$(all ConditionPathExists "$unit")" = "$(all ConditionPathExists "$service")" ] ||
            finding "$unit" ConditionPathExists "its condition is not its service's"
    done
}

# What a timer or a path starts never starts a daemon that the operator stopped.
starts_nothing_else() {
    for unit in $(of "$1" timer path); do
        service=$(started_by "$unit")
        [ -e "$service" ] || { finding "$unit" Unit "there is no $(basename "$service")"; continue; }
        for key in Wants Requires Requisite BindsTo Upholds OnSuccess OnFailure; do
            for file in "$unit" "$service"; do
                for other in $(all $key "$file"); do
                    [ "$other" = network-online.target ] ||
                        finding "$file" $key "$key=$other: a timer would start it, or die with it"
                done
            done
        done
    done
}

# OnUnitInactiveSec= and OnUnitActiveSec= count from the last run: a run that is skipped leaves them nothing to count from. A
# path unit fails for good when its service meets its start limit.
goes_on() {
    for unit in $(of "$1" timer); do
        grep -qE '^OnUnit(Ina|A)ctiveSec=' "$unit" || continue
        service=$(started_by "$unit")
        grep -nE '^(Condition|Assert)[A-Za-z]+=' "$service" |
            sed -E "s#^([0-9]+):.*#$service:\1: a skipped run leaves $(basename "$unit") dead for good#"
    done
    for unit in $(of "$1" path); do
        service=$(started_by "$unit")
        grep -qx StartLimitIntervalSec=0 "$service" ||
            finding "$service" Type "a few runs in a row leave $(basename "$unit") dead for good"
    done
}

# The days and hours that operators know.
schedules() {
    for row in \
        'oxpulse-partner-edge-refresh.timer OnCalendar=daily RandomizedDelaySec=4h Persistent=yes' \
        'oxpulse-partner-edge-sni-rotate.timer OnCalendar=*-*-*~04:00:00~UTC RandomizedDelaySec=2h Persistent=yes' \
        'oxpulse-channels-health-report.timer OnBootSec=30s OnUnitInactiveSec=60s AccuracySec=5s'; do
        unit=$1/${row%% *}
        set -f
        for line in ${row#* }; do
            line=$(echo "$line" | tr '~' ' ')
            grep -qxF "$line" "$unit" || finding "$unit" "${line%%=*}" "is without $line"
        done
        set +f
    done
}

# The path unit waits for the verbs of the script's table, and for no others.
verbs() {
    sed -n "/^table='/,/^'/s/^\([a-z-]*\)  *.*\.service .*/\1/p" "$1/request" | sort > "$tmp/table"
    sed -n 's#^PathExists=.*/requests/##p' "$1/oxpulse-partner-edge-request.path" | sort > "$tmp/waited"
    diff "$tmp/table" "$tmp/waited" |
        sed -n "s#^< #$1/oxpulse-partner-edge-request.path:1: nobody waits for #p; s#^> #$1/request:1: has no row for #p"
}

# meson installs all there is.
installed() {
    for unit in $(of "$1" service socket timer path target); do
        grep -q "^    '$(basename "$unit")',\$" "$1/meson.build" || echo "$unit:1: is not in units/meson.build"
    done
}

# --- rows ---

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

# sees CHECK UNIT SED-SCRIPT WORDS: in a copy of the units with this change the check says these words
sees() {
    rm -rf "$tmp/planted"
    cp -r "$root/units" "$tmp/planted"
    [ -e "$tmp/planted/$2" ] || printf '[Unit]\nDescription=x\n' > "$tmp/planted/$2"
    sed -i "$3" "$tmp/planted/$2"
    status=0
    $1 "$tmp/planted" > "$tmp/said"
    grep -q "$2:[0-9]*:.*$4" "$tmp/said" || { status=1; sed 's/^/# /' "$tmp/said"; }
    row $status "$1 sees a planted fault: $2: $4"
}

# clean CHECK CLAIM
clean() {
    status=0
    $1 "$root/units" > "$tmp/said"
    if [ -s "$tmp/said" ]; then
        status=1
        sed 's/^/# /' "$tmp/said"
    fi
    row $status "$2"
}

sfud=oxpulse-sfud.service
report=oxpulse-channels-health-report
sees well_formed $sfud 's/^ProtectSystem=/Protectsystem=/' "Unknown key"
sees well_formed oxpulse-sfud-control.socket 's/^ListenStream=.*/ListenStream=99999/' "99999"
sees well_formed $report.timer 's/^OnBootSec=.*/OnBootSec=soon/' "soon"
sees well_formed oxpulse-partner-cert-watch.path 's#^PathChanged=/#PathChanged=#' "PathChanged\|absolute"
sees well_formed $sfud 's/^Requires=.*/Requires=oxpulse-gone.socket/' "oxpulse-gone"
sees exposed $sfud '/^ProtectSystem\|^NoNewPriv\|^RestrictAddress/d' "allowed are 12"
sees users $sfud 's/^User=.*/User=stranger/' "makes stranger"
sees users oxpulse-turnd-turns.socket 's/^SocketGroup=.*/SocketGroup=strangers/' "makes strangers"
sees users oxpulse.sysusers 's/^u *oxpulse-front .*/&\nu oxpulse-idle - -/' "runs as oxpulse-idle"
sees bounds $sfud /^MemoryMax/d "no MemoryMax"
sees bounds $report.service /^TasksMax/d "no TasksMax"
sees bounds $sfud /^WatchdogSec/d "no WatchdogSec"
sees bounds oxpulse-front.service 's/^Type=.*/&\nWatchdogSec=20s/' "is for Type=notify"
sees bounds $sfud 's/^RestartPreventExitStatus=.*/RestartPreventExitStatus=64/' "is without 64"
sees bounds $sfud 's/^ExecStart=.*/ExecStartPre=\/usr\/sbin\/sfud -n\n&/' "would not count"
sees bounds oxpulse-front.service /^Restart=/d "a daemon has Restart"
sees bounds $report.service /^TimeoutStartSec/d "may run for ever"
sees bounds $sfud /^ConditionPathExists/d "not registered"
sees suite $sfud /^Documentation/d "no Documentation"
sees suite $sfud 's/^Documentation=.*/Documentation=tbd/' "names no page"
sees suite $sfud '$a [Install]' "alone is enabled"
sees suite $suite /^WantedBy/d "not started at boot"
sees suite $report.timer /^PartOf/d "is not stopped with"
sees suite oxpulse-new.service '' "neither"
sees sockets oxpulse-sfud-control.socket /^StopWhenUnneeded/d "no StopWhenUnneeded"
sees sockets oxpulse-sfud-control.socket "s/^\[Unit\]/&\nPartOf=$sfud/" "whenever the service restarts"
sees sockets oxpulse-sfud-control.socket /^ConditionPathExists/d "not its service"
sees sockets $sfud /^Sockets/d "is without oxpulse-sfud-control.socket"
for key in Wants Requires BindsTo; do
    sees starts_nothing_else $report.service "s/^\[Unit\]/&\n$key=oxpulse-healthd.service/" "$key=oxpulse-healthd.service"
done
sees starts_nothing_else oxpulse-partner-edge-refresh.service "s/^Wants=.*/& $suite/" "Wants=$suite"
sees starts_nothing_else oxpulse-partner-cert-watch.path 's/^Unit=.*/Unit=oxpulse-gone.service/' "there is no oxpulse-gone"
sees goes_on $report.service 's/^\[Unit\]/&\nConditionPathExists=\/x/' "dead for good"
sees goes_on oxpulse-partner-cert-watch.service /^StartLimit/d "dead for good"
sees schedules oxpulse-partner-edge-sni-rotate.timer 's/ UTC$//' "is without OnCalendar"
sees verbs oxpulse-partner-edge-request.path /restart-turnd/d "nobody waits for restart-turnd"
sees verbs request /^restart-turnd/d "no row for restart-turnd"
sees installed oxpulse-new.timer '' "is not in"

clean well_formed "every unit is well-formed, and units that name each other exist"
clean exposed "no service is exposed more than 1.2, or 1.8 with capabilities"
clean users "who runs a service exists, and every user runs one"
clean bounds "services are bounded, watched and started again, but not when that would not help"
clean suite "the suite's target starts and stops every unit, and each says what it is"
clean sockets "sockets stop with their service and outlive its restart"
clean starts_nothing_else "timers and paths start nothing that the operator may have stopped"
clean goes_on "no timer or path can end for good"
clean schedules "timers have the names and schedules that operators know"
clean verbs "every request has who waits for it"
clean installed "every unit is installed"
echo "1..$count"
exit $failed

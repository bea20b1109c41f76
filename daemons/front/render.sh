#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-only
#
# Fills nginx.conf.in with front.values and writes the result, whole or not at all:
#
#   render.sh [-v VALUES-FILE]... [-t TEMPLATE] -o OUTPUT NAME=value...
#
# Later values win over earlier ones; front.values comes first. Nothing unfilled gets out: a name the template uses and
# nobody gave, a name nobody knows and a value that could break out of its directive are errors that name it.
# The grammar of both files is described at their tops.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
template=$here/nginx.conf.in
files=$here/front.values
output=

die() {
    printf 'render: %s\n' "$*" >&2
    exit 1
}

while getopts v:t:o: opt; do
    case $opt in
        v) files="$files
$OPTARG" ;;
        t) template=$OPTARG ;;
        o) output=$OPTARG ;;
        *) die "usage: render.sh [-v VALUES-FILE]... [-t TEMPLATE] -o OUTPUT NAME=value..." ;;
    esac
done
shift $((OPTIND - 1))
[ -n "$output" ] || die "no output file: give -o OUTPUT"

ipv6=
! grep -q . /proc/net/if_inet6 2>/dev/null || ipv6=on
version=$(${NGINX:-nginx} -v 2>&1 | sed -n 's/.*nginx\/\([0-9.]*\).*/\1/p') || version=
[ -n "$version" ] || die "cannot tell nginx's version: install Debian's nginx package or set NGINX to the program"

new=$output.new.$$
list=$output.values.$$
trap 'rm -f "$new" "$list"' EXIT

# One list of all assignments, each after its origin.
(
    IFS='
'
    for file in $files; do
        [ -r "$file" ] || die "cannot read $file"
        sed "s|^|$file	|" "$file"
    done
    for word in "$@"; do
        printf 'command line\t%s\n' "$word"
    done
) > "$list"

ipv6=$ipv6 version=$version first="$here/front.values" awk '
    function die(text) { print "render: " text > "/dev/stderr"; failed = 1; exit 1 }

    function assign(from, line,    name, optional) {
        if (line ~ /^[ \t]*(#|$)/)
            return
        if (line !~ /^[A-Z][A-Z0-9_]*\??=/)
            die(from ": not a NAME=value line: " line)
        name = line; sub(/\??=.*/, "", name)
        optional = line ~ /^[A-Z0-9_]+\?=/
        sub(/^[A-Z0-9_]+\??=/, "", line)
        if (from == ENVIRON["first"])
            may_be_empty[name] = optional
        else if (!(name in value))
            die(from ": " name " is not a value of the front: see front.values")
        if (line !~ /^[A-Za-z0-9_.\/:@,=*+;\[\] -]*$/ || (line ~ /;/ && name != "HSTS"))
            die(from ": " name " has a character that does not belong into it: " line)
        value[name] = line
    }

    # Replaces every @NAME@ of a text; depth stops values that use each other in a circle.
    function fill(text, where, depth,    out, name) {
        out = ""
        while (match(text, /@[A-Za-z0-9_]+@/)) {
            name = substr(text, RSTART + 1, RLENGTH - 2)
            out = out substr(text, 1, RSTART - 1)
            text = substr(text, RSTART + RLENGTH)    # before get(), which matches too
            out = out get(name, where, depth)
        }
        return out text
    }

    function get(name, where, depth) {
        if (!(name in value))
            die(where ": @" name "@ is a name that nobody gives a value: see front.values")
        if (value[name] == "" && !may_be_empty[name])
            die(where ": @" name "@ is not filled: give " name "=...")
        if (depth > 8)
            die(where ": @" name "@ is made of itself")
        return fill(value[name], where, depth + 1)
    }

    function detect(    v, new_style) {
        split(ENVIRON["version"], v, ".")
        new_style = v[1] * 1000000 + v[2] * 1000 + v[3] >= 1025001
        if (value["IPV6"] == "auto")
            value["IPV6"] = ENVIRON["ipv6"]
        if (value["HTTP2_PARAMETER"] == "auto")
            value["HTTP2_PARAMETER"] = new_style ? "" : " http2"
        if (value["HTTP2_DIRECTIVE"] == "auto")
            value["HTTP2_DIRECTIVE"] = new_style ? "on" : ""
        if (value["HTTPS_SUFFIX"] == "auto")
            value["HTTPS_SUFFIX"] = value["HTTPS_PORT"] == 443 ? "" : ":" value["HTTPS_PORT"]
    }

    FNR == NR {
        from = $0; sub(/\t.*/, "", from)
        line = $0; sub(/^[^\t]*\t/, "", line)
        assign(from, line)
        next
    }
    !detected { detect(); detected = 1 }
    /^[ \t]*#/ { next }
    {
        where = FILENAME ":" FNR
        if (match($0, /@\?[A-Z0-9_]+@ /)) {
            name = substr($0, RSTART + 2, RLENGTH - 4)
            $0 = substr($0, 1, RSTART - 1) substr($0, RSTART + RLENGTH)
            if (!(name in value))
                die(where ": @?" name "@ is a name that nobody gives a value: see front.values")
            if (value[name] == "")
                next
        }
        text = fill($0, where, 0)
        if (text ~ /@/)
            die(where ": a stray @: " $0)
        print text
    }
    END { if (failed) exit 1 }
' "$list" "$template" > "$new"

mv -f "$new" "$output"

#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""The tree is tidy: nothing at the top but what the README explains, no TODO without an issue, no path of somebody's
machine, no unfilled @NAME@ outside of templates.
"""
import re
import sys

import lint

TOP = {"daemons", "libcommon", "tools", "units", "installer", "firewall", "tests", "docs", "meson.build",
       "meson_options.txt", "README.md", "LICENSE", "edge", ".ci"}
DOTFILES = {".clang-format", ".editorconfig", ".gitignore", ".gitattributes", ".clang-tidy", ".shellcheckrc"}
TODO = re.compile(r"\b(TODO|FIXME)\b(?=[:(\s])(?!:?\s*\(?#\d+)")
MACHINE = re.compile(r"(?<![\w.])/(?:work|home/\w+|Users/\w+)/\w")
PLACEHOLDER = re.compile(r"@[A-Z][A-Z0-9_]+@")
# Those whose business the placeholders are.
TEMPLATES = re.compile(
    r"(\.in|\.values|meson\.build|^daemons/refreshd/render/template\.[ch]|^docs/man/make\.sh"
    r"|^tests/(e2e/test_front\.py|lint/man\.sh))$")
BINARY = re.compile(r"^(LICENSE$|tests/fuzz/corpus/)|\.(png|ico|woff2|pcap|bin)$")
SELF = "tests/lint/house.py"


def judge(path, line):
    if TODO.search(line):
        yield "a TODO names its issue: TODO(#12)"
    if MACHINE.search(line):
        yield "a path of somebody's machine"
    if not TEMPLATES.search(str(path)) and PLACEHOLDER.search(line):
        yield f"{PLACEHOLDER.search(line)[0]} was never filled in"


def check(root):
    found = []
    for entry in sorted(root.iterdir()):
        if entry.name not in TOP | DOTFILES and not lint.is_made(entry):
            found.append(lint.Finding(entry.name, 1, "has no place at the top"))
    for path in lint.files(root):
        if BINARY.search(str(path)) or str(path) == SELF:
            continue
        for number, line in enumerate(lint.lines_of(root, path), 1):
            found += [lint.Finding(path, number, why) for why in judge(path, line)]
    return found


CLEAN = {
    "README.md": "text\n", "daemons/a.c": "/* TODO(#12): later */\n", "build/junk": "TODO: this\n",
    "daemons/x.conf.in": "port @PORT@;\n", "tools/t.py": 'if word != "TODO": pass\n',
}
FAULTS = [
    ({**CLEAN, "notes.txt": ""}, "notes.txt:1: has no place at the top"),
    ({**CLEAN, "daemons/b.c": "\n/* TODO: later */\n"}, "b.c:2: a TODO names its issue"),
    ({**CLEAN, "tests/x.py": "p = '/home/joe/x'\n"}, "x.py:1: a path of somebody's machine"),
    ({**CLEAN, "units/x.service": "Port=@PORT@\n"}, "@PORT@ was never filled in"),
]

if __name__ == "__main__":
    sys.exit(lint.run(check, FAULTS, CLEAN, lint.root_arg()))

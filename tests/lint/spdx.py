#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""Every source file says its licence on its first line, or right behind what must be first (such as #!)."""
import re
import sys

import lint

SOURCES = {".c", ".h", ".py", ".sh", ".js", ".mjs", ".css", ".html", ".svg", ".build", ".in", ".service", ".socket",
           ".timer", ".path", ".target", ".sysusers", ".tmpfiles", ".conf", ".values"}
NAMES = {"meson_options.txt"}
FIRST = re.compile(r"^(#!|<!doctype|# shellcheck |<\?xml)", re.IGNORECASE)
CORPUS = re.compile(r"^tests/(fuzz/corpus|unit/.*/(conf|data))/")


def is_source(root, path):
    if CORPUS.match(str(path)):
        return False
    if path.suffix in SOURCES or path.name in NAMES:
        return True
    with open(root / path, "rb") as f:
        return path.suffix == "" and f.read(2) == b"#!"


def check(root):
    found = []
    for path in lint.files(root):
        if not is_source(root, path):
            continue
        lines = lint.lines_of(root, path)[:3]
        while lines and FIRST.match(lines[0]):
            lines = lines[1:]
        if not lines or lint.SPDX not in lines[0]:
            found.append(lint.Finding(path, 1, f"does not begin with {lint.SPDX}"))
    return found


LINE = f"/* {lint.SPDX} */\n"
CLEAN = {
    "a.c": LINE, "b.py": f"#!/usr/bin/python3\n# {lint.SPDX}\n", "c.sh": f"# shellcheck shell=bash\n# {lint.SPDX}\n",
    "run": f"#!/bin/sh\n# {lint.SPDX}\n", "LICENSE": "words\n", "tests/fuzz/corpus/json/empty": "#!",
}
FAULTS = [
    ({**CLEAN, "a.c": "int x;\n" + LINE}, "a.c:1: does not begin with"),
    ({**CLEAN, "b.py": "#!/usr/bin/python3\n"}, "b.py:1: does not begin with"),
    ({**CLEAN, "run": "#!/bin/sh\ntrue\n"}, "run:1: does not begin with"),
    ({**CLEAN, "empty.h": ""}, "empty.h:1: does not begin with"),
    ({**CLEAN, "a.c": "/* SPDX-License-Identifier: MIT */\n"}, "a.c:1: does not begin with"),
]

if __name__ == "__main__":
    sys.exit(lint.run(check, FAULTS, CLEAN, lint.root_arg()))

#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""How large things may get, in lines: function 60 (said) and 100 (refused), .c 600, header 150, main.c 120; and a line,
in columns: 120 (said) and 132 (refused). What must be larger says why: a comment `budget: REASON` anywhere in a file
lifts the limits of its length and of its lines; above a function or on its first line, that function's.
"""
import json
import re
import shutil
import subprocess
import sys

import lint

SOFT, HARD = 60, 100
TAB = 8
COLUMNS, HARD_COLUMNS = 120, 132
COLUMNS_OF = {".c", ".h", ".py", ".sh", ".build"}
REASON = re.compile(r"(/\*|#)\s*budget: \S+ \S+")


def file_limit(path):
    if path.name == "main.c":
        return 120
    return 150 if path.suffix == ".h" and path.parts[0] != "tests" else 600     # a test's header is its rig


def functions(root, paths):
    """[(path, line, name, lines)] by universal-ctags."""
    if not shutil.which("ctags"):
        raise lint.Skip("ctags is missing: apt-get install universal-ctags")
    if not paths:
        return []
    out = subprocess.run(["ctags", "--options=NONE", "--languages=C", "--langmap=C:.c.h", "--kinds-C=f",
                          "--fields=+ne", "--output-format=json", "-f", "-", "-L", "-"],
                         cwd=root, text=True, capture_output=True, input="\n".join(map(str, paths)))
    if out.returncode or '"_type": "tag"' not in out.stdout:
        raise lint.Skip(f"this ctags is not universal-ctags with JSON: apt-get install universal-ctags")
    tags = [json.loads(line) for line in out.stdout.splitlines()]
    return [(t["path"], t["line"], t["name"], t["end"] - t["line"] + 1) for t in tags if t.get("end")]


def sources(root):
    return lint.c_files(root, "libcommon", "daemons", "tools", "tests")


def check_files(root):
    found = []
    for path in sources(root):
        lines, limit = lint.lines_of(root, path), file_limit(path)
        if len(lines) > limit and not any(REASON.search(line) for line in lines):
            found.append(lint.Finding(path, limit + 1, f"{len(lines)} lines, {limit} are the budget"))
    return found


def check_functions(root):
    found = []
    for path, line, name, n in functions(root, sources(root)):
        lines = lint.lines_of(root, path)
        if n > HARD and not any(REASON.search(text) for text in lines[max(line - 2, 0):line]):
            found.append(lint.Finding(path, line, f"{name}() has {n} lines, {HARD} are the budget"))
    return found


def long_lines(root, limit):
    """[(path, line, columns)]"""
    return [(path, number, len(line.expandtabs(TAB)))
            for path in lint.files(root, suffixes=COLUMNS_OF)
            for number, line in enumerate(lint.lines_of(root, path), 1)
            if len(line.expandtabs(TAB)) > limit and "://" not in line]


def check_columns(root):
    return [lint.Finding(path, line, f"{n} columns, {HARD_COLUMNS} are the budget")
            for path, line, n in long_lines(root, HARD_COLUMNS) if not REASON.search(lint.text_of(root, path))]


def check(root):
    return check_functions(root) + check_files(root) + check_columns(root)


def note(root):
    long = [f"{path}:{line}: {name}() has {n} lines; {SOFT} is where to think of parts"
            for path, line, name, n in sorted(functions(root, lint.c_files(root))) if SOFT < n <= HARD]
    return [*long, f"{len(long_lines(root, COLUMNS))} lines are longer than {COLUMNS} columns"]


def function_of(n):
    return "int f(void)\n{\n" + "\tf();\n" * (n - 3) + "}\n"


FAULTS = [
    ({"libcommon/a.c": function_of(101)}, "a.c:1: f() has 101 lines"),
    ({"daemons/a.c": "int x;\n" * 601}, "601 lines, 600 are the budget"),
    ({"daemons/a.h": "int f(void);\n" * 151}, "151 lines, 150 are the budget"),
    ({"daemons/d/main.c": "int x;\n" * 121}, "121 lines, 120 are the budget"),
    ({"tests/x.py": "a = 1\n#" + "x" * 132}, "x.py:2: 133 columns"),
    ({"daemons/a.c": "\t" * 16 + "/*\t*/\n"}, "a.c:1: 138 columns"),
]
CLEAN = {
    "libcommon/a.c": function_of(100),
    "libcommon/b.c": "/* budget: one table, one row per message */\n" + function_of(101),
    "libcommon/c.h": "/* budget: a cursor is inline or it is slow */\n" + "int f(void);\n" * 151,
}
# A tree without any function would tell nothing about ctags.
FAULTS = [({"tests/one.c": function_of(5), **tree}, words) for tree, words in FAULTS]

if __name__ == "__main__":
    sys.exit(lint.run(check, FAULTS, CLEAN, lint.root_arg(), note))

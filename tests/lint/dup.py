#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""No eight lines of code twice in libcommon and daemons. White space, blank lines, comments, includes and lines of
nothing but braces do not count.
"""
import re
import sys

import lint

RUN = 8
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
NOISE = re.compile(r"^(#\s*include\b.*|[{}();,\s]*|return;|break;|#endif.*|else|\} else \{)$")


def code_lines(text):
    """[(line number, normalised line)]; a comment's lines stay as empty ones, so that numbers hold."""
    bare = COMMENT.sub(lambda m: "\n" * m[0].count("\n"), text)
    lines = ((n, " ".join(line.split())) for n, line in enumerate(bare.splitlines(), 1))
    return [(n, line) for n, line in lines if not NOISE.match(line)]


def check(root):
    seen, found = {}, []
    for path in lint.c_files(root):
        lines = code_lines(lint.text_of(root, path))
        last = -RUN
        for i in range(len(lines) - RUN + 1):
            key = tuple(line for _, line in lines[i:i + RUN])
            first = seen.setdefault(key, (path, i, lines[i][0]))
            if first[:2] == (path, i) or i - last < RUN:
                continue
            last = i
            found.append(lint.Finding(path, lines[i][0], f"the same {RUN} lines as {first[0]}:{first[2]}"))
    return found


BODY = "".join(f"\tx{i} = f({i});\n" for i in range(RUN))
SPREAD = BODY.replace("\t", "    ").replace(";\n", ";  /* why */\n\n")
CLEAN = {"libcommon/a.c": BODY, "daemons/b.c": BODY.replace("x3", "y"), "daemons/c.c": "#include <a>\n}\n" * 20}
FAULTS = [
    ({"libcommon/a.c": BODY, "daemons/d.c": "int z;\n" + SPREAD}, "a.c:1: the same 8 lines as daemons/d.c:2"),
    ({"libcommon/a.c": BODY + "int z;\n" + BODY}, "a.c:10: the same 8 lines as libcommon/a.c:1"),
]

if __name__ == "__main__":
    sys.exit(lint.run(check, FAULTS, CLEAN, lint.root_arg()))

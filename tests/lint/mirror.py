#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""Every module has its unit test: libcommon/base/x.c has tests/unit/base/test_x.c, daemons/d/part/x.c has
tests/unit/d/test_x.c, and the meson.build beside a test names it. main.c and shell*.c are what tests/e2e is for.
"""
import re
import sys

import lint

# file: the test that covers it, and why it has none of its own
COVERED = {
    "daemons/sfud/drop.c": ("tests/unit/sfud/test_transport.c", "a table of names"),
    "daemons/sfud/signal/sdp_read.c": ("tests/unit/sfud/test_sdp.c", "one module in four files"),
    "daemons/sfud/signal/sdp_media.c": ("tests/unit/sfud/test_sdp.c", "one module in four files"),
    "daemons/sfud/signal/sdp_write.c": ("tests/unit/sfud/test_sdp.c", "one module in four files"),
    "daemons/sfud/transport/srtp_kdf.c": ("tests/unit/sfud/test_srtp.c", "one module in four files"),
    "daemons/sfud/transport/srtp_gcm.c": ("tests/unit/sfud/test_srtp.c", "one module in four files"),
    "daemons/sfud/transport/srtp_cm.c": ("tests/unit/sfud/test_srtp.c", "one module in four files"),
}


def is_shell(path):
    return path.name == "main.c" or path.stem.startswith("shell")


def tests_of(path):
    """The places where its test may be: flat, or with the daemon's folders."""
    top = path.parts[1]
    name = f"test_{path.name}"
    flat = f"tests/unit/{top}/{name}"
    return [flat, str(lint.Path("tests/unit", *path.parts[1:-1], name))]


def words_of(root, test):
    build = (root / test).parent / "meson.build"
    return set(re.findall(r"\w+", build.read_text(encoding="utf-8"))) if build.exists() else set()


def check(root, covered=None):
    covered = COVERED if covered is None else covered
    found = []
    for path in lint.files(root, "libcommon", "daemons", suffixes={".c"}):
        if is_shell(path):
            continue
        places = [covered[str(path)][0]] if str(path) in covered else tests_of(path)
        here = [p for p in places if (root / p).exists()]
        if not here:
            found.append(lint.Finding(path, 1, f"has no {places[0]}"))
        elif not {lint.Path(here[0]).stem, lint.Path(here[0]).stem[5:]} & words_of(root, here[0]):
            found.append(lint.Finding(here[0], 1, "is not named in the meson.build beside it"))
    return found


BUILD = {"tests/unit/base/meson.build": "foreach t : ['a']\n", "tests/unit/d/meson.build": "foreach t : ['b', 'c']\n"}
CLEAN = {
    **BUILD,
    "libcommon/base/a.c": "", "tests/unit/base/test_a.c": "",
    "daemons/d/part/b.c": "", "tests/unit/d/test_b.c": "",
    "daemons/d/main.c": "", "daemons/d/shell_x.c": "",
}
FAULTS = [
    ({**CLEAN, "libcommon/base/new.c": ""}, "libcommon/base/new.c:1: has no tests/unit/base/test_new.c"),
    ({**CLEAN, "daemons/d/part/new.c": ""}, "daemons/d/part/new.c:1: has no tests/unit/d/test_new.c"),
    ({**CLEAN, "libcommon/base/e.c": "", "tests/unit/base/test_e.c": ""}, "test_e.c:1: is not named in the"),
    ({**CLEAN, "daemons/sfud/drop.c": ""}, "drop.c:1: has no tests/unit/sfud/test_transport.c"),
]

if __name__ == "__main__":
    sys.exit(lint.run(check, FAULTS, CLEAN, lint.root_arg()))

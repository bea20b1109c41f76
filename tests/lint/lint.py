# SPDX-License-Identifier: AGPL-3.0-only
"""What every lint shares: the files of a tree, findings, and the proof that the lint can fail.

A lint is a function of a tree: check(root) returns Findings. run() first gives it small trees with a planted fault, in
which it must find that fault, then a clean one, in which it must be silent, and at last the real tree. Output is TAP.
"""
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

SKIPPED = re.compile(r"^(build.*|\.git|__pycache__|node_modules)$")
SPDX = "SPDX-License-Identifier: AGPL-3.0-only"


class Finding(NamedTuple):
    path: object        # relative to the root
    line: int
    reason: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.reason}"


class Skip(Exception):
    """What is missing, for the reader of the test's result."""


def is_made(directory):
    """By a build or a package manager; a build directory may have any name."""
    return SKIPPED.match(directory.name) or (directory / "meson-private").is_dir()


def files(root, *below, suffixes=None):
    """Relative paths, sorted; what a build or a package manager made is left out."""
    found = []
    for top in below or ("",):
        for where, dirs, names in os.walk(root / top):
            dirs[:] = sorted(d for d in dirs if not is_made(Path(where) / d))
            found += [(Path(where) / name).relative_to(root) for name in names]
    return sorted(p for p in found if suffixes is None or p.suffix in suffixes)


def c_files(root, *below):
    return files(root, *(below or ("libcommon", "daemons")), suffixes={".c", ".h"})


def text_of(root, path):
    return (root / path).read_text(encoding="utf-8", errors="replace")


def lines_of(root, path):
    return text_of(root, path).splitlines()


def plant(tree):
    """A tree in a new temporary directory: {path: text}."""
    where = tempfile.TemporaryDirectory(prefix="edge-lint-")
    for path, text in tree.items():
        target = Path(where.name) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return where


def run(check, faults, clean, root, note=lambda root: []):
    """faults: [(tree, the words its finding must have)], clean: a tree. note(root): lines to print in any case."""
    rows = []
    try:
        for tree, words in faults:
            with plant(tree) as where:
                found = [str(f) for f in check(Path(where))]
            rows.append((any(words in f for f in found), f"sees a planted fault: {words}", found))
        with plant(clean) as where:
            found = [str(f) for f in check(Path(where))]
        rows.append((not found, "is silent in a clean tree", found))
        found = sorted({str(f) for f in check(root)})
        rows.append((not found, f"the tree: {len(found)} findings", found))
    except Skip as why:
        print(f"1..0 # SKIP {why}")
        return 0
    for line in note(root):
        print(f"# {line}")
    return report(rows)


def report(rows):
    """rows: [(good, claim, lines that explain a bad one)]."""
    for number, (good, claim, lines) in enumerate(rows, 1):
        if not good:
            for line in lines:
                print(f"# {line}")
        print(f"{'ok' if good else 'not ok'} {number} - {claim}")
    print(f"1..{len(rows)}")
    return 0 if all(row[0] for row in rows) else 1


def root_arg():
    return Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()

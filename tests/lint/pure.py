#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""What the pure archives import, by nm: memory and string functions, arithmetic of libcrypto, and each other.

    pure.py CC base=ARCHIVE wire=ARCHIVE sfud_core=ARCHIVE

The order is the dependency order: an archive may use itself and those before it. CC compiles the planted fault.
"""
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import lint

ALWAYS = re.compile(
    r"^(mem(cpy|move|set|cmp|chr|rchr|mem)|bcmp|explicit_bzero|str(len|nlen|chr|rchr|cmp|ncmp|spn|cspn|pbrk|str)"
    r"|__(mem|str|explicit_)\w+_chk|__memcmpeq"     # what a compiler or a hardened libc makes of the former
    r"|__stack_chk_(fail|guard)|_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|sanitizer|sancov|gcov|llvm)_\w+)$")
# Arithmetic only: nothing that draws keys, reads a clock or talks.
CRYPTO = re.compile(
    r"^(EVP_(?!.*(keygen|RAND|Seal|Open))\w+|HMAC(_\w+)?|SHA(1|256)(_\w+)?|CRYPTO_memcmp|OPENSSL_cleanse"
    r"|OSSL_PARAM_(construct|END)\w*)$")
ONLY_IN = {     # object: imports that it alone may have
    "slab": {"malloc", "calloc", "realloc", "free"},
    "err": {"strerrordesc_np"},
}
WITH_CRYPTO = re.compile(r"^(wire|\w+_core)$")


def symbols(archive):
    """([(object, imported symbol)], {defined symbols})."""
    out = subprocess.run(["nm", "-A", "--no-sort", archive], check=True, capture_output=True, text=True).stdout
    wants, has = [], set()
    for line in out.splitlines():
        where, _, rest = line.rpartition(":")
        words = rest.split()
        stem = re.sub(r"(\.c)?\.o$", "", where.rpartition(":")[2].rpartition("/")[2])
        if len(words) == 2 and words[0] in ("U", "w", "v"):
            wants.append((stem, words[1]))
        elif len(words) == 3 and words[1] not in "ad":
            has.add(words[2])
    return wants, has


def check(archives):
    """archives: {name: path} in dependency order."""
    found, ours = [], set()
    for name, path in archives.items():
        wants, has = symbols(path)
        if not has:
            found.append(f"{path}: nm finds no symbol in it; was it built with -flto?")
        ours |= has
        bad = {}
        for stem, symbol in wants:
            if symbol in ours or ALWAYS.match(symbol) or symbol in ONLY_IN.get(stem, ()):
                continue
            if CRYPTO.match(symbol) and WITH_CRYPTO.match(name):
                continue
            bad.setdefault(stem, set()).add(symbol)
        found += [f"{path}({stem}.o): impure imports: {' '.join(sorted(names))}" for stem, names in sorted(bad.items())]
    return found


def archive_of(cc, where, name, sources):
    objects = []
    for stem, text in sources.items():
        (where / f"{stem}.c").write_text(text, encoding="utf-8")
        objects.append(f"{stem}.o")
        subprocess.run([*cc, "-O1", "-w", "-c", f"{stem}.c", "-o", objects[-1]], cwd=where, check=True)
    subprocess.run(["ar", "rcsT", f"lib{name}.a", *objects], cwd=where, check=True)     # thin, as meson makes them
    return where / f"lib{name}.a"


FAULTS = [
    ({"base": {"a": "long time(long *); long a(void) { return time(0); }"}}, "impure imports: time"),
    ({"base": {"a": "void *malloc(unsigned long); void *a(void) { return malloc(9); }"}}, "impure imports: malloc"),
    ({"base": {"a": "int b(void); int a(void) { return b(); }"}, "wire": {"b": "int b(void) { return 1; }"}},
     "(a.o): impure imports: b"),
    ({"base": {"a": "int EVP_sha1(void); int a(void) { return EVP_sha1(); }"}}, "impure imports: EVP_sha1"),
    ({"x_core": {"a": "int RAND_bytes(void); int a(void) { return RAND_bytes(); }"}}, "impure imports: RAND_bytes"),
]
CLEAN = {
    "base": {"slab": "void *malloc(unsigned long); void *take(void) { return malloc(9); }"},
    "x_core": {"a": "void *take(void); int EVP_sha1(void); int a(void) { return take() && EVP_sha1(); }"},
}


def planted(cc, tree):
    with tempfile.TemporaryDirectory(prefix="edge-lint-") as where:
        return check({name: archive_of(cc, Path(where), name, sources) for name, sources in tree.items()})


def main():
    if not shutil.which("nm"):
        print("1..0 # SKIP nm is missing: apt-get install binutils")
        return 0
    cc = sys.argv[1].split()
    rows = []
    for tree, words in FAULTS:
        found = planted(cc, tree)
        rows.append((any(words in f for f in found), f"sees a planted fault: {words}", found))
    found = planted(cc, CLEAN)
    rows.append((not found, "is silent about clean archives", found))
    found = check(dict(arg.split("=", 1) for arg in sys.argv[2:]))
    rows.append((not found, f"the archives: {len(found)} findings", found))
    return lint.report(rows)


if __name__ == "__main__":
    sys.exit(main())

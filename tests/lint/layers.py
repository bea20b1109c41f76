#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""Which layer may include which: base <- wire <- <daemon>_core, base <- sys <- shell (docs/ARCHITECTURE.md)."""
import re
import sys

import lint

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
ADAPTERS = {"dtls_mem", "tls_client_mem", "tls_mem", "ws_frames"}     # files that hold a library which cannot be pure

# layer: what it may include of ours, as layers
MAY = {
    "base": {"base"},
    "wire": {"base", "wire"},
    "sys": {"base", "sys"},
    "core": {"base", "wire", "core"},
    "adapter": {"base", "wire", "core", "adapter"},
    "shell": {"base", "wire", "sys", "core", "adapter", "shell"},
}
PURE_C = {"limits.h", "stdbool.h", "stddef.h", "stdint.h", "string.h"}
PRIMITIVES = re.compile(r"^openssl/(core_names|crypto|evp|hmac|params|sha)\.h$")
KERNEL = re.compile(
    r"^(event2/|systemd/|netinet/|arpa/|linux/|net/|sys/(socket|epoll|un|eventfd|timerfd)\.h$|(netdb|poll)\.h$)")


def layer_of(path):
    """(layer, daemon) of a file of the tree."""
    parts = path.parts
    if parts[0] == "libcommon":
        return parts[1], None
    daemon, stem = parts[1], path.stem
    if stem in ADAPTERS:
        return "adapter", daemon
    if len(parts) == 3 and (stem == "main" or stem.startswith("shell") or stem in (daemon, f"{daemon}_conf")):
        return "shell", daemon
    return "core", daemon


def target_of(root, name):
    """(layer, daemon) of an include of ours, or None when no such file is in the tree."""
    for top in ("libcommon", "daemons"):
        if (root / top / name).is_file():
            return layer_of((root / top / name).relative_to(root))
    return None


def judge_ours(root, path, name):
    layer, daemon = layer_of(path)
    target = target_of(root, name)
    if target is None:
        return f'"{name}" is no file of libcommon/ or daemons/'
    if target[1] and target[1] != daemon:
        return f'"{name}" belongs to another daemon'
    if target[0] not in MAY[layer]:
        return f'{layer} may not include "{name}" ({target[0]})'
    return None


def judge_system(path, name):
    layer, _ = layer_of(path)
    if name.startswith("openssl/") and not PRIMITIVES.match(name) and layer != "adapter":
        return f"<{name}> belongs into dtls_mem.c"
    if KERNEL.match(name) and layer not in ("sys", "adapter") and path.name != "main.c":
        return f"<{name}> belongs into libcommon/sys"
    if layer == "base" and name not in PURE_C and not (path.name == "slab.c" and name == "stdlib.h"):
        return f"<{name}>: base is string.h and stdint.h only"
    if layer in ("wire", "core") and name not in PURE_C and not PRIMITIVES.match(name):
        return f"<{name}>: a pure layer has no use for it"
    return None


def check(root):
    found = []
    for path in lint.c_files(root):
        for number, line in enumerate(lint.lines_of(root, path), 1):
            m = INCLUDE.match(line)
            if not m:
                continue
            why = judge_ours(root, path, m[2]) if m[1] == '"' else judge_system(path, m[2])
            if why:
                found.append(lint.Finding(path, number, why))
    return found


CLEAN = {
    "libcommon/base/a.h": "#include <stdint.h>\n",
    "libcommon/wire/b.h": '#include "base/a.h"\n#include <openssl/evp.h>\n',
    "libcommon/sys/c.h": '#include "base/a.h"\n#include <event2/event.h>\n',
    "daemons/d/core/e.h": '#include "wire/b.h"\n',
    "daemons/d/core/dtls_mem.c": '#include "d/core/e.h"\n#include <openssl/ssl.h>\n',
    "daemons/d/d.h": '#include "sys/c.h"\n',
    "daemons/d/shell.c": '#include "d/d.h"\n#include <errno.h>\n',
}


def with_file(path, text):
    return {**CLEAN, path: text}


FAULTS = [
    (with_file("libcommon/base/x.c", '#include "sys/c.h"\n'), 'x.c:1: base may not include "sys/c.h"'),
    (with_file("libcommon/base/x.c", "#include <stdio.h>\n"), "<stdio.h>: base is string.h"),
    (with_file("libcommon/wire/x.c", '\n#include "sys/c.h"\n'), 'x.c:2: wire may not include "sys/c.h"'),
    (with_file("libcommon/sys/x.c", '#include "wire/b.h"\n'), 'sys may not include "wire/b.h"'),
    (with_file("daemons/d/core/x.c", '#include "d/d.h"\n'), 'core may not include "d/d.h" (shell)'),
    (with_file("daemons/d/core/x.c", '#include "d/core/dtls_mem.h"\n'), "is no file of"),
    (with_file("daemons/d/core/x.c", "#include <time.h>\n"), "<time.h>: a pure layer"),
    (with_file("daemons/d/core/x.c", "#include <openssl/ssl.h>\n"), "<openssl/ssl.h> belongs into dtls_mem.c"),
    (with_file("daemons/d/shell_x.c", "#include <sys/socket.h>\n"), "<sys/socket.h> belongs into libcommon/sys"),
    (with_file("daemons/other/shell.c", '#include "d/core/e.h"\n'), "belongs to another daemon"),
]

if __name__ == "__main__":
    sys.exit(lint.run(check, FAULTS, CLEAN, lint.root_arg()))

#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""Documents tell what the code says: RFC sections, metrics, control methods, functions and files that they name exist
on both sides, and links lead somewhere.
"""
import re
import sys

import lint

# daemon: prefix of its metrics
DAEMONS = {"sfud": "sfu", "turnd": "turn", "tunneld": "tunnel", "healthd": "health", "refreshd": "refresh"}
RFC = re.compile(r"RFC\s+(\d{3,5})((?:,?\s(?:and\s)?(?:[A-Z]|\d+)(?:\.\d+)+\b|,?\s\d{1,2}(?=[\s,;:).]|$))*)")
SECTION = re.compile(r"(?:[A-Z]|\d+)(?:\.\d+)+|\d+")
ROW = re.compile(r"^\|\s*RFC (\d+)\s*\|(.*)\|\s*$")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
CALL = re.compile(r"^([a-z_][a-z0-9_]{2,})\(\)$")
PATH = re.compile(r"^(?:daemons|libcommon|tests|docs|units|tools)/[\w./*{},<>-]*$")
METHOD = re.compile(r'\{ "((?:io\.oxpulse|org\.varlink)[\w.]+)", ([A-Z_| ]+),')
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def prose(text):
    """Without fenced blocks; line numbers stay."""
    return FENCE.sub(lambda m: "\n" * m[0].count("\n"), text)


def line_at(text, offset):
    return text.count("\n", 0, offset) + 1


def citations(text):
    """[(line, RFC, [sections])]; a comment that breaks inside a citation is joined."""
    joined = re.sub(r"\n(\s*)\*(?=\s)", lambda m: "\n" + " " * (len(m[1]) + 1), text)
    return [(line_at(joined, m.start()), m[1], SECTION.findall(m[2])) for m in RFC.finditer(joined)]


def table(root, readme):
    """{RFC: all its rows' text} of the table in a README."""
    rows = {}
    for line in lint.lines_of(root, readme):
        m = ROW.match(line)
        if m:
            rows[m[1]] = rows.get(m[1], "") + " " + m[2]
    return rows


def check_rfcs(root, daemon):
    readme = lint.Path("daemons", daemon, "README.md")
    if not (root / readme).exists():
        return [lint.Finding(readme, 1, "is missing")]
    rows, found = table(root, readme), []
    for path in lint.c_files(root, f"daemons/{daemon}"):
        for line, rfc, sections in citations(lint.text_of(root, path)):
            if rfc not in rows:
                found.append(lint.Finding(path, line, f"RFC {rfc} has no row in {readme}"))
                continue
            known = set(SECTION.findall(rows[rfc]))
            found += [lint.Finding(path, line, f"RFC {rfc} {s} is not in its row of {readme}")
                      for s in sections if s not in known]
    return found


def check_metrics(root, daemon, prefix):
    """Every series of the page is in the README's table of metrics, and the other way round."""
    source, page = (lint.Path("daemons", daemon, name) for name in ("shell_metrics.c", "README.md"))
    if not (root / source).exists():
        return []
    code, text = lint.text_of(root, source), lint.text_of(root, page) if (root / page).exists() else ""
    in_code = set(re.findall(rf'"({prefix}_[a-z0-9_]+)"', code))
    in_text = set(re.findall(rf"`({prefix}_[a-z0-9_]+)`(?!\()", text))
    found = [lint.Finding(source, 1, f"{name} is not in {page}") for name in sorted(in_code - in_text)]
    return found + [lint.Finding(page, line_at(text, text.index(name)), f"{name} is not in {source}")
                    for name in sorted(in_text - in_code)]


def check_methods(root):
    page = "docs/control.md"
    text = lint.text_of(root, page) if (root / page).exists() else ""
    part = re.split(r"^## ", text, flags=re.MULTILINE)
    part = next((p for p in part if p.startswith("Methods\n")), "")
    rows = {m[1]: m[2] for m in re.finditer(r"^\| `([\w.]+)` \|([^|]*)\|", part, re.MULTILINE)}
    found, known = [], set()
    for path in lint.c_files(root):
        for m in METHOD.finditer(lint.text_of(root, path)):
            known.add(m[1])
            roles = {r.strip().removeprefix("ROLE_").lower() for r in m[2].split("|")}
            line = line_at(lint.text_of(root, path), m.start())
            if m[1] not in rows:
                found.append(lint.Finding(path, line, f"{m[1]} has no row in {page}"))
            elif set(re.findall(r"\w+", rows[m[1]])) != roles:
                found.append(lint.Finding(page, line_at(text, text.index(f"`{m[1]}` |")),
                                          f"{m[1]} is for {' '.join(sorted(roles))}"))
    return found + [lint.Finding(page, 1, f"{name} is no method of the code") for name in sorted(set(rows) - known)]


def anchors(text):
    heads = re.findall(r"^#+ +(.*?)\s*$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in heads}


def check_links(root, page, text):
    for m in LINK.finditer(text):
        target, _, anchor = m[1].partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (root / page).parent / target if target else root / page
        if not file.exists():
            yield m, f"{m[1]} leads nowhere"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8")):
            yield m, f"{m[1]} is no heading there"


def exists(root, path):
    if re.search(r"[<>{}]", path):
        return True     # a pattern for the reader
    return any(root.glob(path)) if "*" in path else (root / path).exists()


def check_names(root, text, code):
    for m in CODE.finditer(text):
        call = CALL.match(m[1])
        if call and not re.search(rf"\b{call[1]}\b", code):
            yield m, f"{m[1]} is not in the code"
        elif PATH.match(m[1]) and not exists(root, m[1].rstrip("/")):
            yield m, f"{m[1]} does not exist"


def check_pages(root):
    code = "\n".join(lint.text_of(root, p) for p in lint.c_files(root, "libcommon", "daemons", "tests"))
    found = []
    for page in lint.files(root, suffixes={".md"}):
        text = prose(lint.text_of(root, page))
        for m, why in [*check_links(root, page, text), *check_names(root, text, code)]:
            found.append(lint.Finding(page, line_at(text, m.start()), why))
    return found


def check(root):
    found = check_methods(root) + check_pages(root)
    for daemon, prefix in DAEMONS.items():
        if (root / "daemons" / daemon).is_dir():
            found += check_rfcs(root, daemon) + check_metrics(root, daemon, prefix)
    return found


README = "# sfud\n\n| RFC 8445 | 2.5, 7.3 | done |\n\n`sfu_x_total` and `f_one()` in `daemons/sfud/a.c`, [see](#sfud)\n"
CLEAN = {
    "daemons/sfud/README.md": README,
    "daemons/sfud/a.c": "/* RFC 8445 2.5,\n * 7.3 */\nint f_one(void);\n",
    "daemons/sfud/shell_metrics.c": '"sfu_x_total"\n',
    "daemons/sfud/shell_ctl.c": '\t{ "io.oxpulse.Edge.Status", ROLE_HEALTH | ROLE_ADMIN, 9, f },\n',
    "docs/control.md": "## Methods\n\n| `io.oxpulse.Edge.Status` | health, admin | x |\n",
}
FAULTS = [
    ({**CLEAN, "daemons/sfud/b.c": "\n/* RFC 8445 9 */\n"}, "b.c:2: RFC 8445 9 is not in its row"),
    ({**CLEAN, "daemons/sfud/b.c": "/* as RFC\n * 6184 says */\n"}, "b.c:1: RFC 6184 has no row"),
    ({**CLEAN, "docs/x.md": "\n[gone](nowhere.md)\n"}, "x.md:2: nowhere.md leads nowhere"),
    ({**CLEAN, "docs/x.md": "[gone](control.md#what)\n"}, "x.md:1: control.md#what is no heading"),
    ({**CLEAN, "docs/x.md": "call `f_two()`\n"}, "x.md:1: f_two() is not in the code"),
    ({**CLEAN, "docs/x.md": "in `daemons/sfud/c.c`\n"}, "x.md:1: daemons/sfud/c.c does not exist"),
    ({**CLEAN, "daemons/sfud/shell_metrics.c": '"sfu_x_total" "sfu_y_total"'}, "sfu_y_total is not in daemons/sfud/README"),
    ({**CLEAN, "daemons/sfud/shell_metrics.c": "\n"}, "README.md:5: sfu_x_total is not in"),
    ({**CLEAN, "docs/control.md": "## Methods\n| `io.oxpulse.Edge.Status` | admin | x |\n"},
     "control.md:2: io.oxpulse.Edge.Status is for"),
    ({**CLEAN, "docs/control.md": "none\n"}, "shell_ctl.c:1: io.oxpulse.Edge.Status has no row"),
]

if __name__ == "__main__":
    sys.exit(lint.run(check, FAULTS, CLEAN, lint.root_arg()))

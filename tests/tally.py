#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""Counts test results for `edge test`. Rows are collected in one file, a JSON object per line.

    tally.py run ROWS SUITE NAME SECONDS COMMAND...   runs a program that speaks TAP (others count as one test)
    tally.py meson ROWS SUITE TESTLOG                 adds what `meson test` left in meson-logs/testlog.json
    tally.py add ROWS SUITE NAME pass|fail|skip REASON
    tally.py merge ROWS SUITE OTHER-ROWS              adds the rows of a run elsewhere
    tally.py has INTRO-TESTS SUITE                    does a configured build have tests of that meson suite
    tally.py sum ROWS                                 failures, skips with reasons, then `N passed, M failed, K skipped`

Exit 77 is a skip, its last line of output the reason. A program that dies, breaks its plan or says nothing has failed.
"""
import json
import os
import re
import signal
import subprocess
import sys
import threading

LINE = re.compile(r"^(not )?ok\b *(\d+)?[ -]*(.*?)(?:\s*#\s*(SKIP|TODO)\S*\s*(.*))?$", re.IGNORECASE)
PLAN = re.compile(r"^1\.\.(\d+)(?:\s*#\s*SKIP\S*\s*(.*))?", re.IGNORECASE)


def read_tap(text):
    """Returns (passed, [failed names], [(skipped name, reason)], is it TAP at all, what broke its plan)."""
    passed, failed, skipped, planned, seen = 0, [], [], None, 0
    for line in text.splitlines():
        plan, row = PLAN.match(line), LINE.match(line)
        if plan:
            planned = int(plan[1])
            if planned == 0:
                skipped.append(("all", plan[2] or "nothing to run"))
        elif line.startswith("Bail out!"):
            failed.append(line)
        elif row:
            seen += 1
            name = row[3] or f"number {row[2]}"
            directive = (row[4] or "").upper()
            if directive == "SKIP":
                skipped.append((name, row[5] or "no reason given"))
            elif row[1] and directive != "TODO":
                failed.append(name)
            else:
                passed += 1
    is_tap = planned is not None or seen > 0
    broken = ""
    if is_tap and planned != seen:
        broken = f"the plan says {planned}, {seen} were seen" if planned is not None else "ended before its plan"
    return passed, failed, skipped, is_tap, broken


def row_of(suite, name, text, code, died):
    """One row; died is the runner's own word for a bad end, or empty."""
    passed, failed, skipped, is_tap, broken = read_tap(text)
    if not is_tap:
        if code == 77:
            skipped = [(name, (text.strip().splitlines() or ["no reason given"])[-1])]
        elif code == 0 and not died:
            passed = 1
    if died and died != "error":
        failed.append(died)
    elif not failed and (broken or died or code not in (0, 77)):
        failed.append(", ".join(filter(None, [broken, f"ended with status {code}" if code else died])))
    return {"suite": suite, "name": name, "passed": passed, "failed": failed, "skipped": skipped}


def keep(rows, row):
    with open(rows, "a", encoding="utf-8") as f:
        f.write(json.dumps(row) + "\n")
    counts = f"{row['passed']} ok"
    if row["failed"]:
        counts += f", {len(row['failed'])} FAILED"
    if row["skipped"]:
        counts += f", {len(row['skipped'])} skipped"
    print(f"  {row['suite']}: {row['name']}: {counts}", flush=True)
    return 1 if row["failed"] else 0


def run(rows, suite, name, seconds, *command):
    """The program gets a process group of its own, so that a time-out ends its children too."""
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 start_new_session=True)
    except OSError as e:
        return add(rows, suite, name, "fail", f"does not start: {e}")
    late = []

    def stop():
        late.append(f"not done after {seconds} s")
        os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)

    timer = threading.Timer(float(seconds), stop)
    timer.start()
    lines = []
    for raw in child.stdout:
        lines.append(raw.decode("utf-8", "replace"))
        print("    " + lines[-1].rstrip("\n"), flush=True)
    code = child.wait()
    timer.cancel()
    text = "".join(lines)
    return keep(rows, row_of(suite, name, text, code, late[0] if late else ""))


def meson(rows, suite, testlog):
    bad = 0
    with open(testlog, encoding="utf-8") as f:
        for test in map(json.loads, f):
            died = "" if test["result"] in ("OK", "SKIP", "EXPECTEDFAIL", "FAIL") else test["result"].lower()
            code = 0 if test["result"] == "EXPECTEDFAIL" else test["returncode"]
            if test["result"] == "SKIP":
                code = 77 if not read_tap(test.get("stdout", ""))[3] else 0
            name = test["name"].split(" / ")[-1].split(":")[-1].strip()
            bad |= keep(rows, row_of(suite, name, test.get("stdout", ""), code, died))
    return bad


def add(rows, suite, name, verdict, reason=""):
    return keep(rows, {"suite": suite, "name": name, "passed": int(verdict == "pass"),
                       "failed": [reason or name] if verdict == "fail" else [],
                       "skipped": [(name, reason)] if verdict == "skip" else []})


def merge(rows, suite, other):
    bad = 0
    with open(other, encoding="utf-8") as f:
        for row in map(json.loads, f):
            if row["suite"] != suite:
                row["name"] = f"{row['suite']}: {row['name']}"
            bad |= keep(rows, {**row, "suite": suite})
    return bad


def has(intro_tests, suite):
    with open(intro_tests, encoding="utf-8") as f:
        suites = {name.split(":")[-1] for test in json.load(f) for name in test["suite"]}
    return 0 if suite in suites else 1


def total(rows):
    all_rows = []
    if os.path.exists(rows):
        with open(rows, encoding="utf-8") as f:
            all_rows = [json.loads(line) for line in f]
    passed = sum(r["passed"] for r in all_rows)
    failed = [(r, name) for r in all_rows for name in r["failed"]]
    skipped = [(r, name, reason) for r in all_rows for name, reason in r["skipped"]]
    for r, name, reason in skipped:
        print(f"SKIP {r['suite']}: {r['name']}: {name}: {reason}")
    for r, name in failed:
        print(f"FAIL {r['suite']}: {r['name']}: {name}")
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped", flush=True)
    return 1 if failed or passed == 0 else 0    # nothing but skips is no proof of anything


if __name__ == "__main__":
    commands = {"run": run, "meson": meson, "add": add, "merge": merge, "has": has, "sum": total}
    if len(sys.argv) < 3 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    sys.exit(commands[sys.argv[1]](*sys.argv[2:]))

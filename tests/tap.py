#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""Runs a file of unittest cases and reports in TAP, one line per test, skips with their reason.

    tests/tap.py tests/e2e/test_front.py [Class[.test] ...]

A test file may also end in `tap.main()` and is then a program of its own. A file without unittest is run as it stands.
"""
import importlib.util
import os
import re
import runpy
import sys
import traceback
import unittest


class TapResult(unittest.TestResult):
    """The verdict of each test is printed when the test ends, so a long file shows how far it got."""

    def __init__(self):
        super().__init__()
        self.number = 0
        self.bad = 0

    def startTest(self, test):
        super().startTest(test)
        self.notes, self.failed, self.skip_reason = [], False, None

    def stopTest(self, test):
        super().stopTest(test)
        self.number += 1
        self.bad += self.failed
        line = f"{'not ok' if self.failed else 'ok'} {self.number} - {name_of(test)}"
        if self.skip_reason is not None and not self.failed:
            line += f" # SKIP {self.skip_reason}"
        print(line)
        for note in self.notes:
            print("".join(f"# {row}\n" for row in note.rstrip().splitlines()), end="")
        sys.stdout.flush()

    def fail(self, err):
        self.failed = True
        self.notes.append("".join(traceback.format_exception(*err)))

    def addError(self, test, err):
        if isinstance(test, unittest.suite._ErrorHolder):    # setUpClass or setUpModule: its tests will not run
            self.startTest(test)
            self.fail(err)
            self.stopTest(test)
        else:
            self.fail(err)

    def addFailure(self, test, err):
        self.fail(err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.notes.append(f"in {subtest}:")
            self.fail(err)

    def addSkip(self, test, reason):
        if isinstance(test, unittest.suite._ErrorHolder):
            self.startTest(test)
            self.skip_reason = reason
            self.stopTest(test)
        else:
            self.skip_reason = reason

    def addUnexpectedSuccess(self, test):
        self.failed = True
        self.notes.append("passed, although it is marked as an expected failure")


def name_of(test):
    parts = test.id().split(".")
    return re.sub(r"[#\n]", " ", ".".join(parts[-2:]) if not test.id().startswith("setUp") else test.id())


def run(module, names=()):
    loader = unittest.TestLoader()
    suite = loader.loadTestsFromNames(names, module) if names else loader.loadTestsFromModule(module)
    result = TapResult()
    suite.run(result)
    print(f"1..{result.number}", flush=True)    # last: a class whose set-up fails or skips is one line, not many
    return 1 if result.bad else 0


def main():
    sys.exit(run(sys.modules["__main__"], sys.argv[1:]))


def run_file(path, names):
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    with open(path, encoding="utf-8") as f:
        if "unittest" not in f.read():
            sys.argv = [path, *names]
            runpy.run_path(path, run_name="__main__")
            return 0
    spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(path))[0], path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return run(module, names)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: tap.py FILE [NAME ...]")
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    sys.modules["tap"] = sys.modules["__main__"]
    sys.exit(run_file(sys.argv[1], sys.argv[2:]))

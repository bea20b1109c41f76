# SPDX-License-Identifier: AGPL-3.0-only
"""People with browsers in front of the node: ../call/driver.mjs, one process each, told what to do in JSON lines."""
import json
import os
import queue
import subprocess
import threading
import urllib.parse

from machine import ROOT, Failed, until

DRIVER = f"{ROOT}/tests/e2e/call/driver.mjs"
CAMERA = {"width": 320, "height": 180, "fps": 15}    # browsers encode in software on the machine under test


class Person:
    def __init__(self, network, modules, directory, name, engine, sub):
        self.name, self.sub = name, sub
        home = os.path.join(directory, name)
        os.makedirs(home)
        self._last = 0
        self._answers = queue.Queue()
        self._log = open(f"{home}.log", "wb")    # pylint: disable=consider-using-with
        self._driver = subprocess.Popen(network.inside("people", "node", DRIVER, engine, modules, home), cwd=home,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log)
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self):
        for line in self._driver.stdout:
            self._answers.put(json.loads(line))
        self._answers.put(None)

    def do(self, action, *args, seconds=60):
        self._last += 1
        self._driver.stdin.write(json.dumps({"id": self._last, "do": action, "args": args}).encode() + b"\n")
        self._driver.stdin.flush()
        try:
            answer = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise Failed(f"{self.name}: {action} took more than {seconds} s") from None
        if answer is None:
            raise Failed(f"{self.name}: the browser's driver ended, see its log")
        if answer.get("error"):
            raise Failed(f"{self.name}: {answer['error']}")
        return answer.get("result")

    def eval(self, expression):
        return self.do("eval", expression)

    def join(self, base, room, **more):
        query = urllib.parse.urlencode({"room": room, "sub": self.sub, "name": self.name, "join": 1, **CAMERA, **more})
        self.do("launch", seconds=90)
        self.do("open", f"{base}?{query}")
        until(f"{self.name} is in the call", 30, lambda: self.eval("edgeCall.state") == "joined")

    def stats(self):
        return self.eval("edgeCall.stats().then(s => ({peers: s.peers, path: s.transport?.path}))")

    def frames_of(self, other):
        return (self.stats()["peers"].get(str(other.sub)) or {}).get("framesDecoded") or 0

    def sees(self, other, seconds=20):
        """Pictures of the other move: how many there are by then."""
        before = self.frames_of(other)

        def moved():
            now = self.frames_of(other)
            return now if now > before + 2 or 2 < now < before else 0
        return until(f"{self.name} sees pictures of {other.name}", seconds, moved, 0.2)

    def quit(self):
        try:
            self.do("close", seconds=10)
        except (Failed, OSError):
            pass
        try:
            self._driver.stdin.close()
            self._driver.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self._driver.kill()
            self._driver.wait()
        self._log.close()

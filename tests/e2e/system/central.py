# SPDX-License-Identifier: AGPL-3.0-only
"""Central in its own namespace: tests/central, told by its control listener what to play, asked what it heard."""
import json
import os
import subprocess

from machine import ROOT, Failed, until
from network import HUB, HUB_MESH

CONTROL = "http://127.0.0.1:8999"


class Central:
    """Requests to the control listener go out from inside the namespace, by curl."""

    def __init__(self, network, directory):
        self.network, self.directory = network, directory
        self.process = None
        self._log = None

    def make_certificates(self, **names):
        """An authority, and certificates of these: file=[names and addresses]. The authority's file."""
        for file, hosts in names.items():
            subprocess.run(["/usr/bin/python3", f"{ROOT}/tests/central/ca.py", f"{self.directory}/tls", "--issue", file,
                            ",".join(hosts)], check=True, capture_output=True, text=True, timeout=30)
        return f"{self.directory}/tls/ca.pem"

    def start(self, *more):
        self._log = open(f"{self.directory}/central.log", "ab")    # pylint: disable=consider-using-with
        tls = f"{self.directory}/tls"
        self.process = subprocess.Popen(
            self.network.inside("hub", "/usr/bin/python3", f"{ROOT}/tests/central/central.py",
                                "--listen", f"{HUB_MESH}:8907", "--tls-listen", f"{HUB}:443",
                                "--certificate", f"{tls}/central.pem", "--key", f"{tls}/central.key",
                                "--control", "127.0.0.1:8999", "--secret-file", f"{self.directory}/sfu-secret", *more),
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT)
        until("central answers", 20, self._answers)

    def _answers(self):
        if self.process.poll() is not None:
            raise Failed(f"central ended with {self.process.returncode}: see {self.directory}/central.log")
        try:
            return self.last() >= 0
        except Failed:
            return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
        if self._log:
            self._log.close()
        self.process = None

    def _control(self, path, body=None):
        command = ["curl", "-sS", "--fail-with-body", "--noproxy", "*", "--max-time", "10", CONTROL + path]
        if body is not None:
            command += ["-H", "Content-Type: application/json", "--data-binary", "@-"]
        done = subprocess.run(self.network.inside("hub", *command), input=json.dumps(body) if body is not None else "",
                              capture_output=True, text=True, check=False, timeout=15)
        if done.returncode != 0:
            raise Failed(f"central's control said: {done.stdout}{done.stderr}")
        return json.loads(done.stdout or "null")

    def play(self, endpoint, *behaviours):
        self._control("/__script", {"endpoint": endpoint, "play": list(behaviours)})

    def state(self, **values):
        return self._control("/__state", values)

    def token(self, partner):
        return self._control("/__token", {"partner_id": partner})

    def last(self):
        """The number of the last request."""
        return self._control("/__log?after=999999999")["last"]

    def asked(self, endpoint=None, after=0):
        """Requests since then, oldest first."""
        return self._control(f"/__log?after={after}" + (f"&endpoint={endpoint}" if endpoint else ""))["entries"]

    def settings(self):
        return self._control("/__state")["settings"]

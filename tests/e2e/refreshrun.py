# SPDX-License-Identifier: AGPL-3.0-only
"""What tests of refreshd share: the scripted central behind TLS of a private authority, and a node in a directory of its
own, with real daemons that run as whoever runs the tests. All traffic stays on 127.0.0.1.
"""
import base64
import hashlib
import hmac
import itertools
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import rig
from rig import ROOT, wait_for

CENTRAL = os.path.join(ROOT, "tests", "central")
PYTHON = "/usr/bin/python3"
PARTNER = "acme"
PUBLIC_IP = "198.51.100.7"

sys.path.insert(0, CENTRAL)


REFRESHD = rig.program("refreshd")
BUILD = REFRESHD and os.path.dirname(os.path.dirname(os.path.dirname(REFRESHD)))
number = itertools.count(1)


def program(name):
    return os.path.join(BUILD, "daemons", name, name)


def prepare():
    """For setUpModule."""
    if BUILD is None:
        raise unittest.SkipTest("no refreshd in $EDGE_BUILD, build/test or build: ./edge build")
    for name in ("openssl", "nginx"):
        if shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin") is None:
            raise unittest.SkipTest(f"{name} is not installed: apt-get install {name}")
    if subprocess.run([PYTHON, "-c", "import aiohttp"], capture_output=True).returncode:
        raise unittest.SkipTest("python3-aiohttp is not installed: apt-get install python3-aiohttp")


def free_port():
    """One that nobody has, neither of UDP nor of TCP; below those that the kernel hands out."""
    for port in random.sample(range(20000, 32768), 200):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


def read(path, mode="r"):
    with open(path, mode) as f:
        return f.read()


def write(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)


class Central:
    """The scripted double, by its control listener."""

    def __init__(self):
        import ca
        self.dir = tempfile.mkdtemp(prefix="central.")
        authority = ca.Ca(self.dir)
        certificate, key = authority.issue("central", ["127.0.0.1"])
        self.ca = str(authority.pem)
        command = [PYTHON, "-B", os.path.join(CENTRAL, "central.py"), "--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0",
                   "--certificate", str(certificate), "--key", str(key), "--control", "127.0.0.1:0"]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.at = dict(self.child.stdout.readline().split()[1:] for _ in range(3))
        self.url = f"https://{self.at['tls']}"
        self.state(rate_limit=False)

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.at['control']}{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.loads(reply.read())

    def play(self, endpoint, *plays):
        self.ask("/__script", {"endpoint": endpoint, "play": list(plays)})

    def state(self, **changes):
        return self.ask("/__state", changes) if changes else self.ask("/__state")

    def reset(self):
        self.ask("/__reset", {})

    def token(self, **how):
        return self.ask("/__token", {"partner_id": PARTNER, **how})["token"]

    def last(self):
        return max((e["n"] for e in self.log()), default=0)

    def log(self, endpoint=None, after=0):
        entries = self.ask(f"/__log?after={after}")["entries"]
        return [e for e in entries if endpoint in (None, e["endpoint"])]

    def stop(self):
        self.child.terminate()
        self.child.wait(10)
        self.child.stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def room_token(secret, room="r", sub=1):
    def b64url(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    claims = {"sub": sub, "room": room, "iat": int(time.time()) - 5, "exp": int(time.time()) + 600}
    signed = ".".join(b64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{signed}.{b64url(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"


class Node:
    """Directories of a node, and the daemons in it that a test starts."""

    def __init__(self, central, daemons=("sfud", "turnd")):
        self.central = central
        self.domain = f"call{next(number)}.acme.test"    # central knows a node by it
        self.dir = tempfile.mkdtemp(prefix="node.")
        self.etc, self.lib, self.run_dir, self.share, self.sbin = (
            f"{self.dir}/{n}" for n in ("etc", "lib", "run", "share", "sbin"))
        for path in (self.etc, self.run_dir, self.share, self.sbin, f"{self.etc}/sfud.conf.d", f"{self.etc}/turnd.conf.d"):
            os.mkdir(path)
        os.symlink(os.path.join(ROOT, "daemons", "front"), f"{self.share}/front")
        for name in daemons:
            os.symlink(program(name), f"{self.sbin}/{name}")
        self.children = {}
        self.ws, self.turn = free_port(), free_port()
        self.write_additions()

    def write_additions(self):
        """The operator's own additions: ports that nobody else has."""
        write(f"{self.etc}/sfud.conf.d/test.conf",
              f"[Media]\nPort={free_port()}\nBind=127.0.0.1\n[Signal]\nPort={self.ws}\n"
              f"[Metrics]\nPort={free_port()}\n[Control]\nSocket={self.run_dir}/sfud\n")
        write(f"{self.etc}/turnd.conf.d/test.conf",
              f"[Server]\nListen=\nListen=127.0.0.1:{self.turn}\nRelayAddress=127.0.0.1\nExternalAddress=\n"
              "MinPort=61000\nMaxPort=65000\nCertificate=\nPrivateKey=\nTurnsSocket=\n"
              f"Workers=1\n[Metrics]\nPort={free_port()}\n[Control]\nSocket={self.run_dir}/turnd\n")

    def command(self, *args):
        return [program("refreshd"), *args, f"--config={self.etc}", f"--state={self.lib}", f"--run={self.run_dir}",
                f"--share={self.share}", f"--sbin={self.sbin}"]

    def run(self, *args, timeout=120, env=None, wrap=(), **how):
        return subprocess.run([*wrap, *self.command(*args)], capture_output=True, text=True, timeout=timeout,
                              env={**os.environ, **(env or {})}, **how)

    def register(self, *args, token=None, **how):
        file = f"{self.dir}/token"
        write(file, (token or self.central.token()) + "\n", 0o600)
        return self.run("register", f"--partner-id={PARTNER}", f"--domain={self.domain}", f"--token-file={file}",
                        f"--central={self.central.url}", f"--central-ca={self.central.ca}", f"--public-ip={PUBLIC_IP}",
                        "--timeout=10", *args, **how)

    # --- state ---

    def generation(self):
        try:
            return int(os.readlink(f"{self.lib}/current").split("/")[1])
        except FileNotFoundError:
            return 0

    def generations(self):
        return sorted(int(n) for n in os.listdir(f"{self.lib}/generations"))

    def files(self, number=None):
        """{path: bytes} of a generation, without the manifest."""
        top = f"{self.lib}/generations/{number or self.generation()}"
        found = {}
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                found[os.path.relpath(path, top)] = read(path, "rb")
        found.pop("manifest.json", None)
        return found

    def manifest(self, number=None):
        return json.loads(read(f"{self.lib}/generations/{number or self.generation()}/manifest.json"))

    def status(self):
        return json.loads(self.run("status", "--json").stdout)

    def steps(self):
        return {s["name"]: s["outcome"] for s in self.status()["steps"]}

    def metrics(self):
        rows = (line.rsplit(" ", 1) for line in read(f"{self.lib}/refresh.prom").splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in rows}

    # --- daemons ---

    def start(self, name):
        with open(f"{self.dir}/{name}.log", "ab") as log:
            child = subprocess.Popen([program(name), "-c", f"{self.etc}/{name}.conf"], stdout=log, stderr=log,
                                     env={**os.environ, "CREDENTIALS_DIRECTORY": f"{self.lib}/current/secrets"})
        self.children[name] = child

        def answers():
            if child.poll() is not None:
                raise AssertionError(f"{name} ended:\n" + self.log(name))
            try:
                return self.ask(name, "io.oxpulse.Edge.Status")["parameters"]["state"] == "serving"
            except OSError:
                return False
        wait_for(f"{name} answers", answers)

    def ask(self, name, method, **parameters):
        return rig.varlink(f"{self.run_dir}/{name}", method, **parameters)

    def log(self, name):
        return read(f"{self.dir}/{name}.log")

    def reloads(self, name):
        return self.log(name).count("configuration reloaded")

    def upgrade(self, secret, sub=1):
        """The socket and the status of a WebSocket with a token of this secret."""
        s = socket.create_connection(("127.0.0.1", self.ws), 10)
        s.sendall("GET /sfu/ws/r HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                  f"Sec-WebSocket-Protocol: oxpulse-sfu-v1, bearer.{room_token(secret, sub=sub)}\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            more = s.recv(1)
            if not more:
                break
            head += more
        return s, int(head.split()[1])

    def takes(self, secret):
        s, status = self.upgrade(secret)
        s.close()
        return status == 101

    def stop(self):
        for child in self.children.values():
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
            child.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

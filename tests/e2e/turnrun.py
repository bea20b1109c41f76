# SPDX-License-Identifier: AGPL-3.0-only
"""A turnd of a test's own, in a network of its own.

In that network every address is an address of this machine: whatever a server sends anywhere arrives at a socket of the
test, any address can be a client's, and nothing leads outside.
"""
import contextlib
import ctypes
import itertools
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import unittest
import urllib.request

import rig
import turnwire
from rig import wait_for

SECRET = b"of nobody's business, 32 characters"
ADDRESSES = 40    # servers that one network can have
PORT, TLS_PORT = 3478, 5349


TURND = rig.program("turnd")
number = itertools.count(1)
net = itertools.count(0)


# --- the network ---

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
IP_PKTINFO, IPV6_FREEBIND = 8, 78    # not in Debian 12's socket module


def unshare(flags):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        raise unittest.SkipTest(f"no network of its own: {os.strerror(ctypes.get_errno())}; as root it works")


def enter_network():
    """This process and its children, from now on."""
    if shutil.which("ip", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
        raise unittest.SkipTest("ip is not installed: apt-get install iproute2")
    if os.geteuid() == 0:
        unshare(CLONE_NEWNET)
    else:
        uid, gid = os.geteuid(), os.getegid()
        unshare(CLONE_NEWUSER | CLONE_NEWNET)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as f:
                f.write(text)
    four = ["link set lo up", "addr add 10.0.0.1/8 dev lo", "route add local 0.0.0.0/0 dev lo",
            "addr add 192.0.2.1/32 dev lo"]
    six = ["route add local ::/0 dev lo", *(f"addr add 2001:db8::{n:x}/128 dev lo nodad" for n in range(1, ADDRESSES + 1))]
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    for family, commands in (("-4", four), ("-6", six)):
        done = subprocess.run(["ip", family, "-batch", "-"], input="\n".join(commands), capture_output=True, text=True,
                              timeout=20, env={**os.environ, "PATH": path})
        if done.returncode:
            raise unittest.SkipTest(f"ip: {done.stderr.strip()}")


def prepare():
    """For setUpModule."""
    if TURND is None:
        raise unittest.SkipTest("no turnd in $EDGE_BUILD, build/test or build: ./edge build")
    if shutil.which("openssl") is None:
        raise unittest.SkipTest("openssl is not installed: apt-get install openssl")
    enter_network()


def new_source():
    """An IPv4 address in a /24 that no client had yet: strangers of one /24 share what they may make a server send."""
    n = next(net)
    return f"10.{1 + n // 250}.{n % 250}.1"


# --- the daemon ---

def make_certificate(directory, name="turn.test"):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", f"{directory}/key.pem",
                    "-out", f"{directory}/cert.pem"], check=True, capture_output=True, timeout=30)


class Turnd:
    """One daemon with a directory, an IPv4 and an IPv6 address and a configuration of its own."""

    def __init__(self, alternate=False, **keys):
        n = next(number)
        self.children = []
        self.dir = tempfile.mkdtemp(prefix="turnd.")
        os.chmod(self.dir, 0o755)
        self.ip, self.ip6 = f"192.0.2.{n}", f"2001:db8::{n:x}"
        self.at, self.at6 = (self.ip, PORT), (self.ip6, PORT)
        self.tls_at = (self.ip, TLS_PORT)
        self.http = 9600 + n
        make_certificate(self.dir)
        self.write_secrets(SECRET)
        self.keys = {"Server.Listen": f"{self.ip} [{self.ip6}]", "Server.ListenTls": f"{self.ip} [{self.ip6}]",
                     "Server.RelayAddress": f"{self.ip} {self.ip6}", "Server.SecretFile": f"{self.dir}/secret",
                     "Server.Certificate": f"{self.dir}/cert.pem", "Server.PrivateKey": f"{self.dir}/key.pem",
                     "Server.Workers": 2, "Server.TurnsSocket": f"{self.dir}/turns", "Metrics.Port": self.http,
                     "Control.Socket": f"{self.dir}/control"}
        if alternate:
            self.keys["Server.AlternateAddress"] = f"192.0.2.{n + 100}:{PORT + 1}"
        self.write_conf(**keys)
        with open(f"{self.dir}/log", "wb") as log:
            self.child = subprocess.Popen([TURND, "-c", f"{self.dir}/turnd.conf"], stdout=log, stderr=log)
        try:
            wait_for("turnd answers", self.answers)
        except AssertionError:
            self.stop()
            raise

    def write_secrets(self, *secrets):
        path = f"{self.dir}/secret"
        with open(path, "wb") as f:
            f.write(b"".join(s + b"\n" for s in secrets))
        os.chmod(path, 0o600)

    def write_conf(self, **keys):
        """Server_Listen="…"; a list is several lines."""
        self.keys.update({k.replace("_", "."): v for k, v in keys.items()})
        sections = {}
        for key, value in self.keys.items():
            section, name = key.split(".")
            sections.setdefault(section, []).extend(f"{name}={v}\n" for v in (value if isinstance(value, list) else [value]))
        with open(f"{self.dir}/turnd.conf", "w", encoding="ascii") as f:
            f.write("".join(f"[{name}]\n{''.join(rows)}" for name, rows in sections.items()))

    def answers(self):
        if self.child.poll() is not None:
            raise AssertionError(f"turnd ended with {self.child.returncode}:\n{self.log()}")
        try:
            return self.metrics()
        except OSError:
            return False

    def log(self):
        with open(f"{self.dir}/log", encoding="utf-8", errors="replace") as f:
            return f.read()

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=10) as reply:
            text = reply.read().decode()
        return {name.replace("{}", ""): float(value)
                for name, value in (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))}

    def metric(self, name):
        return self.metrics()[name]

    def sum(self, family):
        return sum(v for name, v in self.metrics().items() if name.split("{")[0] == family)

    def rss_kb(self):
        with open(f"/proc/{self.child.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])

    def fds(self):
        return len(os.listdir(f"/proc/{self.child.pid}/fd"))

    def ask(self, method, **parameters):
        return rig.varlink(f"{self.dir}/control", method, **parameters)

    def stop(self):
        for child in self.children:
            child.kill()
            child.wait()
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(5)
            except subprocess.TimeoutExpired:
                self.child.kill()
        self.child.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    # clients

    def credential(self, name="alice", lasts=600, secret=SECRET, until=None):
        return turnwire.credential(secret, name, lasts, until)

    def dial(self, via="udp", source=None, v6=False):
        """A socket as `via` says: udp, tcp, tls, dtls, turns (by the front's socket)."""
        if v6:
            source, at, tls_at = source, self.at6, (self.ip6, TLS_PORT)
        else:
            source, at, tls_at = source or new_source(), self.at, self.tls_at
        if via == "udp":
            return turnwire.udp(at, source)
        if via == "tcp":
            return turnwire.tcp(at, source)
        if via == "tls":
            return turnwire.tls(turnwire.tcp(tls_at, source))
        if via == "dtls":
            return self.dtls(source, tls_at)
        s = self.forwarded(f"PROXY TCP4 {source} {self.ip} 40000 443\r\n".encode())
        return turnwire.tls(s)

    def dtls(self, source, at):
        """openssl's client, which makes a record of what it is given at once; answers come as a stream."""
        ours, its = socket.socketpair()
        self.children.append(subprocess.Popen(
            ["openssl", "s_client", "-quiet", "-no_ign_eof", "-dtls1_2", "-bind", f"{source}:0", "-connect", f"{at[0]}:{at[1]}"],
            stdin=its, stdout=its, stderr=subprocess.DEVNULL))
        its.close()
        return ours

    def forwarded(self, header=b""):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(10)
        s.connect(f"{self.dir}/turns")
        s.sendall(header)
        return s

    def client(self, via="udp", name="alice", source=None, v6=False, sha256=False, **how):
        return turnwire.Client(self.dial(via, source, v6), *self.credential(name, **how), sha256=sha256)


class Peer:
    """Somebody out there: a UDP socket at an address."""

    def __init__(self, ip="9.9.9.9"):
        self.socket = socket.socket(turnwire.packed(ip)[0], socket.SOCK_DGRAM)
        if self.socket.family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)    # routed here is ours; Linux asks for more
        self.socket.bind((ip, 0))
        self.address = self.socket.getsockname()[:2]

    def receive(self, seconds=2.0):
        """(payload, from); None: nothing came."""
        self.socket.settimeout(max(seconds, 0.001))
        try:
            payload, source = self.socket.recvfrom(65536)
        except (TimeoutError, BlockingIOError):
            return None
        return payload, source[:2]

    def send(self, payload, to):
        self.socket.sendto(payload, to)

    def close(self):
        self.socket.close()


def echo(client, peer, payload, channel=None, seconds=2.0):
    """To the peer and back. True: both ways worked."""
    if channel is None:
        client.send(peer.address, payload)
    else:
        client.send_channel(channel, payload)
    while (got := peer.receive(seconds)):
        if got[0] != payload:
            continue    # of an attempt before this one
        peer.send(payload[::-1], got[1])
        while (back := client.receive(seconds)):
            if back == (peer.address, payload[::-1]):
                return True
    return False


# --- sources of any address ---

class Anybody:
    """Datagrams from whatever address, and what is sent back to any of them."""

    def __init__(self, server):
        self.server = server
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind(("0.0.0.0", 0))
        self.socket.setblocking(False)

    def send(self, raw, source):
        info = struct.pack("@i4s4s", 0, socket.inet_aton(source), bytes(4))
        self.socket.sendmsg([raw], [(socket.IPPROTO_IP, IP_PKTINFO, info)], 0, self.server)

    def drain(self):
        """Everything that has come."""
        got = []
        with contextlib.suppress(BlockingIOError):
            while True:
                got.append(self.socket.recv(65536))
        return got

    def close(self):
        self.socket.close()


def client_hello(name="turn.test"):
    """The first flight of a TLS client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()

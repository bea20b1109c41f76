#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""tunneld, end to end: the real daemon between Unix sockets of a front and several centrals, all on 127.0.0.1."""
import contextlib
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))

sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)
import rig  # noqa: E402
import tap  # noqa: E402
from rig import wait_for  # noqa: E402

WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
ILL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
MB = 1 << 20

TUNNELD = rig.program("tunneld")


def setUpModule():
    if TUNNELD is None:
        raise unittest.SkipTest("tunneld is not built: ./edge build")


def read_all(s):
    parts = []
    while part := s.recv(MB):
        parts.append(part)
    return b"".join(parts)


def exactly(s, n):
    got = bytearray()
    while len(got) < n:
        part = s.recv(min(MB, n - len(got)))
        if not part:
            raise EOFError(f"{len(got)} of {n} bytes")
        got += part
    return bytes(got)


class Central:
    """What a channel leads to. A stream's first line says what it wants: `who`, `echo`, `sink`, `pour N`, `reset`, `keep`."""

    def __init__(self, name, health=WELL):
        self.name, self.health = name.encode(), health
        self.streams, self.asked, self.got = [], 0, b""
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.listener.listen(128)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                s, _ = self.listener.accept()
                threading.Thread(target=self.guard, args=(s,), daemon=True).start()

    def guard(self, s):
        with s, contextlib.suppress(OSError, EOFError):
            self.serve(s)

    def serve(self, s):
        line = b""
        while not line.endswith(b"\n"):
            line += exactly(s, 1)
        if line.startswith(b"GET "):
            while not line.endswith(b"\r\n\r\n"):
                line += exactly(s, 1)
            self.asked += 1
            self.request = line
            if self.health is None:     # silent
                s.settimeout(20)
                s.recv(1)
            s.sendall(self.health)
            return
        self.streams.append(s)
        what, *arg = line.split()
        getattr(self, "do_" + what.decode())(s, *arg)

    def do_who(self, s):
        s.sendall(self.name + b"\n")

    def do_keep(self, s):
        s.sendall(self.name + b"\n")
        while part := s.recv(MB):
            s.sendall(part)

    def do_echo(self, s):
        while part := s.recv(MB):
            s.sendall(part)
        s.shutdown(socket.SHUT_WR)

    def do_sum(self, s):
        """The digest of all that comes until the end; then the same number of other bytes."""
        digest, n = hashlib.sha256(), 0
        while part := s.recv(MB):
            digest.update(part)
            n += len(part)
        s.sendall(digest.digest())
        other = os.urandom(MB)
        s.sendall(hashlib.sha256(other * (n // MB)).digest())
        for _ in range(n // MB):
            s.sendall(other)

    def do_pour(self, s, n):
        block = bytes(MB)
        for _ in range(int(n)):
            s.sendall(block)

    def do_first(self, s):
        """Its answer ends before the question does."""
        s.sendall(b"enough\n")
        s.shutdown(socket.SHUT_WR)
        self.got = read_all(s)

    def do_leave(self, s):
        """Its answer ends; a moment later it breaks off."""
        s.sendall(b"enough\n")
        s.shutdown(socket.SHUT_WR)
        exactly(s, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def do_take(self, s):
        self.got = read_all(s)

    def do_reset(self, s):
        s.sendall(b"half of")
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def stop(self):
        """As a process that is killed: nobody listens, and what was open is reset."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for s in self.streams:
            with contextlib.suppress(OSError):
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.shutdown(socket.SHUT_RDWR)

    def again(self):
        host, port = self.address.split(":")
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, int(port)))
        self.listener.listen(128)
        threading.Thread(target=self.accept, daemon=True).start()


class Hole:
    """An address where connections vanish: the backlog is full, so that the kernel answers no more."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.held = []
        for _ in range(3):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(self.listener.getsockname())
            self.held.append(s)
        time.sleep(0.05)

    def stop(self):
        for s in [self.listener, *self.held]:
            s.close()


class Daemon:
    def __init__(self, channels, inherited=False, **pool):
        self.dir = tempfile.mkdtemp(prefix="tunnel-")
        os.mkdir(self.path("channels"))
        web = inherited if isinstance(inherited, socket.socket) else inherited and self.bind("web")
        self.inherited = [web, self.bind("ws")] if inherited else []
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.metrics_port = s.getsockname()[1]
        self.configure(channels, **pool)
        self.log = open(self.path("log"), "w+", encoding="utf-8")
        self.start()

    def path(self, name):
        return os.path.join(self.dir, name)

    def bind(self, name):
        s = socket.socket(socket.AF_UNIX)
        s.bind(self.path(name))
        s.listen(64)
        return s

    def configure(self, channels, **pool):
        pool = {"Web": self.path("web"), "Ws": self.path("ws"), "ChannelDirectory": self.path("channels"),
                "HealthInterval": "100ms", "HealthTimeout": "300ms", **pool}
        text = "[Pool]\n" + "".join(f"{k}={v}\n" for k, v in pool.items())
        for n, (name, address) in enumerate(channels.items(), 1):
            text += f"[Channel{n}]\nName={name}\nAddress={address}\n"
        text += f"[Metrics]\nPort={self.metrics_port}\n[Control]\nSocket={self.path('control')}\n[Log]\nLevel=debug\n"
        with open(self.path("conf"), "w", encoding="utf-8") as f:
            f.write(text)

    def start(self):
        env = {**os.environ, "ASAN_OPTIONS": "abort_on_error=1"}
        command = [TUNNELD, "-c", self.path("conf")]
        if self.inherited:
            fds = " ".join(str(s.fileno()) for s in self.inherited)
            move = "".join(f"exec {3 + i}<&{s.fileno()}; " for i, s in enumerate(self.inherited))
            command = ["bash", "-c", f": {fds}; {move} export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=tunneld-web:tunneld-ws; "
                       'exec "$@"', "bash", *command]
        self.process = subprocess.Popen(command, stderr=self.log, env=env, pass_fds=[s.fileno() for s in self.inherited])
        wait_for("tunneld listens", lambda: os.path.exists(self.path("control")) and self.answers())

    def answers(self):
        try:
            return self.call("io.oxpulse.Edge.Status")["state"] == "serving"
        except OSError:
            if self.process.poll() is not None:
                raise AssertionError(f"tunneld has ended: {self.logged()}") from None
            return False

    def call(self, method, **parameters):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(self.path("control"))
            s.sendall(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")
            got = b""
            while not got.endswith(b"\0"):
                part = s.recv(MB)
                if not part:
                    raise OSError("closed")
                got += part
        reply = json.loads(got[:-1])
        if "error" in reply:
            raise AssertionError(reply)
        return reply["parameters"]

    def list(self):
        return self.call("io.oxpulse.Tunnel.ListChannels")

    def channel(self, name, retired=False):
        return next((c for c in self.list()["channels"] if c["name"] == name and c["retired"] == retired), None)

    def wait_state(self, name, state):
        wait_for(f"{name} is {state}", lambda: self.channel(name)["state"] == state)

    def metric(self, name, **labels):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5) as page:
            text = page.read().decode()
        total = 0
        for line in text.splitlines():
            m = re.fullmatch(rf"{name}(\{{.*\}})? ([\d.]+)", line)
            if m and all(f'{k}="{v}"' in (m[1] or "") for k, v in labels.items()):
                total += float(m[2])
        return total

    def connect(self, socket_name="web"):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(10)
        s.connect(self.path(socket_name))
        return s

    def ask(self, line, socket_name="web"):
        s = self.connect(socket_name)
        s.sendall(line.encode() + b"\n")
        return s

    def who(self, socket_name="web"):
        """The name of the central that a new stream reaches; None: closed without one."""
        try:
            with self.ask("who", socket_name) as s:
                return read_all(s).decode().strip() or None
        except (ConnectionResetError, BrokenPipeError):
            return None

    def rss_kb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])

    def logged(self):
        self.log.seek(0)
        return self.log.read()

    def reload(self, channels, **pool):
        self.configure(channels, **pool)
        return self.call("io.oxpulse.Edge.Reload")["restart"]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.log.close()
        for s in self.inherited:
            s.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        return code


class Case(unittest.TestCase):
    def central(self, name, health=WELL):
        c = Central(name, health)
        self.addCleanup(c.stop)
        return c

    def daemon(self, channels, up=True, **more):
        d = Daemon(channels, **more)

        def end():
            code = d.stop()
            self.assertEqual(code, 0, "exit code")
        self.addCleanup(end)
        for name in channels if up is True else up or ():
            d.wait_state(name, "up")
        return d


class Way(Case):
    def setUp(self):
        self.a = self.central("a")
        self.d = self.daemon({"a": self.a.address})

    def test_each_socket_leads_to_central(self):
        for name in ("web", "ws", "channels/a"):
            with self.subTest(name):
                self.assertEqual(self.d.who(name), "a")
        self.assertEqual(self.d.metric("tunnel_accepted_total"), 3)
        c = self.d.channel("a")
        self.assertEqual([c[use]["out"] for use in ("web", "ws", "channel")], [4, 4, 4])
        self.assertEqual([c[use]["in"] for use in ("web", "ws", "channel")], [2, 2, 2])

    def test_the_health_request_is_what_central_expects(self):
        self.assertEqual(self.a.request, b"GET /api/health HTTP/1.1\r\nHost: oxpulse.chat\r\nAccept: */*\r\n"
                                         b"Connection: close\r\n\r\n")
        c = self.d.channel("a")
        self.assertGreater(c["rtt_us"], 0)
        self.assertGreater(c["rtt_us_smooth"], 0)
        self.assertEqual(c["error"], "")

    def test_a_client_that_ends_first_gets_all_of_the_answer(self):
        with self.d.ask("echo") as s:
            s.sendall(b"x" * 100000)
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(len(read_all(s)), 100000)

    def test_a_central_that_ends_first_gets_all_of_the_question(self):
        with self.d.ask("first") as s:
            self.assertEqual(read_all(s), b"enough\n")
            for _ in range(10):
                s.sendall(b"more" * 1000)
                time.sleep(0.01)
            s.shutdown(socket.SHUT_WR)
            wait_for("central got it", lambda: len(self.a.got) == 40000)

    def test_a_client_that_closes_at_once_is_heard(self):
        with self.d.ask("take") as s:
            s.sendall(b"y" * 150000)
        wait_for("central got it", lambda: len(self.a.got) == 150000)
        wait_for("no stream is left", lambda: self.d.call("io.oxpulse.Edge.Status")["sessions"] == 0)

    def test_a_client_that_goes_away_ends_a_silent_stream(self):
        s = self.d.ask("keep")
        self.assertEqual(exactly(s, 2), b"a\n")
        s.close()
        wait_for("no stream is left", lambda: self.d.channel("a")["streams"] == 0)

    def test_a_reset_of_central_ends_the_client(self):
        with self.d.ask("reset") as s, contextlib.suppress(ConnectionResetError):
            self.assertIn(read_all(s), (b"", b"half of"))
        wait_for("it is counted", lambda: self.d.metric("tunnel_aborted_total") == 1)

    def test_a_reset_of_the_client_ends_the_stream(self):
        s = self.d.ask("keep")
        wait_for("an answer is there", lambda: self.a.streams)
        time.sleep(0.1)
        s.sendall(b"last words")
        s.close()       # with "a" unread: a reset, together with these words
        wait_for("no stream is left", lambda: self.d.channel("a")["streams"] == 0)

    def test_a_central_that_leaves_ends_a_silent_client(self):
        with self.d.ask("leave") as s:
            self.assertEqual(read_all(s), b"enough\n")
            s.sendall(b"x")
            wait_for("no stream is left", lambda: self.d.channel("a")["streams"] == 0)

    def test_a_hundred_megabytes_each_way_arrive_intact(self):
        block = os.urandom(MB)
        with self.d.ask("sum") as s:
            for _ in range(100):
                s.sendall(block)
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(exactly(s, 32), hashlib.sha256(block * 100).digest())
            want, got = exactly(s, 32), hashlib.sha256()
            while part := s.recv(MB):
                got.update(part)
            self.assertEqual(got.digest(), want)
        self.assertGreater(self.d.metric("tunnel_spliced_bytes_total"), 0)

    def test_many_streams_at_once(self):
        streams = [self.d.ask("keep", "ws") for _ in range(300)]
        for s in streams:
            self.assertEqual(exactly(s, 2), b"a\n")
        for i, s in enumerate(streams):
            s.sendall(b"%06d" % i)
        for i, s in enumerate(streams):
            self.assertEqual(exactly(s, 6), b"%06d" % i)
        self.assertEqual(self.d.channel("a")["ws"]["streams"], 300)
        for s in streams:
            s.close()
        wait_for("all are gone", lambda: self.d.channel("a")["streams"] == 0)

    def test_readers_that_do_not_read_cost_little(self):
        before = self.d.rss_kb()
        streams = [self.d.ask("pour 16") for _ in range(40)]
        time.sleep(1)
        self.assertLess(self.d.rss_kb() - before, 32 * 1024)
        self.assertEqual(self.d.who(), "a")     # others are served meanwhile
        self.assertLess(self.d.metric("tunnel_bytes_total", direction="in"), 40 * 3 * MB)
        self.assertEqual(len(read_all(streams[0])), 16 * MB)
        for s in streams:
            s.close()
        wait_for("all are gone", lambda: self.d.channel("a")["streams"] == 0)
        self.assertEqual(self.d.metric("tunnel_blocks"), 0)


class Failover(Case):
    def test_order_and_state_decide(self):
        a, b = self.central("a"), self.central("b")
        d = self.daemon({"a": a.address, "b": b.address}, WebOrder="a b", WsOrder="b a")
        self.assertEqual([d.who("web"), d.who("ws")], ["a", "b"])
        self.assertEqual((d.list()["web"], d.list()["ws"]), (["a", "b"], ["b", "a"]))
        b.health = ILL
        d.wait_state("b", "down")
        self.assertEqual([d.who("web"), d.who("ws")], ["a", "a"])
        self.assertEqual(d.who("channels/b"), "b")     # a probe may still look
        b.health = WELL
        d.wait_state("b", "up")
        self.assertEqual(d.who("ws"), "b")

    def test_a_channel_that_died_this_moment(self):
        """Nobody has noticed yet: the next stream finds the other channel by itself."""
        a, b = self.central("a"), self.central("b")
        d = self.daemon({"a": a.address, "b": b.address}, HealthInterval="60s", up=())
        wait_for("both are up", lambda: [c["state"] for c in d.list()["channels"]] == ["up", "up"])
        a.stop()
        began = time.monotonic()
        self.assertEqual(d.who(), "b")
        self.assertLess(time.monotonic() - began, 2)
        self.assertEqual(d.channel("b")["failovers"], 1)
        self.assertEqual(d.metric("tunnel_connect_failed_total", channel="a", reason="refused"), 1)
        self.assertEqual(d.list()["web"], ["b", "a"])  # a suspect from now on
        self.assertEqual(d.who(), "b")
        self.assertEqual(d.metric("tunnel_connect_failed_total", channel="a"), 1)

    def test_a_channel_that_swallows_everything(self):
        hole, b = Hole(), self.central("b")
        self.addCleanup(hole.stop)
        d = self.daemon({"a": hole.address, "b": b.address}, up=(), HealthInterval="60s", HealthTimeout="30s")
        began = time.monotonic()
        s = d.ask("keep")
        self.assertEqual(exactly(s, 2), b"b\n")
        self.assertLess(time.monotonic() - began, 2)
        s.close()
        self.assertLess(d.metric("tunnel_connect_max_seconds", channel="b"), 2)
        self.assertEqual(d.metric("tunnel_connect_failed_total", channel="a", reason="slow"), 1)

    def test_nothing_but_holes(self):
        hole = Hole()
        self.addCleanup(hole.stop)
        d = self.daemon({"a": hole.address}, up=(), HealthInterval="60s", HealthTimeout="30s", ConnectTimeout="300ms")
        self.assertIsNone(d.who())
        self.assertEqual(d.metric("tunnel_refused_total", reason="connect"), 1)
        self.assertEqual(d.metric("tunnel_connect_failed_total", channel="a", reason="timeout"), 1)

    def test_no_channel_is_usable(self):
        a = self.central("a", ILL)
        d = self.daemon({"a": a.address}, up=())
        d.wait_state("a", "down")
        self.assertIsNone(d.who())
        self.assertEqual(d.metric("tunnel_refused_total", reason="down"), 1)
        self.assertIn("not 2xx", d.channel("a")["error"])

    def test_no_channel_at_all(self):
        d = self.daemon({}, up=())
        self.assertIsNone(d.who())
        self.assertEqual(d.metric("tunnel_refused_total", reason="down"), 1)

    def test_streams_of_a_dead_channel_are_reset_and_come_back_elsewhere(self):
        a, b = self.central("a"), self.central("b")
        d = self.daemon({"a": a.address, "b": b.address})
        ws = d.ask("keep", "ws")
        self.assertEqual(exactly(ws, 2), b"a\n")
        a.health = None     # answers nothing any more, and closes nothing: a mesh that is cut
        self.assertEqual(ws.recv(1), b"")
        self.assertEqual(d.channel("a")["state"], "down")
        self.assertEqual(d.channel("a")["resets"], 1)
        ws.close()
        self.assertEqual(d.who("ws"), "b")

    def test_a_central_that_is_killed_takes_its_streams_along(self):
        a, b = self.central("a"), self.central("b")
        d = self.daemon({"a": a.address, "b": b.address})
        ws = d.ask("keep", "ws")
        self.assertEqual(exactly(ws, 2), b"a\n")
        a.stop()
        with contextlib.suppress(ConnectionResetError):
            self.assertEqual(ws.recv(1), b"")
        self.assertEqual(d.who("ws"), "b")
        d.wait_state("a", "down")
        a.again()
        d.wait_state("a", "up")
        self.assertEqual(d.who("ws"), "a")

    def test_garbage_is_no_health(self):
        centrals = {}
        for name, answer, result in (
                ("none", b"", "cut"), ("ssh", b"SSH-2.0-x\r\n", "garbage"), ("half", WELL[:-1], "cut"),
                ("huge", b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", "too_long"),
                ("moved", b"HTTP/1.1 301 x\r\nContent-Length: 0\r\n\r\n", "status"), ("silent", None, "timeout")):
            centrals[name] = (self.central(name, answer), result)
        d = self.daemon({name: c.address for name, (c, _) in centrals.items()}, up=())
        for name, (_, result) in centrals.items():
            with self.subTest(name):
                d.wait_state(name, "down")
                self.assertGreaterEqual(d.metric("tunnel_probes_total", channel=name, result=result), 1)
                self.assertEqual(d.metric("tunnel_probes_total", channel=name, result="ok"), 0)


class Life(Case):
    def test_reload_leaves_the_others_alone(self):
        a, b, c = (self.central(n) for n in "abc")
        d = self.daemon({"a": a.address, "b": b.address}, WsOrder="b")
        kept, retired = d.ask("keep", "web"), d.ask("keep", "ws")
        self.assertEqual(exactly(kept, 2) + exactly(retired, 2), b"a\nb\n")
        self.assertEqual(d.reload({"c": c.address, "a": a.address}), [])
        d.wait_state("c", "up")
        self.assertEqual(d.channel("a")["state"], "up")
        self.assertEqual([d.who("web"), d.who("ws"), d.who("channels/c")], ["c", "c", "c"])
        self.assertFalse(os.path.exists(d.path("channels/b")))
        for s in (kept, retired):
            s.sendall(b"still here")
            self.assertEqual(exactly(s, 10), b"still here")
        self.assertEqual(d.channel("b", retired=True)["streams"], 1)
        self.assertEqual(d.metric("tunnel_retired_streams"), 1)
        retired.close()
        wait_for("b is gone", lambda: d.channel("b", retired=True) is None)
        kept.close()

    def test_a_retired_channel_that_dies_takes_its_streams_along(self):
        a, b = self.central("a"), self.central("b")
        d = self.daemon({"a": a.address, "b": b.address})
        s = d.ask("keep")
        self.assertEqual(exactly(s, 2), b"a\n")
        d.reload({"b": b.address})
        a.health = None
        self.assertEqual(s.recv(1), b"")
        wait_for("a is gone", lambda: d.channel("a", retired=True) is None)
        s.close()

    def test_a_new_address_is_a_new_channel_of_the_same_name(self):
        a, b = self.central("a"), self.central("b")
        d = self.daemon({"x": a.address})
        old = d.ask("keep")
        self.assertEqual(exactly(old, 2), b"a\n")
        d.reload({"x": b.address})
        self.assertEqual([d.who(), d.who("channels/x")], ["b", "b"])
        old.sendall(b"on")
        self.assertEqual(exactly(old, 2), b"on")
        self.assertIsNotNone(d.channel("x", retired=True))
        old.close()

    def test_ever_new_addresses_do_not_fill_the_table(self):
        a = self.central("a")
        d = self.daemon({"x": a.address})
        streams = []
        for i in range(2, 30):
            streams.append(d.ask("keep"))
            exactly(streams[-1], 2)
            d.reload({f"x{i}": a.address})
        self.assertLessEqual(len(d.list()["channels"]), 12)
        self.assertEqual(d.who(), "a")
        for s in streams:
            s.close()

    def test_a_bad_file_changes_nothing(self):
        a = self.central("a")
        d = self.daemon({"a": a.address})
        s = d.ask("keep")
        for row in ({"a": "nowhere"}, {"a": "127.0.0.1"}, {"A!": a.address}):
            with self.subTest(row), self.assertRaises(AssertionError):
                d.reload(row)
        with self.assertRaises(AssertionError):
            d.reload({"a": a.address}, WebOrder="a z")
        self.assertIn("no channel z", d.logged())
        self.assertEqual([c["name"] for c in d.list()["channels"]], ["a"])
        s.sendall(b"on")
        self.assertEqual(exactly(s, 4), b"a\non")
        s.close()

    def test_what_needs_a_restart_is_named(self):
        a = self.central("a")
        d = self.daemon({"a": a.address})
        self.assertEqual(d.reload({"a": a.address}, MaxStreams=7, HealthFails=5), ["Pool.MaxStreams"])

    def test_hangup_reloads(self):
        a, b = self.central("a"), self.central("b")
        d = self.daemon({"a": a.address})
        d.configure({"b": b.address})
        d.process.send_signal(signal.SIGHUP)
        wait_for("b is there", lambda: d.channel("b"))
        self.assertEqual(d.who(), "b")

    def test_streams_have_a_bound(self):
        a = self.central("a")
        d = self.daemon({"a": a.address}, MaxStreams=3)
        streams = [d.ask("keep") for _ in range(3)]
        for s in streams:
            exactly(s, 2)
        self.assertIsNone(d.who())
        self.assertEqual(d.metric("tunnel_refused_total", reason="limit"), 1)
        streams.pop().close()
        wait_for("there is room", lambda: d.channel("a")["streams"] == 2)
        self.assertEqual(d.who(), "a")
        for s in streams:
            s.close()

    def test_no_descriptors_left(self):
        a = self.central("a")
        d = self.daemon({"a": a.address})
        resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{d.process.pid}/fd")) + 9,) * 2)
        streams = [d.connect() for _ in range(12)]
        time.sleep(0.3)
        for s in streams:
            s.close()
        wait_for("it goes on", lambda: d.who() == "a")

    def test_no_descriptors_left_and_a_stream_that_has_its_own(self):
        """Probes cannot be made: that is no reason to call the channel dead, and to end what goes through it."""
        a = self.central("a")
        d = self.daemon({"a": a.address})
        kept = d.ask("keep")
        self.assertEqual(exactly(kept, 2), b"a\n")
        resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{d.process.pid}/fd")) + 6,) * 2)
        streams = [d.connect() for _ in range(12)]
        wait_for("it is said", lambda: "accepting at" in d.logged())
        time.sleep(1)   # ten probes' time
        kept.sendall(b"on")
        self.assertEqual(exactly(kept, 2), b"on")
        for s in streams:
            s.close()
        wait_for("it goes on", lambda: d.who() == "a")
        self.assertGreaterEqual(d.metric("tunnel_probes_total", channel="a", result="local"), 1)
        self.assertEqual(d.channel("a")["resets"], 0)
        kept.close()

    def test_an_inherited_socket_that_does_not_listen_is_reported(self):
        with socket.socket(socket.AF_UNIX) as s:
            d = self.daemon({}, up=(), inherited=s)
            wait_for("it is said", lambda: "accepting at" in d.logged())
        self.assertIsNone(d.who("ws"))

    def test_drain_waits_for_streams(self):
        a = self.central("a")
        d = self.daemon({"a": a.address})
        s = d.ask("keep")
        exactly(s, 2)
        d.call("io.oxpulse.Edge.Drain")
        self.assertIsNone(d.who())
        self.assertEqual(d.metric("tunnel_refused_total", reason="draining"), 1)
        s.sendall(b"on")
        self.assertEqual(exactly(s, 2), b"on")
        s.close()
        self.assertEqual(d.process.wait(10), 0)

    def test_killed_and_started_again_it_has_the_same_sockets(self):
        a = self.central("a")
        d = self.daemon({"a": a.address}, inherited=True)
        self.assertEqual(d.who(), "a")
        d.process.kill()
        d.process.wait()
        waiting = d.ask("who")      # in the backlog, while nobody is there
        os.unlink(d.path("control"))
        d.start()
        self.assertEqual(read_all(waiting), b"a\n")
        waiting.close()
        self.assertEqual(d.who("ws"), "a")
        d.wait_state("a", "up")     # its channel's socket was stale
        self.assertEqual(d.who("channels/a"), "a")
        d.process.terminate()
        d.process.wait()
        self.assertTrue(os.path.exists(d.path("web")), "not ours to remove")
        self.assertEqual(os.listdir(d.path("channels")), [])

    def test_stale_sockets_go(self):
        a = self.central("a")
        d = self.daemon({"a": a.address})
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(d.path("channels/old"))
        d.process.kill()
        d.process.wait()
        os.unlink(d.path("control"))
        d.start()
        self.assertEqual(os.listdir(d.path("channels")), ["a"])
        self.assertEqual(os.stat(d.path("channels/a")).st_mode & 0o777, 0o660)

    def test_options(self):
        for option, text in (("--dump", "[Channel1]"), ("--man", "Pool.WebOrder"), ("--version", "tunneld")):
            with self.subTest(option), tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
                out = subprocess.run([TUNNELD, option, "-c", f.name], capture_output=True, text=True, timeout=10)
                self.assertEqual(out.returncode, 0)
                self.assertIn(text, out.stdout)
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
            f.write("[Pool]\nWebOrdre=a\n")
            f.flush()
            out = subprocess.run([TUNNELD, "-n", "-c", f.name], capture_output=True, text=True, timeout=10)
            self.assertEqual(out.returncode, 78)
            self.assertIn("did you mean Pool.WebOrder?", out.stderr)


if __name__ == "__main__":
    tap.main()

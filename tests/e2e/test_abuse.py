#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""A real sfud against clients that are wrong, slow, greedy or hostile: what it refuses, with which code, what it counts,
and that those who behave notice nothing.

All traffic stays on 127.0.0.0/8. Python's standard library only: nothing here shares code with what it tests.
"""
import base64
import hashlib
import hmac
import json
import os
import random
import re
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
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
SECRET = b"of nobody's business, 32 characters"
PROTOCOL = "oxpulse-sfu-v1"
RSS_GROWTH_KB = 1024

sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)
import rig  # noqa: E402
import tap  # noqa: E402
from rig import ROOT, wait_for  # noqa: E402

SFUD = rig.program("sfud")


def setUpModule():
    if SFUD is None:
        raise unittest.SkipTest("no sfud in $EDGE_BUILD, build/test or build: ./edge build")


def sdp(name):
    with open(os.path.join(ROOT, "tests", "unit", "sfud", "sdp", name), encoding="ascii", newline="") as f:
        return f.read()


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(room="r", sub=1, lasts=600, secret=SECRET, alg="HS256", **other):
    claims = {"sub": sub, "room": room, "iat": int(time.time()) - 5, "exp": int(time.time()) + lasts, **other}
    signed = ".".join(b64url(json.dumps(part).encode()) for part in ({"alg": alg, "typ": "JWT"}, claims))
    return f"{signed}.{b64url(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


class Sfud:
    """One daemon with a directory, ports and a configuration of its own."""

    def __init__(self, **keys):
        self.dir = tempfile.mkdtemp(prefix="sfud.")
        os.chmod(self.dir, 0o755)
        self.udp, self.ws, self.http = (free_port(k) for k in (socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_STREAM))
        self.keys = {"Media.Port": self.udp, "Media.Bind": "0.0.0.0", "Media.Advertise": "127.0.0.1", "Signal.Port": self.ws,
                     "Signal.SecretFile": f"{self.dir}/secret", "Metrics.Port": self.http,
                     "Control.Socket": f"{self.dir}/control", **{k.replace("_", "."): v for k, v in keys.items()}}
        with open(f"{self.dir}/secret", "wb") as f:
            f.write(SECRET)
        os.chmod(f"{self.dir}/secret", 0o600)
        self.write_conf()
        with open(f"{self.dir}/log", "wb") as log:
            self.child = subprocess.Popen([SFUD, "-c", f"{self.dir}/sfud.conf"], stdout=log, stderr=log)
        wait_for("sfud answers", self.answers)

    def write_conf(self, **keys):
        self.keys.update({k.replace("_", "."): v for k, v in keys.items()})
        sections = {}
        for key, value in self.keys.items():
            sections.setdefault(key.split(".")[0], []).append(f"{key.split('.')[1]}={value}\n")
        with open(f"{self.dir}/sfud.conf", "w", encoding="ascii") as f:
            f.write("".join(f"[{name}]\n{''.join(rows)}" for name, rows in sections.items()))

    def answers(self):
        if self.child.poll() is not None:
            raise AssertionError("sfud ended:\n" + self.log())
        try:
            return self.metrics()
        except OSError:
            return False

    def log(self):
        with open(f"{self.dir}/log", encoding="utf-8") as f:
            return f.read()

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=10) as reply:
            text = reply.read().decode()
        return {re.sub(r'edge_id="local",?', "", name).replace("{}", ""): float(value)
                for name, value in (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))}

    def metric(self, name):
        return self.metrics()[name]

    def rss_kb(self):
        with open(f"/proc/{self.child.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])

    def control(self):
        return Control(f"{self.dir}/control")

    def ask(self, method, **parameters):
        control = self.control()
        try:
            return control.call(method, **parameters)
        finally:
            control.close()

    def subs(self, room):
        rooms = self.ask("io.oxpulse.Sfu.ListRooms")["parameters"]["rooms"]
        return sorted(m["sub"] for r in rooms if r["name"] == room for m in r["members"])

    def stop(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Control:
    """A client of the control socket."""

    def __init__(self, path, uid=None):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        if uid is not None:
            os.seteuid(uid)
        try:
            self.socket.connect(path)
        finally:
            if uid is not None:
                os.seteuid(0)

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass    # refused before it was all sent

    def call(self, method, **parameters):
        self.send(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")
        data = b""
        while not data.endswith(b"\0"):
            more = self.socket.recv(65536)
            if not more:
                raise AssertionError("closed")
            data += more
        return json.loads(data[:-1])

    def is_closed(self):
        try:
            return self.socket.recv(65536) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()


class Refused(Exception):
    def __init__(self, status):
        super().__init__(f"status {status}")
        self.status = status


class WebSocket:
    """RFC 6455's client side, with the freedom to break it. Raises Refused with the status when there is no upgrade."""
    TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

    def __init__(self, sfud, path="/sfu/ws/r", protocols=(PROTOCOL,), method="GET", headers=(), upgrade=True):
        self.socket = socket.create_connection(("127.0.0.1", sfud.ws), 10)
        self.data = b""
        lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
        if upgrade:
            lines += ["Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
        if protocols:
            lines.append("Sec-WebSocket-Protocol: " + ", ".join(protocols))
        self.socket.sendall("".join(line + "\r\n" for line in [*lines, ""]).encode())
        while b"\r\n\r\n" not in self.data:
            self.more()
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        self.head = head.decode()
        status = int(self.head.split()[1])
        if status != 101:
            self.socket.close()
            raise Refused(status)

    def more(self):
        got = self.socket.recv(65536)
        if not got:
            raise EOFError
        self.data += got

    def frame(self, opcode, payload=b"", final=True, masked=True, length=None):
        n = len(payload) if length is None else length
        head = bytes([opcode | (0x80 if final else 0)])
        bit = 0x80 if masked else 0
        head += bytes([bit | n]) if n < 126 else bytes([bit | 126]) + struct.pack(">H", n) if n < 65536 else \
            bytes([bit | 127]) + struct.pack(">Q", n)
        if masked:
            head += b"\0\0\0\0"    # a mask that changes nothing
        self.socket.sendall(head + payload)

    def text(self, message):
        self.frame(self.TEXT, (message if isinstance(message, str) else json.dumps(message)).encode())

    def take(self, n):
        while len(self.data) < n:
            self.more()
        got, self.data = self.data[:n], self.data[n:]
        return got

    def receive(self, seconds=10):
        """The next frame: (opcode, payload)."""
        self.socket.settimeout(seconds)
        first, second = self.take(2)
        n = second & 0x7F
        if n > 125:
            n = struct.unpack(">H", self.take(2))[0] if n == 126 else struct.unpack(">Q", self.take(8))[0]
        return first & 0x0F, self.take(n)

    def message(self, key, seconds=10):
        """The next JSON message that has this kind or type."""
        while True:
            opcode, payload = self.receive(seconds)
            if opcode == self.TEXT:
                got = json.loads(payload)
                if key in (got.get("kind"), got.get("type")):
                    return got
            elif opcode == self.CLOSE:
                raise AssertionError(f"closed with {payload}")

    def closed(self, seconds=10):
        """(code, reason) of the close frame, skipping what comes before."""
        while True:
            opcode, payload = self.receive(seconds)
            if opcode == self.CLOSE:    # 1005: it had none (RFC 6455 7.1.5)
                return struct.unpack(">H", payload[:2])[0] if payload else 1005, payload[2:].decode()

    def is_open(self):
        """It answers a ping, and no close came before that."""
        probe = os.urandom(8)
        self.frame(self.PING, probe)
        while True:
            opcode, payload = self.receive()
            if opcode == self.CLOSE:
                return False
            if opcode == self.PONG and payload == probe:
                return True

    def close(self):
        self.socket.close()


def dial(sfud, room="r", sub=1, jwt=None, **how):
    return WebSocket(sfud, f"/sfu/ws/{room}", (PROTOCOL, "bearer." + (jwt or token(room, sub))), **how)


def join(sfud, room="r", sub=1):
    """A session with its answer."""
    ws = dial(sfud, room, sub)
    ws.text({"kind": "offer", "sdp": sdp("chromium_av.sdp")})
    ws.answer = ws.message("answer")["sdp"]
    ws.message("tracks_map")
    return ws


def status_of(*args, **kwargs):
    try:
        WebSocket(*args, **kwargs).close()
        return 101
    except Refused as refused:
        return refused.status


class Checks:
    """ICE connectivity checks of a session, as its browser would send them."""

    def __init__(self, sfud, ws):
        offer = sdp("chromium_av.sdp")
        find = lambda name, text: re.search(rf"a={name}:(\S+)", text)[1]    # noqa: E731
        self.user = f"{find('ice-ufrag', ws.answer)}:{find('ice-ufrag', offer)}".encode()
        self.key = find("ice-pwd", ws.answer).encode()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.connect(("127.0.0.1", sfud.udp))
        self.socket.settimeout(2)

    def request(self, key=None):
        def attribute(kind, value):
            return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)

        def head(length):
            return struct.pack(">HHI", 1, length, 0x2112A442) + self.id

        self.id = os.urandom(12)
        body = attribute(6, self.user) + attribute(0x24, struct.pack(">I", 1)) + attribute(0x802A, os.urandom(8)) + \
            attribute(0x25, b"")
        body += attribute(8, hmac.new(key or self.key, head(len(body) + 24) + body, hashlib.sha1).digest())
        crc = zlib.crc32(head(len(body) + 8) + body) ^ 0x5354554E
        return head(len(body) + 8) + body + attribute(0x8028, struct.pack(">I", crc))

    def answered(self):
        """One check; a lost datagram is asked again, as ICE does."""
        for _ in range(5):
            self.socket.send(self.request())
            try:
                reply = self.socket.recv(2048)
                while reply[8:20] != self.id:
                    reply = self.socket.recv(2048)
                return reply[:2] == b"\x01\x01"
            except TimeoutError:
                continue
        return False

    def close(self):
        self.socket.close()


class WithSfud(unittest.TestCase):
    keys = {}

    @classmethod
    def setUpClass(cls):
        cls.sfud = Sfud(**cls.keys)
        cls.addClassCleanup(cls.sfud.stop)

    def opened(self, ws):
        self.addCleanup(ws.close)
        return ws

    def assertGrows(self, name, by, before):
        wait_for(f"{name} grows by {by} from {before[name]}", lambda: self.sfud.metric(name) == before[name] + by)


class Signalling(WithSfud):
    def test_401_by_reason(self):
        good = token()
        head, claims, mac = good.split(".")
        flipped = b64url(bytes([base64.urlsafe_b64decode(mac + "=")[0] ^ 1]) + base64.urlsafe_b64decode(mac + "=")[1:])
        none = b64url(b'{"alg":"none","typ":"JWT"}')
        rows = [("missing_token", [(PROTOCOL,), (), (PROTOCOL, "bearer."), ("Bearer",)]),
                ("expired_token", [(f"bearer.{token(lasts=-1)}",), (f"bearer.{token(lasts=0)}",)]),
                ("invalid_token", [(f"bearer.{text}",) for text in (
                    "x", "..", f"{head}.{claims}.", f"{head}.{claims}.{flipped}", f"{none}.{claims}.", f"{none}.{claims}.{mac}",
                    token(secret=b"another"), token(alg="HS512"), token(sub="1"), token(sub=-1), token(sub=1.5),
                    token(room=7), token(exp=None), good + "." + mac, good + "A", "A" * 5000)])]
        for reason, protocols in rows:
            name = f'sfu_client_ws_handshake_failures_total{{reason="{reason}"}}'
            before = self.sfud.metrics()
            for offered in protocols:
                with self.subTest(reason, offered=str(offered)[:80]):
                    self.assertEqual(status_of(self.sfud, protocols=offered), 401)
            self.assertGrows(name, len(protocols), before)

    def test_token_forms(self):
        for protocols in ((PROTOCOL, f"bearer.{token()}"), (f"bearer.{token()}", PROTOCOL), (PROTOCOL, f"Bearer {token()}")):
            with self.subTest(protocols[0][:12]):
                ws = self.opened(WebSocket(self.sfud, protocols=protocols))
                self.assertEqual(re.findall(r"(?i)sec-websocket-protocol: *(.*)", ws.head), [PROTOCOL])
                self.assertIn("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", ws.head)

    def test_what_is_no_upgrade(self):
        jwt = ("bearer." + token(),)
        rows = [(404, {"path": "/", "protocols": jwt}), (404, {"path": "/sfu/ws/", "protocols": jwt}),
                (404, {"path": "/sfu/ws/r/x", "protocols": jwt}), (404, {"path": "/sfu/ws/" + "r" * 300, "protocols": jwt}),
                (405, {"method": "POST", "protocols": jwt}), (426, {"upgrade": False}),
                (431, {"headers": [f"X-{i}: {'x' * 900}" for i in range(40)]}), (400, {"headers": ["no colon here"]}),
                (400, {"headers": ["X: a\0b"]})]
        for want, how in rows:
            with self.subTest(want, how=str(how)[:60]):
                self.assertEqual(status_of(self.sfud, **how), want)

    def test_4001_for_another_room(self):
        before = self.sfud.metrics()
        ws = self.opened(WebSocket(self.sfud, "/sfu/ws/elsewhere", (PROTOCOL, "bearer." + token("r"))))
        self.assertEqual(ws.closed(), (4001, "room mismatch"))
        self.assertGrows('sfu_client_ws_handshake_failures_total{reason="room_mismatch"}', 1, before)
        self.assertGrows('sfu_client_ws_session_ended_total{close_code="4001"}', 1, before)
        self.assertEqual(self.sfud.subs("elsewhere"), [])

    def test_4002_for_a_bad_first_message(self):
        good = sdp("chromium_av.sdp")
        rows = [("bad offer", "json_err", ["", "{", "[]", "7", "null", "\x00", '{"kind":"offer"}', '{"kind":"offer","sdp":7}',
                                           '{"kind":"offer","sdp":""}', '{"kind":"ice","candidate":""}',
                                           '{"kind":"bwe-hint","bps":1}', '{"type":"answer-renegotiate","sdp":"x","mid":"0"}',
                                           "[" * 5000, '{"kind":"offer","sdp":"\\ud800"}']),
                ("bad sdp", "sdp_err", [{"kind": "offer", "sdp": text} for text in (
                    "x", "v=0\r\n", good[:200], good.replace("a=ice-ufrag", "a=x"), good.replace("a=fingerprint", "a=x"),
                    good.replace("v=0\r\n", ""), good + "a=" + "y" * 20000 + "\r\n", good.replace("sha-256", "md5"),
                    good + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" * 600)])]
        for reason, outcome, messages in rows:
            before = self.sfud.metrics()
            for sub, message in enumerate(messages, 100):
                with self.subTest(reason, message=str(message)[:60]):
                    ws = self.opened(dial(self.sfud, "bad", sub))
                    ws.text(message)
                    self.assertEqual(ws.closed(), (4002, reason))
            self.assertGrows(f'sfu_client_ws_offer_processed_total{{outcome="{outcome}"}}', len(messages), before)
        wait_for("nobody is left", lambda: self.sfud.subs("bad") == [])

    def test_4002_for_the_late_and_the_end_of_slow_heads(self):
        """All wait at once: 30 s for an offer, 10 s for a request head."""
        before = self.sfud.metrics()
        silent, binary = self.opened(dial(self.sfud, "late", 1)), self.opened(dial(self.sfud, "late", 2))
        binary.frame(WebSocket.BINARY, b'{"kind":"offer"}')
        slow = [socket.create_connection(("127.0.0.1", self.sfud.ws), 10) for _ in range(3)]
        slow[1].sendall(b"GET /sfu/ws/r HTTP/1.1\r\nHost:")
        for s in slow:
            self.addCleanup(s.close)
            s.settimeout(40)

        def drip():
            try:
                for _ in range(60):
                    slow[2].sendall(b"X")
                    time.sleep(0.5)
            except OSError:
                pass

        threading.Thread(target=drip, daemon=True).start()
        for s in slow:
            try:
                self.assertEqual(s.recv(100), b"")
            except ConnectionResetError:
                pass
        for ws in (silent, binary):
            self.assertEqual(ws.closed(45), (4002, "bad offer"))
        self.assertGrows("sfu_client_ws_slow_requests_total", 3, before)
        self.assertGrows('sfu_client_ws_offer_processed_total{outcome="timeout"}', 2, before)
        self.assertGrows("sfu_client_ws_binary_ignored_total", 1, before)

    def test_4031_for_whom_a_newer_session_replaces(self):
        before = self.sfud.metrics()
        first, elsewhere = self.opened(join(self.sfud, "steal", 5)), self.opened(join(self.sfud, "steal2", 5))
        second = self.opened(join(self.sfud, "steal", 5))
        self.assertEqual(first.closed(), (4031, "session_replaced"))
        self.assertTrue(second.is_open())
        self.assertTrue(elsewhere.is_open(), "the same sub in another room is somebody else")
        self.assertGrows("sfu_session_replaced_total", 1, before)
        self.assertEqual(self.sfud.subs("steal"), [5])

    def test_1009_for_the_oversize(self):
        ws = self.opened(join(self.sfud, "large", 1))
        ws.frame(WebSocket.TEXT, b" " * 131072)
        self.assertTrue(ws.is_open(), "the largest message that is allowed")
        before = self.sfud.metrics()
        try:
            ws.frame(WebSocket.TEXT, b" " * 131073)
        except OSError:
            pass    # closed while we were still sending
        self.assertEqual(ws.closed()[0], 1009)
        for length in (1 << 40, (1 << 63) - 1):
            claims = self.opened(join(self.sfud, "large", 2))
            claims.frame(WebSocket.TEXT, b"x", length=length)
            self.assertEqual(claims.closed()[0], 1009)
        pieces = self.opened(join(self.sfud, "large", 3))
        try:
            for i in range(200):
                pieces.frame(WebSocket.TEXT if i == 0 else 0, b" " * 1000, final=False)
        except OSError:
            pass
        self.assertEqual(pieces.closed()[0], 1009)
        self.assertGrows("sfu_client_ws_protocol_errors_total", 4, before)

    def test_1002_for_breaking_the_protocol(self):
        rows = [("unmasked", lambda ws: ws.frame(WebSocket.TEXT, b"{}", masked=False)),
                ("reserved opcode", lambda ws: ws.frame(3, b"")),
                ("long ping", lambda ws: ws.frame(WebSocket.PING, b"x" * 126)),
                ("split ping", lambda ws: ws.frame(WebSocket.PING, b"x", final=False)),
                ("continues nothing", lambda ws: ws.frame(0, b"x"))]
        for name, act in rows:
            with self.subTest(name):
                ws = self.opened(join(self.sfud, "rules", 1))
                act(ws)
                self.assertIn(ws.closed()[0], (1002, 1005))
        ws = self.opened(join(self.sfud, "rules", 2))
        ws.frame(WebSocket.TEXT, b"\xff\xfe")
        self.assertEqual(ws.closed()[0], 1007)

    def test_what_is_no_harm_is_ignored(self):
        ws = self.opened(join(self.sfud, "odd", 1))
        before = self.sfud.metrics()
        for message in ("{", "[1,2", {"kind": "nonsense"}, {"kind": "ice", "candidate": "x"}, {"kind": "offer", "sdp": "v=0"},
                        {"type": "answer-renegotiate", "sdp": "v=0", "mid": "9"}, {"kind": "bwe-hint", "bps": -1}):
            ws.text(message)
        ws.frame(WebSocket.BINARY, os.urandom(1000))
        self.assertTrue(ws.is_open())
        self.assertGrows("sfu_client_ws_binary_ignored_total", 1, before)
        self.assertGrows('sfu_sfu_renegotiation_answers_total{outcome="state_mismatch"}', 1, before)
        self.assertEqual(self.sfud.subs("odd"), [1])

    def test_an_offer_in_pieces_is_answered(self):
        ws = self.opened(dial(self.sfud, "pieces", 1))
        offer = json.dumps({"kind": "offer", "sdp": sdp("firefox_av.sdp")}).encode()
        for at in range(0, len(offer), 700):
            ws.frame(WebSocket.TEXT if at == 0 else 0, offer[at:at + 700], final=at + 700 >= len(offer))
            ws.frame(WebSocket.PING, b"between")
        self.assertIn("a=ice-lite", ws.message("answer")["sdp"])


class Idle(WithSfud):
    keys = {"Signal_Ping": "1s"}

    def test_the_silent_are_pinged_then_closed(self):
        lively, silent = self.opened(join(self.sfud, "r", 1)), self.opened(join(self.sfud, "r", 2))
        stop = threading.Event()

        def pong():
            while not stop.is_set():
                try:
                    opcode, payload = lively.receive(5)
                except TimeoutError:
                    continue
                if opcode == WebSocket.PING:
                    lively.frame(WebSocket.PONG, payload)

        thread = threading.Thread(target=pong, daemon=True)
        thread.start()
        pings = 0
        with self.assertRaises((EOFError, ConnectionResetError)):
            while True:
                pings += silent.receive(20)[0] == WebSocket.PING
        self.assertGreaterEqual(pings, 2)
        wait_for("one session is left", lambda: self.sfud.metric("sfu_client_ws_active_sessions") == 1)
        stop.set()
        thread.join(10)
        self.assertTrue(lively.is_open())


class Capacity(WithSfud):
    keys = {"Rooms_MaxParticipants": 2}

    def test_503_at_capacity(self):
        before = self.sfud.metrics()
        sessions = [self.opened(join(self.sfud, "r", sub)) for sub in (1, 2)]
        for _ in range(3):
            with self.assertRaises(Refused) as refused:
                dial(self.sfud, "r", 3)
            self.assertEqual(refused.exception.status, 503)
        with self.assertRaises(Refused) as refused:
            dial(self.sfud, "r", 3, jwt="x")
        self.assertEqual(refused.exception.status, 401, "the door first, then the count")
        self.assertGrows('sfu_sfu_admission_rejected_total{reason="at_capacity"}', 3, before)
        sessions[0].close()
        wait_for("a free place", lambda: self.sfud.metric("sfu_client_ws_active_sessions") == 1)
        self.assertTrue(self.opened(join(self.sfud, "r", 3)).is_open())
        self.assertTrue(sessions[1].is_open())

    def test_idle_connections_do_not_keep_others_out_for_long(self):
        hogs = []
        self.addCleanup(lambda: [s.close() for s in hogs])
        for _ in range(300):
            hogs.append(socket.create_connection(("127.0.0.1", self.sfud.ws), 10))

        def works():
            try:
                dial(self.sfud, "hogs", 1).close()
                return True
            except Refused as refused:
                return refused.status == 503
            except (OSError, EOFError):
                return False

        wait_for("an honest client gets an answer", works, 40)


class Floods(WithSfud):
    PACKETS = 50_000

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.senders = []
        for last in range(2, 34):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((f"127.0.0.{last}", 0))
            s.connect(("127.0.0.1", cls.sfud.udp))
            cls.senders.append(s)
            cls.addClassCleanup(s.close)

    def kinds(self):
        """Datagrams of strangers, and the reason they are counted under."""
        dice = random.Random(8)
        user = struct.pack(">HH", 6, 9) + b"nope:nope" + bytes(3)
        stun = struct.pack(">HHI", 1, len(user), 0x2112A442)
        return {
            "stun_malformed": [b"\0\1" + dice.randbytes(n) for n in (18, 40, 200)] + [stun + dice.randbytes(12)],
            "stun_unexpected": [stun + dice.randbytes(12) + user, b"\1\1\0\0\x21\x12\xa4\x42" + dice.randbytes(12)],
            "unknown_path": [b"\x16\xfe\xfd" + dice.randbytes(100), b"\x80\x60" + dice.randbytes(1000),
                             b"\x80\xc8" + dice.randbytes(60), b"\x17\xfe\xfd" + dice.randbytes(1200)],
            "unknown_kind": [b"", b"\0", b"\xff" * 100, b"\x50" * 20, b"\x7f" + dice.randbytes(500)],
        }

    def flood(self, datagrams, count):
        """Until that many have arrived: what the kernel drops for want of room is not sfud's doing."""
        start = self.sfud.metric("sfu_udp_received_datagrams_total") + self.sfud.metric("sfu_udp_truncated_total")
        sent = 0
        end = time.monotonic() + 120
        while time.monotonic() < end:
            for _ in range(2000):
                try:
                    self.senders[sent % len(self.senders)].send(datagrams[sent % len(datagrams)])
                except ConnectionRefusedError:
                    raise AssertionError("sfud's socket is gone") from None
                sent += 1
                if sent % 100 == 0:
                    time.sleep(0.0005)
            m = self.sfud.metrics()
            got = m["sfu_udp_received_datagrams_total"] + m["sfu_udp_truncated_total"] - start
            if got >= count:
                return int(got)
        raise AssertionError(f"{sent} sent, {got} of {count} arrived within 120 s")

    def session(self, room):
        ws = self.opened(join(self.sfud, room, 1))
        checks = Checks(self.sfud, ws)
        self.addCleanup(checks.close)
        self.assertTrue(checks.answered(), "the first check")
        return ws, checks

    def test_strangers_are_counted_by_reason(self):
        for reason, datagrams in self.kinds().items():
            for i, datagram in enumerate(datagrams):
                with self.subTest(reason, number=i):
                    name = f'sfu_drops_total{{reason="{reason}"}}'
                    before = self.sfud.metrics()
                    self.senders[0].send(datagram)
                    self.assertGrows(name, 1, before)

    def test_wrong_integrity(self):
        _, checks = self.session("key")
        before = self.sfud.metrics()
        for _ in range(10):
            self.senders[0].send(checks.request(key=b"guess"))
        self.assertGrows('sfu_drops_total{reason="stun_integrity"}', 10, before)
        self.assertTrue(checks.answered())

    def test_garbage_from_the_peer_itself(self):
        ws, checks = self.session("self")
        before = self.sfud.metrics()
        for _ in range(200):
            checks.socket.send(b"\x16\xfe\xfd" + os.urandom(80))
            checks.socket.send(b"\x80\x60" + os.urandom(300))
        wait_for("early media is dropped", lambda: self.sfud.metric('sfu_drops_total{reason="srtp_early"}') >=
                 before['sfu_drops_total{reason="srtp_early"}'] + 100)
        self.assertGreater(self.sfud.metric('sfu_drops_total{reason="dtls_malformed"}'),
                           before['sfu_drops_total{reason="dtls_malformed"}'])
        self.assertTrue(checks.answered())
        self.assertTrue(ws.is_open())

    def test_floods_cost_no_memory_and_no_session(self):
        ws, checks = self.session("flood")
        every = [d for datagrams in self.kinds().values() for d in datagrams] + [b"\x80" * 10_000, b"\x16" * 10_000, b"\0" * 9000]
        self.flood(every, 4000)    # every buffer is touched once
        before, rss = self.sfud.metrics(), self.sfud.rss_kb()
        answered = [0, 0]
        stop = threading.Event()

        def keep_checking():
            while not stop.is_set():
                answered[checks.answered()] += 1
                time.sleep(0.05)

        thread = threading.Thread(target=keep_checking)
        thread.start()
        try:
            got = self.flood(every, self.PACKETS)
        finally:
            stop.set()
            thread.join(20)
        after = self.sfud.metrics()
        grown = self.sfud.rss_kb() - rss
        drops = {name: after[name] - before[name] for name in after if name.startswith("sfu_drops") and after[name] > before[name]}
        truncated = after["sfu_udp_truncated_total"] - before["sfu_udp_truncated_total"]
        print(f"# {got} datagrams, {truncated:.0f} of them too large, RSS {rss} kB {grown:+d} kB, checks answered: "
              f"{answered[1]}, not: {answered[0]}; {drops}")
        self.assertLessEqual(grown, RSS_GROWTH_KB)
        self.assertEqual(answered[0], 0, "a session's checks were lost")
        self.assertGreater(answered[1], 0)
        self.assertGreater(truncated, 0)
        for reason in self.kinds():
            self.assertGreater(drops.get(f'sfu_drops_total{{reason="{reason}"}}', 0), self.PACKETS / 50, reason)
        self.assertTrue(ws.is_open())
        self.assertEqual(self.sfud.subs("flood"), [1])

    def test_sessions_that_come_and_go_cost_no_memory(self):
        def churn(times):
            for i in range(times):
                ws = join(self.sfud, f"churn{i % 7}", i % 5 + 1)
                ws.frame(WebSocket.CLOSE, struct.pack(">H", 1000))
                ws.close()

        churn(300)
        rss = self.sfud.rss_kb()
        churn(900)
        grown = self.sfud.rss_kb() - rss
        print(f"# 900 sessions, RSS {rss} kB {grown:+d} kB")
        self.assertLessEqual(grown, RSS_GROWTH_KB)
        wait_for("the rooms empty", lambda: all(self.sfud.subs(f"churn{i}") == [] for i in range(7)), 30)


class ControlSocket(WithSfud):
    def test_garbage_closes_that_client_only(self):
        witness = self.sfud.control()
        self.addCleanup(witness.close)
        self.assertEqual(witness.call("io.oxpulse.Edge.Status")["parameters"]["state"], "serving")
        rows = [b"garbage\0", b"\0", b"{}\0", b"[]\0", b'{"method":7}\0', b'{"method":"x","parameters":[]}\0', b"x" * 70_000,
                b"[" * 60_000 + b"\0", b'{"method":"io.oxpulse.Edge.Status","parameters":{"x":"' + b"y" * 2000 + b'"}}\0',
                b'{"method":"\xff"}\0', os.urandom(5000).replace(b"\0", b"\1") + b"\0"]
        for row in rows:
            with self.subTest(row[:40]):
                before = self.sfud.metrics()
                client = self.sfud.control()
                self.addCleanup(client.close)
                client.send(row)
                self.assertTrue(client.is_closed())
                self.assertGrows("sfu_control_refused_total", 1, before)
        self.assertEqual(witness.call("io.oxpulse.Edge.Status")["parameters"]["state"], "serving")

    def test_errors_have_names(self):
        rows = [("io.oxpulse.Edge.Nothing", {}, "org.varlink.service.MethodNotFound"),
                ("io.oxpulse.Edge.Drain", {"limit": "soon"}, "org.varlink.service.InvalidParameter"),
                ("io.oxpulse.Edge.Drain", {"limit": -1}, "org.varlink.service.InvalidParameter"),
                ("io.oxpulse.Edge.SetLogLevel", {"level": "loud"}, "org.varlink.service.InvalidParameter")]
        for method, parameters, error in rows:
            with self.subTest(method, parameters=parameters):
                self.assertEqual(self.sfud.ask(method, **parameters)["error"], error)
        self.assertEqual(self.sfud.ask("io.oxpulse.Edge.Status")["parameters"]["state"], "serving")

    def test_more_clients_than_places(self):
        clients = []
        self.addCleanup(lambda: [c.close() for c in clients])
        for _ in range(100):
            clients.append(self.sfud.control())
        for c in clients:
            c.close()

        def works():
            try:
                return "parameters" in self.sfud.ask("io.oxpulse.Edge.Status")
            except (OSError, AssertionError):
                return False

        wait_for("the socket answers again", works)

    @unittest.skipUnless(os.geteuid() == 0, "only root can ask as another user")
    def test_other_users_may_nothing(self):
        for method in ("Edge.Status", "Edge.Reload", "Edge.Drain", "Edge.Metrics", "Edge.SetLogLevel", "Sfu.ListRooms"):
            with self.subTest(method):
                client = Control(f"{self.sfud.dir}/control", uid=65534)
                self.addCleanup(client.close)
                self.assertEqual(client.call(f"io.oxpulse.{method}")["error"], "org.varlink.service.PermissionDenied")
        self.assertEqual(self.sfud.ask("io.oxpulse.Edge.Status")["parameters"]["state"], "serving")


class Lifecycle(unittest.TestCase):
    def started(self, **keys):
        sfud = Sfud(**keys)
        self.addCleanup(sfud.stop)
        return sfud

    def test_a_bad_file_changes_nothing(self):
        sfud = self.started(Rooms_MaxParticipants=2)
        ws = join(sfud, "r", 1)
        self.addCleanup(ws.close)
        sfud.write_conf(Rooms_MaxParticipants="many")
        sfud.child.send_signal(signal.SIGHUP)
        wait_for("file and line in the log", lambda: re.search(r"sfud\.conf:\d+: ", sfud.log()))
        self.assertEqual(sfud.ask("io.oxpulse.Edge.Reload")["error"], "io.oxpulse.Edge.InvalidConfiguration")
        os.unlink(f"{sfud.dir}/sfud.conf")
        self.assertEqual(sfud.ask("io.oxpulse.Edge.Reload")["error"], "io.oxpulse.Edge.InvalidConfiguration")
        self.assertTrue(ws.is_open())
        second = join(sfud, "r", 2)
        self.addCleanup(second.close)
        with self.assertRaises(Refused):
            dial(sfud, "r", 3)
        self.assertIsNone(sfud.child.poll())

    def test_a_good_file_is_taken(self):
        sfud = self.started(Rooms_MaxParticipants=2)
        ws = join(sfud, "r", 1)
        self.addCleanup(ws.close)
        sfud.write_conf(Rooms_MaxParticipants=1, Media_Port=sfud.udp + 1)
        self.assertEqual(sfud.ask("io.oxpulse.Edge.Reload"), {"parameters": {"restart": ["Media.Port"]}})
        with self.assertRaises(Refused) as refused:
            dial(sfud, "r", 2)
        self.assertEqual(refused.exception.status, 503)
        self.assertTrue(ws.is_open())

    def test_sigterm_closes_with_1001(self):
        sfud = self.started()
        sessions = [join(sfud, room, sub) for room in "ab" for sub in (1, 2)] + [dial(sfud, "c", 1)]
        for ws in sessions:
            self.addCleanup(ws.close)
        sfud.child.terminate()
        for ws in sessions:
            self.assertEqual(ws.closed(), (1001, "shutting down"))
        self.assertEqual(sfud.child.wait(10), 0)

    def test_drain(self):
        sfud = self.started()
        ws = join(sfud, "r", 1)
        self.addCleanup(ws.close)
        self.assertEqual(sfud.ask("io.oxpulse.Edge.Drain"), {"parameters": {"sessions": 1}})
        self.assertEqual(sfud.ask("io.oxpulse.Edge.Status")["parameters"]["state"], "draining")
        with self.assertRaises(Refused) as refused:
            dial(sfud, "r", 2)
        self.assertEqual(refused.exception.status, 503)
        self.assertEqual(sfud.metric('sfu_sfu_admission_rejected_total{reason="draining"}'), 1)
        self.assertTrue(ws.is_open())
        self.assertIsNone(sfud.child.poll())
        ws.close()
        self.assertEqual(sfud.child.wait(10), 0)

    def test_a_drain_has_an_end(self):
        sfud = self.started()
        ws = join(sfud, "r", 1)
        self.addCleanup(ws.close)
        sfud.ask("io.oxpulse.Edge.Drain", limit=1)
        self.assertEqual(ws.closed(), (1001, "shutting down"))
        self.assertEqual(sfud.child.wait(10), 0)


if __name__ == "__main__":
    tap.main()

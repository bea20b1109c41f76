#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""healthd's probes against a real turnd and a real sfud: satisfied when they serve, with the right reason when they do not, and
nothing left in either.

All traffic stays in a network of its own (turnrun.py).
"""
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))

sys.path[:0] = [HERE, os.path.dirname(HERE)]
import tap  # noqa: E402
import test_abuse  # noqa: E402
import turnrun  # noqa: E402

PROBES = 100


def find_driver():
    if not turnrun.TURND:
        return None
    path = os.path.join(os.path.dirname(turnrun.TURND), "..", "..", "tests", "unit", "healthd", "probe_run")
    return os.path.abspath(path) if os.access(path, os.X_OK) else None


DRIVER = find_driver()


def setUpModule():
    if DRIVER is None:
        raise unittest.SkipTest("no probe_run in $EDGE_BUILD, build/test or build: ./edge build")
    test_abuse.setUpModule()
    turnrun.prepare()


def probes(kind, **keys):
    """What came of each probe, in order."""
    keys.setdefault("timeout", 3000)
    done = subprocess.run([DRIVER, kind, *(f"{k}={v}" for k, v in keys.items())], capture_output=True, text=True, timeout=120)
    if done.stderr or done.returncode > 1:
        raise AssertionError(f"probe_run {kind}: {done.returncode} {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def probe(kind, **keys):
    return probes(kind, **keys)[0]


def put(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)
    os.chmod(path, 0o600)
    return path


class Case(unittest.TestCase):
    def assert_ok(self, got, mode):
        self.assertEqual((got["ok"], got["mode"], got["reason"], got["cause"]), (True, mode, "", ""))

    def assert_failed(self, got, reason, *words):
        self.assertEqual((got["ok"], got["reason"]), (False, reason), got)
        self.assertTrue(got["cause"] and got["fix"], got)
        for word in words:
            self.assertIn(word, got["cause"])


class OfTurnd(Case):
    @classmethod
    def setUpClass(cls):
        cls.turnd = turnrun.Turnd()
        cls.addClassCleanup(cls.turnd.stop)
        cls.keys = {"at": f"{cls.turnd.ip}:3478", "secret": f"{cls.turnd.dir}/secret"}
        cls.tls = {**cls.keys, "at": f"{cls.turnd.ip}:5349", "transport": "tls", "name": "turn.test",
                   "ca": f"{cls.turnd.dir}/cert.pem"}

    def sessions(self, turnd=None):
        return (turnd or self.turnd).ask("io.oxpulse.Turn.ListSessions")["parameters"]["total"]

    def test_serves_over_every_transport(self):
        for keys in (self.keys, {**self.keys, "transport": "tcp"}, self.tls, {**self.keys, "at": f"[{self.turnd.ip6}]:3478"}):
            with self.subTest(keys=keys):
                got = probe("turn", **keys)
                self.assert_ok(got, "allocate")
                self.assertEqual(got["until"] > 0, keys is self.tls)

    def test_a_hundred_probes_leave_nothing(self):
        before = self.turnd.sum("turn_hairpin_packets_total")
        got = probes("turn", **self.keys, count=PROBES)
        self.assertEqual(len([g for g in got if g["ok"]]), PROBES)
        self.assertEqual(self.sessions(), 0)
        self.assertEqual(self.turnd.sum("turn_hairpin_packets_total") - before, 2 * PROBES)

    def test_cancelled_probes_leave_nothing(self):
        for transport in ("udp", "tcp"):
            for _ in range(5):
                probes("turn", **self.keys, transport=transport, cancel=1, count=3)
        turnrun.wait_for("all is released", lambda: self.sessions() == 0)

    def test_a_secret_that_differs(self):
        wrong = put(f"{self.turnd.dir}/wrong", "another one\n")
        self.assert_failed(probe("turn", **{**self.keys, "secret": wrong}), "auth", "credential")

    def test_a_realm_that_differs(self):
        self.assert_ok(probe("turn", **self.keys, realm="oxpulse"), "allocate")
        self.assert_failed(probe("turn", **self.keys, realm="example"), "garbage")

    def test_without_a_secret_it_is_less(self):
        self.assert_ok(probe("turn", at=self.keys["at"]), "stun-degraded")

    def test_the_quota(self):
        turnd = turnrun.Turnd(Policy_UserQuota=1)
        self.addCleanup(turnd.stop)
        got = probe("turn", at=f"{turnd.ip}:3478", secret=f"{turnd.dir}/secret")
        self.assert_failed(got, "auth-486", "quota")
        self.assertIn("ListSessions", got["fix"])
        self.assertEqual(self.sessions(turnd), 0)

    def test_a_draining_one(self):
        turnd = turnrun.Turnd()
        self.addCleanup(turnd.stop)
        client = turnd.client()
        client.allocate()
        turnd.ask("io.oxpulse.Edge.Drain")
        self.assert_failed(probe("turn", at=f"{turnd.ip}:3478", secret=f"{turnd.dir}/secret"), "auth-508", "draining")

    def test_nobody_there(self):
        for transport in ("udp", "tcp", "tls"):
            got = probe("turn", **{**self.tls, "at": f"{self.turnd.ip}:1", "transport": transport})
            self.assert_failed(got, "refused", f"{self.turnd.ip}:1")

    def test_one_that_hangs(self):
        turnd = turnrun.Turnd()
        self.addCleanup(turnd.stop)
        turnd.child.send_signal(signal.SIGSTOP)
        try:
            for transport in ("udp", "tcp", "tls"):
                port = 5349 if transport == "tls" else 3478
                got = probe("turn", at=f"{turnd.ip}:{port}", secret=f"{turnd.dir}/secret", transport=transport, name="turn.test",
                            timeout=600)
                self.assert_failed(got, "timeout")
        finally:
            turnd.child.send_signal(signal.SIGCONT)
        turnrun.wait_for("what it then granted is released, too", lambda: self.sessions(turnd) == 0)

    def test_certificates(self):
        self.assert_failed(probe("turn", **{**self.tls, "name": "other.test"}), "tls", "hostname mismatch")
        self.assert_failed(probe("turn", **{**self.tls, "ca": "/dev/null"}), "tls", "CA file")
        self.assert_failed(probe("stun", **{**self.tls, "ca": ""}), "tls", "self-signed")
        self.assert_failed(probe("stun", **{**self.tls, "at": f"{self.turnd.ip}:3478"}), "tls")
        self.assert_ok(probe("stun", **self.tls), "stun")

    def test_somebody_else_there(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((self.turnd.ip, 0))
            echo = threading.Thread(target=self.echo, args=(s,), daemon=True)
            echo.start()
            got = probe("turn", **{**self.keys, "at": f"{self.turnd.ip}:{s.getsockname()[1]}"}, timeout=600)
            s.settimeout(0.01)
            echo.join(5)
        self.assert_failed(got, "garbage")

    @staticmethod
    def echo(s):
        s.settimeout(3)
        try:
            while True:
                data, source = s.recvfrom(2048)
                s.sendto(data, source)
        except OSError:
            pass

    def test_of_its_metrics_page(self):
        url = f"http://127.0.0.1:{self.turnd.http}"
        self.assert_ok(probe("http", url=f"{url}/metrics", want="turn_allocations"), "http")
        self.assert_failed(probe("http", url=f"{url}/metrics", want="no such words"), "garbage", "no such words")
        self.assert_failed(probe("http", url=f"{url}/nothing", what="the page"), "status", "the page", "404")
        self.assert_failed(probe("http", url="http://127.0.0.1:1/"), "refused")
        self.assert_failed(probe("http", url="http://x/", socket=f"{self.turnd.dir}/missing"), "refused")
        self.assert_failed(probe("http", url=f"https://{self.turnd.ip}:5349/", ca=f"{self.turnd.dir}/cert.pem"), "tls")


class OfSfud(Case):
    def setUp(self):
        self.sfud = test_abuse.Sfud()
        self.addCleanup(self.sfud.stop)
        self.keys = {"at": f"127.0.0.1:{self.sfud.ws}", "secret": f"{self.sfud.dir}/secret"}

    def test_serves_and_keeps_nothing(self):
        got = probes("sfu", **self.keys, count=PROBES)
        self.assertEqual(len([g for g in got if g["ok"] and g["mode"] == "signal-media"]), PROBES)
        self.assertEqual(self.sfud.ask("io.oxpulse.Edge.Status")["parameters"]["sessions"], 0)
        ended = self.sfud.metrics()['sfu_client_ws_session_ended_total{close_code="1000"}']
        self.assertEqual(ended, PROBES)    # each said goodbye
        turnrun.wait_for("the rooms end", lambda: not self.sfud.ask("io.oxpulse.Sfu.ListRooms")["parameters"]["rooms"], 15)

    def test_cancelled_probes_leave_nothing(self):
        for _ in range(10):
            probes("sfu", **self.keys, cancel=1, count=3)
        turnrun.wait_for("no session", lambda: self.sfud.ask("io.oxpulse.Edge.Status")["parameters"]["sessions"] == 0)

    def test_a_secret_that_differs(self):
        wrong = put(f"{self.sfud.dir}/wrong", "another one\n")
        self.assert_failed(probe("sfu", **{**self.keys, "secret": wrong}), "auth", "room token")
        self.assert_failed(probe("sfu", at=self.keys["at"]), "auth", "no secret")

    def test_media_that_nobody_hears(self):
        self.assert_failed(probe("sfu", **self.keys, media="127.0.0.1:1"), "refused", "127.0.0.1:1")
        self.assert_ok(probe("sfu", **self.keys, media=f"127.0.0.1:{self.sfud.udp}"), "signal-media")
        self.assertEqual(self.sfud.ask("io.oxpulse.Edge.Status")["parameters"]["sessions"], 0)

    def test_media_that_is_lost(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            got = probe("sfu", **self.keys, media=f"127.0.0.1:{s.getsockname()[1]}", timeout=800)
        self.assert_failed(got, "timeout", "ICE")

    def test_one_that_hangs(self):
        self.sfud.child.send_signal(signal.SIGSTOP)
        try:
            self.assert_failed(probe("sfu", **self.keys, timeout=600), "timeout", "upgrade")
        finally:
            self.sfud.child.send_signal(signal.SIGCONT)

    def test_one_that_is_full(self):
        sfud = test_abuse.Sfud(Rooms_MaxParticipants=1)
        self.addCleanup(sfud.stop)
        guest = test_abuse.join(sfud)
        got = probe("sfu", at=f"127.0.0.1:{sfud.ws}", secret=f"{sfud.dir}/secret")
        self.assert_failed(got, "status", "503")
        guest.close()

    def test_nobody_there_and_somebody_else(self):
        self.assert_failed(probe("sfu", **{**self.keys, "at": "127.0.0.1:1"}), "refused")
        self.assert_failed(probe("sfu", **{**self.keys, "at": f"127.0.0.1:{self.sfud.http}"}), "status", "404")


class OfPeers(Case):
    INTERNAL = ("127.0.0.1", "127.1", "0x7f000001", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::127.0.0.1", "::1", "::",
                "0.0.0.0", "10.0.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "fd00::1", "fe80::1", "2002:7f00:1::1",
                "localhost")

    def test_what_leads_inside_gets_no_packet(self):
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp, socket.socket(socket.AF_INET6) as tcp:
            udp.bind(("::", 0))
            port = udp.getsockname()[1]
            tcp.bind(("::", port))
            tcp.listen(8)
            for host in self.INTERNAL:
                for transport in ("udp", "tls"):
                    with self.subTest(host=host, transport=transport):
                        got = probe("peer", host=host, port=port, transport=transport, timeout=600)
                        self.assert_failed(got, "internal-address", "nothing was sent")
            for s in (udp, tcp):
                s.settimeout(0.1)
            self.assertRaises(TimeoutError, udp.recv, 10)
            self.assertRaises(TimeoutError, tcp.accept)

    def test_a_peer_outside(self):
        turnd = turnrun.Turnd(Server_Listen="9.9.9.9", Server_ListenTls="9.9.9.9")
        self.addCleanup(turnd.stop)
        self.assert_ok(probe("peer", host="9.9.9.9"), "peer")
        self.assert_failed(probe("peer", host="9.9.9.9", port=1), "refused")
        got = probe("peer", host="9.9.9.9", port=5349, transport="tls", ca=f"{turnd.dir}/cert.pem")
        self.assert_failed(got, "tls", "IP address mismatch")

    def test_no_such_name(self):
        self.assert_failed(probe("peer", host="nosuchname.invalid"), "no-address", "nosuchname.invalid")
        self.assert_failed(probe("peer", host=""), "no-address")


if __name__ == "__main__":
    tap.main()

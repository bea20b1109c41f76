#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""turnd and the clients of others: coturn's utilities, aioice and aiortc, pion. In a network of its own, where every address
is this machine's.

What is not asked of turnutils_uclient, and why: -R waits for ever for answers that no server owes it, coturn's neither; -P
wants a peer that nobody provides (incoming streams are part of -T); -J, -U and -b are about mechanisms turnd does not have.
"""
import asyncio
import os
import random
import re
import shutil
import ssl
import subprocess
import sys
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
import tap  # noqa: E402
import turnrun  # noqa: E402
import turnwire  # noqa: E402
from turnrun import Peer, Turnd, echo, new_source, wait_for  # noqa: E402

GLOBAL_PEER, ALLOWED_PEER = "9.9.9.9", "2001:db8::28"
TO_PEER, TO_CLIENT = (f'turn_relayed_packets_total{{direction="{way}"}}' for way in ("to_peer", "to_client"))
PAYLOADS = [random.Random(n).randbytes(n) for n in (1, 2, 3, 4, 5, 100, 1000, 1200)]


pion = None    # the program, or the exception that says why there is none


def setUpModule():
    global pion
    if turnrun.TURND is not None:
        try:
            pion = build_pion()    # its modules come from outside
        except (unittest.SkipTest, AssertionError, subprocess.TimeoutExpired) as e:
            pion = e
    turnrun.prepare()


def end_sessions(turnd):
    """What a client has left behind: nothing else may remain."""
    for session in turnd.ask("io.oxpulse.Turn.ListSessions")["parameters"]["sessions"]:
        turnd.ask("io.oxpulse.Turn.EndSession", id=session["id"])
    wait_for("no allocation is left", lambda: turnd.metric("turn_allocations") == 0)


# --- coturn's utilities ---

MESSAGES = 20
# Relays of MESSAGES messages there and back: what the row claims, options, how many of them at once, the server's family.
UCLIENT = {
    "udp, indications, RTP and RTCP pairs": ("-s -e PEER", 2, 4),
    "udp, DONT-FRAGMENT, extra requests": ("-s -g -G -e PEER", 2, 4),
    "udp, channels": ("-c -e PEER", 1, 4),
    "udp, seven clients": ("-s -c -m 7 -e PEER", 7, 4),
    "udp, random disconnects": ("-s -B -e PEER", 2, 4),
    "udp, wrong requests in between": ("-s -N -e PEER", 2, 4),
    "tcp, indications": ("-s -t -e PEER", 2, 4),
    "tcp, channels": ("-c -t -e PEER", 1, 4),
    "tls, indications": ("-s -t -S -e PEER", 2, 4),
    "tls, channels": ("-c -t -S -e PEER", 1, 4),
    # Without pairs: a DTLS session stays on its worker, and a RESERVATION-TOKEN that is another's is 508 there.
    "dtls, indications": ("-s -c -S -e PEER", 1, 4),
    "dtls, indications that need padding": ("-s -c -S -l 101 -e PEER", 1, 4),
    "dtls, channels, padded": ("-c -S -D -l 103 -e PEER", 1, 4),
    # It reads no more than a message's length of an answer: 170 bytes hold ours.
    "tcp relay over tcp": ("-T -l 170", 2, 4),
    "tcp relay over tls": ("-T -S -l 170", 2, 4),
    "IPv6 relay, IPv4 server": ("-s -x -e PEER6", 2, 4),
    "IPv6 relay, IPv6 server": ("-s -x -e PEER6", 2, 6),
    "IPv4 relay, IPv6 server": ("-s -X -e PEER", 2, 6),
    "IPv6 relay over tls": ("-s -x -t -S -e PEER6", 2, 6),
    "dual allocation": ("-s -Z -e PEER", 1, 4),
    "mobility": ("-s -M -e PEER", 2, 4),
    "client to client": ("-s -y", 4, 4),
    "client to client over tcp": ("-s -y -t", 4, 4),
}
class Run:
    """One turnutils_uclient against one turnd."""

    def __init__(self, options, family=4, secret=turnrun.SECRET.decode(), **keys):
        self.turnd = Turnd(Policy_AllowPeer=ALLOWED_PEER, **keys)
        try:
            self.before = self.turnd.metrics()
            self.uclient(options, family, secret)
            self.after = self.turnd.metrics()
            end_sessions(self.turnd)
            self.log = self.turnd.log()
        finally:
            self.turnd.stop()

    def uclient(self, options, family, secret):
        words = options.replace("PEER6", ALLOWED_PEER).replace("PEER", GLOBAL_PEER).split()
        if family == 4:
            words += ["-L", new_source(), self.turnd.ip]
        else:
            words.append(self.turnd.ip6)
        try:
            done = subprocess.run(["turnutils_uclient", "-u", "alice", "-W", secret, "-n", str(MESSAGES), *words],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=40)
            self.status, self.out = done.returncode, done.stdout.decode(errors="replace")
        except subprocess.TimeoutExpired as e:
            self.status, self.out = None, (e.stdout or b"").decode(errors="replace")

    def grown(self, name):
        return self.after.get(name, 0) - self.before.get(name, 0)

    def figure(self, pattern):
        got = re.findall(pattern, self.out)
        return int(got[-1]) if got else None


class Coturn(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if shutil.which("turnutils_uclient") is None:
            raise unittest.SkipTest("turnutils_uclient is not installed: apt-get install coturn (its service is not needed)")
        for ip in (GLOBAL_PEER, ALLOWED_PEER):
            child = subprocess.Popen(["turnutils_peer", "-L", ip], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
            cls.addClassCleanup(child.wait)
            cls.addClassCleanup(child.terminate)
            with turnwire.udp((ip, 3480)) as s:
                wait_for(f"a peer at {ip}", lambda: cls.answers(s))
        cls.pool = ThreadPoolExecutor(12)    # uclient mostly waits
        cls.addClassCleanup(cls.pool.shutdown)
        cls.runs = {name: cls.pool.submit(Run, options, family) for name, (options, _, family) in UCLIENT.items()}

    @staticmethod
    def answers(s):
        s.settimeout(0.2)
        try:
            s.send(b"there?")
            return s.recv(100) == b"there?"
        except OSError:
            return False

    def relays(self, name):
        options, clients, _ = UCLIENT[name]
        run = self.runs[name].result(120)
        size = int(m[1]) if (m := re.search(r"-l (\d+)", options)) else 100
        all_of_it = clients * MESSAGES
        told = run.out[-2000:] + run.log
        self.assertEqual(run.status, 0, told)
        self.assertEqual(run.figure(r"Total lost packets (\d+)"), 0, told)
        self.assertEqual(run.figure(r"total send dropped (\d+)"), 0, told)
        self.assertEqual(run.figure(r"tot_recv_msgs=(\d+)"), all_of_it, told)
        self.assertEqual(run.figure(r"tot_recv_bytes ~ (\d+)"), all_of_it * size, told)
        if "-T" in options:
            self.assertEqual(run.grown("turn_tcp_streams_joined_total"), clients, told)
        else:
            self.assertGreaterEqual(run.grown(TO_PEER), all_of_it, told)
            self.assertGreaterEqual(run.grown(TO_CLIENT), all_of_it, told)
        if "-y" in options:
            self.assertGreaterEqual(run.grown("turn_hairpin_packets_total"), all_of_it, told)
        self.assertNotRegex(run.log, r"(?i)\b(err|crit|alert|emerg): ")
        return run

    def test_a_wrong_secret_is_refused(self):
        run = Run("-s -e PEER", secret="another one")
        self.assertNotIn(run.status, (0, None), run.out)
        self.assertIn("Cannot complete Allocation", run.out)
        self.assertGreater(run.grown("turn_auth_failed_total"), 0)
        self.assertEqual(run.after["turn_ended_total"], 0)

    def test_without_permission_nothing_passes(self):
        run = Run("-s -c -I -n 5 -e PEER")
        self.assertEqual(run.figure(r"tot_recv_msgs=(\d+)"), 0, run.out)
        self.assertGreater(run.grown('turn_drops_total{reason="permission"}'), 0)
        self.assertEqual(run.grown(TO_PEER), 0)

    def test_a_peer_inside_is_refused(self):
        run = Run("-s -c -e 10.0.0.1")
        self.assertNotIn(run.status, (0, None), run.out)
        self.assertRegex(run.out, r"error 403")
        self.assertEqual(run.grown(TO_PEER), 0)

    def test_dos_mode_is_served(self):
        run = Run("-s -c -O -m 10 -e PEER", Policy_UserQuota=100)
        self.assertEqual(run.status, 0, run.out)
        self.assertGreaterEqual(run.after['turn_allocated_total{via="udp"}'], 10)


def uclient_row(name):
    def test(self):
        self.relays(name)
    return test


for _name in UCLIENT:
    setattr(Coturn, "test_uclient_" + re.sub(r"\W+", "_", _name), uclient_row(_name))


class Discovery(unittest.TestCase):
    """RFC 5780: four addresses, one of which is asked."""

    @classmethod
    def setUpClass(cls):
        if shutil.which("turnutils_natdiscovery") is None:
            raise unittest.SkipTest("turnutils_natdiscovery is not installed: apt-get install coturn")
        cls.turnd = Turnd(alternate=True)
        cls.addClassCleanup(cls.turnd.stop)

    def run_tool(self, *words):
        done = subprocess.run([*words, "-L", new_source(), self.turnd.ip], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=30, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_mapping(self):
        self.assertIn("Endpoint Independent Mapping", self.run_tool("turnutils_natdiscovery", "-m"))

    def test_filtering(self):
        self.assertIn("Endpoint Independent Filtering", self.run_tool("turnutils_natdiscovery", "-f"))

    def test_hairpinning(self):
        self.assertIn("successful hairpinning", self.run_tool("turnutils_natdiscovery", "-H"))

    def test_collision(self):
        self.assertIn("UDP reflexive addr: 10.200.1.2:", self.run_tool("turnutils_natdiscovery", "-c", "-A", "10.200.1.2"))

    def test_mapping_lifetime(self):
        out = self.run_tool("turnutils_natdiscovery", "-t", "-T", "1")
        self.assertIn(f"Response origin: : {self.turnd.ip}:3478", out)

    def test_stunclient(self):
        out = self.run_tool("turnutils_stunclient", "-f")
        alternate = self.turnd.keys["Server.AlternateAddress"]
        self.assertIn(f"Other addr: : {alternate}", out)
        self.assertIn("RFC 5780 response 2", out)
        self.assertIn("420", out, "its third request wants an answer of 1500 bytes: nobody gets that")


# --- RFC 8656's dual allocation, which only a client of our own asks for by its number ---

class Dual(unittest.TestCase):
    def test_both_families_over_every_transport(self):
        turnd = Turnd()
        self.addCleanup(turnd.stop)
        for via in ("udp", "tcp", "tls", "turns"):
            for sha256 in (False, True):
                with self.subTest(via, sha256=sha256):
                    client = turnd.client(via, sha256=sha256)
                    self.addCleanup(client.close)
                    self.assertEqual(client.allocate((turnwire.MORE_FAMILY, turnwire.V6)), 0)
                    self.assertEqual([ip for ip, _ in client.relayed], [turnd.ip, turnd.ip6])
                    for number, ip in ((0x4000, GLOBAL_PEER), (0x4fff, "2620:fe::fe")):
                        peer = Peer(ip)
                        self.addCleanup(peer.close)
                        self.assertEqual(client.permit(peer.address), 0)
                        self.assertTrue(echo(client, peer, b"by indication"))
                        self.assertEqual(client.bind(number, peer.address), 0)
                        self.assertTrue(echo(client, peer, b"by channel!", number))
                    self.assertEqual(client.refresh((turnwire.LIFETIME, turnwire.u32(0))), 0)
        self.assertEqual(turnd.metric("turn_allocations"), 0)


# --- aioice and aiortc ---

class Python(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            import aioice.turn
        except ImportError:
            raise unittest.SkipTest("aioice is not installed: apt-get install python3-aiortc") from None
        cls.turn = aioice.turn
        cls.turnd = Turnd()
        cls.addClassCleanup(cls.turnd.stop)

    async def over(self, transport, secure):
        """Payloads through two allocations, there and back; the number of those that were as they had been sent."""
        class End(asyncio.DatagramProtocol):
            def __init__(this):
                this.got = asyncio.Queue()
                this.gone = asyncio.Event()

            def datagram_received(this, data, source):
                this.got.put_nowait((data, source))

            def connection_lost(this, error):
                this.gone.set()

        context = False
        if secure:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        user, password = self.turnd.credential("aioice")
        ends = [await self.turn.create_turn_endpoint(End, self.turnd.tls_at if secure else self.turnd.at, user, password,
                                                     ssl=context, transport=transport) for _ in range(2)]
        (one, here), (two, there) = ends
        to, back = (end[0].get_extra_info("sockname") for end in (ends[1], ends[0]))
        two.sendto(b"opens the way", back)    # its permission; ours does not exist yet
        good = 0
        for payload in PAYLOADS:
            for _ in range(20):
                one.sendto(payload, to)
                try:
                    got = await asyncio.wait_for(there.got.get(), 1)
                    break
                except asyncio.TimeoutError:
                    continue
            two.sendto(payload[::-1], back)
            answer = await asyncio.wait_for(here.got.get(), 5)
            while answer[0] == b"opens the way":
                answer = await asyncio.wait_for(here.got.get(), 5)
            good += got == (payload, back) and answer == (payload[::-1], to)
        for (transport_, end) in ends:
            transport_.close()
            await asyncio.wait_for(end.gone.wait(), 5)
        return good

    def row(self, transport, secure=False):
        before = self.turnd.metrics()
        self.assertEqual(asyncio.run(self.over(transport, secure)), len(PAYLOADS))
        after = self.turnd.metrics()
        self.assertGreaterEqual(after["turn_hairpin_packets_total"] - before["turn_hairpin_packets_total"], 2 * len(PAYLOADS))
        self.assertEqual(after[f'turn_allocated_total{{via="{"tls" if secure else transport}"}}'] -
                         before[f'turn_allocated_total{{via="{"tls" if secure else transport}"}}'], 2)
        wait_for("no allocation is left", lambda: self.turnd.metric("turn_allocations") == 0)

    def test_aioice_udp(self):
        self.row("udp")

    def test_aioice_tcp(self):
        self.row("tcp")

    def test_aioice_tls(self):
        self.row("tcp", True)

    def test_aiortc_data_channel(self):
        """Two RTCPeerConnections; the one has only relayed candidates, the other is told of nothing else."""
        try:
            import aiortc
        except ImportError as e:
            self.skipTest(f"aiortc is not installed: apt-get install python3-aiortc ({e})")
        before = self.turnd.metrics()
        got = asyncio.run(asyncio.wait_for(self.channel(aiortc), 60))
        self.assertEqual(got, [b"ping", b"pong"])
        after = self.turnd.metrics()
        self.assertGreater(after[TO_PEER], before[TO_PEER])
        self.assertGreater(after[TO_CLIENT], before[TO_CLIENT])
        wait_for("no allocation is left", lambda: self.turnd.metric("turn_allocations") == 0)

    async def channel(self, aiortc):
        user, password = self.turnd.credential("aiortc")
        server = aiortc.RTCIceServer(urls=f"turn:{self.turnd.ip}:3478?transport=udp", username=user, credential=password)
        one, two = (aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[server])) for _ in range(2))
        got, done = [], asyncio.Event()
        channel = one.createDataChannel("test")

        def only_relayed(description):
            lines = [line for line in description.sdp.splitlines(True) if not line.startswith("a=candidate") or " relay " in line]
            self.assertTrue(any(" relay " in line for line in lines), description.sdp)
            return aiortc.RTCSessionDescription("".join(lines), description.type)

        @channel.on("open")
        def opened():
            channel.send(b"ping")

        @channel.on("message")
        def answered(message):
            got.append(message)
            done.set()

        @two.on("datachannel")
        def offered(other):
            @other.on("message")
            def heard(message):
                got.append(message)
                other.send(b"pong")

        try:
            await one.setLocalDescription(await one.createOffer())
            await two.setRemoteDescription(only_relayed(one.localDescription))
            await two.setLocalDescription(await two.createAnswer())
            await one.setRemoteDescription(only_relayed(two.localDescription))
            await asyncio.wait_for(done.wait(), 30)
        finally:
            await one.close()
            await two.close()
        return got


# --- pion ---

PION = os.path.join(HERE, "pion")


def build_pion():
    """The program, made once per state of its sources; raises SkipTest with the reason."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise unittest.SkipTest("go is not installed: apt-get install golang-go")
    cache = os.path.join(ROOT, "build", "go")
    program = os.path.join(cache, "pion-turn")
    os.makedirs(cache, exist_ok=True)
    env = {**os.environ, "GOMODCACHE": f"{cache}/mod", "GOCACHE": f"{cache}/cache", "GOFLAGS": "-modcacherw -mod=readonly",
           "GOTOOLCHAIN": "local", "GO111MODULE": "on", "CGO_ENABLED": "0"}
    done = subprocess.run([go, "build", "-trimpath", "-o", program, "."], cwd=PION, env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240)
    if done.returncode:
        # Without the modules it cannot be built here; with them, a failure is one of ours.
        if re.search(r"dial tcp|lookup |proxyconnect|i/o timeout|requires [Gg]o|module lookup disabled", done.stdout):
            raise unittest.SkipTest(f"its modules are not to be had here: {done.stdout.strip().splitlines()[-1][:160]}")
        raise AssertionError(done.stdout)
    return program


class Pion(unittest.TestCase):
    def setUp(self):
        if isinstance(pion, Exception):
            raise pion
        self.turnd = Turnd()
        self.addCleanup(self.turnd.stop)

    def row(self, mode):
        before = self.turnd.metrics()
        user, password = self.turnd.credential("pion")
        port = turnrun.TLS_PORT if mode in ("tls", "dtls") else turnrun.PORT
        done = subprocess.run([pion, "-mode", mode, "-server", f"{self.turnd.ip}:{port}", "-user", user, "-password", password,
                               "-from", f"{new_source()},{new_source()}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + self.turnd.log())
        count = int(re.search(rf"^{mode} (\d+) payloads$", done.stdout, re.M)[1])
        after = self.turnd.metrics()
        self.assertGreater(count, 50)
        self.assertEqual(after["turn_hairpin_packets_total"] - before["turn_hairpin_packets_total"], 2 * count)
        self.assertEqual(sum(after[name] - before[name] for name in after if name.startswith("turn_drops_total") and
                             "other_worker" not in name), 0)
        wait_for("no allocation is left", lambda: self.turnd.metric("turn_allocations") == 0)

    def test_udp(self):
        self.row("udp")

    def test_tcp(self):
        self.row("tcp")

    def test_tls(self):
        self.row("tls")

    def test_dtls(self):
        self.row("dtls")


if __name__ == "__main__":
    tap.main()

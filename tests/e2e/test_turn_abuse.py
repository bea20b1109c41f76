#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""A real turnd against clients that are wrong, slow, greedy or hostile: what it refuses, with which code, what it counts,
and that those who behave notice nothing.

The network is the test's own, and in it every address is this machine's: what turnd sends anywhere at all arrives here.
"""
import contextlib
import http.client
import ipaddress
import os
import random
import re
import select
import shutil
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)
import tap  # noqa: E402
import turnrun  # noqa: E402
import turnwire  # noqa: E402
from turnrun import Anybody, Peer, Turnd, echo, new_source, wait_for  # noqa: E402
from turnwire import ALLOCATE, BINDING, LIFETIME, REFRESH, TRANSPORT, UDP, Closed, build, u32  # noqa: E402

FLOOD = 100_000
FLOOD_RSS_KB = 1024
GROUP_RSS_KB = 8192    # of a whole group: buffers of connections and of the metrics page come and go
GLOBAL, GLOBAL6 = "9.9.9.9", "2620:fe::fe"


def setUpModule():
    turnrun.prepare()
    Slow.begin()


def tearDownModule():
    Slow.end()


def drops(reason):
    return f'turn_drops_total{{reason="{reason}"}}'


class WithTurnd(unittest.TestCase):
    """Each group has a turnd, and in it an allocation that must not notice anything."""
    keys = {}

    @classmethod
    def setUpClass(cls):
        cls.turnd = Turnd(**cls.keys)
        cls.addClassCleanup(cls.turnd.stop)
        cls.witness = cls.turnd.client(name="witness")
        cls.addClassCleanup(cls.witness.close)
        cls.friend = Peer("9.9.9.10")
        cls.addClassCleanup(cls.friend.close)
        assert cls.witness.allocate() == 0 and cls.witness.bind(0x4abc, cls.friend.address) == 0
        cls.relays()
        cls.rss, cls.fds = cls.turnd.rss_kb(), cls.turnd.fds()

    @classmethod
    def relays(cls):
        for n in range(20):
            assert echo(cls.witness, cls.friend, b"undisturbed %d" % n, 0x4abc), "an undisturbed allocation does not relay"

    def tearDown(self):
        self.doCleanups()    # what the test has opened
        self.relays()
        self.assertIsNone(self.turnd.child.poll())
        # A socket for a client that was handed on stays until it is swept.
        most = self.fds + 2 + self.turnd.metric("turn_steered_total")
        wait_for(f"descriptors are given back: {self.fds} at first", lambda: self.turnd.fds() <= most, 15)

    @classmethod
    def tearDownClass(cls):
        grown = cls.turnd.rss_kb() - cls.rss
        print(f"# {cls.__name__}: RSS {cls.rss} kB {grown:+d} kB, {cls.turnd.fds()} descriptors")
        if grown > GROUP_RSS_KB:
            raise AssertionError(f"memory grew by {grown} kB")

    def client(self, *args, **how):
        """Ends with its test, and so does its allocation."""
        client = self.turnd.client(*args, **how)

        def end():
            with contextlib.suppress(Closed, OSError, AssertionError):
                if client.key and client.relayed:
                    client.call(REFRESH, (LIFETIME, u32(0)), tries=1)
            client.close()

        self.addCleanup(end)
        return client

    def allocated(self, *args, attrs=(), transport=UDP, **how):
        client = self.client(*args, **how)
        self.assertEqual(client.allocate(*attrs, transport=transport), 0)
        return client

    def peer(self, ip=GLOBAL):
        peer = Peer(ip)
        self.addCleanup(peer.close)
        return peer

    def assertGrows(self, name, by, before):
        wait_for(f"{name} grows by {by}", lambda: self.turnd.metrics().get(name, 0) >= before.get(name, 0) + by)


# --- never a stepping stone ---

def teredo(client, server="9.9.9.9"):
    raw = bytes.fromhex("20010000") + socket.inet_aton(server) + bytes(4) + bytes(b ^ 255 for b in socket.inet_aton(client))
    return str(ipaddress.IPv6Address(raw))


def around(head, ip, tail=""):
    """An IPv4 address inside one of IPv6, in hexadecimal."""
    return f"{head}{ipaddress.IPv4Address(ip).packed[:2].hex()}:{ipaddress.IPv4Address(ip).packed[2:].hex()}{tail}"


PLAIN = ["0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.254", "100.64.0.1", "100.127.255.254", "127.0.0.1", "127.0.0.2",
         "127.255.255.254", "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.254", "192.0.0.8", "192.0.2.200",
         "192.88.99.1", "192.168.0.1", "192.168.255.254", "198.18.0.1", "198.19.255.254", "198.51.100.7", "203.0.113.7",
         "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"]
INSIDE = ["127.0.0.1", "10.0.0.1", "192.168.0.1", "169.254.169.254", "0.0.0.0"]
DISGUISED = [around(head, ip, tail) for ip in INSIDE
             for head, tail in (("::ffff:", ""), ("::", ""), ("::ffff:0:", ""), ("64:ff9b::", ""), ("64:ff9b:1::", ""),
                                ("2002:", "::1"), ("2a00:1450:4001:81b:0:5efe:", ""), ("2a00:1450:4001:81b:200:5efe:", ""))]
DISGUISED += [teredo(ip) for ip in INSIDE] + [teredo("9.9.9.9", ip) for ip in INSIDE]
SIX = ["::", "::1", "fe80::1", "febf::1", "fec0::1", "fc00::1", "fd00::1", "fdff:ffff::1", "ff01::1", "ff02::1", "ff0e::1",
       "2001:db8::99", "2001:2::1", "2001:10::1", "2001:20::1", "3fff::1", "100::1", "4000::1", "5f00::1", "::2"]


class Peers(WithTurnd):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # One port of every address there is.
        cls.ears = []
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            ear = socket.socket(socket.AF_INET6, kind)
            cls.addClassCleanup(ear.close)
            ear.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            ear.bind(("::", cls.ears[0].getsockname()[1] if cls.ears else 0))
            cls.ears.append(ear)
        cls.ears[1].listen(64)
        cls.port = cls.ears[0].getsockname()[1]

    def heard(self, seconds=0):
        return bool(select.select(self.ears, [], [], seconds)[0])

    def own(self):
        """Addresses of the server itself, with ports that nobody may reach through it."""
        return [(ip, port) for ip in (self.turnd.ip, self.turnd.ip6, f"::ffff:{self.turnd.ip}")
                for port in (22, turnrun.PORT, turnrun.TLS_PORT)] + [("10.0.0.1", 80), ("127.0.0.1", self.turnd.http)]

    def dual(self, *args, **how):
        return self.allocated(*args, attrs=[(turnwire.MORE_FAMILY, turnwire.V6)], **how)

    def test_permission_channel_and_send(self):
        client = self.dual()
        rows = [(ip, self.port) for ip in PLAIN + DISGUISED + SIX]
        self.assertGreaterEqual(len(set(rows)), 60 + len(PLAIN))
        for i, peer in enumerate(rows):
            with self.subTest(peer[0]):
                before = self.turnd.metrics()
                self.assertEqual(client.permit(peer), 403)
                self.assertEqual(client.bind(0x4000 + i, peer), 403)
                client.send(peer, b"out of bounds")
                self.assertGrows(drops("peer_forbidden"), 1, before)
        self.assertFalse(self.heard(0.2))
        print(f"# {len(rows)} addresses")

    def test_one_bad_peer_of_several_refuses_all(self):
        client = self.dual()
        good = self.peer()
        self.assertEqual(client.permit(good.address, ("64:ff9b::7f00:1", self.port)), 403)
        client.send(good.address, b"no permission")
        self.assertIsNone(good.receive(0.3))

    def test_connect(self):
        client = self.dual("tcp", transport=turnwire.TCP)
        for ip in PLAIN + DISGUISED + SIX:
            with self.subTest(ip):
                self.assertEqual(client.connect((ip, self.port)), 403)
        for peer in self.own():
            with self.subTest(peer):
                self.assertEqual(client.connect(peer), 403)
        self.assertFalse(self.heard(0.2))
        self.assertEqual(client.connect((GLOBAL, self.port)), 0, "one that is global is reached")
        self.assertTrue(self.heard(2))
        self.ears[1].accept()[0].close()

    def test_the_server_itself(self):
        client = self.dual()
        for i, peer in enumerate(self.own()):
            with self.subTest(peer):
                before = self.turnd.metrics()
                self.assertEqual(client.bind(0x4000 + i, peer), 403)
                client.send(peer, b"out of bounds")
                self.assertGrows(drops("peer_forbidden"), 1, before)

    def test_a_relay_port_that_nobody_has(self):
        client = self.dual()
        port = next(p for p in range(50000, 65000) if p not in [at[1] for at in client.relayed + self.witness.relayed])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as squatter:
            squatter.bind((self.turnd.ip, port))
            self.assertEqual(client.permit((self.turnd.ip, port)), 0, "who will be there, it cannot know")
            client.send((self.turnd.ip, port), b"out of bounds")
            self.assertEqual(select.select([squatter], [], [], 0.3)[0], [])

    def test_what_is_global_is_reached(self):
        client = self.dual()
        for ip in (GLOBAL, GLOBAL6, "8.8.8.8", f"::ffff:{GLOBAL}", around("2002:", GLOBAL, "::1")):
            with self.subTest(ip):
                self.assertEqual(client.permit((ip, self.port)), 0)
                client.send((ip, self.port), b"hello " + ip.encode())
                self.assertTrue(self.heard(2))
                self.assertEqual(self.ears[0].recv(2048), b"hello " + ip.encode())

    def test_without_a_permission_nothing_passes_either_way(self):
        client = self.dual()
        peer = self.peer()
        before = self.turnd.metrics()
        client.send(peer.address, b"out")
        peer.send(b"in", client.relayed[0])
        self.assertGrows(drops("permission"), 1, before)
        self.assertGrows(drops("relay_permission"), 1, before)
        self.assertIsNone(peer.receive(0.1))
        self.assertIsNone(client.receive(0.1))
        self.assertEqual(client.permit(peer.address), 0)
        other = self.peer("9.9.9.11")
        other.send(b"in", client.relayed[0])
        self.assertGrows(drops("relay_permission"), 2, before)
        self.assertTrue(echo(client, peer, b"both"))


# --- strangers: what they may make it send, and keep ---

class Strangers(WithTurnd):
    def anybody(self):
        who = Anybody(self.turnd.at)
        self.addCleanup(who.close)
        return who

    def received(self):
        return self.turnd.metric("turn_udp_received_datagrams_total")

    def settle(self, who, sent, before):
        """All of it has been taken in, and the answers have arrived."""
        wait_for(f"{sent} datagrams are in", lambda: self.received() >= before + sent)
        answers = []
        while (more := who.drain()):
            answers += more
            time.sleep(0.02)
        return answers

    def reflect(self, make, prefix, count=1000):
        """(bytes in, answers) of requests whose sources are all of one /24."""
        who, before, sent, answers = self.anybody(), self.received(), 0, []
        for i in range(count):
            raw = make()
            who.send(raw, f"{prefix}.{1 + i % 254}")
            sent += len(raw)
            if i % 100 == 99:
                answers += who.drain()
                time.sleep(0.002)
        return sent, answers + self.settle(who, count, before)

    def test_reflection(self):
        rows = {"Allocate": lambda: build(ALLOCATE), "Binding": lambda: build(BINDING),
                "Allocate, with a transport": lambda: build(ALLOCATE, [(TRANSPORT, UDP)]),
                "Binding, with a fingerprint": lambda: build(BINDING, fingerprint=True),
                "Refresh": lambda: build(REFRESH), "Binding that is not understood": lambda: build(BINDING, [(0x7123, b"")]),
                "Binding, with CHANGE-REQUEST": lambda: build(BINDING, [(turnwire.CHANGE_REQUEST, u32(6))]),
                "Binding that wants padding": lambda: build(BINDING, [(turnwire.PADDING, b"")])}
        for i, (name, make) in enumerate(rows.items()):
            with self.subTest(name):
                burst_in, burst = self.reflect(make, f"23.0.{i}")
                sent, answers = self.reflect(make, f"23.0.{i}")
                out = sum(map(len, answers))
                print(f"# {name}: first 1000: {sum(map(len, burst)) / burst_in:.2f}, then {out / sent:.2f} "
                      f"({sent} bytes in, {out} out, at most {max(map(len, burst))} at once)")
                self.assertGreater(len(burst), 0)
                most = max(map(len, burst + answers))
                self.assertLessEqual(most, 120)
                # Two workers count for themselves, and each may have had not quite enough left for another answer.
                self.assertLessEqual(out, sent + 2 * most)
                self.assertLessEqual(sum(map(len, burst)), burst_in + 2 * 1600, "a burst of each worker")

    def test_a_challenge_is_small(self):
        for method in (ALLOCATE, REFRESH, turnwire.PERMISSION, turnwire.BIND):
            client = self.client()
            answer = client.exchange(build(method, fingerprint=True))
            self.assertEqual(answer.code, 401)
            self.assertLessEqual(len(answer.raw), 120)
            self.assertNotIn(turnwire.SOFTWARE, answer)

    def test_a_flooded_prefix_keeps_others_out_of_trouble(self):
        self.reflect(lambda: build(ALLOCATE), "23.1.0", 3000)
        self.assertEqual(self.client().allocate(), 0)
        # In that very prefix: whoever asks again gets through in the end, because every question earns a part of an answer.
        late = self.client(source="23.1.0.200")
        self.assertEqual(late.allocate(), 0)

    def test_a_nonce_of_another_address(self):
        first = self.client()
        first.challenged()
        for how in ({}, {"source": first.wire.socket.getsockname()[0]}, {"via": "tcp"}):
            with self.subTest(how):
                thief = self.client(**how)
                thief.realm, thief.nonce, thief.key = first.realm, first.nonce, first.key
                answer = thief.exchange(thief.signed(ALLOCATE, [(TRANSPORT, UDP)]))
                self.assertEqual(answer.code, 438)
                self.assertLessEqual(len(answer.raw), 120)
        self.assertEqual(first.allocate(), 0)

    def test_a_nonce_that_was_made_up(self):
        client = self.client()
        client.challenged()
        good = client.nonce
        for nonce in (b"x", good[:-1] + bytes([good[-1] ^ 1]), good[:9] + b"AAAA" + good[13:], good + b"A", os.urandom(37),
                      b"A" * 760):
            client.nonce = nonce
            self.assertEqual(client.exchange(client.signed(ALLOCATE, [(TRANSPORT, UDP)])).code, 438)

    def flood(self, make, count=FLOOD):
        """From as many addresses; returns what the memory grew by."""
        who = self.anybody()

        def run(first, n):
            before = self.received()
            for i in range(first, first + n):
                who.send(make(i), f"{20 + (i >> 16)}.{i >> 8 & 255}.{i & 255}.77")
                if i % 50 == 49:
                    who.drain()
                    time.sleep(0.0003)
            return n, before

        n, before = run(0, 5000)    # every buffer is touched once
        self.settle(who, n * 0.9, before)
        rss, fds, start = self.turnd.rss_kb(), self.turnd.fds(), self.received()
        run(5000, count)
        self.settle(who, count * 0.9, start)    # what the kernel had no room for is not turnd's doing
        took = int(self.received() - start)
        grown = self.turnd.rss_kb() - rss
        print(f"# {took} of {count} datagrams, RSS {rss} kB {grown:+d} kB")
        self.assertLessEqual(grown, FLOOD_RSS_KB)
        self.assertLessEqual(self.turnd.fds(), fds + 2)    # those of a question for metrics, perhaps
        self.assertEqual(self.turnd.metric("turn_allocations"), 1)
        self.assertEqual(self.turnd.metric("turn_connections"), 0)
        self.relays()

    def test_half_open_allocates(self):
        self.flood(lambda i: build(ALLOCATE, [(TRANSPORT, UDP)]))

    def test_wrong_passwords(self):
        """401 after 401: the nonce is somebody's, the password nobody's."""
        client = self.client()
        client.challenged()
        client.key = b"guessed by chance"[:16]
        before = self.turnd.metrics()
        rss = self.turnd.rss_kb()
        raws = [client.signed(ALLOCATE, [(TRANSPORT, UDP)]) for _ in range(200)]
        for i in range(20_000):
            client.wire.socket.send(raws[i % 200])
            if i % 50 == 49:
                time.sleep(0.0005)
                while client.wire.receive(0):
                    pass
        self.assertGrows("turn_auth_failed_total", 15_000, before)
        self.assertLessEqual(self.turnd.rss_kb() - rss, FLOOD_RSS_KB)
        self.assertEqual(self.client().allocate(), 0)

    def test_half_open_dtls(self):
        """ClientHellos without a cookie: answered with one, and forgotten."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.settimeout(10)
            child = subprocess.Popen(["openssl", "s_client", "-dtls1_2", "-connect", "127.0.0.1:%d" % server.getsockname()[1]],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                hello = server.recv(4096)
            finally:
                child.kill()
                child.wait()
        at, self.turnd.at = self.turnd.at, self.turnd.tls_at
        try:
            who = self.anybody()
            before = self.received()
            who.send(hello, "23.2.0.1")
            (answer,) = self.settle(who, 1, before)
            self.assertLessEqual(len(answer), len(hello))
            self.flood(lambda i: hello, 30_000)
        finally:
            self.turnd.at = at

    def test_garbage_by_kind(self):
        who = self.anybody()
        dice = random.Random(8)
        rows = {"stun_malformed": [b"\0\1" + dice.randbytes(n) for n in (18, 40, 200)] + [build(BINDING)[:-1]],
                "stun_unexpected": [build(BINDING, cls=turnwire.SUCCESS), build(ALLOCATE, cls=turnwire.ERROR), build(0x555),
                                    build(turnwire.DATA, cls=turnwire.INDICATION)],
                "stun_fingerprint": [build(BINDING, fingerprint=True)[:-1] + b"x"],
                "client_unknown": [b"\x40\0\0\4abcd", build(turnwire.SEND, [(turnwire.PAYLOAD, b"x")], cls=turnwire.INDICATION)],
                "unknown_kind": [b"\xff" * 100, b"\x80" * 1000, b"\x40"]}
        for reason, raws in rows.items():
            for i, raw in enumerate(raws):
                with self.subTest(reason, number=i):
                    before = self.turnd.metrics()
                    who.send(raw, f"23.3.{i}.1")
                    self.assertGrows(drops(reason), 1, before)
        self.assertEqual(who.drain(), [])


# --- requests of those who have credentials ---

class Requests(WithTurnd):
    def test_channels_are_not_bound_anew(self):
        client = self.allocated()
        one, two = self.peer(), self.peer("9.9.9.11")
        self.assertEqual(client.bind(0x4001, one.address), 0)
        self.assertEqual(client.bind(0x4001, two.address), 400, "the number is taken")
        self.assertEqual(client.bind(0x4002, one.address), 400, "the peer has one")
        self.assertEqual(client.bind(0x4001, one.address), 0, "the same again is a refresh")
        self.assertTrue(echo(client, one, b"still bound", 0x4001))
        for number in (0, 0x3fff, 0x8000, 0xffff):
            self.assertEqual(client.bind(number, two.address), 400)

    def test_unknown_attributes(self):
        client = self.client()
        client.challenged()
        answer = client.exchange(client.signed(ALLOCATE, [(TRANSPORT, UDP), (0x7001, b"x"), (0x7002, b"")]))
        self.assertEqual(answer.code, 420)
        self.assertEqual(answer.get(turnwire.UNKNOWN), b"\x70\x01\x70\x02")
        answer = client.exchange(build(BINDING, [(0x7003, b"")]))
        self.assertEqual((answer.code, answer.get(turnwire.UNKNOWN)), (420, b"\x70\x03"))
        self.assertEqual(client.allocate((0xF001, b"optional ones are skipped")), 0)

    def test_codes(self):
        client = self.client()
        self.assertEqual(client.call(REFRESH).code, 437, "there is no allocation")
        self.assertEqual(client.call(ALLOCATE).code, 400, "no transport")
        self.assertEqual(client.allocate(transport=u32(99 << 24)), 442)
        self.assertEqual(client.allocate((turnwire.FAMILY, u32(7 << 24))), 440)
        self.assertEqual(client.allocate(transport=turnwire.TCP), 400, "streams are relayed to streams")
        self.assertEqual(client.allocate(), 0)
        self.assertEqual(client.call(ALLOCATE, (TRANSPORT, UDP)).code, 437, "one is enough")
        self.assertEqual(client.permit((GLOBAL6, 5000)), 443)
        self.assertEqual(client.call(turnwire.PERMISSION).code, 400)

    def test_another_users_refresh(self):
        client = self.allocated()
        mallory = turnwire.Client(client.wire.socket, *self.turnd.credential("mallory"))
        for attrs in ([], [(LIFETIME, u32(0))]):
            self.assertEqual(mallory.refresh(*attrs), 441)
        self.assertEqual(mallory.permit((GLOBAL, 5000)), 441)
        peer = self.peer()
        self.assertEqual(client.permit(peer.address), 0)
        self.assertTrue(echo(client, peer, b"still mine"))

    def test_credentials_that_are_no_good(self):
        now = int(time.time())
        rows = {"expired": (now - 1, {}), "of another secret": (now + 600, {"secret": b"another"}), "far off": (1 << 41, {})}
        for name, (until, how) in rows.items():
            with self.subTest(name):
                client = self.client(until=until, **how)
                self.assertEqual(client.allocate(), 401)
        for user in ("alice", "", ":alice", "-5:alice", "1e10:alice", "٣:alice", f"{now + 600}" + "x" * 400):
            with self.subTest(user[:20]):
                client = self.client()
                client.challenged()
                self.assertIn(client.exchange(client.signed(ALLOCATE, [(TRANSPORT, UDP)], user=user)).code, (400, 401))

    def test_an_algorithm_is_not_talked_down(self):
        client = self.client(sha256=True)
        client.challenged()
        client.algorithms = struct.pack(">HH", 1, 0)    # as if it had been offered the weaker one only
        self.assertEqual(client.exchange(client.signed(ALLOCATE, [(TRANSPORT, UDP)])).code, 400)

    def test_a_credential_ends_in_mid_session(self):
        """Refreshes are refused from then on; what was granted is kept, and not a second more."""
        for _ in range(4):
            time.sleep((0.85 - time.time()) % 1)    # lifetimes are whole seconds: this leaves most of one between the two ends
            until = int(time.time()) + 3
            client = self.client(until=until)
            peer = self.peer()
            self.assertEqual(client.allocate(), 0)
            granted = client.answer.number(LIFETIME)
            self.assertLessEqual(granted, 3)
            ends = time.monotonic() + granted
            self.assertEqual(client.permit(peer.address), 0)
            self.assertTrue(echo(client, peer, b"before"))
            before = self.turnd.metrics()
            wait_for("a refresh is refused", lambda: client.refresh((LIFETIME, u32(600))) == 401)
            still = echo(client, peer, b"after", seconds=0.2)
            self.assertGreater(self.turnd.metric("turn_auth_expired_total"), before["turn_auth_expired_total"])
            self.assertGrows("turn_expired_total", 1, before)
            client.send(peer.address, b"too late")
            self.assertGrows(drops("client_unknown"), 1, before)
            if still or time.monotonic() < ends:
                break
        self.assertTrue(still, "data ends with the allocation, not with the credential")

    def test_send_indications_that_are_wrong(self):
        client = self.allocated()
        peer = self.peer()
        self.assertEqual(client.permit(peer.address), 0)
        tid = os.urandom(12)
        to = (turnwire.PEER, turnwire.address(*peer.address, tid))
        data = (turnwire.PAYLOAD, b"x")
        rows = [[to], [data], [to, to, data], [(turnwire.PEER, b"\0\1"), data]]
        for attrs in rows:
            before = self.turnd.metrics()
            client.wire.send(build(turnwire.SEND, attrs, cls=turnwire.INDICATION, tid=tid))
            self.assertGrows(drops("send_malformed"), 1, before)
        self.assertIsNone(peer.receive(0.1))
        self.assertTrue(echo(client, peer, b"x"))

    def test_a_ticket_is_no_key(self):
        """RFC 8016: who has somebody's ticket, but not their key, moves nothing."""
        client = self.allocated(attrs=[(turnwire.TICKET, b"")])
        self.assertEqual(self.client(name="mallory").refresh((turnwire.TICKET, client.ticket)), 441)
        forged = bytearray(client.ticket)
        forged[20] ^= 1
        self.assertEqual(self.client().refresh((turnwire.TICKET, bytes(forged))), 437)
        moved = self.client(until=int(client.user.split(":")[0]))
        self.assertEqual(moved.refresh((turnwire.TICKET, client.ticket)), 0, "its owner may")


# --- streams ---

class Streams(WithTurnd):
    def opened(self, s):
        wire = turnwire.Wire(s)
        self.addCleanup(wire.close)
        return wire

    def pair(self, via):
        """A client that relays over a stream, and its peer."""
        client, peer = self.allocated(via), self.peer()
        self.assertEqual(client.bind(0x4000, peer.address), 0)
        return client, peer

    def test_framing_garbage_closes(self):
        bystander, peer = self.pair("tcp")
        rows = {"neither": b"\xff" * 64, "no cookie": b"\0\1\0\0" + bytes(16), "an odd length": b"\0\1\0\3" + build(BINDING)[4:],
                "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "ChannelData first": b"\x40\0\0\4abcd", "TLS": turnrun.client_hello(),
                "a PROXY header": b"PROXY TCP4 203.0.113.7 192.0.2.1 1234 3478\r\n" + build(BINDING),
                "a PROXY header, version 2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12)}
        for name, raw in rows.items():
            with self.subTest(name):
                wire = self.opened(self.turnd.dial("tcp"))
                with contextlib.suppress(Closed):
                    wire.send(raw)
                self.assertTrue(wire.is_closed(5))
        self.assertTrue(echo(bystander, peer, b"undisturbed", 0x4000))

    def test_garbage_after_a_good_beginning_closes(self):
        for via in ("tcp", "tls"):
            for name, raw in {"neither": b"\xff" * 64, "no cookie": bytes(40), "reserved": b"\x80" * 20}.items():
                with self.subTest(via, row=name):
                    wire = self.opened(self.turnd.dial(via))
                    wire.send(build(BINDING))
                    self.assertIsNotNone(wire.receive())
                    before = self.turnd.metrics()
                    wire.socket.sendall(raw)
                    self.assertTrue(wire.is_closed(5))
                    self.assertGrows("turn_framing_total", 1, before)

    def test_truncated_and_overlong_messages(self):
        bystander, peer = self.pair("tcp")
        for via in ("tcp", "tls"):
            wire = self.opened(self.turnd.dial(via))
            wire.send(build(BINDING))
            self.assertIsNotNone(wire.receive())
            wire.socket.sendall(b"\0\1\xff\xfc\x21\x12\xa4\x42" + bytes(60_000))    # announces 65532, and stops
            self.assertIsNone(wire.receive(0.1))
            wire.socket.close()
            # The whole of the longest message there can be, and another one behind it.
            wire = self.opened(self.turnd.dial(via))
            wire.send(build(BINDING))
            self.assertIsNotNone(wire.receive())
            longest = [(0xF000, bytes(65532 - 4))]
            wire.socket.sendall(build(BINDING, longest) + build(BINDING))
            self.assertIsNotNone(wire.receive(5))
            self.assertIsNotNone(wire.receive(5))
        self.assertTrue(echo(bystander, peer, b"undisturbed", 0x4000))

    def test_messages_in_pieces_and_in_one(self):
        for via in ("tcp", "tls", "turns"):
            client, peer = self.pair(via)
            for n in range(1, 9):
                raw = struct.pack(">HH", 0x4000, n) + b"x" * n + bytes(-n % 4)
                for b in raw:
                    client.wire.socket.sendall(bytes([b]))
                self.assertEqual(peer.receive()[0], b"x" * n)
            client.wire.socket.sendall(b"".join(struct.pack(">HH", 0x4000, 4) + b"%04d" % i for i in range(100)))
            self.assertEqual([peer.receive()[0] for _ in range(100)], [b"%04d" % i for i in range(100)])

    def test_tls_garbage_closes_and_sessions_go_on(self):
        client, peer = self.pair("tls")
        hello = turnrun.client_hello()
        rows = [b"GET / HTTP/1.0\r\n\r\n", os.urandom(300).replace(b"\x16", b"\x17"), b"\x16\x03\x01\xff\xff" + bytes(1000),
                hello[:60] + os.urandom(300), hello[:5] + b"\xff" * 600, build(BINDING), b"\x15\x03\x01\0\2\2\x28",
                b"PROXY TCP4 203.0.113.7 192.0.2.1 1234 443\r\n" + hello]
        before = self.turnd.metrics()
        for i, raw in enumerate(rows):
            with self.subTest(i):
                wire = self.opened(turnwire.tcp(self.turnd.tls_at, new_source()))
                with contextlib.suppress(Closed):
                    wire.send(raw)
                    wire.socket.shutdown(socket.SHUT_WR)
                self.assertTrue(wire.is_closed(5))
        self.assertGreater(self.turnd.metric("turn_tls_failed_total"), before["turn_tls_failed_total"])
        self.assertTrue(echo(client, peer, b"undisturbed", 0x4000))

    def test_dtls_of_any_length_and_of_any_worker(self):
        """A DTLS session stays with its worker: what another one has is refused, and never left without an answer."""
        codes = set()
        for i in range(8):
            first, second, third = (self.client(via, f"user{i}") for via in ("dtls", "dtls", "udp"))
            peer = self.peer()
            self.assertEqual(first.allocate((turnwire.EVEN_PORT, b"\x80")), 0)
            self.assertEqual(first.permit(peer.address), 0)
            for n in range(1, 6):
                self.assertTrue(echo(first, peer, b"x" * n))
            self.assertEqual(first.bind(0x4000, peer.address), 0)
            for n in range(1, 6):
                self.assertTrue(echo(first, peer, b"x" * n, 0x4000))
            token = first.answer.get(turnwire.TOKEN)
            codes.add(second.allocate((turnwire.TOKEN, token)))
            self.assertEqual(third.allocate((turnwire.TOKEN, token)), 508 if second.relayed else 0, "over UDP it is handed on")
        self.assertLessEqual(codes, {0, 508})

    def test_a_client_that_goes_takes_its_allocation_along(self):
        for via in ("tcp", "tls", "turns"):
            client, _ = self.pair(via)
            self.assertEqual(self.turnd.metric("turn_allocations"), 2)
            client.wire.close()
            wait_for("it is gone", lambda: self.turnd.metric("turn_allocations") == 1)

    def test_a_client_that_does_not_read(self):
        """What its stream has no room for is dropped; the server keeps a bounded part of it."""
        client, peer = self.pair("tcp")
        before, rss = self.turnd.metrics(), self.turnd.rss_kb()
        for i in range(60_000):
            peer.send(bytes(1000), client.relayed[0])
            if i % 50 == 49:
                time.sleep(0.0005)
            if i % 2000 == 1999 and self.turnd.metric(drops("blocked")) > before[drops("blocked")] + 1000:
                break
        self.assertGreater(self.turnd.metric(drops("blocked")), before[drops("blocked")])
        self.assertLessEqual(self.turnd.rss_kb() - rss, FLOOD_RSS_KB)

    def test_connections_that_come_and_go(self):
        for _ in range(300):
            turnwire.tcp(self.turnd.at, new_source()).close()
            turnwire.tcp(self.turnd.tls_at, new_source()).close()
        wait_for("none is left", lambda: self.turnd.metric("turn_connections") == 0)

    def test_one_source_does_not_take_all_connections(self):
        hogs = []
        source = new_source()
        for _ in range(300):
            s = turnwire.tcp(self.turnd.at, source)
            hogs.append(s)
            self.addCleanup(s.close)
        wait_for("most of them are refused", lambda: self.turnd.metric("turn_connections") <= 2 * 64 and
                 self.turnd.metric("turn_connections_refused_total") >= 300 - 2 * 64)
        client, peer = self.pair("tcp")
        self.assertTrue(echo(client, peer, b"another source", 0x4000))


class Forwarded(WithTurnd):
    """The front's socket: whose client it is, its PROXY header says."""

    def over(self, header):
        s = turnwire.tls(self.turnd.forwarded(header))
        wire = turnwire.Wire(s)
        self.addCleanup(wire.close)
        return wire

    def mapped(self, header):
        wire = self.over(header)
        wire.send(build(BINDING))
        return turnwire.Message(wire.receive()).address(turnwire.MAPPED)

    def test_the_clients_address_is_kept(self):
        self.assertEqual(self.mapped(b"PROXY TCP4 203.0.113.7 192.0.2.1 1234 443\r\n"), ("203.0.113.7", 1234))
        self.assertEqual(self.mapped(b"PROXY TCP6 2001:db8::7 2001:db8::1 1234 443\r\n"), ("2001:db8::7", 1234))
        v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(">H4s4sHH", 12, socket.inet_aton("203.0.113.8"), bytes(4), 1235, 443)
        self.assertEqual(self.mapped(v2), ("203.0.113.8", 1235))

    def test_headers_that_are_wrong_close(self):
        rows = [b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP4 203.0.113.7\r\n", b"PROXY TCP4 203.0.113.7 192.0.2.1 1234 99999\r\n",
                b"PROXY TCP4 ::1 ::1 1 1\r\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n", b"PROXY " + b"x" * 200, turnrun.client_hello(),
                b"\r\n\r\n\0\r\nQUIT\n\x11\x11\0\x0c" + bytes(12), b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff" + bytes(600)]
        for i, header in enumerate(rows):
            with self.subTest(i):
                before = self.turnd.metrics()
                wire = turnwire.Wire(self.turnd.forwarded())
                self.addCleanup(wire.close)
                with contextlib.suppress(Closed):
                    wire.send(header)
                self.assertTrue(wire.is_closed(5))
                self.assertGrows("turn_proxy_refused_total", 1, before)

    def test_a_relay_by_that_way(self):
        client, peer = self.allocated("turns"), self.peer()
        self.assertEqual(client.permit(peer.address), 0)
        self.assertTrue(echo(client, peer, b"by way of the front"))


# --- bounds ---

class Quota(WithTurnd):
    def test_the_seventeenth(self):
        clients = [self.allocated(name="greedy") for _ in range(16)]
        before = self.turnd.metrics()
        self.assertEqual(self.client(name="greedy").allocate(), 486)
        self.assertGrows('turn_errors_total{code="486"}', 1, before)
        self.assertEqual(self.client(name="modest").allocate(), 0)
        self.assertEqual(clients[3].refresh((LIFETIME, u32(0))), 0)
        again = self.client(name="greedy", until=int(clients[0].user.split(":")[0]))
        self.assertEqual(again.allocate(), 0, "one was given back")

    def test_a_lifetime_has_an_end(self):
        client = self.client(lasts=1_000_000)
        self.assertEqual(client.allocate((LIFETIME, u32(0xffffffff))), 0)
        self.assertEqual(client.answer.number(LIFETIME), 3600)
        probe = self.client(name="healthprobe", lasts=1_000_000)
        self.assertEqual(probe.allocate((LIFETIME, u32(3600))), 0)
        self.assertEqual(probe.answer.number(LIFETIME), 120)


class TotalQuota(WithTurnd):
    keys = {"Policy_TotalQuota": 6, "Policy_MaxPermissions": 5, "Policy_MaxChannels": 3}

    def test_the_total(self):
        for i in range(5):    # the witness is the first
            self.allocated(name=f"user{i}")
        before = self.turnd.metrics()
        self.assertEqual(self.client(name="late").allocate(), 508)
        self.assertGrows('turn_errors_total{code="508"}', 1, before)

    def test_permissions_and_channels(self):
        client = self.allocated()
        for i in range(3):
            self.assertEqual(client.bind(0x4000 + i, ("9.9.9.9", 5000 + i)), 0)
        self.assertEqual(client.bind(0x4003, ("9.9.9.9", 5003)), 508)
        self.assertEqual(client.permit(*((f"9.9.9.{10 + i}", 1) for i in range(4))), 0)
        self.assertEqual(client.permit(("9.9.9.20", 1)), 508)
        self.assertEqual(client.permit(("9.9.9.10", 1)), 0, "one that it has is refreshed")
        self.assertEqual(client.permit(*((f"9.9.8.{i}", 1) for i in range(17))), 508)


# --- operators ---

class Operation(WithTurnd):
    def reload(self):
        return self.turnd.ask("io.oxpulse.Edge.Reload")

    def test_a_new_secret(self):
        client, peer = self.allocated(), self.peer()
        self.assertEqual(client.permit(peer.address), 0)
        new = b"the secret of tomorrow"
        self.addCleanup(self.reload)
        self.addCleanup(self.turnd.write_secrets, turnrun.SECRET)
        self.assertEqual(self.client(secret=new).allocate(), 401)
        self.turnd.write_secrets(new, turnrun.SECRET)
        self.assertIn("restart", self.reload()["parameters"])
        for secret in (new, turnrun.SECRET):
            self.assertEqual(self.client(secret=secret).allocate(), 0, "while both are listed, both are good")
        self.turnd.write_secrets(new)
        self.reload()
        self.assertEqual(self.client(name="late").allocate(), 401)
        self.assertEqual(self.client(secret=new).allocate(), 0)
        self.assertTrue(echo(client, peer, b"old allocations live on"))
        self.assertEqual(client.refresh(), 0, "and are refreshed by the key that they came with")

    def test_a_broken_file_changes_nothing(self):
        client, peer = self.allocated(), self.peer()
        self.assertEqual(client.permit(peer.address), 0)
        good = dict(self.turnd.keys)
        for key, value in (("Policy_UserQuota", "many"), ("Server_Listne", "1.2.3.4"), ("Policy_DenyPeer", "10.0.0.0/99")):
            with self.subTest(key):
                self.turnd.write_conf(**{key: value})
                with open(f"{self.turnd.dir}/turnd.conf", encoding="ascii") as f:
                    line = next(n for n, text in enumerate(f, 1) if text.startswith(key.split("_")[1] + "="))
                answer = self.reload()
                self.turnd.keys = dict(good)
                self.assertEqual(answer.get("error"), "io.oxpulse.Edge.InvalidConfiguration")
                wait_for("file and line in the log", lambda: re.search(rf"turnd\.conf:{line}: ", self.turnd.log()))
        os.unlink(f"{self.turnd.dir}/turnd.conf")
        self.assertIn("error", self.reload())
        self.assertTrue(echo(client, peer, b"nothing has changed"))
        self.assertEqual(self.client().allocate(), 0)
        self.turnd.write_conf()
        self.assertIn("parameters", self.reload())

    def test_a_secret_that_all_may_read_is_not_taken(self):
        self.addCleanup(os.chmod, f"{self.turnd.dir}/secret", 0o600)
        os.chmod(f"{self.turnd.dir}/secret", 0o644)
        self.assertIn("error", self.reload())
        self.assertEqual(self.client().allocate(), 0)

    def certificate(self):
        s = self.turnd.dial("tls")
        with contextlib.closing(s):
            return s.getpeercert(True)

    def test_a_new_certificate_keeps_sessions(self):
        old = self.certificate()
        rows = [(via, self.allocated(via), self.peer()) for via in ("tls", "turns")]
        for _, client, peer in rows:
            self.assertEqual(client.bind(0x4000, peer.address), 0)
        turnrun.make_certificate(self.turnd.dir, "new.test")
        self.assertEqual(self.certificate(), old, "not before the reload")
        self.assertIn("parameters", self.reload())
        self.assertNotEqual(self.certificate(), old)
        for via, client, peer in rows:
            with self.subTest(via):
                self.assertTrue(echo(client, peer, b"the same session", 0x4000))
                self.assertEqual(client.refresh(), 0)
        with open(f"{self.turnd.dir}/cert.pem", "w", encoding="ascii") as f:
            f.write("no certificate\n")
        self.assertIn("error", self.reload())
        self.assertNotEqual(self.certificate(), old)
        turnrun.make_certificate(self.turnd.dir)
        self.reload()

    def test_an_operator_ends_a_session(self):
        client = self.allocated()
        listed = self.turnd.ask("io.oxpulse.Turn.ListSessions")["parameters"]["sessions"]
        ours = next(s for s in listed if f"{client.relayed[0][0]}:{client.relayed[0][1]}" in s["relayed"])
        self.assertEqual(self.turnd.ask("io.oxpulse.Turn.EndSession", id=ours["id"]), {"parameters": {"ended": True}})
        self.assertEqual(self.turnd.ask("io.oxpulse.Turn.EndSession", id=ours["id"]), {"parameters": {"ended": False}})
        for wrong in ("", "x", "0-0", "99-0-1", "0-4294967295-1", "0-0-1-"):
            with self.subTest(wrong):
                self.assertNotEqual(self.turnd.ask("io.oxpulse.Turn.EndSession", id=wrong).get("parameters"), {"ended": True})
        self.assertEqual(client.refresh(), 437)


class Drain(unittest.TestCase):
    def test_new_ones_are_refused_and_old_ones_relay(self):
        turnd = Turnd()
        self.addCleanup(turnd.stop)
        clients = [turnd.client(via) for via in ("udp", "tcp", "tls")]
        peer = Peer()
        self.addCleanup(peer.close)
        for client in clients:
            self.addCleanup(client.close)
            self.assertEqual(client.allocate(), 0)
            self.assertEqual(client.permit(peer.address), 0)
        self.assertEqual(turnd.ask("io.oxpulse.Edge.Drain"), {"parameters": {"sessions": 3}})
        self.assertEqual(turnd.ask("io.oxpulse.Edge.Status")["parameters"]["state"], "draining")
        for via in ("udp", "tcp", "tls"):
            late = turnd.client(via)
            self.addCleanup(late.close)
            self.assertEqual(late.allocate(), 508)
        for client in clients:
            self.assertTrue(echo(client, peer, b"goes on"))
            self.assertEqual(client.refresh(), 0)
        self.assertIsNone(turnd.child.poll())
        for client in clients:
            self.assertEqual(client.refresh((LIFETIME, u32(0))), 0)
        self.assertEqual(turnd.child.wait(10), 0, turnd.log())

    def test_a_drain_has_an_end(self):
        turnd = Turnd()
        self.addCleanup(turnd.stop)
        client = turnd.client("tcp")
        self.addCleanup(client.close)
        self.assertEqual(client.allocate(), 0)
        turnd.ask("io.oxpulse.Edge.Drain", limit=1)
        self.assertTrue(client.wire.is_closed())
        self.assertEqual(turnd.child.wait(10), 0, turnd.log())


# --- the cover ---

class Site(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Behind a PROXY header: HTTP/1.1, or a very small HTTP/2."""
    daemon_threads = True

    def __init__(self, path, h2=False):
        self.h2, self.headers = h2, []
        super().__init__(path, SiteHandler)
        os.chmod(path, 0o777)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class SiteHandler(socketserver.StreamRequestHandler):
    def handle(self):
        with contextlib.suppress(OSError):
            self.server.headers.append(self.rfile.readline())
            if self.server.h2:
                self.two()
            else:
                self.one()

    def one(self):
        while (start := self.rfile.readline()):
            length = 0
            while (line := self.rfile.readline().strip()):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            body = b"cover: " + start.strip() + b" %d" % len(self.rfile.read(length)) + b"x" * 100_000
            self.wfile.write(b"HTTP/1.1 200 OK\r\nServer: cover\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def two(self):
        self.rfile.read(24)
        self.wfile.write(bytes(3) + b"\4\0" + bytes(4))    # SETTINGS
        while len(head := self.rfile.read(9)) == 9:
            self.rfile.read(int.from_bytes(head[:3], "big"))
            if head[3] == 4 and not head[4] & 1:
                self.wfile.write(bytes(3) + b"\4\1" + bytes(4))
            if head[3] == 1:    # HEADERS: ":status: 200", then the body
                self.wfile.write(b"\0\0\1\1\4" + head[5:9] + b"\x88" + b"\0\0\x0a\0\1" + head[5:9] + b"cover: h2\n")


class Cover(WithTurnd):
    @classmethod
    def setUpClass(cls):
        # The sockets have to be there when somebody asks, not when turnd starts.
        cls.keys = {"Server_CoverSocket": f"/tmp/cover.{os.getpid()}", "Server_CoverH2Socket": f"/tmp/cover-h2.{os.getpid()}"}
        cls.sites = []
        for path, h2 in zip(cls.keys.values(), (False, True)):
            site = Site(path, h2)
            cls.addClassCleanup(os.unlink, path)
            cls.addClassCleanup(site.server_close)
            cls.addClassCleanup(site.shutdown)
            cls.sites.append(site)
        super().setUpClass()

    def get(self, s, path="/"):
        connection = http.client.HTTPConnection("turn.test", timeout=10)
        connection.sock = s
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read()

    def test_http_1(self):
        source = new_source()
        s = self.turnd.dial("tls", source)
        self.addCleanup(s.close)
        port = s.getsockname()[1]
        for path in ("/", "/again"):
            status, body = self.get(s, path)
            self.assertEqual((status, body[:40]), (200, f"cover: GET {path} HTTP/1.1 0".encode().ljust(40, b"x")))
            self.assertEqual(len(body.rstrip(b"x")) + 100_000, len(body))
        self.assertEqual(self.sites[0].headers[-1], f"PROXY TCP4 {source} {self.turnd.ip} {port} 5349\r\n".encode())

    def test_through_the_front(self):
        s = turnwire.tls(self.turnd.forwarded(b"PROXY TCP4 203.0.113.7 192.0.2.77 1234 443\r\n"))
        self.addCleanup(s.close)
        self.assertEqual(self.get(s)[0], 200)
        self.assertEqual(self.sites[0].headers[-1], b"PROXY TCP4 203.0.113.7 192.0.2.77 1234 443\r\n")

    def test_curl(self):
        if shutil.which("curl") is None:
            self.skipTest("curl is not installed: apt-get install curl")
        for version, body in (("--http1.1", "cover: GET / HTTP/1.1"), ("--http2", "cover: h2")):
            with self.subTest(version):
                done = subprocess.run(["curl", "--silent", "--show-error", "--insecure", "--noproxy", "*", "--max-time", "10",
                                       version, "--interface", new_source(), f"https://{self.turnd.ip}:5349/"],
                                      capture_output=True, text=True, timeout=20)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stdout.split(" 0x")[0].strip(), body)

    def test_what_looks_like_channel_data_is_covered(self):
        """"GET " begins with 0x47: on a fresh connection there is no channel."""
        s = self.turnd.dial("tls")
        self.addCleanup(s.close)
        for b in b"GET /slow HTTP/1.1\r\n\r\n":
            s.sendall(bytes([b]))
        self.assertTrue(s.recv(1000).startswith(b"HTTP/1.1 200"))

    def test_turn_goes_on_beside_it(self):
        client, peer = self.allocated("tls"), self.peer()
        self.assertEqual(client.permit(peer.address), 0)
        self.test_http_1()
        self.assertTrue(echo(client, peer, b"beside"))

    def test_a_site_that_is_away(self):
        path = self.keys["Server_CoverSocket"]
        os.rename(path, path + ".away")
        try:
            wire = turnwire.Wire(self.turnd.dial("tls"))
            self.addCleanup(wire.close)
            wire.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with self.assertRaises(Closed):
                while not wire.socket.recv(100):
                    raise Closed
        except ssl.SSLError:
            pass
        finally:
            os.rename(path + ".away", path)
        self.test_http_1()


# --- slow ones: begun before everything else, looked at at the end ---

class Slow(unittest.TestCase):
    """A byte per second, for ever: each is closed, though not before its deadline."""
    WAYS = {"tcp": (b"\0\1\0\x40\x21\x12\xa4\x42" + bytes(500)), "tls": None, "tls, silent": b"", "tcp, silent": b"",
            "turns": b"PROXY TCP4 203.0.113.7 192.0.2.1 1234 443", "turns, silent": b"", "after a Binding": b""}
    turnd = None

    @classmethod
    def begin(cls):
        cls.turnd = Turnd()
        cls.slow, cls.closed, cls.stop = {}, {}, threading.Event()
        for way, raw in cls.WAYS.items():
            s = cls.turnd.forwarded() if way.startswith("turns") else \
                turnwire.tcp(cls.turnd.tls_at if way.startswith("tls") else cls.turnd.at, new_source())
            if way == "after a Binding":
                s.sendall(build(BINDING))
                s.recv(1000)
            cls.slow[way] = (s, turnrun.client_hello() if raw is None else raw)
        cls.thread = threading.Thread(target=cls.drip, daemon=True)
        cls.thread.start()

    @classmethod
    def drip(cls):
        at = 0
        while not cls.stop.is_set() and len(cls.closed) < len(cls.slow):
            for way, (s, raw) in cls.slow.items():
                if way in cls.closed:
                    continue
                try:
                    if at < len(raw):
                        s.send(raw[at:at + 1])
                    s.setblocking(False)
                    if s.recv(100) == b"":
                        cls.closed[way] = at
                except BlockingIOError:
                    pass
                except OSError:
                    cls.closed[way] = at
                s.setblocking(True)
            at += 1
            cls.stop.wait(1)

    @classmethod
    def end(cls):
        if cls.turnd is None:
            return
        cls.stop.set()
        cls.thread.join(10)
        for s, _ in cls.slow.values():
            s.close()
        cls.turnd.stop()

    def test_each_is_closed_by_its_deadline(self):
        wait_for("all of them are closed", lambda: len(self.closed) == len(self.WAYS), 80)
        print(f"# closed after about so many seconds: {self.closed}")
        self.assertEqual(self.turnd.metric("turn_connections"), 0)


if __name__ == "__main__":
    tap.main()

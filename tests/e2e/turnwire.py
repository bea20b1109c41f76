# SPDX-License-Identifier: AGPL-3.0-only
"""TURN on the wire, for tests: STUN messages both ways, and a client that does what it is told, wrong things included.

RFC 8489, 8656, 6062, 8016, 5780. Python's standard library only: nothing here shares code with what it tests.
"""
import base64
import hashlib
import hmac
import os
import select
import socket
import ssl
import struct
import time
import zlib

MAGIC = 0x2112A442
REQUEST, INDICATION, SUCCESS, ERROR = range(4)
BINDING, ALLOCATE, REFRESH, SEND, DATA, PERMISSION, BIND, CONNECT, CONNECTION_BIND, ATTEMPT = 1, 3, 4, 6, 7, 8, 9, 10, 11, 12
MAPPED_ADDRESS, CHANGE_REQUEST, USERNAME, INTEGRITY, ERROR_CODE, UNKNOWN = 1, 3, 6, 8, 9, 10
CHANNEL, LIFETIME, PEER, PAYLOAD, REALM, NONCE, RELAYED, FAMILY = 0xC, 0xD, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17
EVEN_PORT, TRANSPORT, DONT_FRAGMENT, INTEGRITY256, ALGORITHM = 0x18, 0x19, 0x1A, 0x1C, 0x1D
USERHASH, MAPPED, TOKEN, PADDING, CONNECTION = 0x1E, 0x20, 0x22, 0x26, 0x2A
MORE_FAMILY, ALGORITHMS, SOFTWARE, FINGERPRINT, TICKET, OTHER_ADDRESS = 0x8000, 0x8002, 0x8022, 0x8028, 0x8030, 0x802C
UDP, TCP = struct.pack(">I", 17 << 24), struct.pack(">I", 6 << 24)
V4, V6 = struct.pack(">I", 1 << 24), struct.pack(">I", 2 << 24)


def u32(value):
    return struct.pack(">I", value)


def attribute(kind, value):
    return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)


def kind_of(method, cls):
    return method & 0xF | (method & 0x70) << 1 | (method & 0xF80) << 2 | (cls & 1) << 4 | (cls & 2) << 7


def build(method, attrs=(), cls=REQUEST, tid=None, key=None, sha256=False, fingerprint=False):
    tid = tid or os.urandom(12)
    body = b"".join(attribute(k, v) for k, v in attrs)

    def head(more):
        return struct.pack(">HHI", kind_of(method, cls), len(body) + more, MAGIC) + tid

    if key is not None and sha256:
        body += attribute(INTEGRITY256, hmac.new(key, head(36) + body, hashlib.sha256).digest())
    elif key is not None:
        body += attribute(INTEGRITY, hmac.new(key, head(24) + body, hashlib.sha1).digest())
    if fingerprint:
        body += attribute(FINGERPRINT, u32(zlib.crc32(head(8) + body) ^ 0x5354554E))
    return head(0) + body


def packed(ip):
    """(family, bytes) of an address in text; "::ffff:1.2.3.4" stays one of IPv6."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    return family, socket.inet_pton(family, ip)


def xor(ip, tid):
    mask = u32(MAGIC) + tid
    return bytes(a ^ b for a, b in zip(ip, mask))


def address(ip, port, tid):
    """The value of an XOR-…-ADDRESS."""
    family, raw = packed(ip)
    return struct.pack(">BBH", 0, 1 if family == socket.AF_INET else 2, port ^ MAGIC >> 16) + xor(raw, tid)


class Message:
    def __init__(self, raw):
        kind, length, magic = struct.unpack(">HHI", raw[:8])
        if magic != MAGIC or length + 20 != len(raw):
            raise ValueError(f"no STUN message: {raw[:40].hex()}")
        self.raw, self.tid = raw, raw[8:20]
        self.cls = kind >> 4 & 1 | kind >> 7 & 2
        self.method = kind & 0xF | kind >> 1 & 0x70 | kind >> 2 & 0xF80
        self.attrs, at = [], 20
        while at < len(raw):
            k, n = struct.unpack(">HH", raw[at:at + 4])
            self.attrs.append((k, raw[at + 4:at + 4 + n], at))
            at += 4 + n + -n % 4

    def all(self, kind):
        return [value for k, value, _ in self.attrs if k == kind]

    def get(self, kind):
        return next(iter(self.all(kind)), None)

    def __contains__(self, kind):
        return self.get(kind) is not None

    def number(self, kind):
        return int.from_bytes(self.get(kind), "big")

    @property
    def code(self):
        """0 of a success, else the error code."""
        value = self.get(ERROR_CODE)
        return value[2] * 100 + value[3] if value else 0

    def addresses(self, kind, masked=True):
        """[(ip, port)]"""
        got = []
        for value in self.all(kind):
            family, port = struct.unpack(">BH", value[1:4])
            raw = xor(value[4:], self.tid) if masked else value[4:]
            got.append((socket.inet_ntop(socket.AF_INET if family == 1 else socket.AF_INET6, raw),
                        port ^ MAGIC >> 16 if masked else port))
        return got

    def address(self, kind, masked=True):
        return self.addresses(kind, masked)[0]

    def is_signed(self, key):
        """With the MESSAGE-INTEGRITY that it has."""
        for kind, digest, size in ((INTEGRITY256, hashlib.sha256, 32), (INTEGRITY, hashlib.sha1, 20)):
            for k, value, at in self.attrs:
                if k == kind:
                    head = self.raw[:2] + struct.pack(">H", at + 4 + size - 20) + self.raw[4:at]
                    return hmac.compare_digest(hmac.new(key, head, digest).digest(), value)
        return False


# --- transports ---

class Closed(Exception):
    """The server ended the connection."""


def udp(server, source=None, port=0):
    """A connected socket; source: an address of ours."""
    s = socket.socket(packed(server[0])[0], socket.SOCK_DGRAM)
    if source:
        s.bind((source, port))
    s.connect(server)
    return s


def tcp(server, source=None):
    return socket.create_connection(server, 10, source_address=(source, 0) if source else None)


def tls(plain, alpn=None, name="turn.test"):
    """TLS over a connected stream socket; whose certificate it is does not matter."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(alpn)
    plain.settimeout(10)
    return context.wrap_socket(plain, server_hostname=name)


class Wire:
    """Whole messages over a socket. Over a stream they end at multiples of four bytes."""

    def __init__(self, sock):
        self.socket, self.data = sock, b""
        self.stream = sock.type == socket.SOCK_STREAM

    def send(self, raw):
        if not self.stream:
            self.socket.send(raw)
            return
        try:
            self.socket.sendall(raw + bytes(-len(raw) % 4))
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError) as e:
            raise Closed from e

    def readable(self, end):
        pending = self.stream and isinstance(self.socket, ssl.SSLSocket) and self.socket.pending()
        return pending or bool(select.select([self.socket], [], [], max(0, end - time.monotonic()))[0])

    def framed(self):
        if len(self.data) < 4:
            return None
        n = struct.unpack(">H", self.data[2:4])[0]
        n = 4 + n + -n % 4 if self.data[0] & 0xC0 == 0x40 else 20 + n
        if len(self.data) < n:
            return None
        raw, self.data = self.data[:n], self.data[n:]
        return raw

    def receive(self, seconds=2.0):
        """The next message; None: none came. Closed: the stream has ended."""
        end = time.monotonic() + seconds
        while True:
            raw = self.framed() if self.stream else None
            if raw:
                return raw
            if not self.readable(end):
                return None
            try:
                got = self.socket.recv(65536)
            except (ConnectionResetError, ssl.SSLError) as e:
                raise Closed from e
            except ConnectionRefusedError:
                continue
            if not self.stream:
                return got
            if not got:
                raise Closed
            self.data += got

    def is_closed(self, seconds=10.0):
        """Ends within that time, whatever else arrives before."""
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                self.receive(end - time.monotonic())
        except Closed:
            return True
        return False

    def close(self):
        self.socket.close()


# --- credentials ---

def credential(secret, name="alice", lasts=600, until=None):
    """(user name, password) of the REST form."""
    user = f"{until or int(time.time()) + lasts}:{name}"
    return user, base64.b64encode(hmac.new(secret, user.encode(), hashlib.sha1).digest()).decode()


# --- a client ---

class Client:
    """One 5-tuple. What is not an answer is kept in `inbox`: (peer or channel number, payload), or a Message."""
    TRIES = 6

    def __init__(self, sock, user=None, password=None, sha256=False):
        self.wire = Wire(sock)
        self.user, self.password, self.sha256 = user, password, sha256
        self.realm = self.nonce = self.algorithms = self.key = None
        self.inbox = []
        self.channels = {}
        self.relayed = []
        self.ticket = None

    def close(self):
        self.wire.close()

    # requests

    def exchange(self, raw, tries=TRIES, wait=0.5):
        """The answer to a request; None: there is none. Over UDP it is repeated."""
        tid = raw[8:20]
        for _ in range(tries):
            self.wire.send(raw)
            end = time.monotonic() + (wait if not self.wire.stream else tries * wait)
            while (left := end - time.monotonic()) > 0:
                got = self.wire.receive(left)
                if got is None:
                    break
                answer = self.sort(got, tid)
                if answer:
                    return answer
            if self.wire.stream:
                return None
        return None

    def sort(self, raw, tid=None):
        if raw[0] & 0xC0 == 0x40:
            number, n = struct.unpack(">HH", raw[:4])
            self.inbox.append((self.channels.get(number, number), raw[4:4 + n]))
            return None
        message = Message(raw)
        if message.cls in (SUCCESS, ERROR):
            return message if message.tid == tid else None
        if message.method == DATA:
            self.inbox.append((message.address(PEER), message.get(PAYLOAD)))
        else:
            self.inbox.append((None, message))
        return None

    def learn(self, answer):
        """Realm, nonce and algorithms of a challenge."""
        self.realm, self.nonce = answer.get(REALM), answer.get(NONCE)
        self.algorithms = answer.get(ALGORITHMS)
        text = b":".join((self.user.encode(), self.realm, self.password.encode()))
        self.key = hashlib.sha256(text).digest() if self.sha256 else hashlib.md5(text).digest()

    def signed(self, method, attrs=(), tid=None, user=None, key=None):
        """A request with what the last challenge asked for."""
        own = [(USERNAME, (self.user if user is None else user).encode()), (REALM, self.realm), (NONCE, self.nonce)]
        if self.sha256:
            own += [(ALGORITHMS, self.algorithms), (ALGORITHM, struct.pack(">HH", 2, 0))]
        return build(method, [*attrs, *own], tid=tid, key=key or self.key, sha256=self.sha256)

    def challenged(self, method=ALLOCATE):
        answer = self.exchange(build(method, [(TRANSPORT, UDP)] if method == ALLOCATE else []))
        if answer is None or answer.code not in (401, 438):
            raise AssertionError(f"no challenge: {answer and answer.code}")
        self.learn(answer)
        return answer

    def call(self, method, *attrs, peers=(), tries=TRIES):
        """An authenticated request and its answer; a new nonce is taken once."""
        if self.nonce is None:
            self.challenged()
        for _ in range(2):
            tid = os.urandom(12)
            raw = self.signed(method, [*((PEER, address(*p, tid)) for p in peers), *attrs], tid)
            answer = self.exchange(raw, tries)
            if answer is None:
                raise AssertionError(f"method {method}: no answer")
            if answer.code != 438:
                break
            self.learn(answer)
        if answer.cls == SUCCESS and not answer.is_signed(self.key):
            raise AssertionError(f"method {method}: the answer is not signed")
        return answer

    # what TURN clients do: each returns the code, 0 for a success

    def allocate(self, *attrs, transport=UDP):
        answer = self.call(ALLOCATE, (TRANSPORT, transport), *attrs)
        self.answer = answer
        self.relayed = answer.addresses(RELAYED)
        self.ticket = answer.get(TICKET)
        return answer.code

    def refresh(self, *attrs):
        self.answer = self.call(REFRESH, *attrs)
        return self.answer.code

    def permit(self, *peers):
        return self.call(PERMISSION, peers=peers).code

    def bind(self, number, peer):
        code = self.call(BIND, (CHANNEL, struct.pack(">HH", number, 0)), peers=[peer]).code
        if code == 0:
            self.channels[number] = peer
        return code

    def connect(self, peer):
        self.answer = self.call(CONNECT, peers=[peer])
        return self.answer.code

    def send(self, peer, payload, *attrs):
        """A Send indication."""
        tid = os.urandom(12)
        self.wire.send(build(SEND, [(PEER, address(*peer, tid)), *attrs, (PAYLOAD, payload)], cls=INDICATION, tid=tid))

    def send_channel(self, number, payload):
        self.wire.send(struct.pack(">HH", number, len(payload)) + payload)

    def receive(self, seconds=5.0):
        """(peer, payload); None: nothing came."""
        end = time.monotonic() + seconds
        while not self.inbox:
            got = self.wire.receive(max(0, end - time.monotonic()))
            if got is None:
                return None
            self.sort(got)
        return self.inbox.pop(0)

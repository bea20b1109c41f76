#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""The front, end to end: rendered, started without privileges, asked over real sockets.

Stub upstreams stand in for the hub, sfud and turnd. All traffic stays on 127.0.0.1 and ::1.
"""
import base64
import hashlib
import http.client
import json
import os
import re
import select
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
TURNS = "turn.example.test"
NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
AS_ROOT = os.geteuid() == 0

sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)
import rig  # noqa: E402
import tap  # noqa: E402
from rig import ROOT, wait_for  # noqa: E402

FRONT = os.path.join(ROOT, "daemons", "front")
REFRESHD = rig.program("refreshd")
RENDER = [REFRESHD, "front", "--share", os.path.join(ROOT, "daemons")]


def setUpModule():
    if REFRESHD is None:
        raise unittest.SkipTest("no refreshd in $EDGE_BUILD, build/test or build: ./edge build")
    for name, path in (("nginx", NGINX), ("openssl", shutil.which("openssl")), ("curl", shutil.which("curl"))):
        if path is None:
            raise unittest.SkipTest(f"{name} is not installed: apt-get install {name}")
    if not os.path.exists("/usr/lib/nginx/modules/ngx_stream_module.so"):
        raise unittest.SkipTest("nginx's stream module is not installed: apt-get install libnginx-mod-stream")


def free_port(low=False):
    """A port nobody has on 127.0.0.1 and ::1; low: below 1024."""
    for port in range(700, 1023) if low else (0,) * 50:
        with socket.socket() as four:
            try:
                four.bind(("127.0.0.1", port))
            except OSError:
                continue
            port = four.getsockname()[1]
            if not has_ipv6():
                return port
            with socket.socket(socket.AF_INET6) as six:
                try:
                    six.bind(("::1", port))
                    return port
                except OSError:
                    continue
    raise AssertionError("no free port")


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def render(output, *values, template=None, files=()):
    options = [part for f in files for part in ("-v", f)] + (["-t", template] if template else [])
    return subprocess.run([*RENDER, *options, "-o", output, *values], capture_output=True, text=True, timeout=30)


# Where an upstream may send people, by path: none may be rewritten.
REDIRECTS = {"/to-path": "/elsewhere", "/to-upstream": "http://site/elsewhere", "/to-http": "http://localhost/elsewhere",
             "/to-https": "https://localhost/elsewhere"}


class Stub(socketserver.ThreadingTCPServer):
    """An HTTP upstream: tells the headers it saw as JSON, and echoes WebSocket frames byte for byte, upper-cased. With a
    path it listens there, on a Unix socket."""
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, name, path=None):
        self.address_family = socket.AF_UNIX if path else socket.AF_INET
        super().__init__(path or ("127.0.0.1", 0), StubHandler)
        self.name, self.path = name, path
        if path:
            os.chmod(path, 0o777)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_bind(self):
        self.socket.bind(self.server_address)    # without the look-up of the host's name
        self.server_address = self.socket.getsockname()

    @property
    def address(self):
        return f"unix:{self.path}" if self.path else f"127.0.0.1:{self.server_address[1]}"

    def end(self):
        self.shutdown()
        self.server_close()
        if self.path and os.path.exists(self.path):
            os.unlink(self.path)


class StubHandler(socketserver.StreamRequestHandler):
    def handle(self):
        start = self.rfile.readline().decode()
        headers = []
        while (line := self.rfile.readline().decode().strip()):
            name, _, value = line.partition(":")
            headers.append((name.lower(), value.strip()))
        seen = dict(headers)
        if seen.get("upgrade") == "websocket":
            return self.websocket(seen)
        self.rfile.read(int(seen.get("content-length", 0)))
        status = "200 OK"
        if (place := REDIRECTS.get(start.split()[1])):
            status = f"302 Found\r\nLocation: {place}"
        if (own := re.match(r"\S+ \S*/own-(5\d\d)", start)):
            status = f"{own[1]} Own"
        if "/silent" in start:
            self.request.settimeout(30)
            self.request.recv(1)    # until nginx has enough of it
            return
        body = json.dumps({"stub": self.server.name, "start": start.strip(), "headers": headers}).encode()
        if start.startswith("HEAD "):
            body = b""
        self.wfile.write(b"HTTP/1.1 %s\r\nServer: stub/9.9\r\nX-Powered-By: stub\r\nContent-Type: application/json\r\n"
                         b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (status.encode(), len(body), body))

    def websocket(self, seen):
        key = hashlib.sha1((seen["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         b"Sec-WebSocket-Accept: %s\r\n\r\n" % base64.b64encode(key))
        while (data := self.request.recv(4096)):
            self.wfile.write(self.server.name.encode() + b":" + data.upper())


class Turns:
    """turnd's place: a Unix socket that keeps the first bytes of every connection."""

    def __init__(self, path):
        self.path, self.seen = path, []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        os.chmod(path, 0o777)
        self.socket.listen(8)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                conn, _ = self.socket.accept()
            except OSError:
                return
            with conn:
                conn.settimeout(5)
                self.seen.append(conn.recv(4096))


class Turnd(Turns):
    """turnd's place, and for a connection that is no TURN its work: it ends TLS and hands the rest to a cover socket."""

    def __init__(self, prefix):
        super().__init__(f"{prefix}/run/turns.sock")
        self.covers = {"h2": f"{prefix}/run/cover-h2.sock"}
        self.cover = f"{prefix}/run/cover.sock"
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(f"{prefix}/tls/fullchain.pem", f"{prefix}/tls/privkey.pem")
        self.tls.set_alpn_protocols(["h2", "http/1.1"])

    def serve(self):
        while True:
            try:
                conn, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(conn,), daemon=True).start()

    def one(self, conn):
        conn.settimeout(10)
        proxy = b""
        while not proxy.endswith(b"\r\n"):
            proxy += conn.recv(1)
        self.seen.append(proxy)
        with self.tls.wrap_socket(conn, server_side=True) as near, socket.socket(socket.AF_UNIX) as far:
            far.connect(self.covers.get(near.selected_alpn_protocol(), self.cover))
            far.sendall(proxy)
            near.setblocking(False)
            try:
                self.splice(near, far)
            except OSError:
                pass

    @staticmethod
    def splice(near, far):
        while True:
            readable = [near] if near.pending() else select.select([near, far], [], [], 10)[0]
            if not readable:
                return
            if near in readable:
                try:
                    data = near.recv(65536)
                except ssl.SSLWantReadError:
                    data = None
                if data == b"":
                    far.shutdown(socket.SHUT_WR)
                    near, far = far, near    # only the answer's rest is left
                    while (data := near.recv(65536)):
                        far.setblocking(True)
                        far.sendall(data)
                    return
                if data:
                    far.sendall(data)
            if far in readable:
                data = far.recv(65536)
                if not data:
                    return
                near.setblocking(True)
                near.sendall(data)
                near.setblocking(False)


class Front:
    """One instance under a prefix of its own; as root it runs as nobody."""

    def __init__(self, *values, low_ports=False, by_sockets=False):
        self.prefix = tempfile.mkdtemp(prefix="front.")
        for name in ("run", "log", "tmp", "acme", "tls"):
            os.mkdir(f"{self.prefix}/{name}")
        self.http, self.https = free_port(low_ports), None
        while self.https in (None, self.http):
            self.https = free_port() if not low_ports else self.http + 1
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:" + TURNS,
                        "-keyout", f"{self.prefix}/tls/privkey.pem", "-out", f"{self.prefix}/tls/fullchain.pem"],
                       check=True, capture_output=True)
        self.sfud = Stub("sfud")
        if by_sockets:
            self.site, self.events = (Stub(name, f"{self.prefix}/run/{name}") for name in ("web", "ws"))
            self.upstreams = [f"WEB_UPSTREAM={self.site.address}", f"WS_UPSTREAM={self.events.address}"]
        else:
            self.site = self.events = Stub("site")
            self.upstreams = [f"UPSTREAM={self.site.address}"]
        with open(f"{FRONT}/retry.html.in", encoding="utf-8") as page, \
                open(f"{self.prefix}/retry.html", "w", encoding="utf-8") as copy:
            copy.write(page.read())
        made = render(f"{self.prefix}/nginx.conf", f"PREFIX={self.prefix}", f"HTTP_PORT={self.http}",
                      f"HTTPS_PORT={self.https}", f"SFUD={self.sfud.address}", *self.upstreams,
                      *(value.replace("{prefix}", self.prefix) for value in values))
        if made.returncode:
            raise AssertionError(made.stderr)
        self.command = [NGINX, "-p", self.prefix, "-c", f"{self.prefix}/nginx.conf", "-e", f"{self.prefix}/log/error.log"]
        if AS_ROOT:
            shutil.chown(self.prefix, "nobody")
            for folder, _, names in os.walk(self.prefix):
                for path in [folder, *(os.path.join(folder, n) for n in names)]:
                    shutil.chown(path, "nobody", "nogroup")
            caps = "+net_bind_service" if low_ports else "-all"
            self.command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--bounding-set",
                            "-all,+net_bind_service" if low_ports else "-all", "--inh-caps", caps,
                            "--ambient-caps", caps, "--no-new-privs", *self.command]
        tested = subprocess.run([*self.command, "-t"], capture_output=True, text=True)
        if tested.returncode:
            raise AssertionError(tested.stderr)
        self.child = subprocess.Popen([*self.command, "-g", "daemon off;"], stderr=subprocess.DEVNULL)
        wait_for("the front answers", lambda: self.answers())

    def answers(self):
        if self.child.poll() is not None:
            raise AssertionError("nginx ended:\n" + self.log("error"))
        try:
            socket.create_connection(("127.0.0.1", self.https), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        self.child.terminate()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        for stub in {self.site, self.events, self.sfud}:
            stub.end()
        shutil.rmtree(self.prefix, ignore_errors=True)

    def log(self, name):
        try:
            with open(f"{self.prefix}/log/{name}.log", encoding="utf-8") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def workers(self):
        with open(f"/proc/{self.child.pid}/task/{self.child.pid}/children", encoding="ascii") as f:
            return set(f.read().split())

    def reload(self):
        before = self.workers()
        self.child.send_signal(signal.SIGHUP)
        wait_for("new workers", lambda: self.workers() - before)

    def tls(self, name="localhost", host="127.0.0.1", alpn=("http/1.1",), version=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if version is not None:
            context.set_ciphers("DEFAULT@SECLEVEL=0")
            with warnings.catch_warnings():    # Python frowns on TLS 1.1, which is the point
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(list(alpn))
        return context.wrap_socket(socket.create_connection((host, self.https), 10), server_hostname=name)

    def from_cover(self, proxy, path="/"):
        """A request as turnd would hand it over for a client, with nothing of TLS in it."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(f"{self.prefix}/run/cover.sock")
            s.sendall(f"{proxy}\r\nGET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return Answer(read_all(s))

    def raw(self, data, **how):
        """Sends bytes over TLS and returns all that comes back."""
        with self.tls(**how) as s:
            s.settimeout(10)
            try:
                s.sendall(data)
            except (ssl.SSLError, OSError):
                pass    # refused before it was all sent; the answer says why
            return read_all(s)

    def get(self, path="/", headers=(), host="127.0.0.1", name="localhost", site=None, method="GET"):
        lines = [f"{method} {path} HTTP/1.1", f"Host: {site or 'localhost'}:{self.https}", "Connection: close",
                 *(f"{k}: {v}" for k, v in headers)]
        return Answer(self.raw("".join(line + "\r\n" for line in lines + [""]).encode(), host=host, name=name))

    def from_client(self, address, path="/", family="TCP4"):
        """A request as the stream server would hand it over for that client."""
        to = "127.0.0.1" if family == "TCP4" else "::1"
        s = socket.socket(socket.AF_UNIX)
        s.connect(f"{self.prefix}/run/https.sock")
        s.sendall(f"PROXY {family} {address} {to} 40000 443\r\n".encode())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(s, server_hostname="localhost") as t:
            t.settimeout(10)
            t.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return Answer(read_all(t))

    def websocket(self, path, name="localhost"):
        s = self.tls(name)
        s.settimeout(10)
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost:{self.https}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += s.recv(1)
        return s, head


class Answer:
    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1]) if lines[0] else 0
        self.headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}

    def upstream(self):
        """What the stub says it saw: its name and the headers."""
        seen = json.loads(self.body)
        return seen["stub"], seen["headers"]


def read_all(s):
    data = b""
    try:
        while (more := s.recv(65536)):
            data += more
    except (ConnectionResetError, ssl.SSLEOFError):
        pass
    return data


class WithFront(unittest.TestCase):
    values = ()
    low_ports = by_sockets = False

    @classmethod
    def setUpClass(cls):
        cls.front = Front(*cls.values, low_ports=cls.low_ports, by_sockets=cls.by_sockets)
        cls.addClassCleanup(cls.front.stop)


class Serving(WithFront):
    values = ("TURNS_NAME=" + TURNS,)

    def test_h2_and_http11_by_alpn(self):
        for offer, want in ((("h2", "http/1.1"), "h2"), (("http/1.1",), "http/1.1"), (("h2",), "h2")):
            with self.subTest(offer), self.front.tls(alpn=offer) as s:
                self.assertEqual(s.selected_alpn_protocol(), want)
        for flag, want in (("--http2", "2 200"), ("--http1.1", "1.1 200")):
            got = subprocess.run(["curl", "--silent", "--insecure", flag, "--write-out", "\n%{http_version} %{http_code}",
                                  f"https://localhost:{self.front.https}/"], capture_output=True, text=True, timeout=30)
            self.assertEqual(got.stdout.splitlines()[-1], want)

    def test_tls_12_and_13_only(self):
        for version, want in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            with self.front.tls(version=version) as s:
                self.assertEqual(s.version(), want)
        with self.assertRaisesRegex(ssl.SSLError, "(?i)protocol.version"):    # the server's alert, not our own refusal
            self.front.tls(version=ssl.TLSVersion.TLSv1_1)

    def test_sessions_resume_as_with_any_nginx(self):
        with self.front.tls(version=ssl.TLSVersion.TLSv1_2) as first:
            session = first.session
            context = first.context
        with context.wrap_socket(socket.create_connection(("127.0.0.1", self.front.https), 10),
                                 server_hostname="localhost", session=session) as again:
            self.assertTrue(again.session_reused)

    def test_routes(self):
        for path, want in (("/", "site"), ("/api/health", "site"), ("/sfu/ws/room-1", "sfud"), ("/sfu/other", "site"),
                           ("/ws/x", "site"), ("/sfu/ws", "site")):
            self.assertEqual((path, self.front.get(path).upstream()[0]), (path, want))

    def test_clients_claims_are_dropped_and_the_truth_is_set(self):
        lies = [("X-Forwarded-For", "9.9.9.9"), ("X-Forwarded-Proto", "gopher"), ("X-Forwarded-Host", "evil.test"),
                ("X-Forwarded-Port", "1"), ("X-Forwarded-Server", "evil"), ("Forwarded", "for=9.9.9.9"),
                ("X-Real-IP", "9.9.9.9"), ("X_Forwarded_For", "9.9.9.9"), ("True-Client-IP", "9.9.9.9"),
                ("X-Client-IP", "9.9.9.9"), ("CF-Connecting-IP", "9.9.9.9"), ("X-Geo-Country", "evil"),
                ("X-Channel-Tag", "evil"), ("Via", "evil")]
        for path in ("/", "/sfu/ws/r"):
            _, seen = self.front.get(path, lies).upstream()
            self.assertFalse([h for h in seen if h[1] in {value for _, value in lies}], path)
            forwarded = sorted(h for h in seen if "forwarded" in h[0] or "real" in h[0])
            self.assertEqual(forwarded, [["x-forwarded-for", "127.0.0.1"],
                                         ["x-forwarded-host", f"localhost:{self.front.https}"],
                                         ["x-forwarded-proto", "https"]])
            self.assertIn(["host", f"localhost:{self.front.https}"], seen)

    def test_everything_else_reaches_the_upstream(self):
        _, seen = self.front.get("/", [("Authorization", "Bearer abc"), ("Cookie", "a=b"), ("X-Other", "kept")]).upstream()
        for pair in (["authorization", "Bearer abc"], ["cookie", "a=b"], ["x-other", "kept"]):
            self.assertIn(pair, seen)

    @unittest.skipUnless(has_ipv6(), "this kernel has no ::1")
    def test_ipv6_client_address(self):
        _, seen = self.front.get("/", host="::1").upstream()
        self.assertIn(["x-forwarded-for", "::1"], seen)

    def test_only_websocket_upgrades(self):
        _, seen = self.front.get("/", [("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA")]).upstream()
        self.assertNotIn("upgrade", dict(seen))
        self.assertEqual(dict(seen)["connection"], "close")

    def test_version_and_upstream_are_hidden(self):
        answers = [self.front.get("/"), self.front.get("/" + "x" * 40000),
                   Answer(self.front.raw(b"nonsense\r\n\r\n"))]
        for answer in answers:
            self.assertEqual(answer.headers["server"], "nginx")
            self.assertNotIn("x-powered-by", answer.headers)
            self.assertNotRegex(answer.body, rb"nginx/\d")

    def test_plain_http_on_the_tls_port_is_answered_as_nginx_does(self):
        with socket.create_connection(("127.0.0.1", self.front.https), 10) as s:
            s.settimeout(10)
            s.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = Answer(read_all(s))
        self.assertEqual(answer.status, 400)
        self.assertIn(b"The plain HTTP request was sent to HTTPS port", answer.body)

    def test_port_80_redirects_and_serves_acme(self):
        folder = f"{self.front.prefix}/acme/.well-known/acme-challenge"
        os.makedirs(folder)
        with open(f"{folder}/token", "w", encoding="ascii") as f:
            f.write("proof")
        for path, want in (("/.well-known/acme-challenge/token", (200, b"proof")),
                           ("/.well-known/acme-challenge/none", (404, None)), ("/a?b=c", (301, None))):
            c = http.client.HTTPConnection("127.0.0.1", self.front.http, timeout=10)
            c.request("GET", path, headers={"Host": "localhost"})
            r = c.getresponse()
            body = r.read()
            self.assertEqual((path, r.status), (path, want[0]))
            if want[1] is not None:
                self.assertEqual(body, want[1])
            if r.status == 301:
                self.assertEqual(r.getheader("Location"), f"https://localhost:{self.front.https}/a?b=c")
            c.close()

    def test_big_heads_and_bodies_are_refused(self):
        # One TLS record, so that nginx has read all of it when it refuses: closing over unread bytes is a reset, which
        # may overtake the answer.
        self.assertEqual(self.front.get("/" + "x" * 9000).status, 414)
        self.assertEqual(self.front.get("/", [("X-Big", "x" * 9000)]).status, 400)
        many = [(f"X-{i}", "x" * 4000) for i in range(20)]
        self.assertEqual(self.front.get("/", many).status, 400)
        big = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n"
        self.assertEqual(Answer(self.front.raw(big)).status, 413)

    def test_a_refused_upload_gets_its_answer_not_a_reset(self):
        with self.front.tls() as s:
            s.settimeout(10)
            s.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n")
            time.sleep(0.3)    # the answer is out, the server's side is closing
            s.sendall(b"x" * 100000)
            self.assertEqual(Answer(read_all(s)).status, 413)

    def test_turns_name_goes_to_turnd_with_a_proxy_header(self):
        path = f"{self.front.prefix}/run/turns.sock"
        turns = Turns(path)
        self.addCleanup(os.unlink, path)
        self.addCleanup(turns.socket.close)
        with self.assertRaises((ssl.SSLError, OSError)):
            self.front.tls(name=TURNS)
        first = wait_for("turnd's connection", lambda: turns.seen and turns.seen[0])
        head, _, rest = first.partition(b"\r\n")
        self.assertRegex(head.decode(), rf"^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ {self.front.https}$")
        if rest:
            self.assertEqual(rest[0], 22)    # the ClientHello, untouched
        self.assertEqual(self.front.get("/", name="unknown.example.test").upstream()[0], "site")
        self.assertEqual(self.front.get("/", name=None).upstream()[0], "site")
        self.assertEqual(len(turns.seen), 1)

    def test_turns_name_without_turnd_is_one_more_web_site(self):
        self.assertEqual(self.front.get("/", name=TURNS).upstream()[0], "site")

    def test_workers_have_no_privileges(self):
        if not AS_ROOT:
            self.skipTest("started by an ordinary user: nginx has nothing to give up")
        for pid in [str(self.front.child.pid), *self.front.workers()]:
            with open(f"/proc/{pid}/status", encoding="ascii") as f:
                status = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
            self.assertNotIn("0", status["Uid"].split())
            for kind in ("CapEff", "CapPrm", "CapBnd", "CapAmb"):
                self.assertEqual(int(status[kind], 16), 0, kind)


class Cover(WithFront):
    """The TURNS name behind turnd looks like the site in all it answers."""
    values = ("TURNS_NAME=" + TURNS, "HSTS=max-age=31536000")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.turnd = Turnd(cls.front.prefix)
        cls.addClassCleanup(cls.turnd.socket.close)

    def both(self, ask):
        """The answer over 443 and the one through turnd, of which only the date may differ."""
        before = len(self.turnd.seen)
        site = ask("localhost")
        self.assertEqual(len(self.turnd.seen), before)
        cover = ask(TURNS)
        self.assertEqual(len(self.turnd.seen), before + 1)
        hide_date = re.compile(rb"(?im)^date: .*?\r$")
        site, cover = (hide_date.sub(b"date: -\r", answer) for answer in (site, cover))
        self.assertEqual(cover, site)
        self.assertTrue(site)
        return site

    def test_http11_byte_for_byte(self):
        host = b"Host: localhost\r\nConnection: close\r\n"
        lies = b"X-Forwarded-Proto: http\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Port: 80\r\n"
        requests = [b"GET / HTTP/1.1\r\n" + host + b"\r\n", b"GET / HTTP/1.1\r\n" + host + lies + b"\r\n",
                    b"HEAD /api/health?x=y HTTP/1.1\r\n" + host + b"\r\n", b"GET / HTTP/1.0\r\n\r\n",
                    b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 3\r\n\r\nabc",
                    b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 1000000000\r\n\r\n",
                    b"GET /sfu/ws/room HTTP/1.1\r\n" + host + b"\r\n", b"GET /sfu/ws HTTP/1.1\r\n" + host + b"\r\n",
                    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET /second HTTP/1.1\r\n" + host + b"\r\n",
                    b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n" + host + b"\r\n", b"GET / HTTP/1.1\r\n\r\n",
                    b"GET /%zz HTTP/1.1\r\n" + host + b"\r\n", b"TRACE / HTTP/1.1\r\n" + host + b"\r\n",
                    b"GET / HTTP/3.7\r\n" + host + b"\r\n", b"nonsense\r\n\r\n"]
        requests += [b"GET %s HTTP/1.1\r\n%s\r\n" % (path.encode(), host) for path in REDIRECTS]
        for request in requests:
            with self.subTest(request[:60]):
                self.both(lambda name, request=request: self.front.raw(request, name=name))

    def test_http2_byte_for_byte(self):
        def ask(name, *more):
            return subprocess.run(
                ["curl", "--silent", "--show-error", "--insecure", "--include", "--noproxy", "*", "--http2", "--max-time", "20",
                 "--header", "Host: localhost", "--connect-to", f"{name}:{self.front.https}:127.0.0.1:{self.front.https}",
                 *more, f"https://{name}:{self.front.https}{path}"], capture_output=True, check=True, timeout=30).stdout
        for path, more in (*((path, ()) for path in ("/", "/api/health?x=y", "/sfu/ws/room", "/" + "x" * 9000, *REDIRECTS)),
                           ("/", ("--head",)), ("/", ("--data", "abc")), ("/", ("--header", "X-Forwarded-Proto: http"))):
            with self.subTest(path=path[:60], more=more):
                self.assertTrue(self.both(lambda name, more=more: ask(name, *more)).startswith(b"HTTP/2 "))

    def test_it_is_told_as_https(self):
        for name in ("localhost", TURNS):
            answer = self.front.get("/", name=name)
            self.assertEqual(answer.headers["strict-transport-security"], "max-age=31536000")
            self.assertIn(["x-forwarded-proto", "https"], answer.upstream()[1])
            for path, place in REDIRECTS.items():
                self.assertEqual(self.front.get(path, name=name).headers["location"], place)

    def test_websockets(self):
        for path, stub in (("/sfu/ws/room", b"sfud"), ("/ws/events", b"site")):
            s, head = self.front.websocket(path, name=TURNS)
            with s:
                self.assertTrue(head.startswith(b"HTTP/1.1 101"), head)
                s.sendall(b"hello")
                self.assertEqual(s.recv(100), stub + b":HELLO")

    def test_the_clients_address_is_the_proxy_headers(self):
        for proxy, address, masked in (("PROXY TCP4 203.0.113.77 127.0.0.1 40000 443", "203.0.113.77", "203.0.0.0"),
                                       ("PROXY TCP6 2001:db8::77 ::1 40000 443", "2001:db8::77", "2001:db8::")):
            answer = self.front.from_cover(proxy, "/from/" + masked)
            self.assertIn(["x-forwarded-for", address], answer.upstream()[1])
            wait_for("the log line", lambda masked=masked: f'{masked} - - [' in self.front.log("access"))
            self.assertNotIn(address, self.front.log("access"))
        self.assertEqual(self.front.from_cover("GET / HTTP/1.1").status, 0, "without a PROXY header there is no answer")


class Upstreams(WithFront):
    """As on a node: tunneld's two streams on Unix sockets, the site under its own name, asked for by central's."""
    by_sockets = True
    values = ("DOMAIN=edge.test", "UPSTREAM_HOST=central.test", "TURNS_NAME=" + TURNS)

    def test_routes(self):
        for path, want in (("/", "web"), ("/api/health", "web"), ("/ws/x", "ws"), ("/ws/", "ws"), ("/ws", "web"), ("/wsx", "web"),
                           ("/events/x", "web"), ("/relay/x", "web"), ("/sfu/ws/room", "sfud"), ("/sfu/ws", "web"),
                           ("/retry", "web"), ("//retry", "web"), ("//unavailable", "web"), ("/%2fretry", "web"),
                           ("/canary/tunnel", "web"), ("/canary/upstream", "web")):
            self.assertEqual((path, self.front.get(path).upstream()[0]), (path, want))

    def test_host_is_centrals_and_the_clients_goes_beside_it(self):
        mine = f"edge.test:{self.front.https}"
        for path, host in (("/", "central.test"), ("/api/x", "central.test"), ("/ws/x", "central.test"), ("/sfu/ws/r", mine)):
            seen = self.front.get(path, [("X-Forwarded-Host", "evil.test")], site="edge.test").upstream()[1]
            self.assertEqual((path, [v for k, v in seen if k == "host"]), (path, [host]))
            self.assertEqual((path, [v for k, v in seen if k == "x-forwarded-host"]), (path, [mine]))

    def test_www_is_sent_on_to_the_domain(self):
        place = f"https://edge.test:{self.front.https}/a?b=c"
        for www in ("www.edge.test", "WWW.Edge.Test"):
            for name in ("localhost", TURNS):
                answer = self.front.get("/a?b=c", site=www, name=name)
                self.assertEqual((answer.status, answer.headers["location"]), (301, place))
            c = http.client.HTTPConnection("127.0.0.1", self.front.http, timeout=10)
            self.addCleanup(c.close)
            c.request("GET", "/a?b=c", headers={"Host": www})
            r = c.getresponse()
            self.assertEqual((r.status, r.getheader("Location")), (301, place))
        for other in ("edge.test", "www.other.test", "wwwxedge.test", "www.edge.test.evil.test"):
            self.assertEqual(self.front.get("/", site=other).status, 200, other)

    def test_websockets(self):
        for path, stub in (("/sfu/ws/room", b"sfud"), ("/ws/events", b"ws")):
            s, head = self.front.websocket(path)
            with s:
                self.assertTrue(head.startswith(b"HTTP/1.1 101"), head)
                s.sendall(b"hello")
                self.assertEqual(s.recv(100), stub + b":HELLO")


class NoUpstream(WithFront):
    """What people and programs get while there is nobody behind the front."""
    by_sockets = True
    values = ("HSTS=max-age=31536000", "RETRY_PAGE={prefix}/retry.html", "WEBSOCKET_IDLE=1s", "TURNS_NAME=" + TURNS)

    def setUp(self):
        with open(f"{self.front.prefix}/retry.html", "rb") as f:
            self.page = f.read()

    def without(self, *stubs):
        for name in stubs:
            stub = getattr(self.front, name)
            stub.end()
            self.addCleanup(lambda name=name, stub=stub: setattr(self.front, name, Stub(stub.name, stub.path)))

    def is_page(self, answer, status, what):
        self.assertEqual((what, answer.status, answer.headers["content-type"], answer.headers["cache-control"]),
                         (what, status, "text/html; charset=utf-8", "no-store"))
        self.assertEqual(answer.headers["strict-transport-security"], "max-age=31536000")

    def is_json(self, answer, status, what):
        self.assertEqual((what, answer.status, answer.headers["content-type"], answer.headers["cache-control"]),
                         (what, status, "application/json", "no-store"))
        self.assertEqual(list(json.loads(answer.body)), ["error"])

    def test_people_get_the_page_with_the_status_kept(self):
        self.without("site")
        for name in ("localhost", TURNS):
            for more in ((), [("Range", "bytes=0-9")], [("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT")],
                         [("If-None-Match", "*")]):
                answer = self.front.get("/some/page?x=y", more, name=name)
                self.is_page(answer, 502, more)
                self.assertEqual(answer.body, self.page)
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            answer = self.front.get("/form", [("Content-Length", "0")], method=method)
            self.is_page(answer, 502, method)
        head = self.front.get("/", method="HEAD")
        self.is_page(head, 502, "HEAD")
        self.assertEqual(head.body, b"")

    def test_programs_get_json(self):
        self.without("site", "events")
        for path in ("/api/x", "/api/", "/ws/x"):
            self.is_json(self.front.get(path), 502, path)
            self.is_json(self.front.get(path, [("Content-Length", "0")], method="POST"), 502, path)
        s, head = self.front.websocket("/ws/x")
        with s:
            self.assertTrue(head.startswith(b"HTTP/1.1 502"), head)

    def test_an_upstream_that_says_nothing(self):
        self.is_page(self.front.get("/silent"), 504, "/silent")
        for path in ("/api/silent", "/ws/silent", "/sfu/ws/silent"):
            self.is_json(self.front.get(path), 504, path)

    def test_an_upstreams_own_errors_pass_as_they_are(self):
        for status in (500, 502, 503, 504):
            for path, stub in ((f"/own-{status}", "web"), (f"/api/own-{status}", "web"), (f"/ws/own-{status}", "ws"),
                               (f"/sfu/ws/own-{status}", "sfud")):
                answer = self.front.get(path)
                self.assertEqual((answer.status, answer.upstream()[0]), (status, stub))
                self.assertNotIn("cache-control", answer.headers)

    def test_the_page_needs_nothing_from_elsewhere(self):
        text = self.page.decode()
        self.assertNotRegex(text, r"(?i)\b(src|href|action|srcset)\s*=|url\(|@import|https?:|//[a-z]+\.|fetch\(|XMLHttp|import\b")
        self.assertEqual(re.findall(r"\blocation\b[^;]*;", text), ["location.reload();"])
        for words in ('lang="ru"', 'lang="en"', "недоступен", "unavailable", "[4, 8, 16, 32, 60]", "sessionStorage",
                      '<noscript><meta http-equiv="refresh" content="60"></noscript>'):
            self.assertIn(words, text)
        self.assertLess(len(self.page), 6000)


class Canary(WithFront):
    by_sockets = True

    @classmethod
    def setUpClass(cls):
        cls.port = free_port()
        cls.values = (f"CANARY_PORT={cls.port}", "UPSTREAM_HOST=central.test")
        super().setUpClass()

    def ask(self, path, method="GET", headers=()):
        with socket.create_connection(("127.0.0.1", self.port), 10) as s:
            s.settimeout(10)
            lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *(f"{k}: {v}" for k, v in headers)]
            s.sendall("".join(line + "\r\n" for line in [*lines, ""]).encode())
            return Answer(read_all(s))

    def test_asks_each_upstream_for_its_health(self):
        for path, stub in (("/canary/tunnel", "web"), ("/canary/upstream", "ws")):
            lies = [("Cookie", "a=b"), ("X-Forwarded-For", "9.9.9.9"), ("Upgrade", "websocket")]
            for method, more in (("GET", ()), ("GET", lies), ("POST", [("Content-Length", "0")])):
                answer = self.ask(path + "?x", method, more)
                seen = json.loads(answer.body)
                self.assertEqual((answer.status, seen["stub"], seen["start"]), (200, stub, "GET /api/health/live HTTP/1.1"))
                self.assertEqual(sorted(seen["headers"]), [["connection", "close"], ["host", "central.test"],
                                                           ["x-forwarded-proto", "https"]])

    def test_tells_what_the_upstream_said_and_that_it_is_gone(self):
        self.front.events.end()
        self.addCleanup(lambda: setattr(self.front, "events", Stub("ws", self.front.events.path)))
        self.assertEqual(self.ask("/canary/upstream").status, 502)
        self.assertEqual(self.ask("/canary/tunnel").status, 200)

    def test_has_nothing_else(self):
        for path in ("/", "/canary", "/canary/", "/canary/tunnel/", "/canary/config-hash", "/api/health/live", "/sfu/ws/x",
                     "/ws/x", "//retry", "/.well-known/acme-challenge/x"):
            self.assertEqual((path, self.ask(path).status), (path, 404))

    def test_is_on_loopback_only_and_not_logged(self):
        self.ask("/canary/tunnel")
        self.front.get("/after-the-canary")
        wait_for("the log line", lambda: "/after-the-canary" in self.front.log("access"))
        self.assertNotIn("/canary", self.front.log("access"))
        with open("/proc/net/tcp", encoding="ascii") as f:
            bound = [line.split()[1] for line in f.readlines()[1:] if line.split()[3] == "0A"]
        self.assertEqual([a for a in bound if a.endswith(f":{self.port:04X}")], [f"0100007F:{self.port:04X}"])
        if has_ipv6():
            with self.assertRaises(OSError):
                socket.create_connection(("::1", self.port), 2)


class Reload(WithFront):
    """The node's commonest change must cost nobody a connection: old workers serve theirs to the end."""

    def test_open_websockets_survive_and_new_workers_serve(self):
        sockets = []
        for turn in range(4):
            for path, stub in (("/sfu/ws/room", b"sfud"), ("/ws/events", b"site")):
                s, head = self.front.websocket(path)
                self.addCleanup(s.close)
                self.assertTrue(head.startswith(b"HTTP/1.1 101"), head)
                sockets.append((s, stub))
            old = self.front.workers()
            for s, stub in sockets:
                s.sendall(b"before %d" % turn)
                self.assertEqual(s.recv(100), stub + b":BEFORE %d" % turn)
            if turn == 3:
                break
            self.front.reload()
            wait_for("old workers stopped taking connections", lambda: "gracefully shutting down" in self.front.log("error"))
            for s, stub in sockets:
                s.sendall(b"after %d" % turn)
                self.assertEqual(s.recv(100), stub + b":AFTER %d" % turn)
            self.assertEqual(self.front.get("/").status, 200)
            self.assertTrue(old & self.front.workers(), "a worker with open WebSockets must stay")
        self.assertTrue(all(s.fileno() >= 0 for s, _ in sockets))

    def test_a_request_in_flight_survives(self):
        with self.front.tls() as s:
            s.settimeout(10)
            s.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n")
            time.sleep(0.2)    # let nginx read the first part
            self.front.reload()
            s.sendall(b"\r\n")
            self.assertEqual(Answer(read_all(s)).status, 200)

    def test_a_bad_file_changes_nothing(self):
        conf = f"{self.front.prefix}/nginx.conf"
        with open(conf, encoding="utf-8") as f:
            good = f.read()
        self.addCleanup(lambda: open(conf, "w", encoding="utf-8").write(good))
        with open(conf, "w", encoding="utf-8") as f:
            f.write(good.replace("proxy_pass http://site", "proxy_pass_nonsense"))
        self.assertNotEqual(subprocess.run([*self.front.command, "-t", "-q"], capture_output=True).returncode, 0)
        self.front.child.send_signal(signal.SIGHUP)
        wait_for("the refusal", lambda: "proxy_pass_nonsense" in self.front.log("error"))
        self.assertEqual(self.front.get("/").status, 200)


class AccessLog(WithFront):
    def lines_for(self, marker):
        return wait_for("the log line", lambda: [r for r in self.front.log("access").splitlines() if marker in r])

    def test_addresses_are_masked(self):
        for number, (family, address, want) in enumerate((
                ("TCP4", "203.0.113.77", "203.0.0.0"), ("TCP4", "10.9.8.7", "10.9.0.0"),
                ("TCP6", "2001:db8:aaaa:bbbb::77", "2001:db8::"), ("TCP6", "2001:db8::77", "2001:db8::"),
                ("TCP6", "2001::77", "2001::"), ("TCP6", "2001:0:1:2:3:4:5:6", "2001:"), ("TCP6", "::1", "::"),
                ("TCP6", "fe80::1:2:3:4", "fe80::"), ("TCP6", "2a00:1450:4001:831:1:2:3:4", "2a00:1450::"),
                ("TCP6", "::ffff:198.51.100.7", "::"))):
            with self.subTest(address):
                answer = self.front.from_client(address, f"/mask{number}", family)
                self.assertEqual(answer.status, 200)
                line, = self.lines_for(f"/mask{number} ")
                logged = line.split()[0]
                self.assertTrue(logged == want or want == "2001:" and logged in ("2001:0::", "2001::"), logged)
                self.assertNotIn(address, line)
        self.assertIn(["x-forwarded-for", "203.0.113.77"], self.front.from_client("203.0.113.77").upstream()[1])

    def test_real_connections_are_masked_too(self):
        self.front.get("/v4-real")
        self.assertTrue(self.lines_for("/v4-real ")[0].startswith("127.0.0.0 "))
        if has_ipv6():
            self.front.get("/v6-real", host="::1")
            self.assertTrue(self.lines_for("/v6-real ")[0].startswith(":: "))

    def test_no_query_authorization_cookie_referer(self):
        secret = [("Authorization", "Bearer SECRET1"), ("Cookie", "sid=SECRET2"), ("Referer", "https://x/?SECRET3"),
                  ("User-Agent", "SECRET4"), ("Sec-WebSocket-Protocol", "SECRET5")]
        self.front.get("/quiet?token=SECRET6#SECRET7", secret)
        self.front.get("/sfu/ws/quiet?token=SECRET6", secret)
        self.assertIn('"GET /quiet HTTP/1.1" 200', self.lines_for("/quiet ")[0])
        self.lines_for("/sfu/ws/quiet ")
        c = http.client.HTTPConnection("127.0.0.1", self.front.http, timeout=10)
        c.request("GET", "/quiet-80?SECRET8", headers=dict(secret))
        c.getresponse().read()
        c.close()
        self.lines_for("/quiet-80 ")
        self.assertNotIn("SECRET", self.front.log("access"))

    def test_error_log_names_no_client(self):
        self.front.sfud.shutdown()
        self.front.sfud.server_close()
        self.assertEqual(self.front.get("/sfu/ws/gone").status, 502)
        with socket.create_connection(("127.0.0.1", self.front.https), 10) as s:    # a broken handshake
            s.sendall(b"\x16\x03\x01\x00\x05hello")
            s.shutdown(socket.SHUT_WR)
            read_all(s)
        self.front.get("/" + "x" * 40000)
        self.assertNotIn("client:", self.front.log("error"))
        self.assertNotIn("127.0.0.1", self.front.log("error"))


class Limits(WithFront):
    values = ("CLIENT_HEADER_TIMEOUT=1s", "REQUEST_RATE=1r/s", "REQUEST_BURST=3", "CONNECTIONS_PER_CLIENT=4")

    def test_requests_per_client_and_v6_by_64(self):
        for family, first, second in (("TCP4", "198.51.100.1", "198.51.100.2"),
                                      ("TCP6", "2001:db8:0:1::1", "2001:db8:0:2::1")):
            got = [self.front.from_client(first, family=family).status for _ in range(8)]
            self.assertEqual(got[:4], [200] * 4)
            self.assertIn(429, got)
            self.assertEqual(self.front.from_client(second, family=family).status, 200, "another client is not hit")
        same_64 = [self.front.from_client(f"2001:db8:0:3::{i:x}", family="TCP6").status for i in range(1, 9)]
        self.assertIn(429, same_64, "addresses of one /64 are one client")

    def test_a_slow_head_is_cut_off(self):
        for speak in (b"", b"GET / HTTP/1.1\r\nHost: local"):
            with self.front.tls() as s:
                s.settimeout(10)
                s.sendall(speak) if speak else None
                began = time.monotonic()
                answer = read_all(s)
                self.assertLess(time.monotonic() - began, 8)
                self.assertTrue(answer == b"" or Answer(answer).status == 408, answer)

    def test_a_client_that_never_starts_tls_is_cut_off(self):
        with socket.create_connection(("127.0.0.1", self.front.https), 10) as s:
            s.settimeout(10)
            self.assertEqual(read_all(s), b"")

    def test_connections_per_client(self):
        def closed(s):
            s.settimeout(0.5)
            try:
                return s.recv(1) == b""
            except TimeoutError:
                return False
            except OSError:
                return True
        held = [socket.create_connection(("127.0.0.1", self.front.https), 10) for _ in range(8)]
        try:
            self.assertTrue(any(closed(s) for s in held))
        finally:
            for s in held:
                s.close()


class LowPorts(WithFront):
    """Ports below 1024 as nobody with CAP_NET_BIND_SERVICE alone, as the unit starts it."""
    low_ports = True

    @classmethod
    def setUpClass(cls):
        if not AS_ROOT:
            raise unittest.SkipTest("only root can hand out CAP_NET_BIND_SERVICE")
        super().setUpClass()

    def test_serves_and_reloads(self):
        self.assertEqual(self.front.get("/").status, 200)
        self.front.reload()
        self.assertEqual(self.front.get("/").status, 200)


class Rendering(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="render.")
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        self.out = f"{self.dir}/nginx.conf"

    def write(self, name, text):
        path = f"{self.dir}/{name}"
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def refused(self, why, *values, **how):
        made = render(self.out, *values, **how)
        self.assertNotEqual(made.returncode, 0)
        self.assertRegex(made.stderr, why)
        self.assertEqual([n for n in os.listdir(self.dir) if n.startswith("nginx.conf")], [], "nothing half-made is left")

    def test_unfilled_and_unknown_names_are_errors_that_name_them(self):
        self.refused("@UPSTREAM@ is not filled", "PREFIX=/x")
        self.refused("@PREFIX@ is not filled", "UPSTREAM=127.0.0.1:1")
        self.refused("UPSTREEM is not a value", "PREFIX=/x", "UPSTREEM=127.0.0.1:1")
        for bad in ("x @NEW_NAME@;", "@?NEW_NAME@ x;", "x @new_name@;"):
            self.refused("(?i):2: @.?NEW_NAME@ is a name that nobody", "PREFIX=/x", template=self.write("t", f"a;\n{bad}\n"))
        self.refused("a stray @", "PREFIX=/x", template=self.write("t", "x @UNFINISHED;\n"))
        self.refused("is made of itself", "PREFIX=@RUN_DIR@", template=self.write("t", "x @RUN_DIR@;\n"))
        self.refused("cannot read", "PREFIX=/x", files=[f"{self.dir}/none"])

    def test_values_cannot_break_out(self):
        for bad in ("a; b", "a}", "{a", "a\"b", "a'b", "$host", "a\\b", "a#b"):
            self.refused("UPSTREAM has a character", "PREFIX=/x", f"UPSTREAM={bad}")

    def test_later_values_win(self):
        values = self.write("mine.values", "# mine\nUPSTREAM=unix:/run/web.sock\nHTTPS_PORT=1443\n")
        made = render(self.out, "PREFIX=/x", "HTTPS_PORT=2443", files=[values])
        self.assertEqual(made.stderr, "")
        with open(self.out, encoding="utf-8") as f:
            text = f.read()
        self.assertIn("server unix:/run/web.sock;", text)
        self.assertIn("listen 2443;", text)
        self.assertIn("https://$site_name:2443$request_uri", text)
        self.assertNotIn("@", text)

    def test_every_value_is_used_and_the_nodes_file_renders(self):
        with open(f"{FRONT}/front.values", encoding="utf-8") as f:
            values = f.read()
        with open(f"{FRONT}/nginx.conf.in", encoding="utf-8") as f:
            used = set(re.findall(r"@\??([A-Z0-9_]+)@", f.read() + values))
        self.assertEqual(set(re.findall(r"(?m)^([A-Z0-9_]+)\??=", values)) - used, set())
        made = render(self.out, "DOMAIN=edge.test", "TURNS_NAME=" + TURNS, files=[f"{FRONT}/node.values"])
        self.assertEqual(made.stderr, "")
        with open(self.out, encoding="utf-8") as f:
            text = f.read()
        self.assertIn('add_header Strict-Transport-Security "max-age=31536000; includeSubDomains" always;', text)
        self.assertIn("return 301 https://$site_name$request_uri;", text)
        for words in ("server unix:/run/oxpulse-partner-edge/web;", "server unix:/run/oxpulse-partner-edge/ws;",
                      "listen 127.0.0.1:9080;", "alias /usr/share/oxpulse-partner-edge/front/retry.html;"):
            self.assertIn(words, text)

    def test_http2_is_written_as_the_nginx_at_hand_wants_it(self):
        for version, parameter, directive in (("1.22.1", True, False), ("1.25.0", True, False), ("1.25.1", False, True),
                                              ("1.26.3", False, True), ("2.0.0", False, True)):
            fake = self.write("nginx", f"#!/bin/sh\necho 'nginx version: nginx/{version}' >&2\n")
            os.chmod(fake, 0o755)
            made = subprocess.run([*RENDER, "-o", self.out, "PREFIX=/x", "UPSTREAM=127.0.0.1:1", "TURNS_NAME=" + TURNS],
                                  capture_output=True, text=True, env={**os.environ, "NGINX": fake})
            self.assertEqual(made.stderr, "")
            with open(self.out, encoding="utf-8") as f:
                text = f.read()
            self.assertEqual((version, " ssl http2 proxy_protocol" in text, "/cover-h2.sock http2 proxy_protocol" in text,
                              "/cover.sock http2" in text, "http2 on;" in text),
                             (version, parameter, parameter, False, directive))

    def test_one_upstream_is_for_both_and_each_may_have_its_own(self):
        for values, want in ((("UPSTREAM=127.0.0.1:1",), ["127.0.0.1:1"] * 2),
                             (("WEB_UPSTREAM=127.0.0.1:2",), ["127.0.0.1:2"] * 2),
                             (("UPSTREAM=127.0.0.1:1", "WS_UPSTREAM=127.0.0.1:3"), ["127.0.0.1:1", "127.0.0.1:3"]),
                             (("WEB_UPSTREAM=127.0.0.1:2", "WS_UPSTREAM=127.0.0.1:3"), ["127.0.0.1:2", "127.0.0.1:3"])):
            self.assertEqual(render(self.out, "PREFIX=/x", *values).stderr, "")
            with open(self.out, encoding="utf-8") as f:
                self.assertEqual(re.findall(r"upstream (?:site|events) {\s*server (\S+);", f.read()), want)

    def test_canary_and_page_only_when_asked_for(self):
        self.assertEqual(render(self.out, "PREFIX=/x", "UPSTREAM=127.0.0.1:1", "UPSTREAM_HOST=central.test").stderr, "")
        with open(self.out, encoding="utf-8") as f:
            self.assertNotRegex(f.read(), r"canary|error_page [^;]*//retry|\balias\b|\n *server_name ")

    def test_cover_sockets_only_with_a_turns_name(self):
        for values, want in (((), []), (("TURNS_NAME=" + TURNS,), ["/x/run/cover-h2.sock", "/x/run/cover.sock"])):
            self.assertEqual(render(self.out, "PREFIX=/x", "UPSTREAM=127.0.0.1:1", *values).stderr, "")
            with open(self.out, encoding="utf-8") as f:
                self.assertEqual(sorted(re.findall(r"unix:(\S*cover\S*)", f.read())), want)

    def test_no_worker_is_ever_cut_short(self):
        render(self.out, "PREFIX=/x", "UPSTREAM=127.0.0.1:1")
        with open(self.out, encoding="utf-8") as f:
            self.assertNotIn("worker_shutdown_timeout", f.read())


class Unit(unittest.TestCase):
    unit = os.path.join(ROOT, "units", "oxpulse-front.service")

    def setUp(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd-analyze is not installed: apt-get install systemd")

    def test_is_valid_and_sandboxed(self):
        for command in (["verify", "--man=no", self.unit], ["security", "--offline=true", "--threshold=20", self.unit]):
            got = subprocess.run(["systemd-analyze", *command], capture_output=True, text=True, timeout=60)
            self.assertEqual(got.returncode, 0, got.stdout[-500:] + got.stderr)

    def test_has_one_capability(self):
        with open(self.unit, encoding="utf-8") as f:
            text = f.read()
        for key in ("AmbientCapabilities", "CapabilityBoundingSet"):
            self.assertEqual(re.findall(rf"(?m)^{key}=(.*)$", text), ["CAP_NET_BIND_SERVICE"])
        self.assertIn("User=oxpulse-front\n", text)


if __name__ == "__main__":
    tap.main()

# SPDX-License-Identifier: AGPL-3.0-only
"""A healthd of a test's own, and stand-ins for all that it talks to: daemons, channels, the front, central."""
import http.server
import json
import os
import shutil
import signal
import socket
import socketserver
import ssl
import struct
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

import rig
import turnrun
from rig import wait_for

TOKEN, CROSS = "stkn_" + "s" * 43, "xprb_abcdef"
NODE = "acme-0a1b2c3d4e5f"


HEALTHD, TOOL = rig.program("healthd"), rig.program("oxpulse-partner-edge", "healthd")


def promtool():
    """Debian's promtool: installed, or out of its package in a cache; None where there is neither."""
    found = shutil.which("promtool")
    if found:
        return found
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "partner-edge-promtool")
    path = os.path.join(cache, "usr/bin/promtool")
    if os.access(path, os.X_OK):
        return path
    try:
        os.makedirs(cache, exist_ok=True)
        subprocess.run(["apt-get", "-q", "download", "prometheus"], cwd=cache, check=True, capture_output=True, timeout=120)
        for name in os.listdir(cache):
            if name.endswith(".deb"):
                subprocess.run(["dpkg-deb", "-x", name, "."], cwd=cache, check=True, capture_output=True, timeout=120)
                os.remove(os.path.join(cache, name))
    except (OSError, subprocess.SubprocessError):
        return None
    return path if os.access(path, os.X_OK) else None


# --- a daemon's control socket ---

class Daemon:
    """Answers Status and Metrics; `silent` accepts and says nothing."""

    def __init__(self, directory, name, page=""):
        self.name, self.page, self.silent, self.uptime, self.state = name, page, False, 9999, "serving"
        self.path = os.path.join(directory, name)
        daemon = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                data = b""
                while not data.endswith(b"\0"):
                    more = self.request.recv(65536)
                    if not more:
                        return
                    data += more
                if daemon.silent:
                    time.sleep(20)
                    return
                method = json.loads(data[:-1])["method"].rpartition(".")[2]
                reply = {"parameters": daemon.answers(method)}
                self.request.sendall(json.dumps(reply).encode() + b"\0")

        self.server = socketserver.ThreadingUnixStreamServer(self.path, Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def answers(self, method):
        if method == "Status":
            return {"daemon": self.name, "version": "0.1.0", "state": self.state, "sessions": 3, "uptime": self.uptime}
        return {"text": self.page}

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        if os.path.exists(self.path):
            os.remove(self.path)


# --- HTTP ---

class Site(http.server.BaseHTTPRequestHandler):
    """What a front or a channel answers; the server has `status`, `hang`, `partner`."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.server.hang:
            time.sleep(30)
        body, kind = b"ok", "text/plain"
        if self.path == "/api/branding":
            body, kind = json.dumps({"partner_id": self.server.partner}).encode(), "application/json"
        elif self.path == "/":
            body, kind = b"<!DOCTYPE html><title>call</title>", "text/html; charset=utf-8"
        self.send_response(self.server.status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        return "client"

    def log_message(self, *args):
        pass


class Quiet:
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass    # clients that end a connection early are part of the tests


class Channel(Quiet, socketserver.ThreadingUnixStreamServer):
    def __init__(self, path):
        self.status, self.hang, self.partner = 200, False, "acme"
        super().__init__(path, Site)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class Plain(Quiet, http.server.ThreadingHTTPServer):
    def __init__(self, address, handler=Site):
        self.status, self.hang, self.partner = 200, False, "acme"
        super().__init__(address, handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


def stun_answer(request, source):
    """A Binding success response with XOR-MAPPED-ADDRESS."""
    ip = struct.unpack("!I", socket.inet_aton(source[0]))[0] ^ 0x2112A442
    value = struct.pack("!BBHI", 0, 1, source[1] ^ 0x2112, ip)
    return struct.pack("!HHI", 0x0101, 12, 0x2112A442) + request[8:20] + struct.pack("!HH", 0x0020, 8) + value


class Front(Plain):
    """HTTPS for the site's name; STUN for the relay's name, as nginx and turnd do together."""

    def __init__(self, address, certificate, key, turns_name):
        super().__init__(address)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.context.sni_callback = self.on_name
        self.turns_name, self.names = turns_name, {}

    def on_name(self, sock, name, context):
        self.names[id(sock)] = name

    def finish_request(self, request, client_address):
        request.settimeout(10)
        with self.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as tls:
            tls.do_handshake()
            if self.names.pop(id(tls), None) != self.turns_name:
                Site(tls, client_address, self)
                return
            message = tls.recv(2048)
            if len(message) >= 20:
                tls.sendall(stun_answer(message, client_address))
                tls.recv(1)


class Central(Plain):
    """Keeps what it was sent. `script`: status (or "hang") per channel name; 200 for the rest."""

    def __init__(self, address):
        self.script, self.reports, self.retry_after = {}, [], None
        super().__init__(address, CentralHandler)


class CentralHandler(Site):
    def do_GET(self):
        good = self.path != "/api/partner/hy2-credentials" or self.headers["Authorization"] == f"Bearer {TOKEN}"
        self.answer(200 if good else 401, b'{"auth_pass":"a","obfs_pass":"b"}')

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.script.get(body.get("channel_name"), 200)
        self.server.reports.append((self.path, self.headers["Authorization"], self.headers["Content-Type"], body))
        if status == "hang":
            time.sleep(30)
        else:
            self.answer(status, b"{}")

    def answer(self, status, body):
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "60")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


# --- healthd ---

class Healthd:
    """One daemon with a directory of its own. Stand-ins are made by the test where keys.lib, .run, .tun and .requests say."""
    number = 0

    def __init__(self, secrets=True, **keys):
        Healthd.number += 1
        self.dir = tempfile.mkdtemp(prefix="healthd.")
        os.chmod(self.dir, 0o755)
        self.lib, self.etc, self.run_dir, self.tun, self.requests = (
            self.made(name) for name in ("lib", "etc", "run", "tun", "requests"))
        self.results = self.made("results")
        self.http, self.socket = 19700 + Healthd.number, f"{self.run_dir}/healthd"
        self.parts = []
        for name, text in (("service-token", TOKEN), ("cross-probe-token", CROSS)) if secrets else ():
            self.write_secret(name, text)
        self.keys = {"Node.Id": NODE, "Node.PartnerId": "acme", "Node.StateDirectory": self.lib, "Node.ConfigDirectory": self.etc,
                     "Central.Url": "", "Central.TokenFile": f"{self.etc}/service-token",
                     "Central.CrossProbeTokenFile": f"{self.etc}/cross-probe-token",
                     "Probe.Interval": "600s", "Probe.Timeout": "1s", "Probe.ChannelDirectory": self.tun,
                     "Http.Listen": f"127.0.0.1:{self.http}", "Repair.RequestDirectory": self.requests,
                     "Control.Directory": self.run_dir, "Control.Socket": self.socket}
        self.child, self.hosts = None, {}
        self.write_conf(**keys)

    def made(self, name):
        path = os.path.join(self.dir, name)
        os.mkdir(path)
        return path

    def write_secret(self, name, text):
        path = f"{self.etc}/{name}"
        with open(path, "w", encoding="ascii") as f:
            f.write(text + "\n")
        os.chmod(path, 0o600)
        return path

    def write_conf(self, **keys):
        self.keys.update({k.replace("_", "."): v for k, v in keys.items()})
        sections = {}
        for key, value in self.keys.items():
            section, name = key.split(".")
            sections.setdefault(section, []).append(f"{name}={value}\n")
        self.conf = f"{self.dir}/healthd.conf"
        with open(self.conf, "w", encoding="ascii") as f:
            f.write("".join(f"[{name}]\n{''.join(rows)}" for name, rows in sections.items()))

    def start(self):
        command = [HEALTHD, "-c", self.conf]
        if self.hosts:    # names of its own, in a mount namespace of its own
            with open(f"{self.dir}/hosts", "w", encoding="ascii") as f:
                f.writelines(f"{ip} {name}\n" for name, ip in self.hosts.items())
            command = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', f"{self.dir}/hosts", *command]
        with open(f"{self.dir}/log", "ab") as log:
            self.child = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for("healthd answers", self.answers)
        return self

    def answers(self):
        if self.child.poll() is not None:
            raise AssertionError(f"healthd ended with {self.child.returncode}:\n{self.log()}")
        try:
            return self.get("/healthz")
        except OSError:
            return False

    def add(self, part):
        self.parts.append(part)
        return part

    def daemon(self, name, page=""):
        return self.add(Daemon(self.run_dir, name, page))

    def channel(self, name):
        return self.add(Channel(f"{self.tun}/{name}"))

    def log(self):
        with open(f"{self.dir}/log", encoding="utf-8", errors="replace") as f:
            return f.read()

    def get(self, path):
        """(status, headers, text)"""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=10) as reply:
                return reply.status, reply.headers, reply.read().decode()
        except urllib.error.HTTPError as e:
            with e:
                return e.code, e.headers, e.read().decode()

    def metrics(self):
        text = self.get("/metrics")[2]
        rows = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in rows}

    def ask(self, method, **parameters):
        return rig.varlink(self.socket, f"io.oxpulse.{method}", **parameters)["parameters"]

    def run(self, seconds=60):
        """One run to its end: what Verdicts says then."""
        number = self.ask("Health.Report")["run"]

        def done():
            v = self.ask("Health.Verdicts")
            return v if v["done"] and v["run"] == number else None

        return wait_for("the run ends", done, seconds)

    def tool(self, *words, seconds=90):
        return subprocess.run([TOOL, *words, "--config", self.conf], capture_output=True, text=True, timeout=seconds)

    def end(self):
        if self.child and self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(5)
            except subprocess.TimeoutExpired:
                self.child.kill()
        if self.child and self.child.wait() != 0:
            raise AssertionError(f"healthd ended with {self.child.returncode}:\n{self.log()}")

    def stop(self):
        try:
            self.end()
        finally:
            self.clear()

    def clear(self):
        for part in self.parts:
            if isinstance(part, (Daemon, turnrun.Turnd)):
                part.stop()
            else:
                part.shutdown()
                part.server_close()
        shutil.rmtree(self.dir, ignore_errors=True)

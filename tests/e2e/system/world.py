# SPDX-License-Identifier: AGPL-3.0-only
"""Everything that a story needs: network, central, the machine with the suite installed, people; and how far the node has come.

need_*() brings the node where a step begins, so that every step can be run alone.
"""
import json
import os
import secrets as random
import shutil
import subprocess
import sys
import tempfile
import time

import rig
from central import Central
from machine import ROOT, Failed, Machine, until
from network import CENTRAL, DOMAIN, HUB, HUB_MESH, NODE, Network
from people import Person
from secrets_watch import SecretWatch
from signing_key import SigningKey

BASE = f"https://{DOMAIN}/"
DAEMONS = ("sfud", "turnd", "tunneld", "healthd")
SERVICES = (*DAEMONS, "front")
ETC, LIB, RUN = "/etc/oxpulse-partner-edge", "/var/lib/oxpulse-partner-edge", "/run/oxpulse-partner-edge"
SERVER_NAMES = ["www.example.com", "cdn.example.net", "static.example.org"]
TARGET = "oxpulse-partner-edge.target"


def packages():
    """What a machine has installed: tools/packages.sh is the list."""
    said = subprocess.run(["bash", "-c", f". {ROOT}/tools/packages.sh; packages_of build; packages_of node"], check=True,
                          capture_output=True, text=True).stdout
    return [*said.split(), "faketime"]    # the last to step clocks with


def note(text):
    for line in str(text).splitlines():
        print(f"#   {line}")
    sys.stdout.flush()


class World:
    def __init__(self, release):
        self.release = release
        self.directory = tempfile.mkdtemp(prefix="edge-sys.", dir="/tmp")
        self.network = Network(f"edge-s{os.getpid()}")
        self.central = Central(self.network, self.directory)
        self.machine = Machine(release, self.directory, None)
        self.watch = SecretWatch(self.machine)
        self.people = []
        self.signing_key = None
        self._hosts = []
        self.out = os.path.join(os.environ.get("E2E_OUT", f"{ROOT}/build/e2e"), f"system-{release}")

    # --- making and clearing away ---

    def make(self):
        began = time.monotonic()
        self.network.make()
        self.machine.network_path = self.network.path("node")
        self.machine.make(packages())
        self.machine.install()
        note(f"Debian {self.release} with the suite built and installed: {time.monotonic() - began:.0f} s")
        self._names_and_trust()
        self._secrets()
        self.central.start("--turn-secret-file", f"{self.directory}/turn-secret", "--turn", f"{NODE}:3478",
                           "--turns", f"turns.{DOMAIN}:443")
        self.central.state(public_ip=NODE, motherly_awg_ip=HUB_MESH, reality_server_names=SERVER_NAMES, rate_limit=False)
        self.watch.add("the Hysteria2 password", self.central.settings()["hy2_auth_pass"])
        self.machine.boot()
        self.watch.start()

    def _names_and_trust(self):
        authority = self.central.make_certificates(central=[CENTRAL, HUB])
        hosts = self._hosts = [f"{HUB} {CENTRAL}", f"{NODE} {DOMAIN} www.{DOMAIN} turns.{DOMAIN}"]
        self.network.hosts("people", hosts)
        m = self.machine
        m.write("/etc/hosts", "127.0.0.1 localhost\n" + "".join(f"{line}\n" for line in hosts))
        m.write("/etc/resolv.conf", "")
        m.write("/etc/hostname", "edge\n")
        trusted = f"{m.root}/usr/local/share/ca-certificates/edge-test.crt"
        shutil.copyfile(authority, trusted)
        os.chmod(trusted, 0o644)
        # What a package of Debian's starts on its own belongs to another story.
        for unit in ("coturn.service", "nginx.service"):
            link = f"{m.root}/etc/systemd/system/{unit}"
            if not os.path.lexists(link):
                os.symlink("/dev/null", link)

    def _secrets(self):
        self.secret = {name: random.token_hex(24) for name in ("sfu-secret", "turn-secret")}
        for name, value in self.secret.items():
            path = f"{self.directory}/{name}"
            with open(path, "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as f:
                f.write(value + "\n")
            self.watch.add(name, value)

    def remove(self):
        os.makedirs(self.out, exist_ok=True)
        for person in self.people:
            person.quit()
        self.watch.stop()
        if self.machine.leader and os.path.exists(f"/proc/{self.machine.leader}"):
            with open(f"{self.out}/journal.log", "w", encoding="utf-8") as f:
                f.write(self.machine.ask("journalctl", "--no-pager", "-o", "short-precise"))
        self.machine.remove()
        self.central.stop()
        self.network.remove()
        for name in os.listdir(self.directory):
            if name.endswith(".log"):
                shutil.copy(f"{self.directory}/{name}", self.out)
        shutil.rmtree(self.directory, ignore_errors=True)

    # --- how far the node has come ---

    def need_registered(self):
        m = self.machine
        if m.run("test", "-e", f"{LIB}/current")[0] == 0:
            return
        m.do("update-ca-certificates")
        status, said = self.register()
        note(said)
        if status != 0:
            raise Failed(f"register: status {status}")
        self._point_turns_name_here()
        self.deploy_certificate()
        for name, path in (("service token", f"{ETC}/token"), ("cross-probe token", f"{ETC}/cross-probe-token"),
                           ("Reality private key", f"{ETC}/reality.priv"), ("mesh private key", f"{ETC}/awg-private.key")):
            self.watch.add(name, m.ask("cat", path))

    def register(self):
        """(status, output) of a try with a token that was not used before."""
        token = self.central.token("acme")["token"]
        self.watch.add("a registration token", token)
        self.machine.sh("umask 077; cat > /root/token", text_in=token)
        return self.refreshd("register", "--partner-id=acme", f"--domain={DOMAIN}", "--token-file=/root/token",
                             f"--central=https://{CENTRAL}", "--central-ca=/usr/local/share/ca-certificates/edge-test.crt",
                             f"--public-ip={NODE}")

    def deploy_certificate(self):
        """Another one each time, as certbot's hook brings it."""
        self.central.make_certificates(node=[DOMAIN, f"*.{DOMAIN}"])
        for file in ("node.pem", "node.key"):
            shutil.copy(f"{self.directory}/tls/{file}", f"{self.machine.root}/root/{file}")
        self.machine.do("/usr/lib/oxpulse-partner-edge/deploy-certificate", "/root/node.pem", "/root/node.key")

    def certificate_at(self, port):
        """The serial number of what a client sees there; "" when it sees none."""
        client = self.network.inside("people", "timeout", "5", "openssl", "s_client", "-connect", f"{NODE}:{port}",
                                     "-servername", DOMAIN)
        shown = subprocess.run(client, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return subprocess.run(["openssl", "x509", "-noout", "-serial"], input=shown.stdout, capture_output=True,
                              check=False).stdout.decode().strip()

    def _point_turns_name_here(self):
        """The A record that an operator makes once registration has given the name."""
        config = json.loads(self.machine.do("cat", f"{ETC}/node-config.json"))
        line = f"{NODE} {config['turns_subdomain']}.{DOMAIN}"
        self.machine.write("/etc/hosts", self.machine.read("/etc/hosts") + f"{line}\n")
        self.network.hosts("people", [*self._hosts, line])

    def need_running(self):
        self.need_registered()
        m = self.machine
        if m.ask("systemctl", "is-active", TARGET) != "active":
            m.do("systemctl", "enable", "--now", TARGET, timeout=90)
        for service in SERVICES:
            until(f"{service} runs", 30, lambda s=service: m.ask("systemctl", "is-active", f"oxpulse-{s}.service") == "active")
        until("a channel carries bytes", 40, lambda: self.page("api/health")[0] == 200, 0.5)

    def need_call(self):
        """Two browsers in a call through the node, one of them by its relay alone."""
        self.need_running()
        if self.people:
            return
        modules = self._modules()
        os.makedirs(f"{self.directory}/people")
        shutil.copytree(f"{self.directory}/tls", f"{self.directory}/people/tls")
        for sub, name, more in ((101, "Anna", {}), (102, "Boris", {"relay": 1, "turn": "udp"})):
            person = Person(self.network, modules, f"{self.directory}/people", name, "chromium", sub)
            self.people.append(person)
            person.join(BASE, "story", **more)
        self.see_each_other()

    def _modules(self):
        """The browsers' driver, as ../call has it installed."""
        modules = f"{ROOT}/build/e2e"
        if not os.path.isdir(f"{modules}/node_modules/puppeteer-core"):
            os.makedirs(modules, exist_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(f"{ROOT}/tests/e2e/call/{name}", modules)
            subprocess.run(["npm", "ci", "--prefix", modules, "--ignore-scripts", "--no-audit", "--no-fund"], check=True,
                           env={**os.environ, "PUPPETEER_SKIP_DOWNLOAD": "1"}, stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=300)
        return modules

    def see_each_other(self, seconds=20):
        one, other = self.people
        return [one.sees(other, seconds), other.sees(one, seconds)]

    # --- asking ---

    def curl(self, *words, inside="people", timeout=20):
        """(status of HTTP or 0, body) from a namespace; the node's authority is trusted."""
        done = subprocess.run(self.network.inside(inside, "curl", "-sS", "--noproxy", "*", "--max-time", str(timeout - 5),
                                                  "--cacert", f"{self.directory}/tls/ca.pem", "-w", "\n%{http_code}", *words),
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False)
        body, _, status = done.stdout.rpartition(b"\n")
        return int(status or 0), body

    def page(self, path, *words):
        return self.curl(*words, BASE + path)

    def refreshd(self, *words, timeout=150):
        """(status, output) of refreshd as an operator starts it."""
        return self.machine.run("refreshd", *words, timeout=timeout)

    def healthcheck(self, *words):
        """(exit status, {name: check})"""
        status, said = self.machine.run("oxpulse-partner-edge-healthcheck", *words, "--json", timeout=120)
        try:
            return status, {c["name"]: c for c in json.loads(said[said.index("{"):])["checks"]}
        except (ValueError, KeyError):
            raise Failed(f"the health check said {said}") from None

    def generation(self):
        return self.machine.ask("readlink", f"{LIB}/current").rsplit("/", 1)[-1]

    def pids(self):
        return {service: self.machine.pid_of(f"oxpulse-{service}.service") for service in SERVICES}


    # --- the signing key of room tokens ---

    def new_signing_key(self):
        """Central signs with another key from now on."""
        self.signing_key = SigningKey(self.directory)
        self.central.state(sfu_signing_private_key=self.signing_key.private, sfu_signing_public_key=self.signing_key.public)
        return self.signing_key

    def signs_in(self, key, room="keys"):
        """The status that a WebSocket gets with a room token signed by this key."""
        status, _ = self.curl("--http1.1", "-o", "/dev/null", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket",
                              "-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                              "-H", f"Sec-WebSocket-Protocol: bearer.{key.token(room)}", "--max-time", "1", f"{BASE}sfu/ws/{room}")
        return status

    # --- control ---

    def call(self, daemon, method, **parameters):
        """A control call as the machine's root: the reply's parameters."""
        reply = rig.varlink(f"/proc/{self.machine.leader}/root{RUN}/{daemon}", method, seconds=5, **parameters)
        if "error" in reply:
            raise Failed(f"{daemon}: {reply['error']} {reply.get('parameters')}")
        return reply["parameters"]

    def state_of(self, daemon):
        """serving, draining, stopping; or why it does not say."""
        try:
            return self.call(daemon, "io.oxpulse.Edge.Status")["state"]
        except (OSError, Failed) as e:
            return str(e)

    def request(self, verb, user="oxpulse-healthd"):
        """Asks for a privileged act as a daemon does; its result."""
        nonce = random.token_hex(8)
        self.machine.sh(f"setpriv --reuid={user} --regid={user} --init-groups sh -c 'echo {nonce} > {RUN}/requests/{verb}'")

        def result():
            said = self.machine.ask("cat", f"{RUN}/results/{verb}")
            return said.split(" ", 1)[1] if said.startswith(nonce) else None
        return until(f"an answer to {verb}", 15, result)

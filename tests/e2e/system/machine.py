# SPDX-License-Identifier: AGPL-3.0-only
"""A Debian machine with systemd as its first process: a tree of debian_tree.sh below, what the machine writes in a layer above
it, booted in a container whose network is a namespace of network.py.
"""
import os
import re
import shutil
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
               "TERM": "dumb", "SYSTEMD_PAGER": "cat", "SYSTEMD_COLORS": "0"}
BOOT_S = 60
REBOOT_STATUS = 133    # systemd-nspawn(1) --keep-unit: start me again


class Failed(AssertionError):
    """A command inside said no; the text holds its words."""


def until(what, seconds, ask, pause=0.1):
    """The first truthy answer of ask(); bounded."""
    end = time.monotonic() + seconds
    while True:
        got = ask()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(pause)


class Machine:
    def __init__(self, release, directory, network_path):
        self.release = release
        self.directory = directory
        self.root = os.path.join(directory, "root")
        self.network_path = network_path
        self.nspawn = None
        self.leader = None
        self._console = None

    # --- the disk ---

    def make(self, packages):
        """The tree, a layer, and the suite built and installed in it."""
        log = os.path.join(self.directory, "tree.log")
        with open(log, "w", encoding="utf-8") as out:
            made = subprocess.run(["flock", f"{self._cache()}/{self.release}.lock",
                                   "bash", f"{ROOT}/tests/debian_tree.sh", self.release, *packages],
                                  stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False, timeout=900)
        with open(log, encoding="utf-8") as f:
            lines = f.read().splitlines()
        if made.returncode != 0:
            raise Failed(f"no Debian {self.release}: see {log}: {lines[-1:]}")
        for name in ("upper", "work", "root"):
            os.makedirs(os.path.join(self.directory, name))
        layers = f"lowerdir={lines[-1]},upperdir={self.directory}/upper,workdir={self.directory}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, self.root], check=True)

    @staticmethod
    def _cache():
        path = os.environ.get("EDGE_CACHE", "/var/cache/partner-edge")
        os.makedirs(path, exist_ok=True)
        return path

    def install(self):
        """Builds the sources in the tree, as a packager would, and installs them."""
        os.makedirs(f"{self.root}/tmp/source")
        tar = subprocess.Popen(["tar", "-C", ROOT, "--exclude=./build", "--exclude=./.git", "--exclude=node_modules", "-cf", "-",
                                "."], stdout=subprocess.PIPE)
        subprocess.run(["tar", "-C", f"{self.root}/tmp/source", "-xf", "-"], stdin=tar.stdout, check=True, timeout=60)
        tar.wait()
        script = ("meson setup /tmp/build /tmp/source --prefix=/usr --sysconfdir=/etc --localstatedir=/var --buildtype=release"
                  " -Dtests=false && ninja -C /tmp/build && meson install -C /tmp/build --no-rebuild --quiet"
                  " && systemd-sysusers && systemd-tmpfiles --create && rm -rf /tmp/build /tmp/source")
        log = os.path.join(self.directory, "install.log")
        with open(log, "w", encoding="utf-8") as out:
            done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec",
                                   f"mount -t proc proc {self.root}/proc; mount --rbind /dev {self.root}/dev;"
                                   f" exec chroot {self.root} sh -ec '{script}'"],
                                  env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False,
                                  timeout=600)
        if done.returncode != 0:
            with open(log, encoding="utf-8", errors="replace") as f:
                raise Failed(f"the suite does not build or install on {self.release}:\n" + "".join(f.readlines()[-25:]))

    def write(self, path, text, mode=0o644):
        """A file of the machine's disk; also while it runs."""
        full = self.root + path
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(full, mode)

    def write_late(self, path, text):
        """A file as the running machine sees it, below /run too."""
        self.sh(f"mkdir -p {os.path.dirname(path)} && cat > {path}", text_in=text)

    def read(self, path):
        with open(self.root + path, encoding="utf-8", errors="replace") as f:
            return f.read()

    # --- power ---

    def boot(self):
        self._console = open(os.path.join(self.directory, "console.log"), "ab")    # pylint: disable=consider-using-with
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot", f"--directory={self.root}",
             f"--machine=edge-{self.release}", f"--network-namespace-path={self.network_path}", "--bind=/dev/net/tun",
             "--capability=CAP_NET_ADMIN,CAP_NET_RAW", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
             "--console=pipe"],
            stdin=subprocess.DEVNULL, stdout=self._console, stderr=subprocess.STDOUT)
        self.leader = until("the container has a first process", BOOT_S, self._find_leader)
        until("systemd is up", BOOT_S, lambda: self.ask("systemctl", "is-system-running") in ("running", "degraded"), 0.2)

    def _find_leader(self):
        if self.nspawn.poll() is not None:
            raise Failed(f"systemd-nspawn ended with {self.nspawn.returncode}: see {self.directory}/console.log")
        for pid in children_of(self.nspawn.pid):
            for candidate in (pid, *children_of(pid)):
                if is_init(candidate):
                    return candidate
        return None

    def reboot(self):
        self.ask("systemctl", "--no-block", "reboot")
        if self.nspawn.wait(BOOT_S) != REBOOT_STATUS:
            raise Failed(f"asked to reboot, systemd-nspawn ended with {self.nspawn.returncode}")
        self._console.close()
        self.boot()

    def off(self):
        """Powers off, pulls the plug if that takes long, and takes the disk away."""
        if self.nspawn and self.nspawn.poll() is None:
            if self.leader:
                self.ask("systemctl", "--no-block", "poweroff")
            try:
                self.nspawn.wait(20)
            except subprocess.TimeoutExpired:
                self.nspawn.kill()
                self.nspawn.wait(10)
        self.nspawn = None
        if self._console:
            self._console.close()

    def remove(self):
        self.off()
        subprocess.run(["umount", "-l", self.root], check=False, capture_output=True)
        for name in ("upper", "work", "root"):
            shutil.rmtree(os.path.join(self.directory, name), ignore_errors=True)

    # --- commands ---

    def run(self, *command, timeout=60, env=None, text_in=None):
        """(status, output and errors) of a command inside."""
        done = subprocess.run(["nsenter", "-t", str(self.leader), "-a", "--", *command], env={**ENVIRONMENT, **(env or {})},
                              input=text_in, stdin=subprocess.DEVNULL if text_in is None else None, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout, check=False)
        return done.returncode, done.stdout

    def ask(self, *command, timeout=60):
        """What a command inside says, whatever its status."""
        return self.run(*command, timeout=timeout)[1].strip()

    def do(self, *command, timeout=60, env=None, text_in=None):
        """A command inside that must succeed: its output."""
        status, said = self.run(*command, timeout=timeout, env=env, text_in=text_in)
        if status != 0:
            raise Failed(f"{' '.join(command)}: status {status}\n{said}")
        return said.strip()

    def sh(self, script, timeout=60, text_in=None):
        return self.do("sh", "-ec", script, timeout=timeout, text_in=text_in)

    def show(self, unit, *properties):
        """{property: value} of a unit."""
        said = self.do("systemctl", "show", unit, *(f"-p{p}" for p in properties))
        return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)

    def pid_of(self, unit):
        """As the machine numbers it; 0 when nothing runs."""
        return int(self.show(unit, "MainPID")["MainPID"])

    def journal(self, *words):
        return self.ask("journalctl", "--no-pager", "-o", "cat", *words)


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(word) for word in f.read().split()]
    except OSError:
        return []


def is_init(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
            inside = re.search(r"^NSpid:.*\s1$", f.read(), re.MULTILINE)
        with open(f"/proc/{pid}/comm", encoding="ascii") as f:
            return bool(inside) and f.read().strip() in ("systemd", "init")
    except OSError:
        return False

# SPDX-License-Identifier: AGPL-3.0-only
"""No secret shows: a watch over arguments and environments of every process of the machine while the story goes on, and at its
end a look through the journal and through every file that others may read.
"""
import os
import threading

PAUSE_S = 0.05


class SecretWatch:
    """Secrets are added as they come to be known. What was found is kept as sentences, never with the secret in them."""

    def __init__(self, machine):
        self.machine = machine
        self.found = set()
        self.looked_at = set()    # (pid, start) seen, so that the end can say how much was watched
        self._secrets = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def add(self, name, value):
        if value and len(value) >= 3:
            self._secrets[value.encode() if isinstance(value, str) else value] = name

    def start(self):
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join(10)

    def _watch(self):
        while not self._stop.wait(PAUSE_S):
            leader = self.machine.leader
            try:
                space = os.readlink(f"/proc/{leader}/ns/pid")
            except OSError:
                continue    # switched off just now
            for pid in filter(str.isdecimal, os.listdir("/proc")):
                self._look_at(pid, space)

    def _look_at(self, pid, space):
        try:
            if os.readlink(f"/proc/{pid}/ns/pid") != space:
                return
            for kind in ("cmdline", "environ"):
                with open(f"/proc/{pid}/{kind}", "rb") as f:
                    text = f.read()
                self._judge(text, f"the {kind} of process {pid}")
            self.looked_at.add(pid)
        except OSError:
            pass    # it ended meanwhile

    def _judge(self, text, where):
        for secret, name in list(self._secrets.items()):
            if secret in text:
                self.found.add(f"{name} in {where}")

    def look_through_journal(self):
        text = self.machine.ask("journalctl", "--no-pager", "-o", "export", timeout=60).encode()
        self._judge(text, "the journal")
        return len(text)

    def look_through_files(self):
        """What others may read, outside of kernel file systems."""
        seen = 0
        for top in ("etc", "var", "run", "tmp", "root", "usr/share/oxpulse-partner-edge"):
            for directory, _, names in os.walk(os.path.join(f"/proc/{self.machine.leader}/root", top)):
                if "/journal" in directory or "/var/lib/dpkg" in directory or "/var/cache" in directory:
                    continue    # the journal is looked through by itself; packages are Debian's
                for name in names:
                    seen += self._look_into(os.path.join(directory, name))
        return seen

    def _look_into(self, path):
        try:
            about = os.lstat(path)
            if (about.st_mode & 0o170000) != 0o100000 or not about.st_mode & 0o004:
                return 0
            with open(path, "rb") as f:
                self._judge(f.read(4 << 20), path[path.index("/root/") + 5:])
            return 1
        except OSError:
            return 0

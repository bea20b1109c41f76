# SPDX-License-Identifier: AGPL-3.0-only
"""The world of a machine under test: network namespaces on one bridge, and no way out of them.

    hub      central: 25.7.8.10 outside the mesh, 10.9.0.2 in it
    node     the machine: 25.7.8.20 and 10.9.0.7
    people   browsers and other clients: 25.7.8.30

The addresses look like the internet's because a relay must believe that they are; they exist in these namespaces alone.
"""
import os
import shutil
import subprocess

HUB, NODE, PEOPLE = "25.7.8.10", "25.7.8.20", "25.7.8.30"
NOBODY = "25.7.8.1"
HUB_MESH, NODE_MESH = "10.9.0.2", "10.9.0.7"    # the latter is what central gives to its first node
DOMAIN = "edge.example.test"
CENTRAL = "api.central.test"


def ip(*words):
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)


class Network:
    def __init__(self, name):
        self.name = name
        self.spaces = {}

    def make(self):
        bridge = self._space("bridge")
        ip("-n", bridge, "link", "add", "world", "type", "bridge")
        ip("-n", bridge, "link", "set", "world", "up")
        for name, addresses in (("hub", (HUB, HUB_MESH)), ("node", (NODE, NODE_MESH)), ("people", (PEOPLE,))):
            space = self._space(name)
            ip("-n", bridge, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("-n", bridge, "link", "set", name, "master", "world", "up")
            for address in addresses:
                ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "route", "add", "default", "via", NOBODY)    # a host has one; this one ends there

    def _space(self, name):
        space = f"{self.name}-{name}"
        ip("netns", "add", space)
        self.spaces[name] = space
        ip("-n", space, "link", "set", "lo", "up")
        return space

    def path(self, name):
        return f"/run/netns/{self.spaces[name]}"

    def hosts(self, name, lines):
        """What `ip netns exec` shows as /etc/hosts there."""
        directory = f"/etc/netns/{self.spaces[name]}"
        os.makedirs(directory, exist_ok=True)
        with open(f"{directory}/hosts", "w", encoding="ascii") as f:
            f.write("127.0.0.1 localhost\n" + "".join(f"{line}\n" for line in lines))

    def inside(self, name, *command):
        return ["ip", "netns", "exec", self.spaces[name], *command]

    def cable(self, name, on):
        """Pulls it, or plugs it in again."""
        ip("-n", self.spaces["bridge"], "link", "set", name, "up" if on else "down")

    def remove(self):
        for space in reversed(self.spaces.values()):
            pids = subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True, check=False).stdout.split()
            for pid in pids:
                try:
                    os.kill(int(pid), 9)    # whatever runs there was started by this test
                except ProcessLookupError:
                    pass
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)
            shutil.rmtree(f"/etc/netns/{space}", ignore_errors=True)
        self.spaces = {}

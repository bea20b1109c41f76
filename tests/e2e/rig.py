# SPDX-License-Identifier: AGPL-3.0-only
"""What every end-to-end test does: finds the programs it tests, waits with a bound, calls a control socket."""
import json
import os
import socket
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def program(name, daemon=None):
    """The path of a program as built: in $EDGE_BUILD, or else build/test or build; None where there is none."""
    builds = [os.environ["EDGE_BUILD"]] if os.environ.get("EDGE_BUILD") else \
        [os.path.join(ROOT, "build", "test"), os.path.join(ROOT, "build")]
    for build in builds:
        path = os.path.abspath(os.path.join(build, "daemons", daemon or name, name))
        if os.access(path, os.X_OK):
            return path
    return None


def wait_for(what, condition, seconds=10.0, pause=0.02):
    """The first truthy answer of condition()."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = condition()
        if got:
            return got
        time.sleep(pause)
    raise AssertionError(f"{what}: not within {seconds} s")


def varlink(path, method, seconds=10, **parameters):
    """The whole reply of a control socket: {"parameters": …} or {"error": …, …}."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(seconds)
        s.connect(path)
        s.sendall(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")
        data = b""
        while not data.endswith(b"\0"):
            more = s.recv(65536)
            if not more:
                raise AssertionError(f"{method}: closed")
            data += more
    return json.loads(data[:-1])

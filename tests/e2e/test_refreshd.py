#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""refreshd against a scripted central and real daemons: registering, refreshing, applying, going back, and being killed at
every step.
"""
import base64
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)
import refreshrun  # noqa: E402
import tap  # noqa: E402
from refreshrun import PARTNER, Central, Node, read, wait_for, write  # noqa: E402

NOT_REGISTERED = 78
KILLED = 137


def setUpModule():
    refreshrun.prepare()
    global central
    central = Central()
    unittest.addModuleCleanup(central.stop)


class WithNode(unittest.TestCase):
    daemons = ("sfud", "turnd")

    def setUp(self):
        central.reset()
        self.node = Node(central, self.daemons)
        self.addCleanup(self.node.stop)

    def new_secret(self, **more):
        """Central has another secret of room tokens from now on."""
        made = secrets.token_hex(20)
        central.state(signaling_sfu_secret=made, **more)
        return made

    def good(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def started(self):
        """A registered node whose daemons run."""
        self.good(self.node.register())
        for name in self.daemons:
            self.node.start(name)

    def secret(self):
        return self.node.files()["secrets/sfu-secret"].decode()

    def requests(self, endpoint):
        return len(central.log(endpoint))


class Registering(WithNode):
    daemons = ()

    def test_201_and_200_make_generation_1(self):
        for play in ("ok", "ok200"):
            node = Node(central, ())
            self.addCleanup(node.stop)
            central.play("register", play)
            done = self.good(node.register())
            self.assertEqual(node.generation(), 1)
            self.assertRegex(done.stderr, "registered as acme-")
            self.assertRegex(read(f"{node.etc}/token"), r"^stkn_\S{43}$")
            self.assertEqual(os.stat(f"{node.etc}/token").st_mode & 0o777, 0o600)
            self.assertFalse(os.path.exists(f"{node.lib}/register.json"))

    def test_identity_has_the_encodings_of_the_existing_system(self):
        self.good(self.node.register("--region=pl-waw"))
        key, url_key = r"[A-Za-z0-9+/]{43}=\n", r"[A-Za-z0-9_-]{43}\n"
        uuid = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n"
        for name, pattern, mode in (("reality.priv", url_key, 0o600), ("reality.pub", url_key, 0o644),
                                    ("reality.uuid", uuid, 0o644), ("awg-private.key", key, 0o600), ("awg-public.key", key, 0o644)):
            path = f"{self.node.etc}/{name}"
            self.assertRegex(read(path), f"^{pattern}$", name)
            self.assertEqual(os.stat(path).st_mode & 0o777, mode, name)
        body = central.log("register")[-1]["body"]
        self.assertEqual(body["reality_public_key"], read(f"{self.node.etc}/reality.pub").strip())
        self.assertEqual(body["awg_pubkey"], read(f"{self.node.etc}/awg-public.key").strip())
        self.assertEqual((body["region"], body["domain"]), ("pl-waw", self.node.domain))

    def test_part_of_an_identity_is_an_error_that_names_it(self):
        write(f"{self.node.etc}/reality.priv", "x" * 43 + "\n", 0o600)
        done = self.node.register()
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, "found reality.priv, missing reality.pub reality.uuid")
        self.assertEqual(self.requests("register"), 0)
        self.assertEqual(read(f"{self.node.etc}/reality.priv"), "x" * 43 + "\n")

    def test_registered_already_burns_no_token(self):
        self.good(self.node.register())
        before = self.requests("register")
        done = self.good(self.node.register())
        self.assertRegex(done.stderr, "registered already, as acme-")
        self.assertEqual(self.requests("register"), before)
        self.good(self.node.register("--force"))
        self.assertEqual(self.requests("register"), before + 1)

    def test_each_error_is_a_sentence(self):
        for code, words in (("missing_ip", "public address"), ("rate_limited", "wait"), ("bad_partner_id", "partner id"),
                            ("bad_token", "token"), ("reality_not_configured", "PARTNER_REALITY_UUID"),
                            ("turn_not_configured", "TURN_SECRET"),
                            ("backend_endpoint_not_configured", "PARTNER_BACKEND_ENDPOINT"),
                            ("token_not_found", "does not know this token"),
                            ("token_revoked", "revoked"), ("token_already_used", "used before"), ("token_expired", "expired"),
                            ("partner_mismatch", "another partner"), ("installer_too_old", "too old"),
                            ("db_unavailable", "database"), ("internal_error", "failed inside")):
            with self.subTest(code):
                central.reset()
                central.play("register", code)
                done = self.node.register()
                self.assertNotEqual(done.returncode, 0)
                self.assertRegex(done.stderr.strip().splitlines()[-1], words)
                retried = code in ("db_unavailable", "internal_error")
                self.assertEqual(self.requests("register"), 4 if retried else 1)
                self.assertEqual(self.node.generation(), 0)

    def test_missing_and_bad_values_are_fatal_by_name(self):
        for play, words in (("missing_signaling_sfu_secret", "signaling_sfu_secret"), ("blank_encryption", "reality_encryption"),
                            ("missing_turns_subdomain", "turns_subdomain"), ("newline_value", "turn_secret"),
                            ("newline_value:node_id", "node_id")):
            with self.subTest(play):
                node = Node(central, ())
                self.addCleanup(node.stop)
                central.play("register", play)
                done = node.register()
                self.assertEqual(done.returncode, NOT_REGISTERED)
                self.assertIn(words, done.stderr)
                self.assertEqual(node.generation(), 0)

    def test_a_lost_reply_and_the_409_after_it_say_so(self):
        central.play("register", "timeout_after_commit", "ok")
        done = self.node.register("--timeout=2")
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.requests("register"), 2)
        lines = done.stderr.strip().splitlines()
        self.assertRegex(lines[-2], "may have arrived")
        self.assertRegex(lines[-1], "used up.*got no answer")

    def test_nobody_listens_costs_no_token(self):
        token = central.token()
        port = refreshrun.free_port()
        done = self.node.register(f"--central=https://127.0.0.1:{port}", token=token)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr.splitlines()[-1], "cannot be reached")
        self.good(self.node.register(token=token))

    def test_a_strange_certificate_is_refused(self):
        done = self.node.register("--central-ca=/etc/ssl/certs/ca-certificates.crt")
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.requests("register"), 0)

    def test_a_crash_after_the_answer_needs_no_new_token(self):
        os.rename(f"{self.node.share}/front", f"{self.node.share}/gone")    # what fails later must not cost the answer
        self.assertNotEqual(self.node.register().returncode, 0)
        self.assertTrue(os.path.exists(f"{self.node.lib}/register.json"))
        self.assertEqual(os.stat(f"{self.node.lib}/register.json").st_mode & 0o777, 0o600)
        os.rename(f"{self.node.share}/gone", f"{self.node.share}/front")
        before = self.requests("register")
        write(f"{self.node.etc}/token", json.loads(read(f"{self.node.lib}/register.json"))["service_token"] + "\n", 0o600)
        done = self.good(self.node.run("register"))
        self.assertRegex(done.stderr, "no token is used")
        self.assertNotIn("is kept", done.stderr)
        self.assertEqual((self.node.generation(), self.requests("register")), (1, before))

    def test_an_answer_that_waits_is_finished_before_anything_else(self):
        self.good(self.node.register())
        os.rename(f"{self.node.share}/front", f"{self.node.share}/gone")
        self.assertNotEqual(self.node.register("--force").returncode, 0)
        other = self.node.run("register", "--domain=other.acme.test")
        self.assertEqual(other.returncode, 64)
        self.assertRegex(other.stderr, "--force asks anew")
        os.rename(f"{self.node.share}/gone", f"{self.node.share}/front")
        before = self.requests("register")
        self.good(self.node.register())
        self.assertEqual(self.requests("register"), before)
        self.assertFalse(os.path.exists(f"{self.node.lib}/register.json"))

    def test_a_bad_answer_gives_way_to_a_new_token(self):
        central.play("register", "missing_turn_secret", "ok")
        self.assertEqual(self.node.register().returncode, NOT_REGISTERED)
        self.assertEqual(self.node.run("register").returncode, NOT_REGISTERED)
        write(f"{self.node.etc}/token", "stkn_" + "a" * 43, 0o600)    # central gave the real one with the bad answer
        self.good(self.node.register())
        self.assertEqual(self.node.generation(), 1)

    def test_no_service_token_is_fatal_until_there_is_one(self):
        central.play("register", "no_service_token")
        done = self.node.register()
        self.assertEqual(done.returncode, NOT_REGISTERED)
        self.assertRegex(done.stderr, "rotate-service-token")
        write(f"{self.node.etc}/token", "stkn_" + "a" * 43, 0o600)
        self.good(self.node.run("register"))
        self.assertEqual(self.node.generation(), 1)
        self.assertEqual(read(f"{self.node.etc}/token"), "stkn_" + "a" * 43)

    def test_manual_config_uses_no_token(self):
        other = Node(central, ())
        self.addCleanup(other.stop)
        other_token = central.token()
        os.rename(f"{other.share}/front", f"{other.share}/gone")
        other.register(token=other_token)
        before = self.requests("register")
        done = self.node.run("register", f"--partner-id={PARTNER}", f"--domain={self.node.domain}", f"--central={central.url}",
                             f"--central-ca={central.ca}", f"--public-ip={refreshrun.PUBLIC_IP}",
                             "--manual-config", f"{other.lib}/register.json")
        self.good(done)
        self.assertEqual((self.node.generation(), self.requests("register")), (1, before))

    def test_tokens_are_in_no_argument_and_no_environment(self):
        token = central.token()
        central.play("register", "hang")
        for how in ({"args": [f"--token={token}"]}, {"args": ["--token", token]}, {"env": {"OXPULSE_PARTNER_TOKEN": token}},
                    {"args": ["--token=-"], "stdin": token + "\n"}):
            n = central.last()
            child = subprocess.Popen(
                self.node.command("register", f"--partner-id={PARTNER}", f"--domain={self.node.domain}", f"--central={central.url}",
                                  f"--central-ca={central.ca}", "--public-ip=198.51.100.7", "--timeout=20", *how.get("args", ())),
                env={**os.environ, **how.get("env", {})}, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            try:
                child.stdin.write(how.get("stdin", ""))
                child.stdin.flush()
                wait_for("the request", lambda: central.log("register", n))
                for name in ("cmdline", "environ"):
                    self.assertNotIn(token.encode(), read(f"/proc/{child.pid}/{name}", "rb"), name)
            finally:
                child.kill()
                said = child.communicate()[1]
            self.assertNotIn(token, said)
            self.assertEqual("command line" in said, bool(how.get("args")) and how["args"] != ["--token=-"])

    def test_not_registered_is_78_with_a_sentence(self):
        for command in ("refresh", "rotate-sni", "render"):
            done = self.node.run(command)
            self.assertEqual(done.returncode, NOT_REGISTERED, command)
            self.assertRegex(done.stderr, "not registered: get a token")
        self.assertRegex(self.node.run("status").stdout, "not registered")

    def test_another_service_token_is_told_and_an_empty_one_is_none(self):
        path = f"{self.node.etc}/token"
        write(path, "stkn_" + "a" * 43, 0o600)
        done = self.good(self.node.register())
        self.assertRegex(done.stderr, "another service token, but .*/token exists and is kept")
        self.assertEqual(read(path), "stkn_" + "a" * 43)
        other = Node(central, ())
        self.addCleanup(other.stop)
        write(f"{other.etc}/token", "\n", 0o600)
        self.good(other.register())
        self.assertRegex(read(f"{other.etc}/token"), r"^stkn_\S{43}$")

    def test_a_file_that_cannot_be_read_is_told_with_the_fix(self):
        closed = f"{self.node.dir}/closed"
        write(closed, "x", 0)
        for option in ("token-file", "central-ca", "branding-config", "manual-config"):
            done = self.node.run("register", f"--{option}={self.node.dir}/none")
            self.assertEqual(done.returncode, 66)
            self.assertRegex(done.stderr, f"--{option} .*/none: there is no such file")
            wrap = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()
            if wrap and subprocess.run([*wrap, "test", "-x", refreshrun.program("refreshd")]).returncode:
                self.skipTest("the build is closed to others")
            done = self.node.run("register", f"--{option}={closed}", wrap=wrap)
            self.assertEqual(done.returncode, 66)
            self.assertRegex(done.stderr, f"--{option} .*/closed cannot be read by the user .*: make it readable for that user")

    def test_wrong_options(self):
        for args in (["nothing"], [], ["register", "--tokn=x"], ["refresh", "--json=1"], ["register", "--token"],
                     ["status", "what"]):
            self.assertEqual(self.node.run(*args).returncode, 64, args)


class Refreshing(WithNode):
    def test_the_first_refresh_changes_nothing(self):
        self.started()
        before = self.node.files()
        self.good(self.node.run("refresh"))
        self.assertEqual((self.node.generation(), self.node.files()), (1, before))
        self.assertEqual((self.node.reloads("sfud"), self.node.reloads("turnd")), (0, 0))
        self.assertLessEqual(set(self.node.steps().values()), {"ok", "skipped"})
        self.assertEqual(self.requests("heartbeat"), 1)

    def test_rotated_keys_reload_only_what_changed(self):
        self.started()
        old = self.secret()
        new = self.new_secret()
        self.good(self.node.run("refresh"))
        self.assertEqual((self.node.reloads("sfud"), self.node.reloads("turnd")), (1, 0))
        self.assertEqual((self.node.takes(new), self.node.takes(old)), (True, False))
        central.state(turn_secret=secrets.token_hex(20))
        self.good(self.node.run("refresh"))
        self.assertEqual((self.node.reloads("sfud"), self.node.reloads("turnd")), (1, 1))
        central.state(rotate_reality=True)
        self.good(self.node.run("refresh"))
        self.assertEqual((self.node.reloads("sfud"), self.node.reloads("turnd")), (1, 1))
        keys = central.state()["settings"]
        doc = json.loads(self.node.files()["node-config.json"])
        self.assertEqual(doc["reality_public_key"], keys["reality_public_key"])
        self.assertEqual(self.node.metrics()['partner_edge_reality_pubkey_applied{partner_id="acme"}'], 1)
        self.assertEqual(read(f"{self.node.lib}/keys-version").strip(), self.node.manifest()["keys_version"])

    def test_a_version_is_stored_only_with_what_is_in_force(self):
        self.started()
        before = read(f"{self.node.lib}/keys-version")
        os.remove(f"{self.node.sbin}/sfud")
        write(f"{self.node.sbin}/sfud", "#!/bin/sh\necho 'no such thing: bad value' >&2\nexit 78\n", 0o755)
        new = self.new_secret(rotate_reality=True)
        done = self.good(self.node.run("refresh"))
        self.assertRegex(done.stderr, "sfud refuses its new file: no such thing: bad value")
        self.assertEqual((self.node.generation(), self.node.generations()), (1, [1]))
        self.assertEqual(read(f"{self.node.lib}/keys-version"), before)
        self.assertEqual(self.node.steps()["apply"], "failed")
        os.remove(f"{self.node.sbin}/sfud")
        os.symlink(refreshrun.program("sfud"), f"{self.node.sbin}/sfud")
        self.good(self.node.run("refresh"))
        self.assertEqual(self.node.generation(), 2)
        self.assertTrue(self.node.takes(new))

    def test_a_bad_document_is_refused_by_its_field(self):
        self.started()
        for play, words in (("no_node_id", "node_id"), ('changed:{"signaling_sfu_secret":""}', "signaling_sfu_secret"),
                            ('changed:{"turn_secret":"a\\nb"}', "turn_secret"),
                            ('changed:{"node_id":"acme-other"}', "another node"),
                            ("truncated", "node-config"), ("lying:wrong_types", "node-config"), ("lying:html", "node-config")):
            with self.subTest(play):
                central.play("node-config", play)
                done = self.good(self.node.run("refresh"))
                self.assertEqual((self.node.generation(), self.node.steps()["node-config"]), (1, "failed"))
                self.assertIn(words, done.stderr)

    def test_unknown_fields_survive(self):
        self.started()
        central.play("node-config", 'changed:{"of_the_future":{"a":[1,2]}}')
        self.good(self.node.run("refresh"))
        self.assertEqual(json.loads(self.node.files()["node-config.json"])["of_the_future"], {"a": [1, 2]})
        self.assertEqual((self.node.reloads("sfud"), self.node.reloads("turnd")), (0, 0))

    def test_no_step_stops_another(self):
        self.started()
        names = {"keys": "keys", "heartbeat": "heartbeat", "cross-probe-token": "cross-probe-token", "node-config": "node-config",
                 "hy2-credentials": "hy2-credentials"}
        for broken in names:
            with self.subTest(broken):
                central.reset()
                central.play(broken, "403")
                if os.path.exists(f"{self.node.etc}/cross-probe-token"):
                    os.remove(f"{self.node.etc}/cross-probe-token")
                self.good(self.node.run("refresh"))
                self.assertEqual(self.node.steps(), {**{n: "ok" for n in names}, "apply": "ok", broken: "failed"})
        metrics = self.node.metrics()
        self.assertEqual(metrics['partner_edge_keys_fetch_failure_total{partner_id="acme"}'], 1)
        self.assertEqual(metrics['partner_edge_heartbeat_failure_total{partner_id="acme"}'], 1)
        self.assertEqual(metrics['partner_edge_cross_probe_token_refresh_failure_total{partner_id="acme",reason="http_403"}'], 1)
        self.assertEqual(metrics['refresh_step_failures_total{step="node-config"}'], 1)

    def test_a_central_that_hangs_costs_a_bounded_time(self):
        self.started()
        if os.path.exists(f"{self.node.etc}/cross-probe-token"):
            os.remove(f"{self.node.etc}/cross-probe-token")
        central.play("all", "hang")
        self.good(self.node.run("refresh", "--timeout=1", timeout=100))
        central.reset()
        self.assertEqual({n for n, o in self.node.steps().items() if o == "failed"},
                         {"keys", "heartbeat", "cross-probe-token", "node-config", "hy2-credentials"})
        self.assertEqual(self.node.generation(), 1)

    def test_cross_probe_token_only_when_due(self):
        self.started()
        path = f"{self.node.etc}/cross-probe-token"
        write(path, "xprb_old", 0o600)
        self.good(self.node.run("refresh"))
        self.assertEqual((self.requests("cross-probe-token"), read(path)), (0, "xprb_old"))
        os.utime(path, (time.time() - 302500,) * 2)
        for play, reason in (("wrong_prefix", "malformed_response"), ("empty", "empty_response"), ("401", "http_401")):
            central.play("cross-probe-token", play)
            self.good(self.node.run("refresh"))
            self.assertEqual(read(path), "xprb_old")
            self.assertEqual(self.node.metrics()["partner_edge_cross_probe_token_refresh_failure_total"
                                                 f'{{partner_id="acme",reason="{reason}"}}'], 1)
        central.play("cross-probe-token", "503x2")
        self.good(self.node.run("refresh", "--timeout=3"))
        self.assertRegex(read(path), "^xprb_")
        self.assertNotEqual(read(path), "xprb_old")

    def test_a_daemon_hears_of_its_credentials_and_of_no_others(self):
        self.good(self.node.register())
        fakes = {}
        for name in ("sfud", "turnd", "tunneld", "healthd"):
            fakes[name] = FakeDaemon(f"{self.node.run_dir}/{name}")
            self.addCleanup(fakes[name].stop)

        def reloads(name):
            heard = [c["parameters"]["credentials"] for c in fakes[name].heard if c["method"] == "io.oxpulse.Edge.Reload"]
            fakes[name].heard.clear()
            return [{k: base64.b64decode(v).decode() for k, v in c.items()} for c in heard]

        path = f"{self.node.etc}/cross-probe-token"
        write(path, "xprb_old", 0o600)
        new, turn = self.new_secret(turn_secret=secrets.token_hex(20)), None
        self.good(self.node.run("refresh"))
        turn = self.node.files()["secrets/turn-secret"].decode()
        token = read(f"{self.node.etc}/token")
        self.assertEqual(reloads("sfud"), [{"sfu-secret": new}])
        self.assertEqual(reloads("turnd"), [{"turn-secret": turn}])
        self.assertEqual(reloads("tunneld"), [])
        self.assertEqual(reloads("healthd"), [{"sfu-secret": new, "turn-secret": turn, "service-token": token,
                                               "cross-probe-token": "xprb_old"}])
        os.remove(path)
        self.good(self.node.run("refresh"))
        self.assertEqual([reloads(n) for n in ("sfud", "turnd")], [[], []])
        self.assertEqual([c["cross-probe-token"] for c in reloads("healthd")], [read(path)])

    def test_every_daemon_takes_its_file(self):
        names = ("sfud", "turnd", "tunneld", "healthd")
        missing = [n for n in names if not os.access(refreshrun.program(n), os.X_OK)]
        if missing:
            self.skipTest(f"not built: {' '.join(missing)}")
        node = Node(central, names)
        self.addCleanup(node.stop)
        done = self.good(node.register())
        self.assertNotRegex(done.stderr, "is not there, so")

    def test_the_sfu_key_in_four_forms_while_a_call_goes_on(self):
        from settings import make_signing_key
        self.started()
        call, status = self.node.upgrade(self.secret())
        self.addCleanup(call.close)
        self.assertEqual(status, 101)
        for n, form in enumerate(("pem", "escaped", "der", "raw"), 1):
            private, public = make_signing_key()
            central.state(sfu_signing_private_key=private, sfu_signing_public_key=public)
            central.play("keys", f"key_{form}")
            self.good(self.node.run("refresh"))
            self.assertEqual(self.node.files()["sfu-signing-key.pem"].decode(), public, form)
            self.assertEqual(self.node.reloads("sfud"), n)
            self.assertIn("\\n", read(f"{self.node.lib}/sfu-keys.env"))
            self.assertEqual(self.node.metrics()['partner_edge_sfu_pubkey_applied{partner_id="acme"}'], 1)
        call.settimeout(0.2)
        with self.assertRaises(TimeoutError):
            call.recv(1)
        self.assertEqual(self.node.ask("sfud", "io.oxpulse.Edge.Status")["parameters"]["sessions"], 1)
        central.play("keys", "key_garbage")
        self.good(self.node.run("refresh"))
        self.assertEqual(self.node.files()["sfu-signing-key.pem"].decode(), public)
        self.assertEqual(self.node.metrics()['partner_edge_sfu_pubkey_applied{partner_id="acme"}'], 0)

    def test_secrets_are_said_nowhere(self):
        self.started()
        done = self.good(self.node.run("refresh"))
        told = done.stderr + self.node.run("status").stdout + self.node.run("status", "--json").stdout
        told += read(f"{self.node.lib}/refresh.prom") + read(f"{self.node.lib}/refresh.json")
        for secret in (self.secret(), self.node.files()["secrets/turn-secret"].decode(), read(f"{self.node.etc}/token")):
            self.assertNotIn(secret.strip(), told)


class FakeDaemon(threading.Thread):
    """A control socket that agrees with everything and remembers it."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.heard = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen(8)
        self.start()

    def run(self):
        while True:
            try:
                conn, _ = self.socket.accept()
            except OSError:
                return
            with conn:
                data = b""
                while not data.endswith(b"\0"):
                    data += conn.recv(65536)
                asked = json.loads(data[:-1])
                self.heard.append(asked)
                reply = {"restart": []} if asked["method"].endswith("Reload") else {"state": "serving", "sessions": 0, "uptime": 1}
                conn.sendall(json.dumps({"parameters": reply}).encode() + b"\0")

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.join(5)


class Requester(threading.Thread):
    """Root's part of requests: answers each verb with a word and does what it is told to do."""

    def __init__(self, node, words, acts=None):
        super().__init__(daemon=True)
        self.dir, self.words, self.acts, self.seen, self.going = node.run_dir, words, acts or {}, [], True
        os.mkdir(f"{self.dir}/requests")
        os.mkdir(f"{self.dir}/results")
        self.start()

    def run(self):
        while self.going:
            for verb in self.words:
                path = f"{self.dir}/requests/{verb}"
                if not os.path.exists(path):
                    continue
                nonce = read(path)
                os.remove(path)
                self.seen.append(verb)
                self.acts.get(verb, lambda: None)()
                write(f"{self.dir}/results/{verb}.new", f"{nonce} {self.words[verb]}\n")
                os.rename(f"{self.dir}/results/{verb}.new", f"{self.dir}/results/{verb}")
            time.sleep(0.01)

    def stop(self):
        self.going = False
        self.join(5)


class Applying(WithNode):
    def requester(self, words, acts=None):
        made = Requester(self.node, words, acts)
        self.addCleanup(made.stop)
        return made

    def test_flips_back_when_a_daemon_refuses(self):
        self.started()
        old = self.secret()
        os.remove(f"{self.node.sbin}/turnd")
        write(f"{self.node.sbin}/turnd", "#!/bin/sh\nexit 0\n", 0o755)
        write(f"{self.node.etc}/turnd.conf.d/wrong.conf", "[Server]\nLisen=1\n")
        new = self.new_secret(turn_secret=secrets.token_hex(20))
        done = self.node.run("refresh")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "generation 2 is taken back: turnd did not reload")
        self.assertEqual((self.node.generation(), self.node.generations()), (1, [1]))
        self.assertEqual((self.node.takes(old), self.node.takes(new)), (True, False))
        self.assertEqual(self.node.metrics()['refresh_applies_total{result="back"}'], 1)
        os.remove(f"{self.node.etc}/turnd.conf.d/wrong.conf")
        self.good(self.node.run("refresh"))
        self.assertEqual((self.node.takes(old), self.node.takes(new)), (False, True))

    def test_flips_back_when_a_check_gets_worse(self):
        self.started()
        old = self.secret()
        write(f"{self.node.sbin}/oxpulse-partner-edge-healthcheck",
              f"#!/bin/sh\nif grep -q {old} {self.node.lib}/current/secrets/sfu-secret; then s=ok; else s=fail; fi\n"
              'printf \'{"checks":[{"name":"calls","state":"%s"},{"name":"old","state":"fail"}]}\' $s\n', 0o755)
        self.new_secret()
        done = self.node.run("refresh")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, 'the check "calls" was well before and fails now')
        self.assertEqual((self.node.generation(), self.node.takes(old)), (1, True))

    def test_the_front_is_asked_and_answers(self):
        self.started()
        requester = self.requester({"reload-front": "ok"})
        pid = f"{self.node.dir}/oxpulse-front/nginx.pid"
        os.mkdir(os.path.dirname(pid))
        write(pid, f"{os.getpid()}\n")
        text = read(f"{self.node.lib}/install.env")
        write(f"{self.node.lib}/install.env", text.replace("oxpulse.chat", "other.example"), 0o600)
        self.good(self.node.run("render"))
        self.assertEqual((self.node.generation(), requester.seen), (2, ["reload-front"]))
        self.assertEqual(self.node.reloads("turnd"), 0)
        requester.words["reload-front"] = "failed"
        write(f"{self.node.lib}/install.env", text, 0o600)
        done = self.node.run("render")
        self.assertEqual((done.returncode, self.node.generation()), (1, 2))
        self.assertRegex(done.stderr, "the front did not reload")
        requester.words["reload-front"] = "not-running"
        self.good(self.node.run("render"))
        self.assertEqual(self.node.generation(), 3)
        gone = subprocess.Popen(["true"])
        gone.wait()
        asked = len(requester.seen)
        for number, (dead, words) in enumerate(((f"{gone.pid}\n", "one.example"), (None, "two.example")), 4):
            write(pid, dead) if dead else os.remove(pid)
            write(f"{self.node.lib}/install.env", text.replace("oxpulse.chat", words), 0o600)
            done = self.good(self.node.run("render"))
            self.assertRegex(done.stderr, "front does not run; it will start with the new file")
            self.assertEqual((self.node.generation(), len(requester.seen)), (number, asked))

    def test_nginx_checks_the_fronts_file(self):
        self.started()
        os.mkdir(f"{self.node.etc}/front/tls")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-keyout", f"{self.node.etc}/front/tls/privkey.pem", "-out",
                        f"{self.node.etc}/front/tls/fullchain.pem"], check=True, capture_output=True)
        front = f"{self.node.share}/front"
        source = os.path.realpath(front)
        os.remove(front)
        shutil.copytree(source, front)
        template = read(f"{front}/nginx.conf.in")
        write(f"{front}/nginx.conf.in", template.replace("worker_processes auto;", "worker_processes auto;\nno_such_directive on;"))
        done = self.node.run("render")
        self.assertEqual((done.returncode, self.node.generation()), (1, 1))
        self.assertRegex(done.stderr, "nginx refuses its new file: .*no_such_directive")
        write(f"{front}/nginx.conf.in", template.replace("worker_processes auto;", "worker_processes 2;"))
        self.good(self.node.run("render"))
        self.assertEqual(self.node.generation(), 2)

    def test_keys_that_need_a_restart_wait_for_the_last_session(self):
        self.good(self.node.register())
        conf = f"{self.node.etc}/sfud.conf.d/test.conf"
        write(conf, re.sub(r"(?m)^Port=\d+\nBind=", "Bind=", read(conf)))
        env = read(f"{self.node.lib}/install.env")

        def media_port():
            port = refreshrun.free_port()
            write(f"{self.node.lib}/install.env", re.sub(r"SFU_UDP_PORT=\d+", f"SFU_UDP_PORT={port}", env), 0o600)
            return self.good(self.node.run("render"))

        def restart():
            child = self.node.children["sfud"]
            child.terminate()
            child.wait(10)
            self.node.start("sfud")

        media_port()
        self.node.start("sfud")
        call, _ = self.node.upgrade(self.secret())
        self.addCleanup(call.close)
        requester = self.requester({"restart-sfud": "ok"}, {"restart-sfud": restart})
        done = media_port()
        self.assertRegex(done.stderr, "sfud needs a restart for Media.Port; it has 1 sessions")
        self.assertEqual((self.node.status()["restart"], requester.seen), ({"sfud": "Media.Port"}, []))
        self.assertRegex(self.node.run("status").stdout, r"sfud +needs a restart: Media.Port")
        call.close()
        wait_for("the session is gone", lambda: self.node.ask("sfud", "io.oxpulse.Edge.Status")["parameters"]["sessions"] == 0, 30)
        self.good(self.node.run("refresh"))
        self.assertEqual((self.node.status()["restart"], requester.seen), ({}, ["restart-sfud"]))

    def test_rollback_and_rotation(self):
        self.started()
        first = self.secret()
        self.good(self.node.run("rotate-sni"))
        self.assertEqual(self.node.generation(), 1)
        second = self.new_secret()
        self.good(self.node.run("refresh"))
        self.good(self.node.run("rollback"))
        self.assertEqual((self.node.generation(), self.secret(), self.node.manifest()["reason"]), (3, first, "rollback"))
        self.assertTrue(self.node.takes(first))
        self.good(self.node.run("rollback", "2"))
        self.assertEqual((self.node.generation(), self.secret()), (4, second))
        for number in ("99", "x"):
            self.assertNotEqual(self.node.run("rollback", number).returncode, 0)
        for _ in range(3):
            self.new_secret()
            self.good(self.node.run("refresh"))
        self.assertEqual(self.node.generations(), [3, 4, 5, 6, 7])

    def test_the_relay_takes_the_secret_before_for_a_day(self):
        def lines():
            return self.node.files()["secrets/turn-secret"].decode().splitlines()[::2]

        self.started()
        old, new = lines()[0], secrets.token_hex(20)
        central.state(turn_secret=new)
        self.good(self.node.run("refresh"))
        self.assertEqual(lines(), [new, old])
        self.good(self.node.run("refresh"))
        self.assertEqual((self.node.generation(), self.node.reloads("turnd")), (2, 1))
        self.good(self.node.run("rollback"))
        self.assertEqual((lines(), self.node.reloads("turnd")), ([old, new], 2))

    def test_what_is_damaged_is_replaced(self):
        self.started()
        new = self.new_secret()
        self.good(self.node.run("refresh"))
        write(f"{self.node.lib}/current/turnd.conf", "[Server]\n")
        done = self.good(self.node.run("render"))
        self.assertRegex(done.stderr, "turnd.conf is not as it was written")
        self.assertEqual((self.node.generation(), self.node.reloads("turnd"), self.node.takes(new)), (3, 1, True))
        write(f"{self.node.lib}/current/manifest.json", "{")
        self.assertEqual(self.node.run("refresh").returncode, NOT_REGISTERED)
        self.assertRegex(self.node.run("status").stdout, "generation +3, damaged: refreshd rollback")
        self.good(self.node.run("rollback"))
        self.assertEqual((self.node.generation(), self.node.generations(), self.node.takes(new)), (4, [1, 2, 4], True))
        write(f"{self.node.lib}/current/manifest.json", "{")
        self.good(self.node.run("rollback", "1"))
        self.assertEqual((self.node.generation(), self.node.takes(new)), (5, False))

    def test_dry_run_and_output_change_nothing(self):
        self.started()
        before = {p: os.stat(os.path.join(f, p)).st_mtime_ns for f, _, n in os.walk(self.node.lib) for p in n}
        self.assertNotIn("changes", self.good(self.node.run("render", "--dry-run")).stdout)
        self.good(self.node.run("render", "--output", f"{self.node.dir}/out"))
        self.assertEqual(read(f"{self.node.dir}/out/sfud.conf", "rb"), self.node.files()["sfud.conf"])
        self.assertEqual({p: os.stat(os.path.join(f, p)).st_mtime_ns for f, _, n in os.walk(self.node.lib) for p in n}, before)

    def test_a_full_disk_changes_nothing(self):
        self.started()
        old = self.secret()
        self.good(self.node.run("recover"))
        small = f"{self.node.dir}/small"
        os.mkdir(small)
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "none", small],
                                               capture_output=True).returncode:
            self.skipTest("only root can mount a small disk")
        self.addCleanup(subprocess.run, ["umount", "-l", small])
        lib = self.node.lib
        shutil.copytree(lib, f"{small}/lib", symlinks=True)
        self.node.lib = f"{small}/lib"
        self.addCleanup(setattr, self.node, "lib", lib)
        self.good(self.node.run("render"))    # the files name the new place
        self.new_secret()
        filler = f"{small}/filler"
        for left in (60, 40, 20, 8, 4, 0):
            with open(filler, "wb") as f:
                free = os.statvfs(small)
                f.write(b"x" * max(free.f_bavail * free.f_frsize - left * 1024, 0))
            self.node.run("refresh")
            os.remove(filler)
            self.good(self.node.run("recover"))
            self.assertIn(self.secret(), (old, central.state()["settings"]["signaling_sfu_secret"]))
            for row in self.node.manifest()["files"]:
                data = read(f"{self.node.lib}/current/{row['path']}", "rb")
                self.assertEqual(hashlib.sha256(data).hexdigest(), row["sha256"], (left, row["path"]))
        self.good(self.node.run("refresh"))

    def test_one_at_a_time(self):
        self.started()
        with open(f"{self.node.lib}/refresh.lock", "r+") as f:
            import fcntl
            fcntl.flock(f, fcntl.LOCK_EX)
            done = self.node.run("register")    # the one that waits 10 s only
        self.assertEqual(done.returncode, 75)
        self.assertRegex(done.stderr, "another refreshd is at work")

    def test_an_operators_file_is_kept(self):
        write(f"{self.node.etc}/sfud.conf", "mine\n")
        self.good(self.node.register())
        self.assertEqual(read(f"{self.node.etc}/sfud.conf.before"), "mine\n")
        self.assertTrue(os.path.islink(f"{self.node.etc}/sfud.conf"))


class Killed(WithNode):
    """kill -9 at every system call that changes anything: afterwards the old or the new configuration is in force, as a whole."""

    def kill_at(self, n, *args):
        tool = os.path.join(refreshrun.BUILD, "tests", "e2e", "kill_at")
        return self.node.run(*args, wrap=(tool, str(n)))

    def whole(self):
        """What is in force is what its manifest says, nothing is half done, and links lead to it."""
        for row in self.node.manifest()["files"]:
            data = read(f"{self.node.lib}/current/{row['path']}", "rb")
            self.assertEqual(hashlib.sha256(data).hexdigest(), row["sha256"], row["path"])
        left = [n for n in os.listdir(self.node.lib) if n.endswith(".new") or n in ("apply.json", "check")]
        self.assertEqual(left, [])
        self.assertEqual(max(self.node.generations()), self.node.generation())
        for number in self.node.generations():
            self.node.manifest(number)
        self.assertEqual(read(f"{self.node.etc}/sfud.conf", "rb"), self.node.files()["sfud.conf"])

    def two_generations(self):
        self.started()
        a = self.secret()
        b = self.new_secret(turn_secret=secrets.token_hex(20))
        self.good(self.node.run("refresh"))
        return a, b

    def other(self, secret):
        """The newest generation with another secret."""
        return max(n for n in self.node.generations() if self.node.files(n)["secrets/sfu-secret"].decode() != secret)

    def test_an_apply_at_every_step(self):
        both = set(self.two_generations())
        n, kept, killed = 0, 0, 0
        while True:
            n += 1
            old = self.secret()
            done = self.kill_at(n, "rollback", str(self.other(old)))
            if done.returncode != KILLED:
                break
            killed += 1
            self.good(self.node.run("recover"))
            self.whole()
            now = self.secret()
            self.assertIn(now, both)
            kept += now != old
            self.assertTrue(self.node.takes(now), f"killed at {n}: sfud has not what is in force")
            self.assertFalse(self.node.takes((both - {now}).pop()), n)
        self.good(done)
        print(f"# killed at {killed} steps, {kept} of them after the new configuration was kept")
        self.assertGreater(killed, 50)
        self.assertGreater(kept, 0)
        self.assertGreater(killed - kept, 20)

    def test_a_recovery_at_every_step(self):
        self.two_generations()
        total = int(self.kill_at(0, "rollback", "1").stderr.splitlines()[-1])
        inside = [k for k in range(10, total, 10) if self.stop_in_journal(k)]    # between the flip and the end of the journal
        self.assertTrue(inside)
        n, recovered = 0, KILLED
        while recovered == KILLED:
            n += 1
            self.assertTrue(self.stop_in_journal(inside[len(inside) // 2]))
            recovered = self.kill_at(n, "recover").returncode
            self.good(self.node.run("recover"))
            self.whole()
            self.assertTrue(self.node.takes(self.secret()), n)
        self.assertEqual(recovered, 0)
        self.assertGreater(n, 20)

    def test_a_bad_install_env_keeps_nothing_half_done_in_force(self):
        self.two_generations()
        total = int(self.kill_at(0, "rollback", "1").stderr.splitlines()[-1])
        self.assertTrue(any(self.stop_in_journal(k) for k in range(10, total, 10)))
        env = read(f"{self.node.lib}/install.env")
        write(f"{self.node.lib}/install.env", "not an assignment\n", 0o600)
        self.assertEqual(self.node.run("recover").returncode, NOT_REGISTERED)
        self.whole()
        self.assertTrue(self.node.takes(self.secret()))
        write(f"{self.node.lib}/install.env", env, 0o600)
        self.good(self.node.run("recover"))

    def stop_in_journal(self, n):
        self.good(self.node.run("recover"))
        self.kill_at(n, "rollback", str(self.other(self.secret())))
        return os.path.exists(f"{self.node.lib}/apply.json")

    def test_registering_at_many_steps(self):
        n = 1
        while True:
            node = self.node = Node(central, ())
            self.addCleanup(node.stop)
            token = central.token()
            tool = os.path.join(refreshrun.BUILD, "tests", "e2e", "kill_at")
            done = node.register(wrap=(tool, str(n)), token=token)
            if done.returncode != KILLED:
                break
            asked = self.requests("register")
            kept = os.path.exists(f"{node.lib}/register.json") or node.generation() == 1
            again = node.register(token=central.token())
            if not os.path.exists(f"{node.etc}/token"):    # the answer was lost, and central gives a service token once
                self.assertRegex(again.stderr, "rotate-service-token")
                self.assertFalse(kept)
            else:
                self.good(again)
                self.assertEqual(node.generation(), 1)
            self.assertEqual(self.requests("register"), asked if kept else asked + 1, n)
            n += 1 if n < 4 else 7
        self.good(done)


if __name__ == "__main__":
    tap.main()

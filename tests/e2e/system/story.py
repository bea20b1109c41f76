# SPDX-License-Identifier: AGPL-3.0-only
"""A node's life on a booted machine, step by step. Each step asserts by bytes, prints what it saw and can be run alone:

    /usr/bin/python3 tests/tap.py tests/e2e/system/test_bookworm.py Node.test_20_page
"""
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
import unittest

import healthrun
from machine import until
from network import DOMAIN, NODE, NODE_MESH
from world import ETC, LIB, SERVER_NAMES, SERVICES, TARGET, World, note

CLOCKED = ("sfud", "turnd", "tunneld")
CLOCK_DROPIN = """[Service]
Environment=LD_PRELOAD={} FAKETIME_TIMESTAMP_FILE=/run/clock FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
"""
REFUSALS = (    # of a registration, each with a word that its sentence must have
    ("missing_ip", "address"), ("rate_limited", "wait"), ("bad_partner_id", "partner"), ("bad_token", "token"),
    ("reality_not_configured", "admin"), ("turn_not_configured", "admin"), ("backend_endpoint_not_configured", "admin"),
    ("token_not_found", "token"), ("token_revoked", "revoked"), ("token_already_used", "used"), ("token_expired", "expired"),
    ("partner_mismatch", "partner"), ("installer_too_old", "old"), ("down", "reached|arrived|answer"),
)
BACK_S = 2        # a killed daemon serves again within
SLACK_S = 0.5     # of looking for it


def skip_unless_possible():
    if os.geteuid() != 0:
        raise unittest.SkipTest("only root can boot a container")
    for program in ("systemd-nspawn", "debootstrap", "ip", "nsenter", "curl", "openssl", "node"):
        if shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            raise unittest.SkipTest(f"{program} is not installed")


class Story:
    """The steps; a test file gives them a release: class Node(Story, unittest.TestCase): release = "bookworm"."""

    release = None

    @classmethod
    def setUpClass(cls):
        skip_unless_possible()
        cls.world = World(cls.release)
        try:
            cls.world.make()
        except BaseException:
            cls.world.remove()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.world.remove()

    # --- 1: a machine with the suite installed ---

    def test_01_unregistered_host_starts_nothing_and_says_why(self):
        m = self.world.machine
        if m.run("test", "-e", f"{LIB}/current")[0] == 0:
            self.skipTest("registered already")
        m.run("systemctl", "start", TARGET)
        for service in SERVICES:
            self.assertEqual(m.ask("systemctl", "is-active", f"oxpulse-{service}.service"), "inactive", service)
        self.assertEqual(m.ask("systemctl", "--failed", "--no-legend", "--plain"), "")
        status, said = self.world.refreshd("status")
        note(said)
        self.assertNotEqual(status, 0)
        self.assertIn("regist", said)
        m.do("systemctl", "stop", TARGET)

    def test_01_what_central_says_no_to(self):
        """Each refusal is one sentence with cause and fix; the host is as before, and nothing of it is kept."""
        w, m = self.world, self.world.machine
        if m.run("test", "-e", f"{LIB}/current")[0] == 0:
            self.skipTest("registered already")
        for code, word in REFUSALS:
            with self.subTest(code):
                w.central.play("register", code)
                status, said = w.register()
                note(f"{code}: {said.splitlines()[-1]}")
                self.assertNotEqual(status, 0)
                self.assertRegex(said.splitlines()[-1], word)
        w.central.play("register", "ok")
        self.assertNotEqual(m.run("test", "-e", f"{LIB}/current")[0], 0)

    def test_02_registration(self):
        w, m = self.world, self.world.machine
        w.need_registered()
        asked = [q for q in w.central.asked("register") if q["status"] == 201]
        self.assertEqual(len(asked), 1)
        body = asked[0]["body"]
        self.assertEqual({k: body[k] for k in ("partner_id", "domain", "public_ip")},
                         {"partner_id": "acme", "domain": DOMAIN, "public_ip": NODE})
        self.assertEqual(body["reality_public_key"], m.ask("cat", f"{ETC}/reality.pub"))
        self.assertEqual(body["awg_pubkey"], m.ask("cat", f"{ETC}/awg-public.key"))
        for path in (f"{ETC}/token", f"{ETC}/reality.priv", f"{ETC}/awg-private.key", f"{ETC}/node-config.json",
                     f"{LIB}/install.env"):
            self.assertEqual(m.ask("stat", "-Lc", "%a %U", path), "600 oxpulse-refreshd", path)
        for daemon in ("sfud", "turnd", "tunneld", "healthd"):
            self.assertEqual(m.ask("readlink", "-f", f"{ETC}/{daemon}.conf"), f"{LIB}/generations/{w.generation()}/{daemon}.conf")
        status, said = w.register()
        note(said)
        self.assertEqual(status, 0, "registered already: nothing to do, no token used")

    # --- 2: it runs ---

    def test_10_target_starts_everything(self):
        w, m = self.world, self.world.machine
        w.need_running()
        units = m.ask("systemctl", "list-units", "--all", "--no-legend", "--plain", "oxpulse-*").splitlines()
        note("\n".join(re.sub(r"\s+", " ", u) for u in units))
        self.assertEqual(m.ask("systemctl", "--failed", "--no-legend", "--plain"), "")
        for service in SERVICES:
            self.assertEqual(m.show(f"oxpulse-{service}.service", "User")["User"], f"oxpulse-{service}")

    def test_11_health_check_is_green(self):
        status, checks = self.world.healthcheck() if self.world.need_running() is None else None
        self._note_checks(checks)
        self.assertEqual(status, 0)
        self.assertEqual([n for n, c in checks.items() if c["state"] == "fail"], [])
        status, checks = self.world.healthcheck("--local")
        self.assertEqual(status, 0, checks)

    def test_12_health_report_reaches_central(self):
        w = self.world
        w.need_running()
        before = w.central.last()
        w.machine.do("systemctl", "start", "oxpulse-channels-health-report.service", timeout=90)
        reports = w.central.asked("channel-health", before)
        self.assertEqual({q["status"] for q in reports}, {200})
        by_name = {q["body"]["channel_name"]: q["body"] for q in reports}
        note(json.dumps(by_name))
        self.assertTrue(by_name["ch2"]["channel_handshake_ok"])
        self.assertTrue(by_name["coturn"]["channel_handshake_ok"])
        self.assertEqual(by_name["coturn"]["channel_probe_mode"], "allocate")

    def test_13_peers_are_probed(self):
        """Two of the roster: one that answers as itself, one whose name leads inside."""
        w, m = self.world, self.world.machine
        w.need_running()
        own = json.loads(m.do("cat", f"{ETC}/node-config.json"))["turns_subdomain"]
        m.write("/etc/hosts", m.read("/etc/hosts") + "127.0.0.1 inside.example.test\n")
        w.central.state(peer_roster=[{"node_id": "peer-good", "turns_host": f"{own}.{DOMAIN}", "turns_port": 443},
                                     {"node_id": "peer-inside", "turns_host": "inside.example.test", "turns_port": 443}])
        status, said = w.refreshd("refresh")
        self.assertEqual(status, 0, said)
        w.watch.add("cross-probe token", m.do("cat", f"{ETC}/cross-probe-token"))
        last = w.central.last()

        def reports():
            m.do("systemctl", "start", "oxpulse-channels-health-report.service", timeout=90)
            bodies = [q["body"] for q in w.central.asked("channel-health", last) if "target_node_id" in q["body"]]
            return bodies if {b["target_node_id"] for b in bodies} >= {"peer-good"} else None
        bodies = until("reports about peers", 60, reports, 1)
        note(json.dumps(bodies))
        good = {b["channel_name"]: b["handshake_ok"] for b in bodies if b["target_node_id"] == "peer-good"}
        self.assertEqual(good, {"coturn-tls": True, "coturn-udp": True})
        self.assertNotIn(True, [b["handshake_ok"] for b in bodies if b["target_node_id"] == "peer-inside"])

    def test_20_page_and_api_come_from_central(self):
        w = self.world
        w.need_running()
        status, body = w.page("")
        self.assertEqual(status, 200)
        self.assertIn(b"<html", body.lower())
        status, body = w.page("api/branding")
        self.assertEqual((status, json.loads(body)["partner_id"]), (200, "acme"))
        status, _ = w.curl(f"http://{DOMAIN}/")
        self.assertEqual(status, 301)
        for pool in ("tunnel", "upstream"):
            said = w.machine.do("curl", "-sS", "--fail", "--max-time", "10", f"http://127.0.0.1:9080/canary/{pool}")
            self.assertEqual(said, "ok", pool)
        self.assertEqual(w.curl(f"http://{NODE}:9080/canary/tunnel")[0], 0, "the canary is for this host alone")

    def test_21_metrics_and_status_page(self):
        w = self.world
        w.need_running()
        page = w.machine.do("curl", "-sS", "--fail", "--max-time", "10", "http://127.0.0.1:9640/metrics")
        for series in ("sfu_", "turn_", "tunnel_", "health_", "partner_edge_"):
            self.assertRegex(page, rf"(?m)^{series}\w+", series)
        at = f"http://{NODE_MESH}:9640"
        self.assertEqual(w.curl(f"{at}/", inside="hub")[0], 200, "the page is there for the mesh")
        self.assertEqual(w.curl(f"http://{NODE}:9640/")[0], 0, "and for nobody else")
        self._judge_metrics(page)
        html = w.machine.do("curl", "-sS", "--fail", "--max-time", "10", "http://127.0.0.1:9640/")
        self.assertIn("<svg", html)
        self.assertNotIn("<script", html)
        said = w.machine.do("oxpulse-partner-edge", "status")
        note(said)
        self.assertIn("ch2", said)

    def _judge_metrics(self, page):
        promtool = healthrun.promtool()
        if promtool is None:
            note("SKIP of promtool: prometheus cannot be had from Debian's archive here")
            return
        done = subprocess.run([promtool, "check", "metrics"], input=page.encode() + b"\n", capture_output=True,
                              check=False, timeout=20)
        self.assertEqual(done.stdout.decode() + done.stderr.decode(), "")

    def test_22_group_call_and_turn(self):
        w = self.world
        w.need_call()
        note(f"frames decoded: {w.see_each_other()}")
        note(json.dumps(w.people[1].stats()))
        self.assertIn("relayed", w.people[1].stats()["path"])

    # --- 3: what refreshd does under a running call ---

    def test_30_first_refresh_changes_nothing(self):
        w = self.world
        w.need_call()
        before, pids, last = w.generation(), w.pids(), w.central.last()
        status, said = w.refreshd("refresh")
        note(said)
        self.assertEqual(status, 0)
        self.assertEqual(w.generation(), before)
        self.assertEqual(w.pids(), pids)
        heard = {q["endpoint"]: q["status"] for q in w.central.asked(after=last) if q["path"].startswith("/api/partner/")}
        note(heard)
        self.assertEqual({heard.get(e) for e in ("keys", "heartbeat", "node-config", "hy2-credentials")}, {200})

    def test_31_rotated_keys_under_a_call(self):
        """Another signing key in each of its four forms, other Reality keys: sfud judges by the new one, the call goes on."""
        w, m = self.world, self.world.machine
        w.need_call()
        pids = w.pids()
        for form in ("key_pem", "key_escaped", "key_der", "key_raw"):
            with self.subTest(form):
                before, old = w.generation(), w.signing_key
                key = w.new_signing_key()
                w.central.play("keys", "rotate", form)
                for _ in range(2):    # Reality first, then this form of the signing key
                    status, said = w.refreshd("refresh")
                    note(said)
                    self.assertEqual(status, 0)
                self.assertEqual(m.ask("cat", f"{LIB}/current/sfu-signing-key.pem"), key.public.strip())
                self.assertEqual(w.signs_in(key), 101, "a token signed by the new key is good")
                if old:
                    self.assertEqual(w.signs_in(old), 401, "one signed by the old key is not")
                note(f"{form}: generation {before} -> {w.generation()}")
        w.central.play("keys", "ok")
        self.assertEqual(w.pids(), pids, "nothing was restarted")
        w.see_each_other()

    def test_32_rotated_turn_secret_under_a_call(self):
        w = self.world
        w.need_call()
        before, pids = w.generation(), w.pids()
        fresh = "0123456789abcdef" * 3
        w.watch.add("the next TURN secret", fresh)
        w.central.state(turn_secret=fresh)
        status, said = w.refreshd("refresh")
        note(said)
        self.assertEqual(status, 0)
        self.assertNotEqual(w.generation(), before)
        self.assertEqual(w.pids(), pids, "turnd took it without a restart")
        w.see_each_other()
        status, checks = w.healthcheck("--local")
        self.assertEqual(checks["check_08_turn_relay"]["state"], "ok", checks["check_08_turn_relay"])

    def test_33_server_name_of_the_day(self):
        w = self.world
        w.need_registered()
        status, said = w.refreshd("rotate-sni")
        note(said)
        self.assertEqual(status, 0)
        before = w.generation()
        status, said = w.refreshd("rotate-sni")
        self.assertEqual((status, w.generation()), (0, before), said)
        node = json.loads(w.machine.do("cat", f"{ETC}/node-config.json"))["node_id"]
        day = time.strftime("%Y-%m-%d", time.gmtime())
        digest = hashlib.sha256(f"{node}:{day}".encode()).hexdigest()
        self.assertRegex(w.machine.do("cat", f"{LIB}/refresh.prom"),
                         rf"partner_edge_sni_pick_index\{{.*}} {int(digest, 16) % len(SERVER_NAMES)}\n")

    def test_34_rollback(self):
        w = self.world
        w.need_call()
        w.refreshd("refresh")
        w.new_signing_key()
        w.refreshd("refresh")
        changed = w.machine.ask("cat", f"{LIB}/current/sfu-signing-key.pem")
        status, said = w.refreshd("rollback")
        note(said)
        self.assertEqual(status, 0)
        self.assertNotEqual(w.machine.ask("cat", f"{LIB}/current/sfu-signing-key.pem"), changed)
        status, checks = w.healthcheck("--local")
        self.assertEqual(status, 0, checks)
        w.see_each_other()
        self.assertEqual(w.refreshd("refresh")[0], 0)
        self.assertEqual(w.machine.ask("cat", f"{LIB}/current/sfu-signing-key.pem"), changed, "central's word counts again")

    def test_35_renewed_certificate_under_a_call(self):
        """What certbot's hook does: front and relay show the new one, no connection and no call ends."""
        w = self.world
        w.need_call()
        pids, old = w.pids(), w.certificate_at(443)
        w.deploy_certificate()
        for port in (443, 5349):
            fresh = until(f"the new certificate on port {port}", 20, lambda p=port: w.certificate_at(p) not in (old, "") and
                          w.certificate_at(p), 0.3)
            note(f"port {port}: {old} -> {fresh}")
        self.assertEqual(w.certificate_at(443), w.certificate_at(5349))
        self.assertEqual(w.pids(), pids)
        w.see_each_other()

    def test_36_refresh_as_the_timer_runs_it(self):
        """In its sandbox, as its own user: a change of the front's file and of sfud's key is applied, the front by request."""
        w, m = self.world, self.world.machine
        w.need_running()
        before, pids, workers = w.generation(), w.pids(), m.ask("pgrep", "-u", "oxpulse-front")
        key = w.new_signing_key()
        m.sh(f"sed -i '/^BACKEND_HOST=/d' {LIB}/install.env && echo BACKEND_HOST=other.example.test >> {LIB}/install.env")
        m.do("systemctl", "start", "oxpulse-partner-edge-refresh.service", timeout=120)
        note(m.journal("-u", "oxpulse-partner-edge-refresh", "-u", "oxpulse-partner-edge-request", "-n", "20"))
        self.assertNotEqual(w.generation(), before)
        self.assertEqual(w.signs_in(key), 101)
        self.assertIn("other.example.test", m.do("cat", f"{ETC}/front/nginx.conf"))
        self.assertNotEqual(m.ask("pgrep", "-u", "oxpulse-front"), workers, "nginx has new workers")
        self.assertEqual(w.pids(), pids, "nothing was restarted")
        m.do("systemctl", "start", "oxpulse-partner-edge-sni-rotate.service", timeout=120)

    # --- 4: central is down, slow, lying ---

    def test_40_central_lies(self):
        """Whatever central answers, refresh ends, says what was wrong, and the node is as before."""
        w = self.world
        w.need_call()
        before, pids = w.generation(), w.pids()
        lies = [f"lying:{how}" for how in ("content_type", "html", "truncated", "huge", "wrong_types")]
        rows = [("keys", b) for b in ("missing_version", "missing_sfu_key", "error500", "key_garbage", "down")]
        rows += [("heartbeat", b) for b in ("500", "down")]
        rows += [("node-config", b) for b in ("no_node_id", "truncated", "401", "403", 'changed:{"turn_secret":"a\\nb"}')]
        rows += [("hy2-credentials", b) for b in ("one_empty", "401")]
        rows += [("all", b) for b in lies]
        for endpoint, behaviour in rows:
            with self.subTest(f"{endpoint} {behaviour}"):
                w.central.play(endpoint, behaviour)
                status, said = w.refreshd("refresh")
                note(f"{endpoint} {behaviour}: {said.splitlines()[-1] if said else ''}")
                self.assertEqual(status, 0, said)
                w.central.play(endpoint, "ok")
        self.assertEqual((w.generation(), w.pids()), (before, pids))
        w.see_each_other()

    def test_41_health_reports_get_odd_answers(self):
        """What central says to a report: 4xx but 408 and 429 is the operator's business, the rest passes."""
        w, m = self.world, self.world.machine
        w.need_running()
        for answer in ("200", "401", "403", "408", "429", "500", "down", "ok"):
            with self.subTest(answer):
                w.central.play("channel-health", answer)
                status, said = m.run("systemctl", "start", "oxpulse-channels-health-report.service", timeout=90)
                self.assertEqual(status != 0, answer in ("401", "403"), f"status {status}: {said}")
        m.do("systemctl", "reset-failed", "oxpulse-channels-health-report.service")

    def test_42_central_is_slow(self):
        w = self.world
        w.need_call()
        before = w.generation()
        w.central.play("keys", "hang")
        began = time.monotonic()
        status, said = w.refreshd("refresh")
        note(f"{time.monotonic() - began:.0f} s: {said}")
        w.central.play("keys", "ok")
        self.assertEqual((status, w.generation()), (0, before))
        w.see_each_other()

    def test_43_central_is_gone(self):
        w = self.world
        w.need_call()
        w.network.cable("hub", False)
        try:
            status, said = w.refreshd("refresh")
            note(said)
            self.assertEqual(status, 0)
            w.see_each_other()
            until("the retry page", 60, lambda: w.page("")[0] in (502, 503, 504), 1)
            got = w.page("")
            note(f"the page meanwhile: {got[0]}, {len(got[1])} bytes")
            self.assertIn(b"</html>", got[1])
            _, checks = w.healthcheck("--local")
            self.assertEqual(checks["check_07_tunnel_ch2"]["state"], "fail")
            self.assertTrue(checks["check_07_tunnel_ch2"]["cause"] and checks["check_07_tunnel_ch2"]["fix"])
        finally:
            w.network.cable("hub", True)
        until("central is back", 60, lambda: w.page("api/health")[0] == 200, 0.5)

    # --- 5: the operator, timers, crashes ---

    def test_50_timers_leave_stopped_daemons_alone(self):
        w, m = self.world, self.world.machine
        w.need_running()
        m.do("systemctl", "stop", "oxpulse-sfud.service", "oxpulse-tunneld.service")
        for unit in ("oxpulse-partner-edge-refresh", "oxpulse-partner-edge-sni-rotate", "oxpulse-channels-health-report"):
            m.run("systemctl", "start", f"{unit}.service", timeout=120)
        w.page("")
        self.assertEqual(w.request("restart-sfud"), "not-running")
        for daemon in ("sfud", "tunneld"):
            self.assertEqual(m.ask("systemctl", "is-active", f"oxpulse-{daemon}.service"), "inactive", daemon)
        m.do("systemctl", "start", TARGET, timeout=60)
        w.need_running()

    def test_51_timers_are_alive(self):
        w, m = self.world, self.world.machine
        w.need_running()
        said = m.do("systemctl", "list-timers", "--all", "--no-legend", "oxpulse-*")
        note(said)
        for timer in ("oxpulse-partner-edge-refresh", "oxpulse-partner-edge-sni-rotate", "oxpulse-channels-health-report"):
            about = m.show(f"{timer}.timer", "ActiveState", "NextElapseUSecRealtime", "NextElapseUSecMonotonic")
            self.assertEqual(about["ActiveState"], "active", timer)
        # A unit that is optional goes missing: the timer still fires.
        m.do("systemctl", "stop", "oxpulse-healthd.service")
        m.do("systemctl", "mask", "--runtime", "oxpulse-healthd.service", "oxpulse-healthd-control.socket")
        try:
            m.do("systemctl", "start", "oxpulse-channels-health-report.service", timeout=60)
            self.assertEqual(m.show("oxpulse-channels-health-report.service", "Result")["Result"], "success")
            self.assertEqual(m.ask("systemctl", "is-active", "oxpulse-channels-health-report.timer"), "active")
        finally:
            m.do("systemctl", "unmask", "--runtime", "oxpulse-healthd.service", "oxpulse-healthd-control.socket")
            m.do("systemctl", "start", TARGET, timeout=60)

    def test_60_killed_daemons_are_back_at_once(self):
        """kill -9 of each daemon under a running call: back within 2 s, no other daemon notices."""
        w, m = self.world, self.world.machine
        w.need_call()
        for service in SERVICES:
            with self.subTest(service):
                before = w.pids()
                began = time.monotonic()
                m.do("kill", "-9", str(before[service]))
                until(f"{service} is back", BACK_S + SLACK_S, lambda s=service: self._serves_anew(s, before[s]), 0.05)
                note(f"{service} serves again after {time.monotonic() - began:.2f} s")
                after = w.pids()
                del after[service], before[service]
                self.assertEqual(after, before, "the others are the same processes")
                if service in ("tunneld", "healthd"):
                    w.see_each_other()    # the media path has nothing to do with it
        w.see_each_other(60)

    def _serves_anew(self, service, old):
        w, m = self.world, self.world.machine
        if m.pid_of(f"oxpulse-{service}.service") in (0, old):
            return False
        if service == "front":
            return w.page("api/health")[0] == 200
        return w.state_of(service) == "serving"

    # --- 6: the host ---

    def test_70_disk_full(self):
        w, m = self.world, self.world.machine
        w.need_call()
        m.sh(f"mkdir /run/disk && mount -t tmpfs -o size=2M,mode=755 tmpfs /run/disk && cp -a {LIB}/. /run/disk/"
             f" && chown --reference={LIB} /run/disk && mount --bind /run/disk {LIB}")
        try:
            before = w.generation()
            m.run("sh", "-c", f"cat /dev/zero > {LIB}/filler")
            w.central.play("keys", "rotate", "ok")
            status, said = w.refreshd("refresh")
            note(f"full: status {status}: {said}")
            self.assertEqual(w.generation(), before)
            self.assertIn("space", said)
            status, checks = w.healthcheck("--local")
            self.assertEqual(checks["check_21_disk"]["state"], "fail", checks["check_21_disk"])
            w.see_each_other()
            m.do("rm", f"{LIB}/filler")
            status, said = w.refreshd("refresh")
            note(f"with room again: {said}")
            self.assertEqual(status, 0)
            self.assertNotEqual(w.generation(), before)
        finally:
            m.run("rm", "-f", f"{LIB}/filler")
            m.sh(f"umount {LIB} && rm -rf {LIB}/* && cp -a /run/disk/. {LIB}/ && umount /run/disk && rmdir /run/disk")
        w.see_each_other()

    def test_71_clock_steps(self):
        """A day forth and back, as the daemons see it: they serve on, and judge what is new by the new time."""
        w, m = self.world, self.world.machine
        w.need_running()
        self._set_clock("+0")
        library = m.sh("ls /usr/lib/*/faketime/libfaketimeMT.so.1")
        for daemon in CLOCKED:
            m.write_late(f"/run/systemd/system/oxpulse-{daemon}.service.d/clock.conf", CLOCK_DROPIN.format(library))
        m.do("systemctl", "daemon-reload")
        m.do("systemctl", "restart", *(f"oxpulse-{d}.service" for d in CLOCKED), timeout=60)
        try:
            w.need_running()
            pids = w.pids()
            for step, judged in (("+0", "ok"), ("+2d", "fail"), ("-2d", "ok"), ("+0", "ok")):
                self._set_clock(step)
                # A credential of today is over for a relay that lives the day after tomorrow, and good for one that lives before.
                relay = until(f"the relay judges by {step}", 5, lambda want=judged: self._relay_if(want), 0.2)
                states = {d: w.state_of(d) for d in CLOCKED}
                note(f"{step}: {states}, TURN {relay['state']} {relay['cause']}")
                self.assertEqual(set(states.values()), {"serving"})
                self.assertEqual(w.page("api/health")[0], 200)
            self.assertEqual(w.pids(), pids, "nobody was restarted by a watchdog or gave up")
        finally:
            m.sh("rm -rf /run/systemd/system/oxpulse-*.service.d && systemctl daemon-reload")
            m.do("systemctl", "restart", *(f"oxpulse-{d}.service" for d in CLOCKED), timeout=60)
        w.need_running()

    def _relay_if(self, state):
        _, checks = self.world.healthcheck("--local")
        relay = checks["check_08_turn_relay"]
        return relay if relay["state"] == state else None

    def _set_clock(self, step):
        self.world.machine.write_late("/run/clock", f"{step}\n")

    def test_80_reboot(self):
        w, m = self.world, self.world.machine
        w.need_running()
        before = w.generation()
        m.reboot()
        w.need_running()
        self.assertEqual(w.generation(), before)
        self.assertEqual(m.ask("systemctl", "--failed", "--no-legend", "--plain"), "")
        status, checks = w.healthcheck("--local")
        self._note_checks(checks)
        self.assertEqual(status, 0)
        for person in w.people:
            until(f"{person.name} is back in the call", 60, lambda p=person: p.eval("edgeCall.state") == "joined", 0.5)
        if w.people:
            w.see_each_other(60)

    # --- 7: secrets ---

    def test_90_no_secret_shows(self):
        w = self.world
        w.need_running()
        journal, files = w.watch.look_through_journal(), w.watch.look_through_files()
        note(f"{len(w.watch.looked_at)} processes, {journal} bytes of journal, {files} files")
        self.assertGreater(journal, 1000)
        self.assertGreater(files, 20)
        self.assertEqual(sorted(w.watch.found), [])

    @staticmethod
    def _note_checks(checks):
        for name, check in checks.items():
            note(f"{name} {check['state']} {check.get('cause') or ''}".rstrip())

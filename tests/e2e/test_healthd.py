#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""A real healthd and the program oxpulse-partner-edge: what they report, say, show and repair, with everything around them
working, broken, silent or gone. turnd is a real one; the other daemons, the front and central are stand-ins.

The network is the test's own (turnrun).
"""
import contextlib
import html.parser
import json
import os
import re
import signal
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)
import healthrun  # noqa: E402
import tap  # noqa: E402
import rig  # noqa: E402
import turnrun  # noqa: E402
from test_abuse import Sfud  # noqa: E402
from healthrun import CROSS, NODE, TOKEN, Central, Front, Healthd, Plain  # noqa: E402
from turnrun import SECRET, Turnd, wait_for  # noqa: E402

PROMTOOL = None
DOMAIN, TURNS = "call.acme.example", "api-0a1b.call.acme.example"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
SFU_PAGE = """# HELP sfu_active_rooms Rooms.
# TYPE sfu_active_rooms gauge
sfu_active_rooms 3
# HELP sfu_active_participants Members.
# TYPE sfu_active_participants gauge
sfu_active_participants 14
"""
TURN_PAGE = """# HELP turn_allocations Now.
# TYPE turn_allocations gauge
turn_allocations 9
# HELP turn_relayed_bytes_total Bytes.
# TYPE turn_relayed_bytes_total counter
turn_relayed_bytes_total{direction="to_peer"} 1000
turn_relayed_bytes_total{direction="to_client"} 500
"""


def setUpModule():
    global PROMTOOL
    if healthrun.HEALTHD is None or healthrun.TOOL is None:
        raise unittest.SkipTest("no healthd in $EDGE_BUILD, build/test or build: ./edge build")
    PROMTOOL = healthrun.promtool()    # while there is a network
    turnrun.prepare()


def check_metrics(test, text):
    names = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    test.assertEqual(len(names), len(set(names)))
    if PROMTOOL is None:
        test.skipTest("promtool cannot be had: apt-get install prometheus")
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)
    test.assertEqual((done.returncode, done.stderr), (0, ""))


class WithHealthd(unittest.TestCase):
    def healthd(self, **keys):
        h = Healthd(**keys)
        self.addCleanup(h.stop)
        return h

    def central(self, h, port=18000):
        central = h.add(Central(("127.0.0.1", port)))
        h.write_conf(Central_Url=f"http://127.0.0.1:{port}/")
        return central


class Reports(WithHealthd):
    def test_field_by_field(self):
        """Control plane 1.4: one POST per channel by its canonical name, the relay as coturn; the others are not reported."""
        turnd = Turnd()
        h = self.healthd(Probe_Channels="ch2 ch1-acme ch3 ch0 ch4 ch5 ch6", Probe_TurnAddress=turnd.ip,
                         Probe_TurnSecretFile=f"{turnd.dir}/secret")
        h.add(turnd)
        central = self.central(h)
        h.channel("ch2")
        h.channel("ch1-acme").status = 502
        h.start()
        v = h.run()
        self.assertEqual([r["name"] for r in v["reports"]], ["ch2", "ch1", "ch3", "coturn"])
        self.assertEqual({r["status"] for r in v["reports"]}, {200})
        got = {body["channel_name"]: body for _, _, _, body in central.reports}
        self.assertEqual(len(central.reports), 4)
        for path, bearer, kind, body in central.reports:
            self.assertEqual((path, bearer, kind), ("/api/partner/channel-health", f"Bearer {TOKEN}", "application/json"))
            self.assertEqual(body["node_id"], NODE)
            self.assertRegex(body["channel_probed_at"], TIME)
            self.assertIsInstance(body["channel_rtt_ms"], int)
            self.assertRegex(body["installer_version"], r"^\d")
        common = {"node_id", "channel_name", "channel_rtt_ms", "channel_handshake_ok", "channel_probed_at", "installer_version"}
        self.assertEqual({k: b["channel_handshake_ok"] for k, b in got.items()},
                         {"ch2": True, "ch1": False, "ch3": False, "coturn": True})
        self.assertEqual(set(got["ch2"]), common)
        self.assertEqual(set(got["coturn"]), common | {"channel_probe_mode", "coturn_skip_consecutive"})
        self.assertEqual((got["coturn"]["channel_probe_mode"], got["coturn"]["coturn_skip_consecutive"]), ("allocate", 0))
        self.assertEqual(turnd.metric("turn_allocations"), 0, "the probe released what it had allocated")

    def test_a_failing_relay_says_why(self):
        h = self.healthd(Probe_TurnAddress="192.0.2.1:3999")
        central = self.central(h)
        h.write_conf(Probe_TurnSecretFile=h.write_secret("turn-secret", "x"))
        h.start().run()
        body = central.reports[0][3]
        self.assertEqual((body["channel_name"], body["channel_handshake_ok"]), ("coturn", False))
        self.assertEqual(body["channel_probe_reason"], "other")    # nobody listens: none of the words that central knows
        self.assertIn(body["channel_probe_mode"], ("allocate", "error"))

    def test_peers(self):
        """Never oneself; what leads inside is not dialled, and nothing is said of it."""
        h = self.healthd(Probe_Peers="yes")
        central = self.central(h)
        with open(f"{h.lib}/peer-roster.json", "w", encoding="ascii") as f:
            json.dump([{"node_id": NODE, "turns_host": "own.example"}, {"node_id": "inside", "turns_host": "localhost.localdomain"},
                       {"node_id": "nowhere", "turns_host": "nowhere.invalid"}], f)
        h.start()
        for _ in range(3):
            h.run()
        self.assertEqual([r for r in central.reports if r[1] == f"Bearer {CROSS}"], [])
        self.assertGreaterEqual(h.metrics()['health_peer_probes_total{result="not_judged"}'], 2)
        self.assertNotIn("own.example", h.log())

    def test_peers_are_reported(self):
        """Two peers a run, two kinds each, with the cross-probe token; that central refuses them is no failure of the unit."""
        turnd = Turnd()
        h = self.healthd(Probe_Peers="yes", Probe_PeersInternal="yes")
        h.add(turnd)
        central = self.central(h)
        h.hosts = {"api-1.peer.example": turnd.ip, "api-2.peer.example": "192.0.2.1", "api-3.peer.example": turnd.ip}
        with open(f"{h.lib}/peer-roster.json", "w", encoding="ascii") as f:
            json.dump([{"node_id": f"peer-{n}", "turns_host": f"api-{n}.peer.example", "turns_port": 5349} for n in (1, 2, 3)], f)
        h.start()
        for _ in range(3):
            h.run()
        got = [body for _, bearer, _, body in central.reports if bearer == f"Bearer {CROSS}"]
        self.assertEqual(len(got), 12)
        self.assertEqual(len(got), len(central.reports))
        for body in got:
            self.assertEqual(set(body), {"prober_node_id", "target_node_id", "channel_name", "handshake_ok", "rtt_ms", "probe_mode",
                                         "probed_at"})
            self.assertEqual((body["prober_node_id"], body["probe_mode"]), (NODE, "peer"))
            self.assertRegex(body["probed_at"], TIME)
            # nobody trusts the certificate of a test
            good = body["channel_name"] == "coturn-udp" and body["target_node_id"] != "peer-2"
            self.assertEqual((body["channel_name"], body["handshake_ok"]), (body["channel_name"], good), body)
        self.assertEqual({b["channel_name"] for b in got}, {"coturn-tls", "coturn-udp"})
        self.assertEqual({b["target_node_id"] for b in got}, {"peer-1", "peer-2", "peer-3"})
        central.script = {"coturn-tls": 404}
        self.assertEqual(h.tool("report").returncode, 0)

    def test_statuses(self):
        """401 ends with 1 and names the token; 429, 408, 5xx and no answer end with 0; the rest of the run goes on."""
        h = self.healthd(Probe_Channels="ch2 ch1")
        central = self.central(h)
        h.channel("ch2")
        h.start()
        for status, code in ((200, 0), (401, 1), (403, 1), (422, 1), (408, 0), (429, 0), (500, 0), (503, 0)):
            with self.subTest(status=status):
                central.script = {"ch2": status}
                central.reports.clear()
                done = h.tool("report")
                self.assertEqual(done.returncode, code, done.stdout + done.stderr)
                self.assertEqual([r[3]["channel_name"] for r in central.reports], ["ch2", "ch1"])
                if code:
                    self.assertIn("service token", done.stderr)
        self.assertEqual(h.metrics()['health_reports_total{kind="channel",result="refused"}'], 3)

    def test_central_hangs(self):
        """Bounded: the tool comes back, and the next run reports again."""
        h = self.healthd(Probe_Channels="ch2")
        central = self.central(h)
        h.channel("ch2")
        h.start()
        central.script = {"ch2": "hang"}
        done = h.tool("report", seconds=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("ch2: later (status 0)", done.stdout)
        central.script = {}
        self.assertEqual(h.run()["reports"][0]["status"], 200)

    def test_central_is_away(self):
        h = self.healthd(Probe_Channels="ch2", Central_Url="http://127.0.0.1:9/")
        h.channel("ch2")
        h.start()
        self.assertEqual(h.tool("report").returncode, 0)
        self.assertEqual(h.run()["reports"][0]["status"], 0)

    def test_without_a_token(self):
        h = self.healthd(secrets=False, Probe_Channels="ch2")
        central = self.central(h)
        h.channel("ch2")
        h.start()
        done = h.tool("report")
        self.assertEqual(done.returncode, 1)
        self.assertIn("rotate-service-token", done.stdout)
        self.assertEqual(central.reports, [])

    def test_without_healthd(self):
        """The timer's unit does not fail for a daemon that the operator has stopped."""
        h = self.healthd()
        done = h.tool("report")
        self.assertEqual(done.returncode, 0)
        self.assertIn("healthd is not running", done.stderr)
        self.assertNotEqual(h.tool("status").returncode, 0)

    def test_a_second_report_joins_the_run(self):
        h = self.healthd(Probe_Channels="ch2", Probe_Timeout="2s")
        h.channel("ch2").hang = True
        h.start()
        self.assertEqual(h.ask("Health.Report")["run"], h.ask("Health.Report")["run"])
        self.assertEqual(h.run()["channels"][0]["reason"], "timeout")
        self.assertEqual(h.metrics()["health_runs_joined_total"], 2)

    def test_by_itself(self):
        """Nobody asks: it runs all the same, and says once that the timer is missing."""
        h = self.healthd(Probe_Channels="ch2", Probe_Interval="5s")
        h.channel("ch2")
        h.start()
        wait_for("two runs", lambda: h.metrics()["health_runs_by_itself_total"] >= 3, 40)
        self.assertEqual(h.log().count("oxpulse-channels-health-report.timer"), 1)

    def test_serveability(self):
        h = self.healthd(Probe_Channels="ch2 ch1")
        h.channel("ch2")
        h.start()
        self.assertEqual(h.tool("report", "--serveability").stdout, "ch2=OK\nch1=DOWN\n")

    def test_a_roster_that_is_none(self):
        h = self.healthd(Probe_Channels="ch2")
        self.central(h)
        h.channel("ch2")
        with open(f"{h.lib}/peer-roster.json", "w", encoding="ascii") as f:
            f.write("{")
        h.start()
        self.assertEqual(h.run()["reports"][0]["status"], 200)
        self.assertIn("is no list of peers", h.log())


class Repair(WithHealthd):
    def broken(self, **keys):
        """tunneld is alive, its channel is not."""
        h = self.healthd(Probe_Channels="ch2", **keys)
        h.tunneld = h.daemon("tunneld")
        h.tunnel = h.channel("ch2")
        h.tunnel.status = 502
        return h

    def request(self, h):
        with contextlib.suppress(FileNotFoundError), open(f"{h.requests}/restart-tunneld", encoding="ascii") as f:
            return f.read()
        return None

    def runs(self, h, n):
        for _ in range(n):
            h.run()
        return self.request(h)

    def test_asks_after_three_failures(self):
        h = self.broken().start()
        self.assertIsNone(self.runs(h, 2))
        nonce = self.runs(h, 1)
        self.assertRegex(nonce, r"^[0-9a-f]{32}$")
        self.assertEqual(os.listdir(h.requests), ["restart-tunneld"])
        self.assertEqual(h.ask("Health.Verdicts")["repair"][0]["outcome"], "asked")
        os.remove(f"{h.requests}/restart-tunneld")
        with open(f"{h.results}/restart-tunneld", "w", encoding="ascii") as f:
            f.write(f"{nonce} ok")
        self.assertIsNone(self.runs(h, 4), "a restart has five minutes to show what it did")
        self.assertEqual(h.ask("Health.Verdicts")["repair"][0]["outcome"], "ok")
        self.assertEqual(h.metrics()['health_repairs_total{daemon="tunneld"}'], 1)

    def test_another_nonce_is_no_result(self):
        h = self.broken().start()
        self.runs(h, 3)
        with open(f"{h.results}/restart-tunneld", "w", encoding="ascii") as f:
            f.write("0" * 32 + " ok")
        h.run()
        self.assertEqual(h.ask("Health.Verdicts")["repair"][0]["outcome"], "asked")

    def test_leaves_alone(self):
        def hold(name):
            return lambda h: open(f"{h.lib}/{name}", "w", encoding="ascii").close()

        def young(h):
            h.tunneld.uptime = 60

        def draining(h):
            h.tunneld.state = "draining"

        def serving(h):
            h.tunnel.status = 200

        def stopped(h):
            h.tunneld.stop()

        def off(h):
            h.write_conf(Repair_Enabled="no")

        rows = {"held": hold("selfheal.hold"), "this one held": hold("selfheal.hold.tunneld"), "young": young, "draining": draining,
                "serving": serving, "stopped by the operator": stopped, "switched off": off}
        for name, prepare in rows.items():
            with self.subTest(name):
                h = self.broken()
                prepare(h)
                self.assertIsNone(self.runs(h.start(), 4))
                if name == "stopped by the operator":
                    h.parts.remove(h.tunneld)
                h.end()

    def test_another_one_held(self):
        h = self.broken()
        open(f"{h.lib}/selfheal.hold.sfud", "w", encoding="ascii").close()
        self.assertIsNotNone(self.runs(h.start(), 3))

    def test_waits_for_an_apply(self):
        h = self.broken()
        open(f"{h.lib}/apply.json", "w", encoding="ascii").close()
        self.assertIsNone(self.runs(h.start(), 4))
        os.remove(f"{h.lib}/apply.json")
        self.assertIsNotNone(self.runs(h, 1))

    def test_one_that_does_not_answer(self):
        h = self.broken().start()
        h.tunneld.silent = True
        self.runs(h, 3)
        self.assertIsNone(self.request(h), "its age is not known: since it was seen")
        self.assertEqual(h.ask("Health.Overview")["overview"]["daemons"][3]["life"], "silent")

    def test_nowhere_to_ask(self):
        h = self.broken(Repair_RequestDirectory="/nonexistent").start()
        self.runs(h, 3)
        self.assertIn("oxpulse-partner-edge-request.path", h.log())
        self.assertEqual(h.ask("Health.Verdicts")["repair"][0]["outcome"], "not asked")


class Page(html.parser.HTMLParser):
    LONE = {"meta", "path", "rect"}

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.text = [], set(), []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in self.LONE:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}>"

    def handle_data(self, data):
        self.text.append(data)


class Pages(WithHealthd):
    def node(self):
        h = self.healthd(Probe_Channels="ch2")
        h.daemon("sfud", SFU_PAGE)
        h.daemon("turnd", TURN_PAGE)
        h.daemon("tunneld", "# HELP tunnel_streams Open.\n# TYPE tunnel_streams gauge\ntunnel_streams 1\n")
        h.channel("ch2")
        with open(f"{h.lib}/refresh.prom", "w", encoding="ascii") as f:
            f.write("# HELP refresh_last_success_timestamp_seconds When.\n# TYPE refresh_last_success_timestamp_seconds gauge\n"
                    "refresh_last_success_timestamp_seconds 1795440000\n")
        os.makedirs(f"{h.lib}/generations/2")
        with open(f"{h.lib}/generations/2/manifest.json", "w", encoding="ascii") as f:
            json.dump({"number": 2, "reason": "rotate-sni", "made_at": "2026-11-23T04:00:00Z", "files": []}, f)
        os.symlink("generations/2", f"{h.lib}/current")
        return h

    def siblings(self, h):
        wait_for("pages of the siblings", lambda: "turn_allocations" in h.get("/metrics")[2], 30)

    def test_metrics_of_the_whole_node(self):
        h = self.node().start()
        self.siblings(h)
        h.run()
        status, headers, text = h.get("/metrics")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/plain; version=0.0.4"))
        for series in ("sfu_active_rooms 3", 'turn_relayed_bytes_total{direction="to_peer"} 1000', "tunnel_streams 1",
                       "refresh_last_success_timestamp_seconds 1795440000", 'health_probe_up{probe="ch2"} 1',
                       'health_daemon_up{daemon="sfud"} 1', 'health_page_merged{daemon="turnd"} 1'):
            self.assertIn("\n" + series + "\n", "\n" + text)
        check_metrics(self, text)

    def test_a_bad_page_is_left_out_alone(self):
        h = self.node()
        h.parts[0].page = "# TYPE sfu_active_rooms gauge\n# TYPE sfu_active_rooms gauge\nsfu_active_rooms 3\n"
        with open(f"{h.lib}/refresh.prom", "w", encoding="ascii") as f:
            f.write("refresh_x 1")    # cut
        h.start()
        self.siblings(h)
        text = h.get("/metrics")[2]
        self.assertIn("turn_allocations 9", text)
        self.assertNotIn("sfu_", text)
        self.assertNotIn("refresh_", text)
        self.assertIn('health_page_merged{daemon="sfud"} 0', text)
        self.assertGreaterEqual(h.metrics()["health_pages_refused_total"], 2)

    def test_the_status_page(self):
        h = self.node().start()
        self.siblings(h)
        h.run()
        status, headers, text = h.get("/")
        page = Page(text)
        words = "".join(page.text)
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertEqual(page.open, [])
        self.assertFalse(page.seen & {"script", "img", "link", "iframe", "object", "form"})
        for word in ("ch2", "GET /api/health through the tunnel", "14", "participants", "rotate-sni", "in force", "tunneld",
                     "refresh"):
            self.assertIn(word, words)
        self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")

    def test_healthz(self):
        h = self.node().start()
        self.assertEqual(h.get("/healthz")[0], 503, "nothing is known yet")
        h.run()
        status, _, text = h.get("/healthz")
        self.assertEqual((status, json.loads(text)["verdict"]), (200, "ok"))
        h.parts[3].status = 502
        h.run()
        status, _, text = h.get("/healthz")
        self.assertEqual((status, json.loads(text)["verdict"]), (503, "failed"))
        self.assertIn("status 502", text)

    def test_status_in_a_terminal(self):
        h = self.node().start()
        self.siblings(h)
        h.run()
        done = h.tool("status")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^  ch2 +works")
        self.assertIn("3 rooms, 14 participants", done.stdout)
        self.assertNotIn("\033", done.stdout)
        data = json.loads(h.tool("status", "--json").stdout)
        self.assertEqual((data["verdict"], data["changes"][0]["reason"], data["relay"]["bytes"]), ("ok", "rotate-sni", 1500))

    def test_nothing_else_is_served(self):
        h = self.node().start()
        self.assertEqual(h.get("/nothing")[0], 404)

    def test_reload(self):
        """New channels are probed, a bad file changes nothing, history of what stays is kept."""
        h = self.node().start()
        h.run()
        h.channel("ch1")
        h.write_conf(Probe_Channels="ch2 ch1")
        h.ask("Edge.Reload")
        names = [c["name"] for c in h.run()["channels"] if c["ok"]]
        self.assertEqual(names, ["ch2", "ch1"])
        self.assertEqual(h.ask("Health.Overview")["overview"]["channels"][0]["good"], 2)
        h.write_conf(Probe_Interval="never")
        self.assertIn("reason", h.ask("Edge.Reload"))
        self.assertEqual(len(h.run()["channels"]), 2)


class WholeNode(WithHealthd):
    """Real daemons beside a real healthd."""

    def node(self):
        h = self.healthd(Probe_Channels="ch2")
        sfud = Sfud(Control_Socket=f"{h.run_dir}/sfud")
        self.addCleanup(sfud.stop)
        turnd = h.add(Turnd(Control_Socket=f"{h.run_dir}/turnd"))
        h.daemon("tunneld")
        h.channel("ch2")
        h.write_conf(Probe_SfuSignal=f"127.0.0.1:{sfud.ws}", Probe_SfuSecretFile=f"{sfud.dir}/secret",
                     Probe_TurnAddress=turnd.ip, Probe_TurnSecretFile=f"{turnd.dir}/secret")
        return h, sfud, turnd

    def test_is_well(self):
        h, sfud, turnd = self.node()
        h.start()
        for _ in range(3):
            v = h.run()
            self.assertEqual({c["name"]: c["ok"] for c in v["channels"]}, {"ch2": True, "turn": True, "sfu": True}, v)
        self.assertEqual(json.loads(h.get("/healthz")[2]), {"verdict": "ok", "problems": []})
        self.assertEqual(turnd.metric("turn_allocations"), 0)
        wait_for("sfud forgets the probes", lambda: sfud.metric("sfu_active_participants") == 0, 20)    # it waits 10 s for each

    def test_metrics_are_valid(self):
        h, _, _ = self.node()
        h.start().run()
        wait_for("pages of the siblings", lambda: "turn_allocations" in h.get("/metrics")[2], 30)
        text = h.get("/metrics")[2]
        for name in ("sfu_active_rooms", "turn_allocations", "health_node_serves"):
            self.assertIn(f"# TYPE {name} ", text)
        check_metrics(self, text)

    def test_sees_what_breaks(self):
        h, sfud, turnd = self.node()
        h.start().run()
        sfud.child.kill()
        sfud.child.wait()
        turnd.write_secrets(b"another, since nobody told healthd")
        os.kill(turnd.child.pid, signal.SIGHUP)
        wait_for("turnd has reloaded", lambda: "configuration reloaded" in turnd.log())
        v = {c["name"]: c for c in h.run()["channels"]}
        self.assertEqual((v["sfu"]["ok"], v["turn"]["ok"]), (False, False))
        self.assertTrue(v["sfu"]["cause"] and v["sfu"]["fix"] and v["turn"]["cause"] and v["turn"]["fix"])
        daemons = {d["name"]: d for d in h.ask("Health.Overview")["overview"]["daemons"]}
        self.assertEqual((daemons["sfud"]["life"], daemons["turnd"]["life"]), ("gone", "alive"))
        self.assertEqual((daemons["turnd"]["serves"], daemons["tunneld"]["serves"]), ("no", "yes"))


class Dashboard(unittest.TestCase):
    def test_every_series_exists(self):
        with open(f"{rig.ROOT}/docs/grafana.json", encoding="utf-8") as f:
            text = f.read()
        exprs = [t["expr"] for panel in json.loads(text)["panels"] for t in panel.get("targets", ())]
        names = {n for e in exprs for n in re.findall(r"\b(?:health|sfu|turn|tunnel|refresh)_[a-z0-9_]+", e)}
        self.assertGreater(len(names), 15)
        code = ""
        for daemon in ("healthd", "sfud", "turnd"):
            with open(f"{rig.ROOT}/daemons/{daemon}/shell_metrics.c", encoding="utf-8") as f:
                code += f.read()
        self.assertEqual([n for n in sorted(names) if f'"{n.removesuffix("_bucket")}"' not in code], [])


class Healthcheck(WithHealthd):
    """The tool, healthd dead or alive."""

    def node(self):
        turnd = Turnd()
        h = self.healthd(Node_Domain=DOMAIN, Node_TurnsName=TURNS, Probe_Channels="ch2 ch1", Probe_TurnAddress=turnd.ip,
                         Probe_Front="127.0.0.1:18443", Probe_Canary="127.0.0.1:18080")
        h.add(turnd)
        turnd.write_secrets(SECRET)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "60",
                        "-subj", f"/CN={DOMAIN}", "-addext", f"subjectAltName=DNS:{DOMAIN},DNS:{TURNS}",
                        "-keyout", f"{h.etc}/key.pem", "-out", f"{h.etc}/cert.pem"], check=True, capture_output=True, timeout=30)
        os.makedirs(f"{h.lib}/generations/1/secrets")
        os.symlink("generations/1", f"{h.lib}/current")
        with open(f"{h.lib}/current/secrets/turn-secret", "wb") as f:
            f.write(SECRET)
        os.chmod(f"{h.lib}/current/secrets/turn-secret", 0o600)
        h.write_secret("token", TOKEN)
        h.write_conf(Probe_FrontCaFile=f"{h.etc}/cert.pem")
        h.front = h.add(Front(("127.0.0.1", 18443), f"{h.etc}/cert.pem", f"{h.etc}/key.pem", TURNS))
        h.canary = h.add(Plain(("127.0.0.1", 18080)))
        h.sfud = h.daemon("sfud", SFU_PAGE)
        for name in ("turnd", "tunneld", "healthd"):
            h.daemon(name)
        h.tunnel = h.channel("ch2")
        h.channel("ch1")
        return h

    def check(self, h, *words):
        done = h.tool("healthcheck", "--json", *words)
        data = json.loads(done.stdout)
        self.assertEqual(done.returncode, data["failed"], done.stdout + done.stderr)
        self.assertTrue(all(c["cause"] for c in data["checks"] if c["state"] in ("fail", "warn", "skip")))
        self.assertTrue(all(c["fix"] for c in data["checks"] if c["state"] in ("fail", "warn")))
        return {c["name"]: c for c in data["checks"]}

    # no sfud in this network has a media port; 5349 has another certificate
    ELSEWHERE = {"check_06_stun_tls_5349", "check_11_sfu_media"}

    def failed(self, checks):
        return {name for name, c in checks.items() if c["state"] == "fail"} - self.ELSEWHERE

    def test_a_node_that_works(self):
        checks = self.check(self.node(), "--local")
        self.assertEqual(self.failed(checks), set())
        ok = {name for name, c in checks.items() if c["state"] == "ok"}
        self.assertLessEqual({"check_01_front", "check_01_sfud", "check_01_turnd", "check_01_tunneld", "check_01_healthd",
                              "check_02_api_health", "check_03_branding", "check_04_tls_443",
                              "check_05_stun_3478", "check_07_tunnel_ch2", "check_07_tunnel_ch1",
                              "check_08_turn_relay", "check_09_turns_name", "check_10_site",
                              "check_12_sfu_metrics", "check_13_canary_tunnel", "check_14_canary_upstream",
                              "check_17_secret_modes", "check_21_disk"}, ok)
        self.assertEqual(checks["check_19_service_token"]["state"], "skip")

    def test_each_fault_is_found(self):
        def front_502(h):
            h.front.status = 502

        def other_partner(h):
            h.front.partner = "somebody"

        def one_tunnel(h):
            h.tunnel.status = 502

        def canary(h):
            h.canary.status = 500

        def draining(h):
            h.sfud.state = "draining"

        def bad_page(h):
            h.sfud.page = "sfu_active_rooms {{ROOMS}}\n"

        def wrong_secret(h):
            with open(f"{h.lib}/current/secrets/turn-secret", "w", encoding="ascii") as f:
                f.write("another")

        def open_token(h):
            os.chmod(f"{h.etc}/token", 0o644)

        rows = [
            (front_502, {"check_02_api_health", "check_03_branding", "check_10_site"}, set()),
            (other_partner, {"check_03_branding"}, set()),
            (one_tunnel, set(), {"check_07_tunnel_ch2"}),
            (canary, {"check_13_canary_tunnel", "check_14_canary_upstream"}, set()),
            (draining, {"check_01_sfud"}, set()),
            (bad_page, {"check_12_sfu_metrics"}, set()),
            (wrong_secret, {"check_08_turn_relay"}, set()),
            (open_token, {"check_17_secret_modes"}, set()),
        ]
        for make, fails, warns in rows:
            with self.subTest(make.__name__):
                h = self.node()
                make(h)
                checks = self.check(h, "--local")
                self.assertEqual(self.failed(checks), fails)
                self.assertEqual({n for n, c in checks.items() if c["state"] == "warn"} - {"check_15_drift"}, warns)
                h.stop()

    def test_drift(self):
        h = self.node()
        files = []
        for name in ("sfud.conf", "turnd.conf", "tunneld.conf", "healthd.conf", "front/nginx.conf"):
            os.makedirs(os.path.dirname(f"{h.lib}/current/{name}"), exist_ok=True)
            os.makedirs(os.path.dirname(f"{h.etc}/{name}"), exist_ok=True)
            with open(f"{h.lib}/current/{name}", "w", encoding="ascii") as f:
                f.write("x")
            os.symlink(f"{h.lib}/current/{name}", f"{h.etc}/{name}")
            files.append({"path": name, "sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"})
        with open(f"{h.lib}/current/manifest.json", "w", encoding="ascii") as f:
            json.dump({"files": files}, f)
        self.assertEqual(self.check(h, "--local")["check_15_drift"]["state"], "ok")
        with open(f"{h.lib}/current/turnd.conf", "a", encoding="ascii") as f:
            f.write("y")
        drift = self.check(h, "--local")["check_15_drift"]
        self.assertEqual((drift["state"], drift["cause"]), ("warn", "turnd.conf was changed by hand"))
        with open(f"{h.lib}/current/turnd.conf", "w", encoding="ascii") as f:
            f.write("x")
        os.remove(f"{h.etc}/sfud.conf")
        open(f"{h.etc}/sfud.conf", "w", encoding="ascii").close()
        self.assertIn("sfud.conf is not the link", self.check(h, "--local")["check_15_drift"]["cause"])

    def test_central(self):
        h = self.node()
        self.central(h)
        checks = self.check(h)
        self.assertEqual((checks["check_19_service_token"]["state"], checks["check_20_clock"]["state"]), ("ok", "ok"))
        h.write_secret("token", "stkn_wrong")
        h.write_secret("service-token", "stkn_wrong")
        token = self.check(h)["check_19_service_token"]
        self.assertEqual(token["state"], "fail")
        self.assertIn("rotate-service-token", token["fix"])
        self.assertNotIn("stkn_wrong", json.dumps(token))

    def test_nothing_is_there(self):
        h = self.healthd(Probe_Channels="ch2")
        checks = self.check(h, "--local")
        self.assertIn("check_01_sfud", self.failed(checks))
        self.assertEqual(checks["check_07_tunnel_ch2"]["state"], "fail")

    def test_text(self):
        h = self.node()
        h.tunnel.status = 502
        done = h.tool("healthcheck", "--local")
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0], f"Health of {DOMAIN}, from this host only")
        self.assertTrue(any(re.match(r"   7  ch2 carries requests to central .* WARN$", line) for line in lines), done.stdout)
        self.assertTrue(any(line.startswith("        fix:   ") for line in lines))
        self.assertRegex(lines[-1], r"^(\d+ checks? failed|All checks passed)\.")

    def test_wrong_arguments(self):
        h = self.healthd()
        for words in (["healthcheck", "--nothing"], ["status", "--local"], ["what"], []):
            self.assertEqual(subprocess.run([healthrun.TOOL, *words], capture_output=True, timeout=10).returncode, 64, words)
        h.write_conf(Probe_Intervall="5s")
        self.assertEqual(h.tool("healthcheck").returncode, 78)

    def test_by_its_other_name(self):
        h = self.node()
        link = f"{h.dir}/oxpulse-partner-edge-healthcheck"
        os.symlink(healthrun.TOOL, link)
        done = subprocess.run([link, "--local", "--json", f"--config={h.conf}"], capture_output=True, text=True, timeout=90)
        self.assertIn("check_02_api_health", done.stdout)

    def test_hung_daemons_cost_a_bounded_time(self):
        h = self.node()
        h.sfud.silent = True
        h.tunnel.hang = h.front.hang = True
        began = time.monotonic()
        failed = self.failed(self.check(h, "--local"))
        self.assertLess(time.monotonic() - began, 45)
        self.assertLessEqual({"check_01_sfud", "check_02_api_health", "check_12_sfu_metrics"}, failed)


if __name__ == "__main__":
    tap.main()

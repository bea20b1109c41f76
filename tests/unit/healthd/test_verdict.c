/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/verdict/verdict.h"

#include "overview_rig.h"

static struct verdict judge(void)
{
	struct verdict t;

	verdict_node(&rig, RIG_WALL, &t);
	return t;
}

static void all_is_well(void)
{
	struct verdict t;

	rig_well();
	t = judge();
	EQ(t.state, VERDICT_OK);
	EQ(t.n, 0);
	rig.first_run_done = false;
	EQ(judge().state, VERDICT_UNKNOWN);
	for (int s = 0; s <= VERDICT_FAILED; s++)
		OK(verdict_str((enum verdict_state)s)[0]);
}

static void front_refuses(void) { rig_fail(PROBED_FRONT, "timeout", "no answer", "look"); }
static void front_502(void) { rig_fail(PROBED_FRONT, "status", "status 502", "look"); }
static void one_channel(void) { rig_fail(PROBED_CHANNEL, "timeout", "channel ch2: silent", "look"); }
static void no_channel(void) { one_channel(); rig_fail(PROBED_CHANNEL + 1, "refused", "refused", ""); }
static void relay(void) { rig_fail(PROBED_TURN, "auth-486", "quota", "wait"); }
static void calls(void) { rig_fail(PROBED_SFU, "timeout", "no ICE answer", "open UDP 7878"); }
static void turns(void) { rig_fail(PROBED_TURNS, "tls", "expired", "renew"); }
static void sfud_gone(void) { rig.daemon[DAEMON_SFUD].life = LIFE_GONE; calls(); }
static void tunneld_gone(void) { rig.daemon[DAEMON_TUNNELD].life = LIFE_GONE; no_channel(); }
static void turnd_silent(void) { rig.daemon[DAEMON_TURND].life = LIFE_SILENT; }
static void draining(void) { strcpy(rig.daemon[DAEMON_TURND].state, "draining"); }
static void given_up(void) { rig.daemon[DAEMON_SFUD].repair.given_up = true; }
static void certificate(void) { rig.probe[PROBED_FRONT].certificate_until.us = RIG_WALL.us + 14 * RIG_DAY - 1; }
static void certificate_over(void) { rig.probe[PROBED_FRONT].certificate_until.us = RIG_WALL.us - 1; }
static void certificate_just(void) { rig.probe[PROBED_FRONT].certificate_until.us = RIG_WALL.us + 14 * RIG_DAY; }
static void refused_report(void) { rig.run.report[0].status = 401; }
static void late_report(void) { rig.run.report[0].status = 429; }
static void no_answer(void) { rig.run.report[0].status = 0; }
static void no_token(void) { rig.run.no_token = true; }
static void degraded(void) { strcpy(rig.probe[PROBED_TURN].mode, "stun-degraded"); }
static void own_fault(void) { rig_fail(PROBED_TURN, "local", "no descriptors", "see what this host is short of"); }
static void no_channel_asked(void) { rig_fail(PROBED_CHANNEL, "local", "", ""); rig_fail(PROBED_CHANNEL + 1, "local", "", ""); }
static void unprobed(void) { rig.probe[PROBED_TURN].name[0] = '\0'; relay(); }
static void unknown(void) { relay(); rig.probe[PROBED_TURN].known = false; }

/* What each thing alone means for people. */
static void what_each_means(void)
{
	static const struct {
		const char *row;
		void (*make)(void);
		enum verdict_state want;
		uint32_t lines;
		const char *says;
	} rows[] = {
		{ "front silent: ", front_refuses, VERDICT_FAILED, 1, "the site: no answer — look" },
		{ "front answers 502: ", front_502, VERDICT_WARN, 1, "status 502" },
		{ "one channel of two: ", one_channel, VERDICT_WARN, 1, "channel ch2: silent — look" },
		{ "no channel: ", no_channel, VERDICT_FAILED, 3, "no channel" },
		{ "relay: ", relay, VERDICT_FAILED, 1, "the relay: quota — wait" },
		{ "group calls: ", calls, VERDICT_FAILED, 1, "open UDP 7878" },
		{ "relay on 443: ", turns, VERDICT_WARN, 1, "443" },
		{ "sfud gone, said once: ", sfud_gone, VERDICT_FAILED, 1, "sfud is not running" },
		{ "tunneld gone, said once: ", tunneld_gone, VERDICT_FAILED, 1, "tunneld is not running" },
		{ "turnd silent: ", turnd_silent, VERDICT_FAILED, 1, "journalctl -u oxpulse-turnd" },
		{ "draining: ", draining, VERDICT_WARN, 1, "draining" },
		{ "given up: ", given_up, VERDICT_FAILED, 1, "Budget" },
		{ "13 days: ", certificate, VERDICT_WARN, 1, "13 days" },
		{ "0 days: ", certificate_over, VERDICT_WARN, 1, "0 days" },
		{ "14 days: ", certificate_just, VERDICT_OK, 0, NULL },
		{ "report refused: ", refused_report, VERDICT_WARN, 1, "401" },
		{ "report not taken: ", late_report, VERDICT_OK, 0, NULL },
		{ "central away: ", no_answer, VERDICT_OK, 0, NULL },
		{ "no token: ", no_token, VERDICT_WARN, 1, "nothing is reported" },
		{ "relay only asked for an address: ", degraded, VERDICT_WARN, 1, "Probe.TurnSecretFile" },
		{ "relay could not be asked: ", own_fault, VERDICT_FAILED, 1, "no descriptors" },
		{ "not probed: ", unprobed, VERDICT_OK, 0, NULL },
		{ "no result yet: ", unknown, VERDICT_OK, 0, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct verdict t;

		t_row = rows[i].row;
		rig_well();
		rows[i].make();
		t = judge();
		EQ(t.state, rows[i].want);
		EQ(t.n, rows[i].lines);
		OK(!rows[i].says || strstr(t.line[0].text, rows[i].says));
	}
}

static void what_daemons_serve(void)
{
	static const struct {
		const char *row;
		void (*make)(void);
		enum ov_daemon_name d;
		enum repair_serves want;
	} rows[] = {
		{ "front: ", NULL, DAEMON_FRONT, REPAIR_SERVES },
		{ "a 502 is not the front's: ", front_502, DAEMON_FRONT, REPAIR_SERVES },
		{ "front silent: ", front_refuses, DAEMON_FRONT, REPAIR_FAILS_TO_SERVE },
		{ "one channel is enough: ", one_channel, DAEMON_TUNNELD, REPAIR_SERVES },
		{ "none is not: ", no_channel, DAEMON_TUNNELD, REPAIR_FAILS_TO_SERVE },
		{ "turnd: ", relay, DAEMON_TURND, REPAIR_FAILS_TO_SERVE },
		{ "not probed: ", unprobed, DAEMON_TURND, REPAIR_UNKNOWN },
		{ "not its fault: ", own_fault, DAEMON_TURND, REPAIR_UNKNOWN },
		{ "nor this one's: ", no_channel_asked, DAEMON_TUNNELD, REPAIR_UNKNOWN },
		{ "it answers: ", degraded, DAEMON_TURND, REPAIR_SERVES },
		{ "sfud: ", calls, DAEMON_SFUD, REPAIR_FAILS_TO_SERVE },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		rig_well();
		if (rows[i].make)
			rows[i].make();
		EQ(verdict_serves(&rig, rows[i].d), rows[i].want);
	}
	rig_well();
	for (int i = PROBED_CHANNEL; i < PROBED_MAX_; i++)
		rig.probe[i].name[0] = '\0';
	EQ(verdict_serves(&rig, DAEMON_TUNNELD), REPAIR_UNKNOWN);
}

static void what_repair_sees(void)
{
	struct repair_seen s;

	rig_well();
	s = verdict_seen(&rig, DAEMON_TURND);
	OK(s.alive && !s.leaving && s.serves == REPAIR_SERVES);
	EQ(s.uptime, DUR_SEC(7200));
	draining();
	OK(verdict_seen(&rig, DAEMON_TURND).leaving);
	turnd_silent();
	OK(verdict_seen(&rig, DAEMON_TURND).alive);
	rig.daemon[DAEMON_TURND].life = LIFE_GONE;
	OK(!verdict_seen(&rig, DAEMON_TURND).alive);
	OK(!verdict_seen(&rig, DAEMON_FRONT).leaving); /* it has no state to tell */
}

/* Everything wrong at once is no overflow. */
static void many_lines(void)
{
	struct verdict t;

	rig_well();
	for (int i = 0; i < PROBED_MAX_; i++) {
		char name[OV_NAME_MAX];

		snprintf(name, sizeof(name), "%039d", i);
		rig_probe(i, name, 1);
		rig_fail(i, "other", "c", "f");
		memset(rig.probe[i].cause, 'c', OV_TEXT_MAX - 1);
		memset(rig.probe[i].fix, 'f', OV_TEXT_MAX - 1);
		rig.probe[i].certificate_until.us = 1;
	}
	for (int i = 0; i < DAEMON_MAX_; i++) {
		rig.daemon[i].life = LIFE_SILENT;
		rig.daemon[i].repair.given_up = true;
	}
	refused_report();
	t = judge();
	EQ(t.n, VERDICT_LINES_MAX);
	EQ(t.state, VERDICT_FAILED);
}

T_MAIN(T(all_is_well), T(what_each_means), T(what_daemons_serve), T(what_repair_sees), T(many_lines))

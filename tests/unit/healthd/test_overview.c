/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/verdict/overview.h"

#include "overview_rig.h"

static char text[256 * 1024];
static struct json_tok tok[8192];
static struct json j;

static void parse(bool verdicts)
{
	struct wr w = wr_from(text, sizeof(text));
	struct json_out o = json_out(&w);

	jo_obj(&o);
	if (verdicts)
		overview_write_verdicts(&rig, &o);
	else
		overview_write(&rig, RIG_NOW, RIG_WALL, &o);
	jo_obj_end(&o);
	OK(!w.bad);
	EQ(json_parse(wr_span_of(&w), tok, ARRAY_LEN(tok), &j), 0);
}

static uint64_t num(int obj, const char *key)
{
	uint64_t v = 987654321;

	(void)json_get_u64(&j, obj, key, &v);
	return v;
}

static const char *str(int obj, const char *key)
{
	static char buf[512];

	if (json_get_str(&j, obj, key, buf, sizeof(buf), NULL) < 0)
		snprintf(buf, sizeof(buf), "(none)");
	return buf;
}

static void the_whole(void)
{
	int at;

	rig_well();
	rig.change[0] =
		(struct ov_change){.number = 12, .reason = "refresh", .made_at = "2026-11-23T00:00:00Z", .current = true};
	rig.n_changes = 1;
	rig.timer[0] = (struct ov_timer){ .name = "refresh", .last = { 0 } };
	rig.n_timers = 1;
	rig.repaired[0] = (struct ov_repair){ .at = RIG_WALL, .daemon = DAEMON_TURND, .outcome = "asked" };
	rig.n_repaired = 1;
	parse(false);
	EQ_STR(str(0, "node"), "acme-0a1b");
	EQ_STR(str(0, "verdict"), "ok");
	EQ_STR(str(0, "now"), "2026-11-23T13:20:00Z");
	EQ(num(0, "run"), 7);
	at = json_first(&j, json_get(&j, 0, "channels"));
	EQ_STR(str(at, "name"), "ch2");
	EQ(num(at, "rtt_us"), 12000);
	EQ(num(at, "rtt_median_us"), 12000);
	EQ(num(at, "good"), 9);
	at = json_first(&j, json_get(&j, 0, "probes"));
	EQ_STR(str(at, "name"), "front");
	at = json_first(&j, json_get(&j, 0, "certificates"));
	EQ(num(at, "days"), 71);
	EQ_STR(str(json_first(&j, json_get(&j, 0, "changes")), "reason"), "refresh");
	EQ_STR(str(json_first(&j, json_get(&j, 0, "timers")), "last"), "");
	EQ_STR(str(json_first(&j, json_get(&j, 0, "repairs")), "outcome"), "asked");
	EQ_STR(str(json_first(&j, json_get(&j, 0, "reports")), "verdict"), "taken");
}

/* Channels first, then the others: whoever verifies a change wants each by name. */
static void verdicts(void)
{
	int list, at;

	rig_well();
	rig_fail(PROBED_CHANNEL + 1, "timeout", "no answer", "look");
	parse(true);
	EQ(num(0, "run"), 7);
	EQ_STR(str(0, "probed_at"), "2026-11-23T13:20:00Z");
	list = json_get(&j, 0, "channels");
	at = json_first(&j, list);
	EQ_STR(str(at, "name"), "ch2");
	at = json_next(&j, list, at);
	EQ_STR(str(at, "name"), "ch1");
	EQ_STR(str(at, "reason"), "timeout");
	at = json_next(&j, list, at);
	EQ_STR(str(at, "name"), "front");
}

/* The newest repairs, whatever their number. */
static void repairs_newest_first(void)
{
	int list, at, n = 0;

	rig_well();
	for (int i = 0; i < OV_REPAIRS_MAX + 3; i++)
		rig.repaired[rig.n_repaired++ % OV_REPAIRS_MAX] =
			(struct ov_repair){ .at = { (uint64_t)i * US_PER_SEC }, .daemon = DAEMON_SFUD, .outcome = "ok" };
	parse(true);
	list = json_get(&j, 0, "repair");
	at = json_first(&j, list);
	EQ_STR(str(at, "at"), "1970-01-01T00:00:14Z");
	for (; at >= 0; at = json_next(&j, list, at))
		n++;
	EQ(n, OV_REPAIRS_MAX);
}

/* An empty node is shown, too. */
static void empty(void)
{
	memset(&rig, 0, sizeof(rig));
	parse(false);
	EQ_STR(str(0, "verdict"), "unknown");
	EQ_STR(str(0, "probed_at"), "");
	parse(true);
	EQ(num(0, "run"), 0);
}

T_MAIN(T(the_whole), T(verdicts), T(repairs_newest_first), T(empty))

/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/verdict/report.h"

#include "t.h"

/* Control plane 1.4: the id's beginning counts, the canonical name is sent; the others are not reported. */
static void channels_are_named_by_their_beginning(void)
{
	static const struct {
		const char *id, *want; /* NULL: not reported */
	} rows[] = {
		{ "ch1", "ch1"}, {"ch1-acme", "ch1"}, {"ch2", "ch2"}, {"ch3_x", "ch3"}, {"ch1x", "ch1" },
		{ "ch0", NULL},  {"ch4", NULL},       {"ch5", NULL},  {"ch6", NULL},    {"ch10", NULL },
		{ "ch", NULL},   {"", NULL},          {"CH1", NULL},  {"naive", NULL},  {" ch1", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char name[REPORT_NAME_MAX] = "untouched";

		t_row = rows[i].id;
		EQ(report_channel(rows[i].id, name), rows[i].want ? 0 : ERR_MISSING);
		EQ_STR(name, rows[i].want ? rows[i].want : "untouched");
	}
}

static void times_are_utc(void)
{
	static const struct {
		uint64_t sec;
		const char *want;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00Z" },
		{ 951782399, "2000-02-28T23:59:59Z" },
		{ 951782400, "2000-02-29T00:00:00Z" },
		{ 1795440000, "2026-11-23T13:20:00Z" },
		{ 4107542400, "2100-03-01T00:00:00Z" },
		{ UINT64_C(253402300799), "9999-12-31T23:59:59Z" },
		{ UINT64_MAX / US_PER_SEC, "9999-12-31T23:59:59Z" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char buf[REPORT_TIME_MAX];

		EQ_STR(report_time((wall_t){ rows[i].sec * US_PER_SEC }, buf), rows[i].want);
	}
}

static void self_is(const struct report_self *q, const char *want)
{
	char body[REPORT_BODY_MAX + 1] = "";
	struct wr w = wr_from(body, REPORT_BODY_MAX);

	report_self_write(q, &w);
	OK(!w.bad);
	EQ_STR(body, want);
}

static void own_bodies(void)
{
	struct report_self q = {.node_id = "acme-0a",
				.channel = "ch2",
				.probed_at = {UINT64_C(1795440000999999)},
				.rtt_us = 12499,
				.ok = true,
				.version = "0.1.0"};

	self_is(&q, "{\"node_id\":\"acme-0a\",\"channel_name\":\"ch2\",\"channel_rtt_ms\":12,\"channel_handshake_ok\":true,"
		    "\"channel_probed_at\":\"2026-11-23T13:20:00Z\",\"installer_version\":\"0.1.0\"}");
	q.version = "";
	q.ok = false;
	q.rtt_us = 5000500;
	self_is(&q,
		"{\"node_id\":\"acme-0a\",\"channel_name\":\"ch2\",\"channel_rtt_ms\":5001,\"channel_handshake_ok\":false,"
		"\"channel_probed_at\":\"2026-11-23T13:20:00Z\"}");
}

/* The relay says how it was probed, and why it failed in the words that central knows. */
static void coturn_bodies(void)
{
	static const struct {
		const char *mode, *reason;
		bool ok;
		uint32_t skipped;
		const char *want;
	} rows[] = {
		{ "allocate", "", true, 0, "\"channel_probe_mode\":\"allocate\"" },
		{ "stun-degraded", "", true, 4, "\"channel_probe_mode\":\"stun-degraded\"" },
		{ "allocate", "timeout", false, 0, "\"channel_probe_mode\":\"allocate\",\"channel_probe_reason\":\"timeout\"" },
		{ "allocate", "auth-486", false, 0, "\"channel_probe_mode\":\"allocate\",\"channel_probe_reason\":\"auth-486\"" },
		{ "allocate", "refused", false, 0, "\"channel_probe_mode\":\"allocate\",\"channel_probe_reason\":\"other\"" },
		{ "", NULL, false, 1, "\"channel_probe_mode\":\"error\",\"channel_probe_reason\":\"other\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct report_self q = { .node_id = "n", .channel = "coturn", .ok = rows[i].ok, .mode = rows[i].mode,
					 .reason = rows[i].reason, .skipped = rows[i].skipped };
		char want[REPORT_BODY_MAX];

		snprintf(want, sizeof(want),
			 "{\"node_id\":\"n\",\"channel_name\":\"coturn\",\"channel_rtt_ms\":0,\"channel_handshake_ok\":%s,"
			 "\"channel_probed_at\":\"1970-01-01T00:00:00Z\",%s,\"coturn_skip_consecutive\":%u}",
			 rows[i].ok ? "true" : "false", rows[i].want, rows[i].skipped);
		self_is(&q, want);
	}
}

static void peer_bodies(void)
{
	struct report_peer q = {
		.node_id = "me", .target = "b\"ad", .udp = false, .probed_at = {0}, .rtt_us = 20000, .ok = true};
	char body[REPORT_BODY_MAX + 1] = "";
	struct wr w = wr_from(body, REPORT_BODY_MAX);

	report_peer_write(&q, &w);
	EQ_STR(body, "{\"prober_node_id\":\"me\",\"target_node_id\":\"b\\\"ad\",\"channel_name\":\"coturn-tls\","
		     "\"handshake_ok\":true,"
		     "\"rtt_ms\":20,\"probe_mode\":\"peer\",\"probed_at\":\"1970-01-01T00:00:00Z\"}");
	memset(body, 0, sizeof(body));
	w = wr_from(body, REPORT_BODY_MAX);
	q.udp = true;
	report_peer_write(&q, &w);
	OK(strstr(body, "\"channel_name\":\"coturn-udp\""));
	w = wr_from(body, 20);
	report_peer_write(&q, &w);
	OK(w.bad);
}

/* 408 and 429 are central's load, not our fault (mistake 24 of the control plane). */
static void answers(void)
{
	static const struct {
		int status;
		enum report_verdict want;
	} rows[] = {
		{ 200, REPORT_TAKEN},   {204, REPORT_TAKEN},   {299, REPORT_TAKEN},   {0, REPORT_LATER },
		{ 100, REPORT_LATER},   {301, REPORT_LATER},   {408, REPORT_LATER},   {429, REPORT_LATER },
		{ 500, REPORT_LATER},   {503, REPORT_LATER},   {400, REPORT_REFUSED}, {401, REPORT_REFUSED },
		{ 403, REPORT_REFUSED}, {404, REPORT_REFUSED}, {422, REPORT_REFUSED}, {-1, REPORT_LATER },
		{ 999, REPORT_LATER },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		EQ(report_judge(rows[i].status), rows[i].want);
	EQ_STR(report_verdict_str(REPORT_TAKEN), "taken");
	EQ_STR(report_verdict_str(REPORT_VERDICT_MAX_), "");
}

T_MAIN(T(channels_are_named_by_their_beginning), T(times_are_utc), T(own_bodies), T(coturn_bodies), T(peer_bodies),
       T(answers))

/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/verdict/report.h"

#include "healthd/verdict/members.h"

static const char *const known[] = { "ch1", "ch2", "ch3" };
static const char *const verdicts[REPORT_VERDICT_MAX_] = {
	[REPORT_TAKEN] = "taken", [REPORT_LATER] = "later", [REPORT_REFUSED] = "refused",
};

int report_channel(const char *id, char ret[REPORT_NAME_MAX])
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		size_t n = strlen(known[i]);

		if (strncmp(id, known[i], n) != 0 || (id[n] >= '0' && id[n] <= '9'))
			continue;
		memcpy(ret, known[i], n + 1);
		return 0;
	}
	return ERR_MISSING;
}

/* --- time ----------------------------------------------------------------------------------------------- */

static void two(char *at, uint64_t v)
{
	at[0] = (char)('0' + v / 10);
	at[1] = (char)('0' + v % 10);
}

/* Days since 1970 as a date of the Gregorian calendar: eras of 400 years that begin on March 1. */
static void civil(uint64_t days, uint64_t *year, uint64_t *month, uint64_t *day)
{
	uint64_t z = days + 719468, era = z / 146097, doe = z % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	*day = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = yoe + era * 400 + (*month <= 2);
}

const char *report_time(wall_t at, char ret[REPORT_TIME_MAX])
{
	static const char form[] = "0000-00-00T00:00:00Z";
	uint64_t sec = at.us / US_PER_SEC, year, month, day;

	if (sec > UINT64_C(253402300799)) /* the last second of 9999 */
		sec = UINT64_C(253402300799);
	civil(sec / 86400, &year, &month, &day);
	memcpy(ret, form, sizeof(form));
	two(ret, year / 100);
	two(ret + 2, year % 100);
	two(ret + 5, month);
	two(ret + 8, day);
	two(ret + 11, sec / 3600 % 24);
	two(ret + 14, sec / 60 % 60);
	two(ret + 17, sec % 60);
	return ret;
}

/* --- bodies --------------------------------------------------------------------------------------------- */

static void at(struct json_out *o, const char *key, wall_t when)
{
	char buf[REPORT_TIME_MAX];

	member_text(o, key, report_time(when, buf));
}

/* Half a millisecond counts as one: 0 would look like "unknown". */
static uint64_t ms_of(uint64_t us)
{
	return (us + US_PER_MS / 2) / US_PER_MS;
}

static void coturn(struct json_out *o, const struct report_self *q)
{
	static const char *const reasons[] = { "timeout", "auth-486" };
	const char *reason = "other";

	member_text(o, "channel_probe_mode", q->mode[0] ? q->mode : "error");
	for (size_t i = 0; q->reason && i < ARRAY_LEN(reasons); i++) {
		if (strcmp(q->reason, reasons[i]) == 0)
			reason = reasons[i];
	}
	if (!q->ok)
		member_text(o, "channel_probe_reason", reason);
	member_number(o, "coturn_skip_consecutive", q->skipped);
}

void report_self_write(const struct report_self *q, struct wr *w)
{
	struct json_out o = json_out(w);

	jo_obj(&o);
	member_text(&o, "node_id", q->node_id);
	member_text(&o, "channel_name", q->channel);
	member_number(&o, "channel_rtt_ms", ms_of(q->rtt_us));
	member_truth(&o, "channel_handshake_ok", q->ok);
	at(&o, "channel_probed_at", q->probed_at);
	if (q->mode)
		coturn(&o, q);
	if (q->version && q->version[0])
		member_text(&o, "installer_version", q->version);
	jo_obj_end(&o);
}

void report_peer_write(const struct report_peer *q, struct wr *w)
{
	struct json_out o = json_out(w);

	jo_obj(&o);
	member_text(&o, "prober_node_id", q->node_id);
	member_text(&o, "target_node_id", q->target);
	member_text(&o, "channel_name", q->udp ? "coturn-udp" : "coturn-tls");
	member_truth(&o, "handshake_ok", q->ok);
	member_number(&o, "rtt_ms", ms_of(q->rtt_us));
	member_text(&o, "probe_mode", "peer");
	at(&o, "probed_at", q->probed_at);
	jo_obj_end(&o);
}

/* --- answers -------------------------------------------------------------------------------------------- */

enum report_verdict report_judge(int status)
{
	if (status >= 200 && status < 300)
		return REPORT_TAKEN;
	if (status >= 400 && status < 500 && status != 408 && status != 429)
		return REPORT_REFUSED;
	return REPORT_LATER;
}

const char *report_verdict_str(enum report_verdict v)
{
	return v >= 0 && v < REPORT_VERDICT_MAX_ ? verdicts[v] : "";
}

/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/slab.h"
#include "refreshd/central/register.h"
#include "refreshd_rig.h"

#define TOKEN "ptkn_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct node_diag diag;

static int write_request(struct register_request q, const char *token, char *out, size_t cap, size_t *ret_n)
{
	struct secret s = { .n = 0 };
	struct wr w = wr_from(out, cap);
	int r;

	EQ(secret_set(&s, span_str(token)), 0);
	q.token = &s;
	r = register_write(&q, &w, &diag);
	*ret_n = wr_len(&w);
	return r;
}

static void the_request(void)
{
	const struct register_request least = { .partner_id = "acme", .domain = "call.partner.example" };
	const struct register_request all = {
		.partner_id = "acme",
		.domain = "call.partner.example",
		.public_ip = "198.51.100.7",
		.region = "pl-waw",
		.awg_pubkey = RIG_KEY44 "\n",
		.reality_public_key = " " RIG_KEY43 "\n",
		.reality_uuid = "5a1c3c64-1f5e-4a37-9d0e-1b1f9a4f2b11\n",
		.branding = SPAN_LIT("{ \"display_name\": \"A\" }"),
	};
	char out[2048];
	size_t n;

	EQ(write_request(least, TOKEN, out, sizeof(out), &n), 0);
	EQ_SPAN(span_of(out, n), SPAN_LIT("{\"partner_id\":\"acme\",\"domain\":\"call.partner.example\",\"token\":\"" TOKEN "\"}"));
	EQ(write_request(all, TOKEN, out, sizeof(out), &n), 0);
	EQ_SPAN(span_of(out, n),
		SPAN_LIT("{\"partner_id\":\"acme\",\"domain\":\"call.partner.example\",\"token\":\"" TOKEN "\","
			 "\"public_ip\":\"198.51.100.7\",\"region\":\"pl-waw\",\"awg_pubkey\":\"" RIG_KEY44 "\","
			 "\"reality_public_key\":\"" RIG_KEY43 "\",\"reality_uuid\":\"5a1c3c64-1f5e-4a37-9d0e-1b1f9a4f2b11\","
			 "\"branding\":{ \"display_name\": \"A\" }}"));
}

static void what_need_not_be_sent(void)
{
	const struct register_request ok = { .partner_id = "acme", .domain = "call.partner.example" };
	const struct {
		struct register_request q;
		const char *token, *field;
	} rows[] = {
		{ { .partner_id = "", .domain = "a.b" }, TOKEN, "partner_id" },
		{ { .partner_id = "ab", .domain = "a.b" }, TOKEN, "partner_id" },
		{ { .partner_id = "-ab", .domain = "a.b" }, TOKEN, "partner_id" },
		{ { .partner_id = "ab-", .domain = "a.b" }, TOKEN, "partner_id" },
		{ { .partner_id = "Acme", .domain = "a.b" }, TOKEN, "partner_id" },
		{ { .partner_id = "a234567890123456789012345678901234", .domain = "a.b" }, TOKEN, "partner_id" },
		{ { .partner_id = "acme", .domain = "" }, TOKEN, "domain" },
		{ { .partner_id = "acme", .domain = "https://a.b" }, TOKEN, "domain" },
		{ ok, "", "token" },
		{ ok, "ptkn_", "token" },
		{ ok, "stkn_abc", "token" },
		{ ok, "ptkn_a b", "token" },
		{ ok, "ptkn_a\n", "token" },
		{ { .partner_id = "acme", .domain = "a.b", .public_ip = "1.2.3" }, TOKEN, "public_ip" },
		{ { .partner_id = "acme", .domain = "a.b", .region = "a b" }, TOKEN, "region" },
		{ { .partner_id = "acme", .domain = "a.b", .awg_pubkey = RIG_KEY43 }, TOKEN, "awg_pubkey" },
		{ { .partner_id = "acme", .domain = "a.b", .reality_public_key = RIG_KEY44 }, TOKEN, "reality_public_key" },
		{ { .partner_id = "acme", .domain = "a.b", .reality_uuid = "a\"b" }, TOKEN, "reality_uuid" },
		{ { .partner_id = "acme", .domain = "a.b", .branding = SPAN_LIT("[]") }, TOKEN, "branding" },
		{ { .partner_id = "acme", .domain = "a.b", .branding = SPAN_LIT("{") }, TOKEN, "branding" },
	};
	struct register_request branded = ok;
	char out[2048];
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		EQ(write_request(rows[i].q, rows[i].token, out, sizeof(out), &n), ERR_MALFORMED);
		EQ_STR(diag.field, rows[i].field);
		OK(diag.text[0] && !strstr(diag.text, "stkn"));
	}
	EQ(write_request(ok, TOKEN, out, 40, &n), ERR_LIMIT);
	branded.branding = SPAN_LIT("{}");
	(void)mem_fail_at(0);
	EQ(write_request(branded, TOKEN, out, sizeof(out), &n), ERR_NOMEM);
	(void)mem_fail_at(SIZE_MAX);
}

/* Every failure central specifies, and what it is called when it comes as something else. */
static void each_failure_has_cause_and_fix(void)
{
	static const struct {
		int status;
		const char *body;
		enum register_next next;
		const char *field, *words;
	} rows[] = {
		{ 503, "{\"error\":\"x\",\"code\":\"db_unavailable\"}", REGISTER_RETRY, "db_unavailable", "database" },
		{ 400, "{\"error\":\"x\",\"code\":\"missing_ip\"}", REGISTER_STOP, "missing_ip", "PUBLIC_IP" },
		{ 429, "{\"error\":\"x\",\"code\":\"rate_limited\"}", REGISTER_STOP, "rate_limited", "two minutes" },
		{ 400, "{\"error\":\"x\",\"code\":\"bad_partner_id\"}", REGISTER_STOP, "bad_partner_id", "partner id" },
		{ 400, "{\"error\":\"x\",\"code\":\"bad_token\"}", REGISTER_STOP, "bad_token", "ptkn_" },
		{ 500, "{\"error\":\"x\",\"code\":\"reality_not_configured\"}", REGISTER_STOP, "reality_not_configured",
		  "PARTNER_REALITY" },
		{ 500, "{\"error\":\"x\",\"code\":\"turn_not_configured\"}", REGISTER_STOP, "turn_not_configured",
		  "TURN_SECRET" },
		{ 500, "{\"error\":\"x\",\"code\":\"backend_endpoint_not_configured\"}", REGISTER_STOP,
		  "backend_endpoint_not_configured", "PARTNER_BACKEND_ENDPOINT" },
		{ 403, "{\"error\":\"x\",\"code\":\"token_not_found\"}", REGISTER_STOP, "token_not_found",
		  "does not know this token" },
		{ 403, "{\"error\":\"x\",\"code\":\"token_revoked\"}", REGISTER_STOP, "token_revoked", "revoked" },
		{ 409, "{\"error\":\"x\",\"code\":\"token_already_used\"}", REGISTER_STOP, "token_already_used", "used before" },
		{ 403, "{\"error\":\"x\",\"code\":\"token_expired\"}", REGISTER_STOP, "token_expired", "expired" },
		{ 403, "{\"error\":\"x\",\"code\":\"partner_mismatch\"}", REGISTER_STOP, "partner_mismatch",
		  "another partner id" },
		{ 500, "{\"error\":\"x\",\"code\":\"internal_error\"}", REGISTER_RETRY, "internal_error", "failed inside" },
		{ 403, "{\"error\":\"x\",\"code\":\"tomorrow\"}", REGISTER_STOP, "tomorrow", "refused (HTTP 403)" },
		{ 500, "{\"error\":\"x\",\"code\":\"tomorrow\"}", REGISTER_RETRY, "tomorrow", "HTTP 500" },
		{ 400, "{\"error\":\"x\",\"code\":\"installer_too_old\"}", REGISTER_STOP, "installer_too_old",
		  "upgrade the package" },
		{ 426, "", REGISTER_STOP, "", "upgrade the package" },
		{ 400, "{\"error\":\"Installer 0.9 is below 3.1\"}", REGISTER_STOP, "", "upgrade the package" },
		{ 422, "Failed to deserialize the JSON body into the target type: public_ip", REGISTER_STOP, "",
		  "could not read the request" },
		{ 400, "Failed to parse the request body as JSON", REGISTER_STOP, "", "could not read the request" },
		{ 415, "", REGISTER_STOP, "", "could not read" },
		{ 404, "", REGISTER_STOP, "", "not central" },
		{ 405, "{}", REGISTER_STOP, "", "not central" },
		{ 403, " <!doctype html>", REGISTER_STOP, "", "a web page" },
		{ 409, "{}", REGISTER_STOP, "", "used before" },
		{ 408, "", REGISTER_STOP, "", "wait two minutes" },
		{ 429, "", REGISTER_STOP, "", "wait two minutes" },
		{ 401, "", REGISTER_STOP, "", "refused (HTTP 401)" },
		{ 302, "<html>", REGISTER_STOP, "", "redirects" },
		{ 502, "<html>502 Bad Gateway</html>", REGISTER_RETRY, "", "HTTP 502" },
		{ 504, "", REGISTER_RETRY, "", "HTTP 504" },
		{ 403, "{\"code\":\"a b\\n\"}", REGISTER_STOP, "", "HTTP 403" },
		{ 403, "{\"code\":17}", REGISTER_STOP, "", "HTTP 403" },
		{ 200, "", REGISTER_STOP, "", "without a node document" },
		{ 201, "ok", REGISTER_STOP, "", "without a node document" },
		{ 200, "<html>Sign in to the hotel's network</html>", REGISTER_STOP, "", "a web page" },
		{ 0, "", REGISTER_RETRY, "", "connection refused" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char row[100];

		snprintf(row, sizeof(row), "%d %.60s: ", rows[i].status, rows[i].body);
		t_row = row;
		EQ(register_judge(rows[i].status, span_str(rows[i].body), "connection refused", false, &diag), rows[i].next);
		EQ_STR(diag.field, rows[i].field);
		if (!strstr(diag.text, rows[i].words))
			EQ_STR(diag.text, rows[i].words);
		OK(strstr(diag.text, "; ") || strstr(diag.text, ": "));
		OK(strlen(diag.text) < sizeof(diag.text) - 1); /* nothing was cut off */
		OK(!strstr(diag.text, "hotel") && !strstr(diag.text, "deserialize"));
		t_row = "";
	}
	EQ(register_judge(201, SPAN_LIT(" {\"node_id\":\"x\"}"), NULL, false, &diag), REGISTER_OK);
	EQ_STR(diag.text, "");
}

/* The token works once: a lost answer may have been a yes. */
static void after_a_lost_answer(void)
{
	EQ(register_judge(0, SPAN_LIT(""), "timeout", true, &diag), REGISTER_RETRY);
	OK(strstr(diag.text, "may have arrived") && strstr(diag.text, "timeout") && strstr(diag.text, "issue-token"));
	EQ(register_judge(409, SPAN_LIT("{\"code\":\"token_already_used\"}"), NULL, true, &diag), REGISTER_STOP);
	OK(strstr(diag.text, "probably succeeded") && strstr(diag.text, "issue-token"));
	OK(strlen(diag.text) < sizeof(diag.text) - 1);
	EQ(register_judge(409, SPAN_LIT(""), NULL, true, &diag), REGISTER_STOP);
	OK(strstr(diag.text, "probably succeeded") != NULL);
	EQ(register_judge(201, SPAN_LIT("{}"), NULL, true, &diag), REGISTER_OK);
	EQ(register_judge(-5, SPAN_LIT(""), NULL, false, &diag), REGISTER_RETRY);
	OK(strstr(diag.text, "cannot be reached") != NULL);
}

static void the_rest_of_a_good_answer(void)
{
	static const struct {
		const char *body;
		int err;
		const char *service, *probe;
		bool refused;
	} rows[] = {
		{ "{\"service_token\":\"stkn_abc\",\"cross_probe_token\":\"xprb_abc\"}", 0, "stkn_abc", "xprb_abc", false },
		{ "{}", 0, "", "", false },
		{ "{\"service_token\":null,\"cross_probe_token\":\"\"}", 0, "", "", false },
		{ "{\"service_token\":\"ptkn_abc\"}", ERR_MALFORMED, "", "", false },
		{ "{\"service_token\":\"stkn_\"}", ERR_MALFORMED, "", "", false },
		{ "{\"service_token\":\"stkn_a\\nb\"}", ERR_MALFORMED, "", "", false },
		{ "{\"service_token\":7}", ERR_MALFORMED, "", "", false },
		{ "{\"service_token\":\"stkn_abc\",\"cross_probe_token\":\"stkn_abc\"}", 0, "stkn_abc", "", true },
		{ "{\"service_token\":\"stkn_abc\",\"cross_probe_token\":[]}", 0, "stkn_abc", "", true },
		{ "[]", ERR_MALFORMED, "", "", false },
		{ "{\"service_token\":", ERR_MALFORMED, "", "", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct register_extra e = { .cross_probe_refused = false };

		t_row = rows[i].body;
		EQ(register_extra_parse(span_str(rows[i].body), &e, &diag), rows[i].err);
		EQ_SPAN(secret_span(&e.service_token), span_str(rows[i].service));
		EQ_SPAN(secret_span(&e.cross_probe_token), span_str(rows[i].probe));
		EQ(e.cross_probe_refused, rows[i].refused);
		OK(!strstr(diag.text, "abc"));
		register_extra_done(&e);
		EQ(e.service_token.n, 0);
	}
	t_row = "";
	(void)mem_fail_at(0);
	EQ(register_extra_parse(SPAN_LIT("{}"), &(struct register_extra){ .cross_probe_refused = false }, &diag), ERR_NOMEM);
	(void)mem_fail_at(SIZE_MAX);
}

T_MAIN(T(the_request), T(what_need_not_be_sent), T(each_failure_has_cause_and_fix), T(after_a_lost_answer),
       T(the_rest_of_a_good_answer))

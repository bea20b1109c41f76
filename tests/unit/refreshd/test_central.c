/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/central/central.h"
#include "refreshd_rig.h"

#define RAW "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define REALITY                                                                                                        \
	"\"reality_public_key\":\"" RIG_KEY43 "\",\"reality_encryption\":\"mlkem768x25519plus.native.0rtt.Y\","        \
	"\"reality_server_names\":[\"a.example\", \"b.example\"]"

static struct central_keys keys;
static struct node_diag diag;

static void keys_as_central_sends_them(void)
{
	EQ(central_keys_parse(SPAN_LIT("{\"version\":\"v2\",\"channels_version\":\"cv1\"," REALITY
				       ",\"sfu_signing_public_key\":\"" RAW "\"}"),
			      &keys, &diag),
	   0);
	EQ_STR(keys.version, "v2");
	EQ_STR(keys.channels_version, "cv1");
	OK(keys.has_reality);
	EQ_STR(keys.reality_public_key, RIG_KEY43);
	EQ_STR(keys.reality_encryption, "mlkem768x25519plus.native.0rtt.Y");
	EQ_SPAN(keys.server_names, SPAN_LIT("[\"a.example\", \"b.example\"]"));
	OK(strncmp(keys.sfu_pem, "-----BEGIN PUBLIC KEY-----\nMCow", 31) == 0);
	OK(!keys.sfu_refused);
	EQ_STR(diag.text, "");
}

static void versions(void)
{
	static const struct {
		const char *body;
		int err;
		const char *version, *channels;
	} rows[] = {
		{ "{\"version\":\"v\"}", 0, "v", "" },
		{ "{\"version\":\"v\",\"channels_version\":\"\"}", 0, "v", "" },
		{ "{\"version\":\"v\",\"channels_version\":\"none\"}", 0, "v", "" },
		{ "{\"version\":\"v\",\"channels_version\":\"null\"}", 0, "v", "" },
		{ "{\"version\":\"v\",\"channels_version\":null}", 0, "v", "" },
		{ "{}", ERR_MISSING, "", "" },
		{ "{\"version\":\"\"}", ERR_MISSING, "", "" },
		{ "{\"version\":\"null\"}", ERR_MISSING, "", "" },
		{ "{\"version\":null}", ERR_MISSING, "", "" },
		{ "{\"version\":2}", ERR_MALFORMED, "", "" },
		{ "{\"version\":\"a\\nb\"}", ERR_MALFORMED, "", "" },
		{ "{\"version\":\"a b\"}", ERR_MALFORMED, "", "" },
		{ "{\"version\":\"v\",\"channels_version\":{}}", ERR_MALFORMED, "", "" },
		{ "[]", ERR_MALFORMED, "", "" },
		{ "", ERR_MALFORMED, "", "" },
		{ "<html>", ERR_MALFORMED, "", "" },
	};
	static char big[CENTRAL_KEYS_MAX + 1];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].body;
		keys = (struct central_keys){ .has_reality = false };
		EQ(central_keys_parse(span_str(rows[i].body), &keys, &diag), rows[i].err);
		EQ_STR(keys.version, rows[i].version);
		EQ_STR(keys.channels_version, rows[i].channels);
		OK((rows[i].err == 0) == (diag.text[0] == '\0'));
	}
	memset(big, ' ', sizeof(big));
	EQ(central_keys_parse(span_of(big, sizeof(big)), &keys, &diag), ERR_MALFORMED);
}

/* All three or none; a bad one is told and changes nothing, not even the rest of the answer. */
static void reality_of_keys(void)
{
	static const struct {
		const char *members, *field;
	} rows[] = {
		{ "\"a\":1", "" },
		{ "\"reality_public_key\":null,\"reality_encryption\":null", "" },
		{ "\"reality_public_key\":\"" RIG_KEY43 "\",\"reality_encryption\":\"e\"", "reality_server_names" },
		{ "\"reality_encryption\":\"e\",\"reality_server_names\":[]", "reality_public_key" },
		{ "\"reality_public_key\":\"" RIG_KEY43 "\",\"reality_server_names\":[]", "reality_encryption" },
		{ "\"reality_public_key\":\"" RIG_KEY43 "\",\"reality_encryption\":\"\",\"reality_server_names\":[]",
		  "reality_encryption" },
		{ "\"reality_public_key\":\"null\",\"reality_encryption\":\"e\",\"reality_server_names\":[]",
		  "reality_public_key" },
		{ "\"reality_public_key\":\"" RIG_KEY43 "\",\"reality_encryption\":\"a\\nb\",\"reality_server_names\":[]",
		  "reality_encryption" },
		{ "\"reality_public_key\":\"" RIG_KEY43 "\",\"reality_encryption\":\"e\",\"reality_server_names\":\"x\"",
		  "reality_server_names" },
		{ "\"reality_public_key\":\"" RIG_KEY43 "\",\"reality_encryption\":\"e\",\"reality_server_names\":[\"a b\"]",
		  "reality_server_names[0]" },
	};
	char body[512];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].members;
		snprintf(body, sizeof(body), "{\"version\":\"v\",%s}", rows[i].members);
		EQ(central_keys_parse(span_str(body), &keys, &diag), 0);
		OK(!keys.has_reality);
		EQ_STR(diag.field, rows[i].field);
	}
}

static void the_sfu_key(void)
{
	static const struct {
		const char *json;
		bool there, refused;
	} rows[] = {
		{ "\"" RAW "\"", true, false },
		{ "\"-----BEGIN PUBLIC KEY-----\\nMCowBQYDK2VwAyEAAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\\n-----END PUBLIC "
		  "KEY-----\\n\"",
		  true, false },
		{ "\"-----BEGIN PUBLIC KEY-----\\\\nMCowBQYDK2VwAyEAAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\\\\n-----END "
		  "PUBLIC KEY-----\"",
		  true, false },
		{ "null", false, false },
		{ "\"\"", false, false },
		{ "\"  \"", false, false },
		{ "\"x\"", false, true },
		{ "7", false, true },
		{ "{}", false, true },
	};
	char body[512];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].json;
		snprintf(body, sizeof(body), "{\"version\":\"v\",\"sfu_signing_public_key\":%s}", rows[i].json);
		EQ(central_keys_parse(span_str(body), &keys, &diag), 0);
		EQ(keys.sfu_pem[0] != '\0', rows[i].there);
		EQ(keys.sfu_refused, rows[i].refused);
	}
}

static void heartbeat(void)
{
	char out[64];
	struct wr w = wr_from(out, sizeof(out));

	heartbeat_write("acme-1", &w);
	EQ_SPAN(wr_span_of(&w), SPAN_LIT("{\"node_id\":\"acme-1\"}"));
}

static void cross_probe_tokens(void)
{
	static const struct {
		const char *body;
		int err;
	} rows[] = {
		{ "{\"cross_probe_token\":\"xprb_abc\"}", 0 }, { "", ERR_MISSING }, { " \n", ERR_MISSING }, { "{}", ERR_MISSING },
		{ "{\"cross_probe_token\":\"\"}", ERR_MISSING }, { "{\"cross_probe_token\":null}", ERR_MISSING },
		{ "{\"cross_probe_token\":\"xprb_\"}", ERR_MALFORMED }, { "{\"cross_probe_token\":\"stkn_abc\"}", ERR_MALFORMED },
		{ "{\"cross_probe_token\":\"xprb_a\\nb\"}", ERR_MALFORMED }, { "{\"cross_probe_token\":1}", ERR_MALFORMED },
		{ "[]", ERR_MALFORMED }, { "<html>", ERR_MALFORMED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct secret s = { .n = 0 };

		t_row = rows[i].body;
		EQ(cross_probe_parse(span_str(rows[i].body), &s), rows[i].err);
		EQ(s.n, rows[i].err ? 0 : 8);
	}
}

static void hysteria2_credentials(void)
{
	static const struct {
		const char *body;
		int err;
		const char *field;
	} rows[] = {
		{ "{\"auth_pass\":\"a\",\"obfs_pass\":\"o\"}", 0, "" },
		{ "{\"auth_pass\":\"\",\"obfs_pass\":\"o\"}", ERR_MISSING, "auth_pass" },
		{ "{\"auth_pass\":\"a\"}", ERR_MISSING, "obfs_pass" },
		{ "{\"auth_pass\":\"a\\nb\",\"obfs_pass\":\"o\"}", ERR_MALFORMED, "auth_pass" },
		{ "{\"auth_pass\":1,\"obfs_pass\":\"o\"}", ERR_MALFORMED, "auth_pass" },
		{ "[]", ERR_MALFORMED, "" }, { "", ERR_MALFORMED, "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct hy2_credentials c = { .auth_pass = { .n = 0 } };

		t_row = rows[i].body;
		EQ(hy2_parse(span_str(rows[i].body), &c, &diag), rows[i].err);
		EQ_STR(diag.field, rows[i].field);
		EQ(c.auth_pass.n, rows[i].err == 0);
		hy2_done(&c);
	}
}

T_MAIN(T(keys_as_central_sends_them), T(versions), T(reality_of_keys), T(the_sfu_key), T(heartbeat), T(cross_probe_tokens),
       T(hysteria2_credentials))

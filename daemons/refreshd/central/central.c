/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/central/central.h"

#include "refreshd/node/node_channels.h"

#define KEYS_TOKENS 1024
#define SMALL_TOKENS 64
#define SFU_KEY_TEXT_MAX 1024

static bool is_version(const char *s)
{
	return text_fits(TEXT_WORD, span_str(s)) && strcmp(s, "null") != 0;
}

/* 0: none of the three; 1: all good; ERR_*: some of them, or a bad one. */
static int read_reality(const struct json *j, struct central_keys *k, struct node_diag *diag)
{
	static const char *const keys[] = { "reality_public_key", "reality_encryption", "reality_server_names" };
	struct node_in in = { .j = j, .diag = diag, .where = "" };
	int at = json_get(j, 0, keys[2]);
	uint32_t there = 0;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		there += json_get(j, 0, keys[i]) >= 0 && json_type_of(j, json_get(j, 0, keys[i])) != JSON_NULL;
	if (there == 0)
		return 0;
	in_text(&in, 0, keys[0], TEXT_KEY43, k->reality_public_key, sizeof(k->reality_public_key));
	in_text(&in, 0, keys[1], TEXT_WORD, k->reality_encryption, sizeof(k->reality_encryption));
	node_names_check(&in, 0, keys[2]);
	if (k->reality_public_key[0] == '\0')
		in_fail(&in, ERR_MISSING, keys[0], " is missing beside the other two");
	if (k->reality_encryption[0] == '\0')
		in_fail(&in, ERR_MISSING, keys[1], " is empty: a stale registry, and the tunnel would fail without a word");
	if (at < 0 || json_type_of(j, at) != JSON_ARRAY)
		in_fail(&in, ERR_MISSING, keys[2], " is missing beside the other two");
	k->server_names = json_raw(j, at);
	return in.err ? in.err : 1;
}

static void read_sfu_key(const struct json *j, struct central_keys *k)
{
	char text[SFU_KEY_TEXT_MAX];
	size_t n = 0;
	int at = json_get(j, 0, "sfu_signing_public_key");
	int r = json_get_str(j, 0, "sfu_signing_public_key", text, sizeof(text), &n);

	if (at < 0 || json_type_of(j, at) == JSON_NULL || (r == 0 && text_is_blank(span_of(text, n))))
		return;
	k->sfu_refused = r < 0 || sfu_key_canonical(span_of(text, n), k->sfu_pem) < 0;
	if (k->sfu_refused)
		k->sfu_pem[0] = '\0';
}

int central_keys_parse(struct span body, struct central_keys *ret, struct node_diag *diag)
{
	struct json_tok tok[KEYS_TOKENS];
	struct central_keys k = { 0 };
	struct node_in in = { .diag = diag, .where = "" };
	struct json j;

	*diag = (struct node_diag){ 0 };
	if (body.n > CENTRAL_KEYS_MAX || json_parse(body, tok, KEYS_TOKENS, &j) < 0 || json_type_of(&j, 0) != JSON_OBJECT)
		return DIAG(diag, ERR_MALFORMED, "", "central's answer about keys is no JSON object of a sensible size");
	in.j = &j;
	in_text(&in, 0, "version", TEXT_WORD, k.version, sizeof(k.version));
	if (in.err == 0 && !is_version(k.version))
		in_fail(&in, ERR_MISSING, "version", " is missing");
	in_text(&in, 0, "channels_version", TEXT_WORD, k.channels_version, sizeof(k.channels_version));
	if (in.err)
		return in.err;
	if (strcmp(k.channels_version, "none") == 0 || !is_version(k.channels_version))
		k.channels_version[0] = '\0';
	k.has_reality = read_reality(&j, &k, diag) == 1;
	read_sfu_key(&j, &k);
	*ret = k;
	return 0;
}

void heartbeat_write(const char *node_id, struct wr *w)
{
	struct json_out o = json_out(w);

	jo_obj(&o);
	jo_key(&o, "node_id");
	jo_str(&o, span_str(node_id));
	jo_obj_end(&o);
}

int cross_probe_parse(struct span body, struct secret *ret)
{
	struct json_tok tok[SMALL_TOKENS];
	struct node_diag ignored;
	struct node_in in = { .diag = &ignored, .where = "" };
	struct secret s = { 0 };
	struct json j;
	int r = 0;

	if (text_is_blank(body))
		return ERR_MISSING;
	if (json_parse(body, tok, SMALL_TOKENS, &j) < 0 || json_type_of(&j, 0) != JSON_OBJECT)
		return ERR_MALFORMED;
	in.j = &j;
	in_secret(&in, 0, "cross_probe_token", &s);
	if (in.err)
		r = in.err;
	else if (s.n == 0)
		r = ERR_MISSING;
	else if (s.n < 6 || memcmp(s.b, "xprb_", 5) != 0 || !text_fits(TEXT_WORD, secret_span(&s)))
		r = ERR_MALFORMED;
	else
		*ret = s;
	secret_done(&s);
	return r;
}

int hy2_parse(struct span body, struct hy2_credentials *ret, struct node_diag *diag)
{
	struct json_tok tok[SMALL_TOKENS];
	struct hy2_credentials c = { 0 };
	struct node_in in = { .diag = diag, .where = "" };
	struct json j;

	*diag = (struct node_diag){ 0 };
	if (json_parse(body, tok, SMALL_TOKENS, &j) < 0 || json_type_of(&j, 0) != JSON_OBJECT)
		return DIAG(diag, ERR_MALFORMED, "", "central's answer about Hysteria2 is no JSON object");
	in.j = &j;
	in_secret(&in, 0, "auth_pass", &c.auth_pass);
	in_secret(&in, 0, "obfs_pass", &c.obfs_pass);
	if (c.auth_pass.n == 0 || c.obfs_pass.n == 0)
		in_fail(&in, ERR_MISSING, c.auth_pass.n ? "obfs_pass" : "auth_pass", " is missing, so the channel stays off");
	if (in.err == 0)
		*ret = c;
	hy2_done(&c);
	return in.err;
}

void hy2_done(struct hy2_credentials *c)
{
	wipe(c, sizeof(*c));
}

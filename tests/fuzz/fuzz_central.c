/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Answers of central: the first two bytes are the status, the rest is the body. A token that is taken has its prefix and no control
 * character, a version is one word, a key in its canonical form stays as it is, and no failure is without printable words.
 */
#include "fuzz.h"
#include "refreshd/central/central.h"

static void must_be_words(const char *s)
{
	MUST(*s);
	for (; *s; s++)
		MUST(*s >= 0x20 && *s < 0x7f);
}

static void must_be_token(const struct secret *s, const char *prefix)
{
	MUST(s->n > strlen(prefix) && memcmp(s->b, prefix, strlen(prefix)) == 0);
	for (size_t i = 0; i < s->n; i++)
		MUST(s->b[i] > 0x20 && s->b[i] < 0x7f);
}

static void keys(struct span body)
{
	static struct central_keys k;
	char pem[SFU_PEM_MAX];
	struct node_diag d;

	if (central_keys_parse(body, &k, &d) < 0) {
		must_be_words(d.text);
		return;
	}
	must_be_words(k.version);
	MUST(!strchr(k.version, ' ') && strcmp(k.version, "null") != 0);
	MUST(!k.has_reality || (strlen(k.reality_public_key) == 43 && k.reality_encryption[0] && k.server_names.n >= 2));
	MUST(!k.has_reality || (k.server_names.p >= body.p && k.server_names.p + k.server_names.n <= body.p + body.n));
	MUST(!(k.sfu_refused && k.sfu_pem[0]));
	if (k.sfu_pem[0]) {
		MUST(sfu_key_canonical(span_str(k.sfu_pem), pem) == 0);
		MUST(strcmp(pem, k.sfu_pem) == 0);
	}
}

static void tokens(struct span body)
{
	struct register_extra e;
	struct hy2_credentials h;
	struct secret s;
	struct node_diag d;

	if (cross_probe_parse(body, &s) == 0)
		must_be_token(&s, "xprb_");
	if (hy2_parse(body, &h, &d) == 0)
		MUST(h.auth_pass.n && h.obfs_pass.n);
	else
		must_be_words(d.text);
	if (register_extra_parse(body, &e, &d) < 0) {
		must_be_words(d.text);
		return;
	}
	if (e.service_token.n)
		must_be_token(&e.service_token, "stkn_");
	if (e.cross_probe_token.n)
		must_be_token(&e.cross_probe_token, "xprb_");
}

static void judge(int status, struct span body, bool maybe_sent)
{
	struct node_diag d;
	enum register_next next = register_judge(status, body, "timeout", maybe_sent, &d);

	MUST((next == REGISTER_OK) == (d.text[0] == '\0'));
	if (next != REGISTER_OK)
		must_be_words(d.text);
	if (next == REGISTER_OK)
		MUST(status >= 200 && status < 300);
	if (next == REGISTER_RETRY)
		MUST(status <= 0 || status >= 500 || strcmp(d.field, "db_unavailable") == 0 ||
		     strcmp(d.field, "internal_error") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct rd r = rd_from(span_of(data, n));
	int status = rd_be16(&r) % 600;
	struct span body = rd_span(&r, rd_left(&r));
	char pem[SFU_PEM_MAX], again[SFU_PEM_MAX];

	if (r.bad || n > 2 * CENTRAL_KEYS_MAX)
		return 0;
	keys(body);
	tokens(body);
	judge(status, body, false);
	judge(status, body, true);
	if (sfu_key_canonical(body, pem) == 0) {
		MUST(sfu_key_canonical(span_str(pem), again) == 0);
		MUST(strcmp(pem, again) == 0);
	}
	return 0;
}

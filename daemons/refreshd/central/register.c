/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/central/register.h"

#include "base/slab.h"
#include "refreshd/node/node_read.h"
#include "wire/ascii.h"

#define ERROR_TOKENS 64
#define CODE_MAX 40
#define PARTNER_MIN 3
#define PARTNER_MAX 32

/* --- the request ------------------------------------------------------------------------------------------------- */

/* The rule under which tokens are issued: spec 4. */
static bool is_partner(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		bool dash = s.p[i] == '-', letter = s.p[i] >= 'a' && s.p[i] <= 'z', digit = s.p[i] >= '0' && s.p[i] <= '9';

		if (!letter && !digit && (!dash || i == 0 || i == s.n - 1))
			return false;
	}
	return s.n >= PARTNER_MIN && s.n <= PARTNER_MAX;
}

static struct span trimmed(const char *s)
{
	struct span t = span_str(s ? s : "");

	while (t.n && text_is_blank(span_of(t.p, 1)))
		t = span_of(t.p + 1, t.n - 1);
	while (t.n && text_is_blank(span_of(t.p + t.n - 1, 1)))
		t.n--;
	return t;
}

static bool has_prefix(const struct secret *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s->n > n && memcmp(s->b, prefix, n) == 0 && text_fits(TEXT_WORD, secret_span(s));
}

static int check_branding(struct span branding, struct node_diag *diag)
{
	struct json_tok *tok;
	struct json j;
	int r;

	if (branding.n == 0)
		return 0;
	tok = mem_alloc(NODE_TOKENS_MAX * sizeof(*tok));
	if (!tok)
		return DIAG(diag, ERR_NOMEM, "", "no memory to read the branding file");
	r = json_parse(branding, tok, NODE_TOKENS_MAX, &j);
	if (r < 0 || json_type_of(&j, 0) != JSON_OBJECT)
		r = DIAG(diag, ERR_MALFORMED, "branding", "the branding file is no JSON object; correct it or leave it out");
	mem_free(tok);
	return r;
}

int register_write(const struct register_request *q, struct wr *w, struct node_diag *diag)
{
	const struct {
		const char *key, *text;
		enum text_kind kind;
		const char *wants;
	} more[] = {
		{ "public_ip", q->public_ip, TEXT_IP, "is not an IP address: set PUBLIC_IP in install.env to this host's" },
		{ "region", q->region, TEXT_ID, "is not a region such as pl-waw" },
		{ "awg_pubkey", q->awg_pubkey, TEXT_KEY44, "is not a key: remove the two awg-*.key files and run this again" },
		{ "reality_public_key", q->reality_public_key, TEXT_KEY43,
		  "is not a key: remove the three reality.* files and run this again" },
		{ "reality_uuid", q->reality_uuid, TEXT_WORD,
		  "is not a UUID: remove the three reality.* files and run this again" },
	};
	struct json_out o = json_out(w);
	int r;

	*diag = (struct node_diag){ 0 };
	if (!is_partner(span_str(q->partner_id)))
		return DIAG(diag, ERR_MALFORMED, "partner_id",
			    "partner_id is 3 to 32 of a-z, 0-9 and '-', neither first nor last a '-': use the one the token was "
			    "issued for");
	if (!text_fits(TEXT_NAME, span_str(q->domain)))
		return DIAG(diag, ERR_MALFORMED, "domain", "domain is not a DNS name: give the one that people will open");
	if (!has_prefix(q->token, "ptkn_"))
		return DIAG(diag, ERR_MALFORMED, "token", "this is no registration token: copy all of it, ptkn_ and what follows");
	r = check_branding(q->branding, diag);
	if (r < 0)
		return r;
	jo_obj(&o);
	jo_key(&o, "partner_id");
	jo_str(&o, span_str(q->partner_id));
	jo_key(&o, "domain");
	jo_str(&o, span_str(q->domain));
	jo_key(&o, "token");
	jo_str(&o, secret_span(q->token));
	for (size_t i = 0; i < ARRAY_LEN(more); i++) {
		struct span s = trimmed(more[i].text);

		if (s.n == 0)
			continue;
		if (!text_fits(more[i].kind, s))
			return DIAG(diag, ERR_MALFORMED, more[i].key, more[i].key, " ", more[i].wants);
		jo_key(&o, more[i].key);
		jo_str(&o, s);
	}
	if (q->branding.n) {
		jo_key(&o, "branding");
		jo_raw(&o, q->branding);
	}
	jo_obj_end(&o);
	return w->bad ? DIAG(diag, ERR_LIMIT, "branding", "the request is too large: make the branding file smaller") : 0;
}

/* --- what an answer means ---------------------------------------------------------------------------------------- */

#define NEW_TOKEN "; ask central's admin for a new token (partner-cli issue-token)"
#define SAME_TOKEN "; then register again with the same token"

static const struct meaning {
	const char *code;
	enum register_next next;
	const char *text;
} meanings[] = {
	{ "db_unavailable", REGISTER_RETRY, "central cannot reach its database; wait some minutes" SAME_TOKEN },
	{ "missing_ip", REGISTER_STOP, "central could not tell this host's public address; set PUBLIC_IP" SAME_TOKEN },
	{ "rate_limited", REGISTER_STOP,
	  "more than 10 registrations a minute came from this address; wait two minutes" SAME_TOKEN },
	{ "bad_partner_id", REGISTER_STOP,
	  "central does not take this partner id; use the one the token was issued for" SAME_TOKEN },
	{ "bad_token", REGISTER_STOP,
	  "central says that this cannot be a token; copy all of it, ptkn_ and 64 digits and letters" },
	{ "reality_not_configured", REGISTER_STOP,
	  "central lacks its Reality settings; its admin must set PARTNER_REALITY_UUID, _PUBLIC_KEY and _SHORT_ID" SAME_TOKEN },
	{ "turn_not_configured", REGISTER_STOP, "central lacks its TURN secret; its admin must set TURN_SECRET" SAME_TOKEN },
	{ "backend_endpoint_not_configured", REGISTER_STOP,
	  "central lacks the address of its tunnel; its admin must set PARTNER_BACKEND_ENDPOINT=host:port" SAME_TOKEN },
	{ "token_not_found", REGISTER_STOP,
	  "central does not know this token: it is mistyped or from another central" NEW_TOKEN },
	{ "token_revoked", REGISTER_STOP, "this token was revoked" NEW_TOKEN },
	{ "token_already_used", REGISTER_STOP, "this token was used before, and a token works once" NEW_TOKEN },
	{ "token_expired", REGISTER_STOP, "this token has expired" NEW_TOKEN },
	{ "partner_mismatch", REGISTER_STOP, "this token was issued for another partner id; give that one" SAME_TOKEN },
	{ "internal_error", REGISTER_RETRY,
	  "central failed inside; try again, and if it then calls the token used, ask its admin for a new one" },
};

#define TOO_OLD "central takes this version for too old; upgrade the package" SAME_TOKEN
#define LOST_409                                                                                                        \
	"the token is used up: an earlier try that got no answer has probably succeeded" NEW_TOKEN                      \
	"; registering again with the same partner id and domain keeps the node's identity"

static bool contains(struct span s, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= s.n; i++) {
		if (ascii_same(span_of(s.p + i, n), span_of(word, n)))
			return true;
	}
	return false;
}

/* Central's code for a failure, or "". Its own words are left where they are. */
static void read_code(struct span body, char ret[CODE_MAX])
{
	struct json_tok tok[ERROR_TOKENS];
	struct json j;

	ret[0] = '\0';
	if (json_parse(body, tok, ERROR_TOKENS, &j) < 0 || json_get_str(&j, 0, "code", ret, CODE_MAX, NULL) < 0 ||
	    !text_fits(TEXT_ID, span_str(ret)))
		ret[0] = '\0';
}

/* '{', '<', … */
static char looks_like(struct span body)
{
	for (size_t i = 0; i < body.n; i++) {
		if (!text_is_blank(span_of(body.p + i, 1)))
			return (char)body.p[i];
	}
	return '\0';
}

static enum register_next no_answer(const char *why, bool maybe_sent, struct node_diag *diag)
{
	if (maybe_sent)
		(void)DIAG(diag, 0, "", "no answer from central (", why,
			   "), and the request may have arrived: if a later try calls the token used, this one succeeded"
			   NEW_TOKEN);
	else
		(void)DIAG(diag, 0, "", "central cannot be reached (", why,
			   "); check the network and BACKEND_API" SAME_TOKEN);
	return REGISTER_RETRY;
}

/* Neither a code nor success. */
static enum register_next by_status(int status, struct span body, struct node_diag *diag)
{
	char n[DEC_MAX];

	(void)dec_text((uint64_t)(status > 0 ? status : 0), n);
	if (status >= 500) {
		(void)DIAG(diag, 0, NULL, "central or a proxy before it failed (HTTP ", n,
			   "); try again later with the same token, and if it is then called used, ask central's admin for a new "
			   "one");
		return REGISTER_RETRY;
	}
	if (status == 426 || (status >= 400 && contains(body, "installer")))
		(void)DIAG(diag, 0, NULL, TOO_OLD);
	else if (status >= 300 && status < 400)
		(void)DIAG(diag, 0, NULL, "central's address redirects (HTTP ", n,
			   "); set BACKEND_API to where it leads" SAME_TOKEN);
	else if (looks_like(body) == '<')
		(void)DIAG(diag, 0, NULL, "a web page came in place of central's answer (HTTP ", n,
			   "); check BACKEND_API, and whether something in between answers for central");
	else if (status == 404 || status == 405)
		(void)DIAG(diag, 0, NULL, "what answers there is not central (HTTP ", n, "); check BACKEND_API" SAME_TOKEN);
	else if (status == 400 || status == 415 || status == 422)
		(void)DIAG(diag, 0, NULL, "central could not read the request (HTTP ", n,
			   "): a value such as the public address is not what it expects, or its version is another; check"
			   " PUBLIC_IP, or upgrade the package" SAME_TOKEN);
	else if (status == 409)
		(void)DIAG(diag, 0, NULL,
			   "central says that the token was used before (HTTP 409), and a token works once" NEW_TOKEN);
	else if (status == 408 || status == 429)
		(void)DIAG(diag, 0, NULL, "central is asked too much (HTTP ", n, "); wait two minutes" SAME_TOKEN);
	else
		(void)DIAG(diag, 0, NULL, "central refused (HTTP ", n, "); ask its admin why, and whether the token is still good");
	return REGISTER_STOP;
}

static enum register_next success(int status, struct span body, struct node_diag *diag)
{
	char n[DEC_MAX];

	if (looks_like(body) == '{')
		return REGISTER_OK;
	(void)dec_text((uint64_t)status, n);
	if (looks_like(body) == '<')
		return by_status(status, body, diag);
	(void)DIAG(diag, 0, "", "central said yes (HTTP ", n,
		   ") without a node document, and the token is used up by that" NEW_TOKEN);
	return REGISTER_STOP;
}

enum register_next register_judge(int status, struct span body, const char *why, bool maybe_sent, struct node_diag *diag)
{
	char code[CODE_MAX];

	*diag = (struct node_diag){ 0 };
	if (status <= 0)
		return no_answer(why ? why : "no reason given", maybe_sent, diag);
	if (status >= 200 && status < 300)
		return success(status, body, diag);
	read_code(body, code);
	(void)DIAG(diag, 0, code, "");
	if (maybe_sent && (status == 409 || strcmp(code, "token_already_used") == 0)) {
		(void)DIAG(diag, 0, NULL, LOST_409);
		return REGISTER_STOP;
	}
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
		if (strcmp(meanings[i].code, code) == 0) {
			(void)DIAG(diag, 0, NULL, meanings[i].text);
			return meanings[i].next;
		}
	}
	if (contains(span_str(code), "installer") || contains(span_str(code), "too_old")) {
		(void)DIAG(diag, 0, NULL, TOO_OLD);
		return REGISTER_STOP;
	}
	return by_status(status, body, diag);
}

/* --- the rest of a good answer ----------------------------------------------------------------------------------- */

static int extra_parse(struct span body, struct json_tok *tok, struct register_extra *e, struct node_diag *diag)
{
	struct node_diag ignored;
	struct node_in in = { .diag = diag, .where = "" }, probe = { .diag = &ignored, .where = "" };
	struct json j;

	if (json_parse(body, tok, NODE_TOKENS_MAX, &j) < 0 || json_type_of(&j, 0) != JSON_OBJECT)
		return DIAG(diag, ERR_MALFORMED, "",
			    "central's answer is no JSON object, and the token is used up by it" NEW_TOKEN);
	in.j = probe.j = &j;
	in_secret(&in, 0, "service_token", &e->service_token);
	if (in.err || (e->service_token.n && !has_prefix(&e->service_token, "stkn_")))
		return DIAG(diag, ERR_MALFORMED, "service_token",
			    "service_token is not one; ask central's admin for another (partner-cli rotate-service-token --force)");
	in_secret(&probe, 0, "cross_probe_token", &e->cross_probe_token);
	e->cross_probe_refused = probe.err || (e->cross_probe_token.n && !has_prefix(&e->cross_probe_token, "xprb_"));
	if (e->cross_probe_refused)
		secret_done(&e->cross_probe_token);
	return 0;
}

int register_extra_parse(struct span body, struct register_extra *ret, struct node_diag *diag)
{
	struct json_tok *tok = mem_alloc(NODE_TOKENS_MAX * sizeof(*tok));
	struct register_extra e = { 0 };
	int r;

	*diag = (struct node_diag){ 0 };
	if (!tok)
		return DIAG(diag, ERR_NOMEM, "", "no memory to read central's answer");
	r = extra_parse(body, tok, &e, diag);
	if (r == 0)
		*ret = e;
	register_extra_done(&e);
	mem_free(tok);
	return r;
}

void register_extra_done(struct register_extra *e)
{
	wipe(e, sizeof(*e));
}

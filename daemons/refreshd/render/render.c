/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/render/render_impl.h"
#include "refreshd/render/turn_secrets.h"

const char *const part_name[PART_MAX_] = {
	[PART_FRONT] = "front",     [PART_SFUD] = "sfud",       [PART_TURND] = "turnd",
	[PART_TUNNELD] = "tunneld", [PART_HEALTHD] = "healthd",
};

int render_fail(struct render *r, int err, const char *field, const char *what)
{
	if (r->err == 0)
		r->err = DIAG(r->diag, err, field, field, what);
	return r->err;
}

/* --- facts ------------------------------------------------------------------------------------------------------- */

/* A tunnel or a mesh that carries this host's own traffic makes central's address look like ours: nobody would reach us there. */
static bool is_central(const struct render *r, const struct addr *a)
{
	const struct node *n = r->in->node;
	struct addr other;
	struct span host;
	uint16_t port;

	if (!addr_is_global(a))
		return false;
	if (addr_parse(span_str(n->backend_host), &other) == 0 && addr_same_ip(a, &other))
		return true;
	return text_split_port(span_str(n->awg.motherly_endpoint), &host, &port) == 0 && addr_parse(host, &other) == 0 &&
	       addr_same_ip(a, &other);
}

static void find_addresses(struct render *r)
{
	const char *ours = r->in->local->public_ip, *private = r->in->local->private_ip;
	const char *public = ours[0] ? ours : r->in->node->public_ip;
	struct addr a;

	if (public[0] == '\0')
		render_fail(r, ERR_MISSING, "public_ip", " is missing and central does not tell it; set PUBLIC_IP in install.env");
	else if (!text_fits(TEXT_IP, span_str(public)) || addr_parse(span_str(public), &r->public_ip) < 0 ||
		 addr_is_any(&r->public_ip))
		render_fail(r, ERR_MALFORMED, "public_ip", " is not an IP address; set PUBLIC_IP in install.env");
	else if (is_central(r, &r->public_ip))
		render_fail(r, ERR_MALFORMED, "public_ip",
			    " is central's own address; set PUBLIC_IP in install.env to this host's");
	if (private[0] == '\0')
		return;
	if (!text_fits(TEXT_IP, span_str(private)) || addr_parse(span_str(private), &a) < 0 || addr_is_any(&a))
		render_fail(r, ERR_MALFORMED, "private_ip", " is not an IP address; correct PRIVATE_IP in install.env");
	else if (!addr_same_ip(&a, &r->public_ip) && addr_is_v4(&a) == addr_is_v4(&r->public_ip))
		r->private_ip = a;
}

static void find_names(struct render *r)
{
	const struct node *n = r->in->node;
	const struct local *l = r->in->local;
	struct wr t = wr_from(r->turns_name, sizeof(r->turns_name) - 1), e = wr_from(r->edge_id, sizeof(r->edge_id) - 1);

	r->domain = l->domain[0] ? l->domain : n->domain;
	r->partner_id = l->partner_id[0] ? l->partner_id : n->partner_id;
	if (!text_fits(TEXT_NAME, span_str(r->domain)))
		render_fail(r, ERR_MISSING, "domain", " is missing or no DNS name; set PARTNER_DOMAIN in install.env");
	if (!text_fits(TEXT_ID, span_str(r->partner_id)))
		render_fail(r, ERR_MISSING, "partner_id", " is missing or no id; set PARTNER_ID in install.env");
	wr_str(&t, n->turns_subdomain);
	wr_str(&t, ".");
	wr_str(&t, r->domain);
	r->turns_name[wr_len(&t)] = '\0';
	if (!text_fits(TEXT_NAME, wr_span_of(&t)))
		render_fail(r, ERR_MALFORMED, "turns_subdomain",
			    " and the domain make no DNS name; ask central's admin to correct it");
	wr_str(&e, n->awg.edge_id[0] ? n->awg.edge_id : r->partner_id);
	wr_str(&e, n->awg.edge_id[0] ? "" : "1");
	r->edge_id[wr_len(&e)] = '\0';
}

void render_facts(struct render *r)
{
	find_names(r);
	find_addresses(r);
}

/* --- one configuration ------------------------------------------------------------------------------------------- */

void render_section(struct render *r, const char *name)
{
	wr_str(r->w, "\n[");
	wr_str(r->w, name);
	wr_str(r->w, "]\n");
}

/* What wire/conf reads back as the same text: it trims, a backslash at the end joins lines, and an empty value is the default. */
static const char *unfit(struct span v)
{
	if (v.n == 0)
		return " is empty";
	if (v.n > RENDER_VALUE_MAX)
		return " is longer than a daemon takes";
	if (text_has_control(v))
		return " has a control character in it";
	if (v.p[0] == ' ' || v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\\')
		return " begins with a blank, or ends with one or a backslash";
	return NULL;
}

void render_key(struct render *r, const char *field, const char *key, const char *value)
{
	const char *why = unfit(span_str(value));

	if (why)
		render_fail(r, ERR_MALFORMED, field, why);
	wr_str(r->w, key);
	wr_str(r->w, "=");
	wr_str(r->w, value);
	wr_str(r->w, "\n");
}

void render_key_u64(struct render *r, const char *key, uint64_t value)
{
	char digits[DEC_MAX];

	render_key(r, key, key, dec_text(value, digits));
}

void render_key_addr(struct render *r, const char *key, const struct addr *a, uint16_t port)
{
	struct addr with = *a;
	char text[ADDR_TEXT_MAX];

	with.port = port;
	render_key(r, key, key, addr_fmt(&with, text));
}

/* --- files ------------------------------------------------------------------------------------------------------- */

static void turn_secret(struct render *r)
{
	if (turn_secrets_write(&r->in->node->turn_secret, r->in->turn_secrets_had, r->in->now, r->w) < 0)
		render_fail(r, ERR_MALFORMED, "turn_secret",
			    " begins with a '#', or a blank is at its end; ask central's admin for another");
}

/* A credential is the bytes alone. */
static void sfu_secret(struct render *r)
{
	struct span s = secret_span(&r->in->node->signaling_sfu_secret);

	if (s.n == 0 || text_has_control(s))
		render_fail(r, ERR_MALFORMED, "signaling_sfu_secret", " is empty or has a control character in it");
	wr_span(r->w, s);
}

static void sfu_pem(struct render *r)
{
	const char *pem = r->in->sfu_pem;

	for (const char *c = pem; *c; c++) {
		if ((uint8_t)*c >= 0x7f || (*c < 0x20 && *c != '\n'))
			render_fail(r, ERR_MALFORMED, "sfu_signing_public_key", " is no PEM text");
	}
	wr_str(r->w, pem);
}

#define FOR(part) (1u << (part))

static const struct output {
	const char *path, *credential;
	unsigned parts;
	bool secret;
	void (*write)(struct render *r);
} outputs[] = {
	{ "sfud.conf", NULL, FOR(PART_SFUD), false, render_sfud },
	{ "turnd.conf", NULL, FOR(PART_TURND), false, render_turnd },
	{ "tunneld.conf", NULL, FOR(PART_TUNNELD), false, render_tunneld },
	{ "healthd.conf", NULL, FOR(PART_HEALTHD), false, render_healthd },
	{ "front/nginx.conf", NULL, FOR(PART_FRONT), false, render_front },
	{ "secrets/turn-secret", "turn-secret", FOR(PART_TURND) | FOR(PART_HEALTHD), true, turn_secret },
	{ "secrets/sfu-secret", "sfu-secret", FOR(PART_SFUD) | FOR(PART_HEALTHD), true, sfu_secret },
	{ "sfu-signing-key.pem", NULL, FOR(PART_SFUD), false, sfu_pem },
};

_Static_assert(ARRAY_LEN(outputs) <= RENDER_FILES_MAX, "there is room for all of them");

int render_all(const struct render_in *in, struct wr *arena, struct render_set *ret, struct node_diag *diag)
{
	struct render r = { .in = in, .w = arena, .diag = diag };
	struct render_set set = { .n = 0 };

	*diag = (struct node_diag){ 0 };
	render_facts(&r);
	render_channels(&r);
	for (size_t i = 0; r.err == 0 && i < ARRAY_LEN(outputs); i++) {
		const struct output *o = &outputs[i];
		size_t from = wr_len(arena);

		if (o->write == sfu_pem && in->sfu_pem[0] == '\0')
			continue;
		o->write(&r);
		if (r.err == 0 && arena->bad)
			render_fail(&r, ERR_LIMIT, o->path, " is larger than there is room for");
		set.file[set.n++] = (struct render_file){
			.path = o->path, .credential = o->credential, .parts = o->parts, .secret = o->secret,
			.text = span_of(arena->start + from, wr_len(arena) - from),
		};
	}
	if (r.err == 0)
		*ret = set;
	return r.err;
}

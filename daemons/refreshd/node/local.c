/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/node/local.h"

#include "refreshd/node/node_read.h"
#include "wire/ascii.h"

#define VALUE_MAX 512
#define SCHEMA 1
#define BACKEND_HOST_DEFAULT "oxpulse.chat"

#define L(field) offsetof(struct local, field), sizeof(((struct local *)0)->field)

/* In the order in which a fresh file has them. cap 2 is a number. */
static const struct row {
	const char *name;
	size_t at, cap;
	enum text_kind kind;
	const char *wants;
} rows[] = {
	{ "SCHEMA_VERSION", L(schema_version), TEXT_ANY, "a number" },
	{ "PARTNER_ID", L(partner_id), TEXT_ID, "the partner id of the registration" },
	{ "PARTNER_DOMAIN", L(domain), TEXT_NAME, "the DNS name that people open" },
	{ "NODE_ID", L(node_id), TEXT_ID, "the id central gave this node" },
	{ "TURNS_SUBDOMAIN", L(turns_subdomain), TEXT_NAME, "the label central gave this node" },
	{ "BACKEND_API", L(central_url), TEXT_WORD, "an https:// address" },
	{ "BACKEND_CA", L(central_ca), TEXT_WORD, "the full path of a PEM file" },
	{ "PUBLIC_IP", L(public_ip), TEXT_IP, "an IP address" },
	{ "PRIVATE_IP", L(private_ip), TEXT_IP, "an IP address" },
	{ "REGION", L(region), TEXT_ID, "such as pl-waw" },
	{ "INSTALLED_AT", L(installed_at), TEXT_WORD, "a time such as 2026-11-23T04:00:00Z" },
	{ "SFU_UDP_PORT", L(sfu_udp_port), TEXT_ANY, "a port from 1 to 65535" },
	{ "SFU_METRICS_PORT", L(sfu_metrics_port), TEXT_ANY, "a port from 1 to 65535" },
	{ "BACKEND_PORT", L(backend_port), TEXT_ANY, "a port from 1 to 65535" },
	{ "BACKEND_HOST", L(backend_host), TEXT_HOST, "a DNS name" },
};

_Static_assert(ARRAY_LEN(rows) <= 32, "rows are bits of a word");

static bool is_number(const struct row *r)
{
	return r->cap == sizeof(uint16_t);
}

static const struct row *row_of(struct span name)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (span_is(name, rows[i].name))
			return &rows[i];
	}
	return NULL;
}

void local_defaults(struct local *l)
{
	*l = (struct local){
		.sfu_udp_port = 7878, .sfu_metrics_port = 9317, .backend_port = 8907, .schema_version = SCHEMA,
		.central_url = LOCAL_CENTRAL_DEFAULT, .backend_host = BACKEND_HOST_DEFAULT,
	};
}

/* --- lines ------------------------------------------------------------------------------------------------------- */

/* 1: an assignment; 0: nothing to read; ERR_MALFORMED. */
static int split_line(struct span line, struct span *ret_name, struct span *ret_value)
{
	struct span s = ascii_trim(line);
	const uint8_t *eq = s.n ? memchr(s.p, '=', s.n) : NULL;

	if (s.n == 0 || s.p[0] == '#')
		return 0;
	if (!eq || eq == s.p)
		return ERR_MALFORMED;
	*ret_name = span_of(s.p, (size_t)(eq - s.p));
	*ret_value = span_of(eq + 1, s.n - ret_name->n - 1);
	for (size_t i = 0; i < ret_name->n; i++) {
		uint8_t c = ret_name->p[i], low = ascii_lower(c);

		if (c != '_' && (low < 'a' || low > 'z') && (i == 0 || c < '0' || c > '9'))
			return ERR_MALFORMED;
	}
	return 1;
}

/* A shell word: bare, in quotes of either kind, or pieces of them one after the other. What a shell would work out is refused. */
static int unquote(struct span s, struct wr *w)
{
	uint8_t quote = 0;

	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (c == quote && quote) {
			quote = 0;
		} else if (quote == 0 && (c == '\'' || c == '"')) {
			quote = c;
		} else if (quote == 0 && ascii_is_blank(c)) {
			s = ascii_trim(span_of(s.p + i, s.n - i));
			return s.p[0] == '#' ? 0 : ERR_MALFORMED;
		} else if (quote != '\'' && c == '\\' && i + 1 < s.n) {
			wr_u8(w, s.p[++i]);
		} else if (quote != '\'' && strchr("$`\\", c)) {
			return ERR_MALFORMED;
		} else {
			wr_u8(w, c);
		}
	}
	return quote || w->bad ? ERR_MALFORMED : 0;
}

static bool set_number(const char *text, uint16_t *field)
{
	return text_port(span_str(text), field) == 0;
}

static bool set_text(const struct row *r, struct local *l, const char *text)
{
	size_t n = strlen(text);

	if (n >= r->cap || !text_fits(r->kind, span_of(text, n)))
		return false;
	memcpy((char *)l + r->at, text, n + 1);
	return true;
}

/* An empty value is none: the default stays. */
static int assign(const struct row *r, struct span value, struct local *l, struct node_diag *diag)
{
	char text[VALUE_MAX];
	struct wr w = wr_from(text, sizeof(text) - 1);
	bool ok = unquote(value, &w) == 0;
	uint16_t v = 0;

	text[wr_len(&w)] = '\0';
	if (ok && text[0] == '\0')
		return 0;
	if (ok && is_number(r)) {
		ok = set_number(text, &v);
		memcpy((char *)l + r->at, &v, sizeof(v));
	} else if (ok) {
		ok = set_text(r, l, text);
	}
	if (ok)
		return 0;
	return DIAG(diag, ERR_MALFORMED, r->name, "install.env: ", r->name, " is not ", r->wants, "; correct the line");
}

static int read_lines(struct span text, struct local *l, struct node_diag *diag)
{
	struct rd r = rd_from(text);
	struct span line, name, value;
	char digits[DEC_MAX];
	int err = 0, is;

	for (uint32_t number = 1; err == 0 && text_line(&r, &line); number++) {
		is = split_line(line, &name, &value);
		if (is < 0)
			return DIAG(diag, is, "", "install.env line ", dec_text(number, digits),
				    " is not NAME=value; correct or remove it");
		if (is && row_of(name))
			err = assign(row_of(name), value, l, diag);
	}
	return err;
}

/* --- what lines say together ------------------------------------------------------------------------------------- */

/* Tokens travel there: in clear only to an address of this host or its own network, which is where tests have central. */
static bool is_central(const char *url)
{
	struct span s = span_str(url), host;
	struct addr a = { 0 };
	uint16_t port;

	if (strncmp(url, "https://", 8) == 0)
		return s.n > 8 && s.p[8] != '/';
	if (strncmp(url, "http://", 7) != 0)
		return false;
	host = span_of(s.p + 7, s.n - 7);
	if (text_split_port(host, &host, &port) < 0)
		host = span_of(s.p + 7, s.n - 7);
	return span_is(host, "localhost") || (addr_parse(host, &a) == 0 && !addr_is_global(&a));
}

static void derive_partner(struct local *l)
{
	const char *dash = strrchr(l->node_id, '-');
	size_t n = dash ? (size_t)(dash - l->node_id) : 0;

	if (l->partner_id[0] || n >= sizeof(l->partner_id))
		return;
	memcpy(l->partner_id, l->node_id, n);
	l->partner_id[n] = '\0';
}

static int check(struct local *l, struct node_diag *diag)
{
	for (size_t n = strlen(l->central_url); n && l->central_url[n - 1] == '/'; n--)
		l->central_url[n - 1] = '\0';
	derive_partner(l);
	if (!is_central(l->central_url))
		return DIAG(diag, ERR_MALFORMED, "BACKEND_API",
			    "install.env: BACKEND_API is not an https:// address; http:// is for central on this host only; "
			    "correct the line");
	if (l->central_ca[0] && l->central_ca[0] != '/')
		return DIAG(diag, ERR_MALFORMED, "BACKEND_CA",
			    "install.env: BACKEND_CA is not the full path of a PEM file; correct the line");
	if (l->schema_version != SCHEMA)
		return DIAG(diag, ERR_MALFORMED, "SCHEMA_VERSION",
			    "install.env: SCHEMA_VERSION is from a newer version of this program; upgrade the package");
	if (l->domain[0] == '\0')
		return DIAG(diag, ERR_MISSING, "PARTNER_DOMAIN",
			    "install.env: PARTNER_DOMAIN is missing and nothing tells it; add the DNS name that people open");
	if (l->partner_id[0] == '\0')
		return DIAG(diag, ERR_MISSING, "PARTNER_ID",
			    "install.env: PARTNER_ID is missing and NODE_ID does not tell it; add the partner id of the "
			    "registration");
	return 0;
}

int local_parse(struct span text, struct local *ret, struct node_diag *diag)
{
	struct local l;
	int r;

	*diag = (struct node_diag){ 0 };
	if (text.n > LOCAL_ENV_MAX)
		return DIAG(diag, ERR_LIMIT, "", "install.env is larger than 64 KiB; remove what does not belong into it");
	local_defaults(&l);
	r = read_lines(text, &l, diag);
	if (r == 0)
		r = check(&l, diag);
	if (r == 0)
		*ret = l;
	return r;
}

/* --- writing ----------------------------------------------------------------------------------------------------- */

/* Bare where a shell, systemd and we would read the same, else in single quotes. */
static int write_value(const char *s, struct wr *w)
{
	bool bare = true;

	for (const char *c = s; *c; c++) {
		if (*c == '\'' || (uint8_t)*c < 0x20 || *c == 0x7f)
			return ERR_MALFORMED;
		bare = bare &&
		       ((*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') || strchr("._:/-", *c));
	}
	wr_str(w, bare ? "" : "'");
	wr_str(w, s);
	wr_str(w, bare ? "" : "'");
	return 0;
}

static int write_row(const struct row *r, const struct local *l, struct wr *w)
{
	const char *at = (const char *)l + r->at;
	int err = 0;
	uint16_t v;

	wr_str(w, r->name);
	wr_str(w, "=");
	if (is_number(r)) {
		memcpy(&v, at, sizeof(v));
		wr_dec(w, v);
	} else {
		err = write_value(at, w);
	}
	wr_str(w, "\n");
	return err;
}

int local_write(const struct local *l, struct span old, struct wr *w)
{
	struct rd r = rd_from(old);
	struct span line, name, value;
	uint32_t done = 0;
	int err = 0;

	while (err == 0 && text_line(&r, &line)) {
		const struct row *row = split_line(line, &name, &value) == 1 ? row_of(name) : NULL;
		uint32_t bit = row ? UINT32_C(1) << (row - rows) : 0;

		if (!row) {
			wr_span(w, line);
			wr_str(w, "\n");
		} else if (!(done & bit)) {
			err = write_row(row, l, w);
		}
		done |= bit;
	}
	for (size_t i = 0; err == 0 && i < ARRAY_LEN(rows); i++) {
		bool empty = !is_number(&rows[i]) && ((const char *)l)[rows[i].at] == '\0';

		if (!(done & UINT32_C(1) << i) && !empty)
			err = write_row(&rows[i], l, w);
	}
	return err ? err : w->bad ? ERR_LIMIT : 0;
}

/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/node/node_read.h"

#include "base/base64.h"
#include "wire/ascii.h"

#define NAME_LABEL_MAX 63

static void diag_put(struct wr *w, const char *s)
{
	for (; *s && wr_left(w); s++)
		wr_u8(w, (uint8_t)(*s >= 0x20 && *s < 0x7f ? *s : '?'));
}

int node_diag(struct node_diag *d, int err, const char *field, const char *const *part)
{
	struct wr w = wr_from(d->text, sizeof(d->text) - 1);

	for (; *part; part++)
		diag_put(&w, *part);
	d->text[wr_len(&w)] = '\0';
	if (field) {
		w = wr_from(d->field, sizeof(d->field) - 1);
		diag_put(&w, field);
		d->field[wr_len(&w)] = '\0';
	}
	return err;
}

const char *dec_text(uint64_t v, char buf[DEC_MAX])
{
	struct wr w = wr_from(buf, DEC_MAX - 1);

	wr_dec(&w, v);
	buf[wr_len(&w)] = '\0';
	return buf;
}

/* --- what a text may be ------------------------------------------------------------------------------------------ */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(uint8_t c)
{
	c = ascii_lower(c);
	return is_digit(c) || (c >= 'a' && c <= 'z');
}

bool text_has_control(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	}
	return false;
}

bool text_is_blank(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != ' ' && (s.p[i] < '\t' || s.p[i] > '\r'))
			return false;
	}
	return true;
}

static bool is_id(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (!is_alnum(c) && c != '_' && (i == 0 || (c != '.' && c != '-')))
			return false;
	}
	return s.n > 0;
}

static bool is_label(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!is_alnum(s.p[i]) && s.p[i] != '_' && s.p[i] != '-')
			return false;
	}
	return s.n && s.n <= NAME_LABEL_MAX && s.p[0] != '-' && s.p[s.n - 1] != '-';
}

static bool is_name(struct span s)
{
	size_t from = 0;

	if (s.n == 0 || s.n >= NODE_NAME_MAX)
		return false;
	for (size_t i = 0; i <= s.n; i++) {
		if (i < s.n && s.p[i] != '.')
			continue;
		if (!is_label(span_of(s.p + from, i - from)))
			return false;
		from = i + 1;
	}
	return true;
}

/* Without a port, hence without brackets; without a scope, which means nothing elsewhere. */
static bool is_ip(struct span s)
{
	struct addr a;

	if (s.n == 0 || s.p[0] == '[' || memchr(s.p, '%', s.n))
		return false;
	return addr_parse(s, &a) == 0 && a.port == 0 && (!addr_is_v4(&a) || !memchr(s.p, ':', s.n) || s.p[0] == ':');
}

struct span text_without_length(struct span s)
{
	const uint8_t *slash = s.n ? memchr(s.p, '/', s.n) : NULL;

	return slash ? span_of(s.p, (size_t)(slash - s.p)) : s;
}

static bool is_prefix(struct span s)
{
	struct span ip = text_without_length(s), len = { 0 };
	unsigned v = 0;

	if (ip.n < s.n)
		len = span_of(s.p + ip.n + 1, s.n - ip.n - 1);
	for (size_t i = 0; i < len.n; i++) {
		if (i == 3 || !is_digit(len.p[i]))
			return false;
		v = v * 10 + (unsigned)(len.p[i] - '0');
	}
	return is_ip(ip) && (s.n == ip.n || (len.n && v <= (memchr(ip.p, ':', ip.n) ? 128 : 32)));
}

static bool is_word(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("\"'\\`", s.p[i]))
			return false;
	}
	return s.n > 0;
}

static bool is_hex(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!is_digit(s.p[i]) && (ascii_lower(s.p[i]) < 'a' || ascii_lower(s.p[i]) > 'f'))
			return false;
	}
	return s.n > 0 && s.n % 2 == 0;
}

static bool is_key(struct span s, int (*read)(struct span text, struct wr *w))
{
	uint8_t key[33];
	struct wr w = wr_from(key, sizeof(key));
	bool ok = read(s, &w) == 0 && wr_len(&w) == 32;

	wipe(key, sizeof(key));
	return ok;
}

bool text_fits(enum text_kind kind, struct span s)
{
	switch (kind) {
	case TEXT_ID:
		return is_id(s);
	case TEXT_NAME:
		return is_name(s);
	case TEXT_HOST:
		return is_name(s) || is_ip(s);
	case TEXT_IP:
		return is_ip(s);
	case TEXT_PREFIX:
		return is_prefix(s);
	case TEXT_WORD:
		return is_word(s);
	case TEXT_HEX:
		return is_hex(s);
	case TEXT_KEY43:
		return is_key(s, base64url_read);
	case TEXT_KEY44:
		return is_key(s, base64_read);
	case TEXT_ANY:
	case TEXT_KIND_MAX_:
		break;
	}
	return !text_has_control(s);
}

int text_port(struct span digits, uint16_t *ret)
{
	uint32_t v = 0;

	for (size_t i = 0; i < digits.n; i++) {
		if (i == 5 || !is_digit(digits.p[i]))
			return ERR_MALFORMED;
		v = v * 10 + (uint32_t)(digits.p[i] - '0');
	}
	if (v == 0 || v > UINT16_MAX)
		return ERR_MALFORMED;
	*ret = (uint16_t)v;
	return 0;
}

int text_split_port(struct span s, struct span *ret_host, uint16_t *ret_port)
{
	const uint8_t *colon = s.n ? memrchr(s.p, ':', s.n) : NULL;
	struct span host, digits;
	int r;

	if (!colon)
		return ERR_MALFORMED;
	host = span_of(s.p, (size_t)(colon - s.p));
	digits = span_of(colon + 1, s.n - host.n - 1);
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = span_of(host.p + 1, host.n - 2);
	else if (host.n && memchr(host.p, ':', host.n))
		return ERR_MALFORMED; /* an IPv6 address without brackets: whose port is it? */
	if (!text_fits(TEXT_HOST, host))
		return ERR_MALFORMED;
	r = text_port(digits, ret_port);
	if (r == 0)
		*ret_host = host;
	return r;
}

bool text_line(struct rd *r, struct span *ret)
{
	size_t left = rd_left(r);
	const uint8_t *lf = left ? memchr(r->p, '\n', left) : NULL;

	if (left == 0)
		return false;
	*ret = rd_span(r, lf ? (size_t)(lf - r->p) : left);
	if (lf)
		rd_skip(r, 1);
	while (ret->n && ret->p[ret->n - 1] == '\r')
		ret->n--;
	return true;
}

/* --- members ----------------------------------------------------------------------------------------------------- */

static const char *const not_a[TEXT_KIND_MAX_] = {
	[TEXT_ANY] = " has a control character in it",
	[TEXT_ID] = " is not a name of letters, digits, '.', '_' and '-'",
	[TEXT_NAME] = " is not a DNS name",
	[TEXT_HOST] = " is neither a DNS name nor an IP address",
	[TEXT_IP] = " is not an IP address",
	[TEXT_PREFIX] = " is not an IP address, with or without /length",
	[TEXT_WORD] = " has a blank, a quote or a character beyond ASCII in it",
	[TEXT_HEX] = " is not hexadecimal",
	[TEXT_KEY43] = " is not a key: 43 characters of base64url are one",
	[TEXT_KEY44] = " is not a key: 44 characters of base64 are one",
};

void in_fail(struct node_in *in, int err, const char *key, const char *what)
{
	const char *const field[] = { in->where, key, NULL };

	if (in->err)
		return;
	in->err = node_diag(in->diag, err, NULL, field);
	memcpy(in->diag->field, in->diag->text, sizeof(in->diag->field) - 1);
	in->diag->field[sizeof(in->diag->field) - 1] = '\0';
	(void)DIAG(in->diag, err, NULL, in->where, key, what, "; ask central's admin to correct it");
}

int in_member(struct node_in *in, int obj, const char *key, enum json_type type, const char *what)
{
	int at = in->err ? -1 : json_get(in->j, obj, key);

	if (at < 0 || json_type_of(in->j, at) == JSON_NULL)
		return -1;
	if (json_type_of(in->j, at) == type)
		return at;
	in_fail(in, ERR_MALFORMED, key, what);
	return -1;
}

/* The member's string in buf, or false: absent, null, blank, or refused. */
static bool take_string(struct node_in *in, int obj, const char *key, char *buf, size_t cap)
{
	int at = in_member(in, obj, key, JSON_STRING, " is not a string");
	size_t n = 0;

	if (at < 0)
		return false;
	if (json_get_str(in->j, obj, key, buf, cap, &n) < 0)
		in_fail(in, ERR_MALFORMED, key, " is too long");
	else if (text_is_blank(span_of(buf, n)))
		buf[0] = '\0';
	else if (text_has_control(span_of(buf, n)))
		in_fail(in, ERR_MALFORMED, key, not_a[TEXT_ANY]);
	return in->err == 0 && buf[0];
}

void in_text(struct node_in *in, int obj, const char *key, enum text_kind kind, char *buf, size_t cap)
{
	buf[0] = '\0';
	if (take_string(in, obj, key, buf, cap) && !text_fits(kind, span_str(buf)))
		in_fail(in, ERR_MALFORMED, key, not_a[kind]);
	if (in->err)
		buf[0] = '\0';
}

void in_secret(struct node_in *in, int obj, const char *key, struct secret *ret)
{
	char buf[SECRET_MAX + 1];

	if (take_string(in, obj, key, buf, sizeof(buf)))
		(void)secret_set(ret, span_str(buf)); /* it fits */
	wipe(buf, sizeof(buf));
}

void in_port(struct node_in *in, int obj, const char *key, uint16_t dflt, uint16_t *ret)
{
	int at = in->err ? -1 : json_get(in->j, obj, key);
	enum json_type type = json_type_of(in->j, at);
	struct span text = json_raw(in->j, at);

	if (at >= 0 && type == JSON_STRING)
		text = span_of(text.p + 1, text.n - 2);
	if (at < 0 || type == JSON_NULL || (type == JSON_STRING && text_is_blank(text)))
		*ret = dflt;
	else if ((type != JSON_STRING && type != JSON_NUMBER) || text_port(text, ret) < 0)
		in_fail(in, ERR_MALFORMED, key, " is not a port from 1 to 65535");
}

void in_u64(struct node_in *in, int obj, const char *key, uint64_t *ret)
{
	int at = in_member(in, obj, key, JSON_NUMBER, " is not a number");

	if (at >= 0 && json_get_u64(in->j, obj, key, ret) < 0)
		in_fail(in, ERR_MALFORMED, key, " is not a whole number");
}

/* SPDX-License-Identifier: AGPL-3.0-only */
#include "wire/http_head.h"

#include "wire/ascii.h"

/* *pos of http_head_list: field index above, offset in its value below. */
#define POS_BITS 16
_Static_assert(HTTP_HEAD_MAX <= 1u << POS_BITS, "an offset in a value fits");

static bool is_alnum(uint8_t c)
{
	return (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || (c >= '0' && c <= '9');
}

/* RFC 9110 5.6.2 tchar. */
static bool is_tchar(uint8_t c)
{
	return is_alnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* The leading bytes that satisfy `is`; *s keeps the rest. */
static struct span take_while(struct span *s, bool (*is)(uint8_t))
{
	struct span head = { s->p, 0 };

	while (head.n < s->n && is(s->p[head.n]))
		head.n++;
	s->p += head.n;
	s->n -= head.n;
	return head;
}

static bool take_byte(struct span *s, char c)
{
	if (s->n == 0 || s->p[0] != (uint8_t)c)
		return false;
	s->p++;
	s->n--;
	return true;
}

/* Bytes up to CR LF. Refuses a control character as soon as it is there, whatever may still come. */
static int take_line(struct rd *r, struct span *ret)
{
	const uint8_t *p = r->p;

	while (p < r->end && !ascii_is_control(*p))
		p++;
	if (p == r->end || (*p == '\r' && p + 1 == r->end))
		return ERR_SHORT;
	if (*p != '\r' || p[1] != '\n')
		return ERR_MALFORMED;
	*ret = span_of(r->p, (size_t)(p - r->p));
	r->p = p + 2;
	return 0;
}

/* RFC 9112 3.2.1 origin-form: printable ASCII, no fragment. */
static bool is_target(uint8_t c)
{
	return c > 0x20 && c < 0x7f && c != '#';
}

static bool is_path(uint8_t c)
{
	return is_target(c) && c != '?';
}

static int version_of(struct span version, struct http_head *h)
{
	if (version.n != 8 || memcmp(version.p, "HTTP/1.", 7) != 0 || version.p[7] < '0' || version.p[7] > '9')
		return ERR_MALFORMED;
	h->minor = (uint8_t)(version.p[7] - '0');
	return 0;
}

static int request_line(struct span line, struct http_head *h, int *unused)
{
	struct span rest;

	(void)unused;
	h->method = take_while(&line, is_tchar);
	if (h->method.n == 0 || !take_byte(&line, ' ') || line.n == 0 || line.p[0] != '/')
		return ERR_MALFORMED;
	rest = line;
	h->path = take_while(&rest, is_path);
	h->target = take_while(&line, is_target);
	return take_byte(&line, ' ') ? version_of(line, h) : ERR_MALFORMED;
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9112 4. The reason means nothing; the space in front of it, which some forget, does neither. */
static int status_line(struct span line, struct http_head *h, int *ret_status)
{
	struct span version = span_of(line.p, line.n < 8 ? line.n : 8), code;

	if (version_of(version, h) < 0)
		return ERR_MALFORMED;
	line = span_of(line.p + 8, line.n - 8);
	if (!take_byte(&line, ' '))
		return ERR_MALFORMED;
	code = take_while(&line, is_digit);
	if (code.n != 3 || code.p[0] < '1' || code.p[0] > '5' || (line.n && line.p[0] != ' '))
		return ERR_MALFORMED;
	h->method = h->target = h->path = (struct span){ 0 };
	*ret_status = (code.p[0] - '0') * 100 + (code.p[1] - '0') * 10 + (code.p[2] - '0');
	return 0;
}

static int field_line(struct span line, struct http_head *h)
{
	struct http_field f;

	f.name = take_while(&line, is_tchar);
	if (f.name.n == 0 || !take_byte(&line, ':'))
		return ERR_MALFORMED;
	if (h->n_fields == HTTP_FIELDS_MAX)
		return ERR_LIMIT;
	f.value = ascii_trim(line);
	h->field[h->n_fields++] = f;
	return 0;
}

static uint32_t count(const struct http_head *h, const char *name)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < h->n_fields; i++)
		n += http_token_is(h->field[i].name, name);
	return n;
}

/* RFC 9112 3.2 and 6.3: two readers that disagree on these disagree on where the request ends, or whose it is. */
static bool is_ambiguous(const struct http_head *h)
{
	uint32_t lengths = count(h, "Content-Length");

	return count(h, "Host") > 1 || lengths > 1 || (lengths && count(h, "Transfer-Encoding"));
}

/* Both kinds of heads differ in their first line only. */
static int parse(struct span in, int (*first)(struct span line, struct http_head *h, int *ret_status), struct http_head *h,
		 int *ret_status)
{
	bool cut = in.n > HTTP_HEAD_MAX;
	struct rd r = rd_from(span_of(in.p, cut ? HTTP_HEAD_MAX : in.n));
	struct span line;
	int err;

	h->n_fields = 0;
	err = take_line(&r, &line);
	if (err == 0)
		err = first(line, h, ret_status);
	while (err == 0) {
		err = take_line(&r, &line);
		if (err == 0 && line.n == 0)
			break;
		if (err == 0)
			err = field_line(line, h);
	}
	if (err == ERR_SHORT && (cut || in.n == HTTP_HEAD_MAX))
		return ERR_LIMIT;
	if (err < 0)
		return err;
	if (is_ambiguous(h))
		return ERR_MALFORMED;
	h->len = (size_t)(r.p - in.p);
	return 0;
}

int http_head_parse(struct span in, struct http_head *ret)
{
	struct http_head h;
	int r = parse(in, request_line, &h, NULL);

	if (r == 0)
		*ret = h;
	return r;
}

/* RFC 9112 6: how long the body is. No other coding than chunked: we never ask for one. */
static int framing(struct http_reply_head *h)
{
	struct span length = http_head_get(&h->head, "Content-Length");
	struct span coding = http_head_get(&h->head, "Transfer-Encoding");

	h->chunked = coding.p != NULL;
	h->has_length = length.p != NULL;
	h->length = 0;
	if (h->chunked && (count(&h->head, "Transfer-Encoding") > 1 || !http_token_is(coding, "chunked") || h->head.minor == 0))
		return ERR_MALFORMED;
	if (h->has_length && (length.n == 0 || length.n > 18)) /* beyond them it might not fit */
		return ERR_MALFORMED;
	for (size_t i = 0; i < length.n; i++) {
		if (length.p[i] < '0' || length.p[i] > '9')
			return ERR_MALFORMED;
		h->length = h->length * 10 + (uint64_t)(length.p[i] - '0');
	}
	return 0;
}

int http_reply_parse(struct span in, struct http_reply_head *ret)
{
	struct http_reply_head h;
	int r = parse(in, status_line, &h.head, &h.status);

	if (r == 0)
		r = framing(&h);
	if (r == 0)
		*ret = h;
	return r;
}

struct span http_head_get(const struct http_head *h, const char *name)
{
	for (uint32_t i = 0; i < h->n_fields; i++) {
		if (http_token_is(h->field[i].name, name))
			return h->field[i].value;
	}
	return (struct span){ NULL, 0 };
}

/* The next element of s at or after *at, empty ones skipped (RFC 9110 5.6.1.2). */
static bool next_element(struct span s, uint32_t *at, struct span *ret)
{
	while (*at < s.n) {
		const uint8_t *from = s.p + *at;
		size_t left = s.n - *at;
		const uint8_t *comma = memchr(from, ',', left);
		size_t n = comma ? (size_t)(comma - from) : left;
		struct span e = ascii_trim(span_of(from, n));

		*at += (uint32_t)(comma ? n + 1 : n);
		if (e.n) {
			*ret = e;
			return true;
		}
	}
	return false;
}

bool http_head_list(const struct http_head *h, const char *name, uint32_t *pos, struct span *ret)
{
	uint32_t i = *pos >> POS_BITS, at = *pos & ((1u << POS_BITS) - 1);

	for (; i < h->n_fields; i++, at = 0) {
		if (!http_token_is(h->field[i].name, name))
			continue;
		if (next_element(h->field[i].value, &at, ret)) {
			*pos = i << POS_BITS | at;
			return true;
		}
	}
	*pos = i << POS_BITS;
	return false;
}

bool http_token_is(struct span s, const char *token)
{
	return ascii_same(s, span_str(token));
}

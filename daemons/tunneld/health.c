/* SPDX-License-Identifier: AGPL-3.0-only */
#include "tunneld/health.h"

#include "wire/ascii.h"
#include "wire/http_head.h"

static const struct {
	const char *word, *text;
} whys[WHY_MAX_] = {
	[WHY_NONE] = { "ok", "none" },
	[WHY_REFUSED] = { "refused", "connection refused: nothing listens at that address" },
	[WHY_UNREACHABLE] = { "unreachable", "no route to that address: is the interface up that leads there?" },
	[WHY_TIMEOUT] = { "timeout", "no answer in time: something on the way drops it" },
	[WHY_RESET] = { "reset", "the other end broke the connection off" },
	[WHY_SLOW] = { "slow", "another channel connected first" },
	[WHY_LOCAL] = { "local", "no descriptor, memory or port on this host: see LimitNOFILE= and MaxStreams" },
	[WHY_CUT] = { "cut", "the answer ended before it was whole" },
	[WHY_GARBAGE] = { "garbage", "the answer is not HTTP/1.1: is the address central's?" },
	[WHY_TOO_LONG] = { "too_long", "the answer is longer than a health answer may be: is HealthPath right?" },
	[WHY_STATUS] = { "status", "the answer's status is not 2xx: are HealthHost and HealthPath right?" },
};

const char *why_str(enum why w)
{
	return whys[w].word;
}

const char *why_text(enum why w)
{
	return whys[w].text;
}

/* One word of a request: printable ASCII without blanks. */
static bool is_word(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
			return false;
	}
	return s.n > 0;
}

int health_request(struct wr *w, struct span host, struct span path)
{
	if (!is_word(host) || !is_word(path) || path.p[0] != '/')
		return ERR_MALFORMED;
	wr_str(w, "GET ");
	wr_span(w, path);
	wr_str(w, " HTTP/1.1\r\nHost: ");
	wr_span(w, host);
	wr_str(w, "\r\nAccept: */*\r\nConnection: close\r\n\r\n");
	return w->bad ? ERR_LIMIT : 0;
}

void health_begin(struct health *h)
{
	h->n = 0;
	h->has_head = h->has_length = h->chunked = false;
	h->body = 0;
	h->chunk = CHUNK_SIZE;
	h->chunk_left = 0;
	h->digits = false;
}

static int verdict(enum why why, enum why *ret)
{
	*ret = why;
	return 1;
}

/* The head has come: what it says of the body. 0, or 1 with a verdict. */
static int take_head(struct health *h, const struct http_reply_head *r, enum why *ret)
{
	if (r->status < 200 || r->status > 299)
		return verdict(WHY_STATUS, ret);
	h->has_head = true;
	h->has_length = r->has_length || r->status == 204;
	h->length = r->status == 204 ? 0 : r->length;
	h->chunked = r->chunked;
	return h->has_length && h->length > HEALTH_BODY_MAX ? verdict(WHY_TOO_LONG, ret) : 0;
}

static int hex_of(uint8_t c)
{
	uint8_t low = ascii_lower(c);

	if (c >= '0' && c <= '9')
		return c - '0';
	return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

static enum chunk expect(uint8_t c, char want, enum chunk then)
{
	return c == (uint8_t)want ? then : CHUNK_BAD;
}

static enum chunk size_byte(struct health *h, uint8_t c)
{
	int digit = hex_of(c);

	if (digit < 0 && h->digits == 0)
		return CHUNK_BAD;
	if (digit < 0)
		return c == ';' ? CHUNK_EXTENSION : expect(c, '\r', CHUNK_SIZE_END);
	h->digits = true;
	h->chunk_left = h->chunk_left * 16 + (uint32_t)digit;
	return h->chunk_left > HEALTH_BODY_MAX ? CHUNK_BAD : CHUNK_SIZE;
}

/* One byte of the framing around chunks (RFC 9112 7.1). */
static enum chunk chunk_byte(struct health *h, uint8_t c)
{
	switch (h->chunk) {
	case CHUNK_SIZE:
		return size_byte(h, c);
	case CHUNK_EXTENSION:
		return c == '\r' ? CHUNK_SIZE_END : ascii_is_control(c) ? CHUNK_BAD : CHUNK_EXTENSION;
	case CHUNK_SIZE_END:
		return expect(c, '\n', h->chunk_left ? CHUNK_DATA : CHUNK_TRAILER);
	case CHUNK_DATA:
		return --h->chunk_left ? CHUNK_DATA : CHUNK_DATA_END;
	case CHUNK_DATA_END:
		return expect(c, '\r', CHUNK_DATA_LF);
	case CHUNK_DATA_LF:
		h->digits = false;
		return expect(c, '\n', CHUNK_SIZE);
	case CHUNK_TRAILER:
		return c == '\r' ? CHUNK_LAST : ascii_is_control(c) ? CHUNK_BAD : CHUNK_FIELD;
	case CHUNK_FIELD:
		return c == '\r' ? CHUNK_FIELD_LF : ascii_is_control(c) ? CHUNK_BAD : CHUNK_FIELD;
	case CHUNK_FIELD_LF:
		return expect(c, '\n', CHUNK_TRAILER);
	case CHUNK_LAST:
		return expect(c, '\n', CHUNK_WHOLE);
	case CHUNK_WHOLE:
	case CHUNK_BAD:
		break;
	}
	return h->chunk;
}

static int take_chunks(struct health *h, struct span in, enum why *ret)
{
	for (size_t i = 0; i < in.n; i++) {
		h->chunk = chunk_byte(h, in.p[i]);
		if (h->chunk == CHUNK_WHOLE || h->chunk == CHUNK_BAD)
			return verdict(h->chunk == CHUNK_WHOLE ? WHY_NONE : WHY_GARBAGE, ret);
	}
	return 0;
}

static int take_body(struct health *h, struct span in, enum why *ret)
{
	h->body += in.n;
	if (h->has_length && h->body >= h->length)
		return verdict(WHY_NONE, ret);
	if (h->chunked && !h->has_length && take_chunks(h, in, ret))
		return 1;
	return h->body > HEALTH_BODY_MAX ? verdict(WHY_TOO_LONG, ret) : 0;
}

int health_input(struct health *h, struct span in, enum why *ret)
{
	size_t room = HEALTH_HEAD_MAX - h->n, n = in.n < room ? in.n : room;
	struct http_reply_head r;
	int err;

	if (h->has_head)
		return take_body(h, in, ret);
	if (n)
		memcpy(h->head + h->n, in.p, n);
	h->n += n;
	err = http_reply_parse(span_of(h->head, h->n), &r);
	if (err == ERR_SHORT)
		return h->n == HEALTH_HEAD_MAX ? verdict(WHY_TOO_LONG, ret) : 0;
	if (err < 0)
		return verdict(err == ERR_LIMIT ? WHY_TOO_LONG : WHY_GARBAGE, ret);
	if (take_head(h, &r, ret) || take_body(h, span_of(h->head + r.head.len, h->n - r.head.len), ret))
		return 1;
	return n < in.n ? take_body(h, span_of(in.p + n, in.n - n), ret) : 0;
}

enum why health_end(const struct health *h)
{
	return !h->has_head || h->has_length || h->chunked ? WHY_CUT : WHY_NONE;
}

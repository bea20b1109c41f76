/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * One cursor for every byte in (rd) and every byte out (wr). A cursor fails
 * once and stays failed: check `bad` after N calls, not after each. A failed
 * reader yields zeros; a failed writer writes nothing more.
 *
 * Trap: C does not order the operands of an initialiser or argument list.
 * Never put two rd_* calls into one.
 */
/* budget: every byte of every daemon passes through these; out of line they would be most of a parser's time */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *p; /* borrowed; never freed, never stored past the call */
	size_t n;
};

struct rd {
	const uint8_t *p, *end;
	bool bad;
};

struct wr {
	uint8_t *p, *end, *start;
	bool bad;
};

#define SPAN_LIT(s) ((struct span){ (const uint8_t *)(s), sizeof(s) - 1 })

static inline struct span span_of(const void *p, size_t n)
{
	return (struct span){ (const uint8_t *)p, n };
}

static inline struct span span_str(const char *s)
{
	return (struct span){ (const uint8_t *)s, strlen(s) };
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool span_is(struct span a, const char *s)
{
	return span_eq(a, span_str(s));
}

static inline struct rd rd_from(struct span s)
{
	/* An empty span may have no address, and C forbids arithmetic on NULL, even by 0. */
	const uint8_t *p = s.p ? s.p : (const uint8_t *)"";

	return (struct rd){ p, p + s.n, false };
}

static inline size_t rd_left(const struct rd *r)
{
	return r->bad ? 0 : (size_t)(r->end - r->p);
}

/* The next n bytes, or NULL (and bad) when fewer are left. Borrowed from the input. */
static inline const uint8_t *rd_take(struct rd *r, size_t n)
{
	const uint8_t *at = r->p;

	if (r->bad || (size_t)(r->end - r->p) < n) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	return at;
}

static inline struct span rd_span(struct rd *r, size_t n)
{
	const uint8_t *p = rd_take(r, n);

	return (struct span){ p, p ? n : 0 };
}

static inline void rd_skip(struct rd *r, size_t n)
{
	(void)rd_take(r, n);
}

static inline uint8_t rd_u8(struct rd *r)
{
	const uint8_t *p = rd_take(r, 1);

	return p ? p[0] : 0;
}

static inline uint16_t be16_at(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t be24_at(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static inline uint32_t be32_at(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t be64_at(const uint8_t *p)
{
	return (uint64_t)be32_at(p) << 32 | be32_at(p + 4);
}

static inline uint16_t rd_be16(struct rd *r)
{
	const uint8_t *p = rd_take(r, 2);

	return p ? be16_at(p) : 0;
}

static inline uint32_t rd_be24(struct rd *r)
{
	const uint8_t *p = rd_take(r, 3);

	return p ? be24_at(p) : 0;
}

static inline uint32_t rd_be32(struct rd *r)
{
	const uint8_t *p = rd_take(r, 4);

	return p ? be32_at(p) : 0;
}

static inline uint64_t rd_be64(struct rd *r)
{
	const uint8_t *p = rd_take(r, 8);

	return p ? be64_at(p) : 0;
}

static inline void put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_be24(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 16);
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, (uint16_t)(v >> 16));
	put_be16(p + 2, (uint16_t)v);
}

static inline void put_be64(uint8_t *p, uint64_t v)
{
	put_be32(p, (uint32_t)(v >> 32));
	put_be32(p + 4, (uint32_t)v);
}

static inline struct wr wr_from(void *p, size_t n)
{
	uint8_t *start = (uint8_t *)p;

	return (struct wr){ start, n ? start + n : start, start, false };
}

static inline size_t wr_left(const struct wr *w)
{
	return w->bad ? 0 : (size_t)(w->end - w->p);
}

static inline size_t wr_len(const struct wr *w)
{
	return (size_t)(w->p - w->start);
}

/* What was written so far; empty when the writer failed. Borrowed from the buffer. */
static inline struct span wr_span_of(const struct wr *w)
{
	return (struct span){ w->start, w->bad ? 0 : wr_len(w) };
}

/* Room for n bytes that the caller fills, or NULL (and bad). */
static inline uint8_t *wr_take(struct wr *w, size_t n)
{
	uint8_t *at = w->p;

	if (w->bad || (size_t)(w->end - w->p) < n) {
		w->bad = true;
		return NULL;
	}
	if (n) /* the buffer may be NULL, of size 0 */
		w->p += n;
	return at;
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
	uint8_t *p = wr_take(w, 1);

	if (p)
		p[0] = v;
}

static inline void wr_be16(struct wr *w, uint16_t v)
{
	uint8_t *p = wr_take(w, 2);

	if (p)
		put_be16(p, v);
}

static inline void wr_be24(struct wr *w, uint32_t v)
{
	uint8_t *p = wr_take(w, 3);

	if (p)
		put_be24(p, v);
}

static inline void wr_be32(struct wr *w, uint32_t v)
{
	uint8_t *p = wr_take(w, 4);

	if (p)
		put_be32(p, v);
}

static inline void wr_be64(struct wr *w, uint64_t v)
{
	uint8_t *p = wr_take(w, 8);

	if (p)
		put_be64(p, v);
}

static inline void wr_bytes(struct wr *w, const void *src, size_t n)
{
	uint8_t *p = wr_take(w, n);

	if (p && n)
		memcpy(p, src, n);
}

static inline void wr_span(struct wr *w, struct span s)
{
	wr_bytes(w, s.p, s.n);
}

static inline void wr_str(struct wr *w, const char *s)
{
	wr_bytes(w, s, strlen(s));
}

static inline void wr_zero(struct wr *w, size_t n)
{
	uint8_t *p = wr_take(w, n);

	if (p && n)
		memset(p, 0, n);
}

/* Unsigned decimal, no padding. */
static inline void wr_dec(struct wr *w, uint64_t v)
{
	uint8_t digits[20];
	size_t n = 0;

	do {
		digits[n++] = (uint8_t)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		wr_u8(w, digits[--n]);
}

/* Lower-case hexadecimal of every byte. */
static inline void wr_hex(struct wr *w, struct span s)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < s.n; i++) {
		wr_u8(w, (uint8_t)digit[s.p[i] >> 4]);
		wr_u8(w, (uint8_t)digit[s.p[i] & 15]);
	}
}

/* A 16-bit length in front of a block: at = wr_len16(&w); ...; wr_len16_end(&w, at). */
static inline size_t wr_len16(struct wr *w)
{
	size_t at = wr_len(w);

	wr_be16(w, 0);
	return at;
}

static inline void wr_len16_end(struct wr *w, size_t at)
{
	size_t n;

	if (w->bad)
		return;
	n = wr_len(w) - at - 2;
	if (n > UINT16_MAX)
		w->bad = true;
	else
		put_be16(w->start + at, (uint16_t)n);
}

#endif

/* SPDX-License-Identifier: AGPL-3.0-only */
/* sfud as a test scripts it: it unmasks what the probe sends and says what the test wants. */
#ifndef TESTS_HEALTHD_SFU_SCRIPT_H
#define TESTS_HEALTHD_SFU_SCRIPT_H

#include <openssl/evp.h>
#include <stdio.h>

#include "base/base64.h"
#include "healthd/probe/sfu_probe.h"
#include "wire/jwt.h"

#define SFU_SECRET SPAN_LIT("of nobody's business, 32 characters")
#define SFU_WALL ((wall_t){ UINT64_C(1700000000) * US_PER_SEC })
#define SFU_DEADLINE DUR_SEC(4)
#define SFU_CLOSE_TIME DUR_SEC(1)
#define SFU_UFRAG "sfud"
#define SFU_PWD "passwordofsfudpassword"
#define SFU_SDP "v=0\\r\\na=ice-ufrag:" SFU_UFRAG "\\r\\na=ice-pwd:" SFU_PWD "\\r\\n"
#define SFU_CANDIDATE "a=candidate:1 1 udp 1 192.0.2.5 7878 typ host\\r\\n"
#define SFU_ANSWER "{\"kind\":\"answer\",\"sdp\":\"" SFU_SDP SFU_CANDIDATE "\"}"

struct sfu_script {
	struct sfu_probe p;
	struct rng rng;
	mono_t now;
	uint8_t in[65536]; /* bytes of ours the probe has not used yet */
	size_t in_n;
	uint8_t heard[16384]; /* all it sent on the stream */
	size_t heard_n;
};

static inline void sfu_collect(struct sfu_script *s)
{
	size_t room = sizeof(s->heard) - s->heard_n, n = s->p.out_n < room ? s->p.out_n : room;

	memcpy(s->heard + s->heard_n, s->p.out, n);
	s->heard_n += n;
	s->p.out_n = 0;
}

static inline void sfu_start(struct sfu_script *s, struct addr media)
{
	*s = (struct sfu_script){ .now = { DUR_SEC(100) } };
	rng_seed(&s->rng, 11);
	if (sfu_probe_init(&s->p,
			   &(struct sfu_probe_conf){ addr_v4(127, 0, 0, 1, 8920), SFU_SECRET, media, SFU_WALL,
						     mono_add(s->now, SFU_DEADLINE), SFU_CLOSE_TIME },
			   &s->rng) < 0)
		abort();
	sfu_collect(s);
}

/* As a stream does: what was not used comes again with more behind it. */
static inline void sfu_say(struct sfu_script *s, struct span bytes)
{
	size_t used;

	if (bytes.n)
		memcpy(s->in + s->in_n, bytes.p, bytes.n);
	s->in_n += bytes.n;
	used = sfu_probe_stream(&s->p, span_of(s->in, s->in_n), s->now);
	s->in_n -= used;
	memmove(s->in, s->in + used, s->in_n);
	sfu_collect(s);
}

static inline void sfu_accept(struct sfu_script *s)
{
	uint8_t text[128], sha1[20], head[256];
	struct wr in = wr_from(text, sizeof(text)), out = wr_from(head, sizeof(head));

	wr_str(&in, s->p.key);
	wr_str(&in, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
	(void)EVP_Digest(text, wr_len(&in), sha1, NULL, EVP_sha1(), NULL);
	wr_str(&out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
	base64_write(&out, span_of(sha1, sizeof(sha1)));
	wr_str(&out, "\r\nSec-WebSocket-Protocol: oxpulse-sfu-v1\r\n\r\n");
	sfu_say(s, wr_span_of(&out));
}

static inline void sfu_frame(struct sfu_script *s, uint8_t op, const char *body, size_t n)
{
	static uint8_t frame[40000];
	struct wr w = wr_from(frame, sizeof(frame));

	wr_u8(&w, 0x80 | op);
	wr_u8(&w, n < 126 ? (uint8_t)n : 126);
	if (n >= 126)
		wr_be16(&w, (uint16_t)n);
	wr_bytes(&w, body, n);
	sfu_say(s, wr_span_of(&w));
}

static inline void sfu_text(struct sfu_script *s, const char *text)
{
	sfu_frame(s, WS_OP_TEXT, text, strlen(text));
}

/* The probe's last frame, unmasked into ret (NUL-terminated). Its opcode, or -1. */
static inline int sfu_last_frame(const struct sfu_script *s, char *ret, size_t cap)
{
	const uint8_t *head = memmem(s->heard, s->heard_n, "\r\n\r\n", 4);
	size_t at = head ? (size_t)(head - s->heard) + 4 : s->heard_n;
	int op = -1;

	ret[0] = '\0';
	while (at + 6 <= s->heard_n) {
		size_t n = s->heard[at + 1] & 0x7f, from = at + 2;

		if (n == 126) {
			n = be16_at(s->heard + from);
			from += 2;
		}
		if (from + 4 + n > s->heard_n || n >= cap)
			return -1;
		for (size_t i = 0; i < n; i++)
			ret[i] = (char)(s->heard[from + 4 + i] ^ s->heard[from + i % 4]);
		ret[n] = '\0';
		op = s->heard[at] & 15;
		at = from + 4 + n;
	}
	return op;
}

/* The probe's check, as sfud answers it: false when there is none, or when it is not good. */
static inline bool sfu_answer_check(struct sfu_script *s, const struct addr *from, enum stun_class cls, struct span key,
				    bool mapped)
{
	struct span check = sfu_probe_tick(&s->p, s->now);
	struct addr at = addr_v4(192, 0, 2, 9, 4000);
	uint8_t out[512];
	struct wr w = wr_from(out, sizeof(out));
	struct stun_msg m;

	if (stun_parse(check, &m) < 0 || stun_check_integrity(&m, SPAN_LIT(SFU_PWD)) < 0 || !m.controlling || m.use_candidate ||
	    m.priority == 0 || !m.fingerprint_ok)
		return false;
	stun_begin(&w, cls, STUN_BINDING, m.tid);
	if (cls == STUN_ERROR)
		stun_put_error(&w, 487, "");
	else if (mapped)
		stun_put_xor_addr(&w, STUN_ATTR_XOR_MAPPED_ADDRESS, &at, m.tid);
	if (key.n)
		stun_put_integrity(&w, key);
	stun_end(&w);
	sfu_probe_dgram(&s->p, from, wr_span_of(&w), s->now);
	sfu_collect(s);
	return true;
}

#endif

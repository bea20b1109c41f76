/* SPDX-License-Identifier: AGPL-3.0-only */
/* A TURN server as a test scripts it: as small as the probe's dialogue, and at one place it lies. */
#ifndef TESTS_HEALTHD_TURN_SCRIPT_H
#define TESTS_HEALTHD_TURN_SCRIPT_H

#include "healthd/probe/turn_probe.h"

#define SCRIPT_SECRET SPAN_LIT("of nobody's business")
#define SCRIPT_WALL ((wall_t){ UINT64_C(1700000000) * US_PER_SEC })
#define SCRIPT_DEADLINE DUR_SEC(4)
#define SCRIPT_RELEASE DUR_SEC(1)
#define SCRIPT_STEPS 200 /* turns of virtual time */

enum lie {
	LIE_NONE,
	LIE_SILENT, /* answers nothing at all */
	LIE_NO_NONCE,
	LIE_LONG_NONCE,
	LIE_ENDLESS_401,
	LIE_ENDLESS_438,
	LIE_ONE_438,
	LIE_OTHER_SECRET,
	LIE_OPEN, /* grants without asking who it is */
	LIE_QUOTA, /* the second leg gets 486 */
	LIE_REDIRECT,
	LIE_WRONG_TID,
	LIE_WRONG_METHOD,
	LIE_WRONG_INTEGRITY,
	LIE_NO_INTEGRITY,
	LIE_TRUNCATED,
	LIE_OVERSIZED,
	LIE_NOISE,
	LIE_ELSEWHERE, /* answers from another address */
	LIE_NO_RELAYED,
	LIE_RELAYED_PORT_0,
	LIE_FORBIDDEN, /* CreatePermission: 403 */
	LIE_SWALLOW,   /* relays nothing */
	LIE_ALTER,     /* relays other bytes */
	LIE_ECHO_OURS, /* relays to the sender */
	LIE_LOSE_FIRST, /* the first message of each leg and method is lost */
	LIE_KEEP,      /* does not answer Refresh */
	LIE_GONE,      /* Refresh: 437 */
	LIE_MAX_
};

struct script {
	struct turn_probe p;
	struct rng rng;
	mono_t now;
	enum lie lie;
	uint32_t sent, asked[TURN_PROBE_LEGS], lost[TURN_PROBE_LEGS];
	bool allocated[TURN_PROBE_LEGS], permitted[TURN_PROBE_LEGS];
	uint8_t stale[TURN_PROBE_LEGS];
	uint32_t relayed[TURN_PROBE_LEGS]; /* data of each leg that went through unaltered */
};

static inline struct addr script_server(void)
{
	return addr_v4(192, 0, 2, 1, 3478);
}

static inline struct addr script_relayed(uint32_t leg)
{
	return addr_v4(192, 0, 2, 1, (uint16_t)(50000 + leg));
}

static inline void script_hear(struct script *s, uint32_t leg, struct span msg)
{
	struct addr from = script_server();

	from.port = (uint16_t)(from.port + (s->lie == LIE_ELSEWHERE));
	turn_probe_input(&s->p, leg, &from, msg, s->now);
}

static inline void script_finish(struct script *s, uint32_t leg, struct wr *w, struct span key)
{
	static uint8_t large[16384];
	struct span out;

	if (key.n && s->lie != LIE_NO_INTEGRITY)
		stun_put_integrity(w, s->lie == LIE_WRONG_INTEGRITY ? SPAN_LIT("another key") : key);
	stun_end(w);
	out = wr_span_of(w);
	if (s->lie == LIE_TRUNCATED)
		out.n = out.n / 2;
	if (s->lie == LIE_NOISE)
		rng_bytes(&s->rng, w->start, out.n);
	if (s->lie == LIE_OVERSIZED) {
		memset(large, 0, sizeof(large));
		memcpy(large, out.p, out.n);
		out = span_of(large, sizeof(large));
	}
	script_hear(s, leg, out);
}

static inline struct wr script_begin(const struct script *s, uint8_t *mem, size_t n, const struct stun_msg *m, enum stun_class cls)
{
	struct wr w = wr_from(mem, n);
	uint8_t tid[STUN_TID_LEN];

	memcpy(tid, m->tid, sizeof(tid));
	tid[3] = (uint8_t)(tid[3] ^ (s->lie == LIE_WRONG_TID));
	stun_begin(&w, cls, s->lie == LIE_WRONG_METHOD ? STUN_BINDING : m->method, tid);
	return w;
}

static inline void script_refuse(struct script *s, uint32_t leg, const struct stun_msg *m, uint16_t code, struct span key)
{
	uint8_t mem[2048], nonce[800];
	struct wr w = script_begin(s, mem, sizeof(mem), m, STUN_ERROR);

	memset(nonce, 'n', sizeof(nonce));
	stun_put_error(&w, code, "");
	if (code == TURN_ERR_UNAUTHORIZED || code == TURN_ERR_STALE_NONCE) {
		stun_put(&w, STUN_ATTR_REALM, SPAN_LIT("oxpulse"));
		if (s->lie != LIE_NO_NONCE)
			stun_put(&w, STUN_ATTR_NONCE, span_of(nonce, s->lie == LIE_LONG_NONCE ? 764 : 16));
	}
	script_finish(s, leg, &w, key);
}

static inline void script_grant(struct script *s, uint32_t leg, const struct stun_msg *m, struct span key)
{
	struct addr at = script_relayed(leg);
	uint8_t mem[1024];
	struct wr w = script_begin(s, mem, sizeof(mem), m, STUN_SUCCESS);

	if (m->method == TURN_ALLOCATE && s->lie != LIE_NO_RELAYED) {
		at.port = s->lie == LIE_RELAYED_PORT_0 ? 0 : at.port;
		stun_put_xor_addr(&w, TURN_ATTR_XOR_RELAYED_ADDRESS, &at, w.start + 8);
	}
	s->allocated[leg] = m->method == TURN_ALLOCATE || (s->allocated[leg] && m->method != TURN_REFRESH);
	s->permitted[leg] |= m->method == TURN_CREATE_PERMISSION;
	script_finish(s, leg, &w, key);
}

static inline void script_relay(struct script *s, uint32_t leg, const struct stun_msg *m)
{
	uint8_t mem[1024], data[256], tid[STUN_TID_LEN] = { 7 };
	struct addr from = script_relayed(leg);
	struct wr w = wr_from(mem, sizeof(mem));
	struct turn_attrs a;

	if (turn_attrs_parse(m, &a) < 0 || a.data.n > sizeof(data) || s->lie == LIE_SWALLOW || !s->permitted[0] || !s->permitted[1])
		return;
	memcpy(data, a.data.p, a.data.n);
	data[0] = (uint8_t)(data[0] ^ (s->lie == LIE_ALTER));
	s->relayed[leg] += s->lie != LIE_ALTER && s->lie != LIE_ECHO_OURS;
	stun_begin(&w, STUN_INDICATION, TURN_DATA, tid);
	stun_put_xor_addr(&w, TURN_ATTR_XOR_PEER_ADDRESS, &from, tid);
	stun_put(&w, TURN_ATTR_DATA, span_of(data, a.data.n));
	stun_end(&w);
	script_hear(s, s->lie == LIE_ECHO_OURS ? leg : !leg, wr_span_of(&w));
}

/* What a signed request is refused with; 0: not at all. */
static inline uint16_t script_code(struct script *s, uint32_t leg, const struct stun_msg *m)
{
	static const struct {
		uint16_t method, code; /* method 0: any */
		int leg;               /* -1: both */
	} refusals[LIE_MAX_] = {
		[LIE_ENDLESS_438] = { 0, TURN_ERR_STALE_NONCE, -1 },
		[LIE_QUOTA] = { TURN_ALLOCATE, TURN_ERR_QUOTA, 1 },
		[LIE_REDIRECT] = { 0, TURN_ERR_TRY_ALTERNATE, -1 },
		[LIE_FORBIDDEN] = { TURN_CREATE_PERMISSION, TURN_ERR_FORBIDDEN, -1 },
		[LIE_GONE] = { TURN_REFRESH, TURN_ERR_MISMATCH, -1 },
	};
	uint16_t method = refusals[s->lie].method;

	if (s->lie == LIE_ONE_438)
		return s->stale[leg]++ % 2 == 0 ? TURN_ERR_STALE_NONCE : 0;
	if ((method && method != m->method) || (refusals[s->lie].leg >= 0 && refusals[s->lie].leg != (int)leg))
		return 0;
	return refusals[s->lie].code;
}

static inline void script_request(struct script *s, uint32_t leg, const struct stun_msg *m)
{
	struct span secret = s->lie == LIE_OTHER_SECRET ? SPAN_LIT("another secret") : SCRIPT_SECRET;
	char password[TURN_PASSWORD_LEN + 1];
	uint8_t key[STUN_KEY_MAX];
	struct span k = { 0 };
	uint16_t code;

	if (m->has_integrity && turn_cred_password(secret, m->username, password) == 0)
		k = span_of(key, stun_longterm_key(STUN_ALG_MD5, m->username, m->realm, span_of(password, TURN_PASSWORD_LEN), key));
	if (s->lie == LIE_OPEN) {
		script_grant(s, leg, m, (struct span){ 0 });
		return;
	}
	if (!m->has_integrity || s->lie == LIE_ENDLESS_401 || stun_check_integrity(m, k) < 0) {
		script_refuse(s, leg, m, TURN_ERR_UNAUTHORIZED, (struct span){ 0 });
		return;
	}
	if (m->method == TURN_REFRESH && s->lie == LIE_KEEP)
		return;
	code = script_code(s, leg, m);
	if (code == TURN_ERR_MISMATCH)
		s->allocated[leg] = false;
	if (code)
		script_refuse(s, leg, m, code, code == TURN_ERR_STALE_NONCE ? (struct span){ 0 } : k);
	else
		script_grant(s, leg, m, k);
}

/* What the probe wants to send goes to the server, until nothing is left. */
static inline void script_flush(struct script *s)
{
	while (s->p.box.n) {
		struct turn_probe_box box = s->p.box;

		s->p.box.n = 0;
		for (uint32_t i = 0; i < box.n; i++) {
			uint32_t leg = box.out[i].leg;
			struct stun_msg m;

			s->sent++;
			if (s->lie == LIE_SILENT || stun_parse(span_of(box.out[i].b, box.out[i].n), &m) < 0)
				continue;
			s->asked[leg] += m.cls == STUN_REQUEST;
			if (s->lie == LIE_LOSE_FIRST && !(s->lost[leg] & 1u << m.method)) {
				s->lost[leg] |= 1u << m.method;
				continue;
			}
			if (m.cls == STUN_REQUEST)
				script_request(s, leg, &m);
			else if (m.method == TURN_SEND)
				script_relay(s, leg, &m);
		}
	}
}

static inline int script_start(struct script *s, enum lie lie, const char *realm, bool reliable)
{
	*s = (struct script){ .lie = lie, .now = { DUR_SEC(100) } };
	rng_seed(&s->rng, 1);
	return turn_probe_init(&s->p,
			       &(struct turn_probe_conf){ script_server(), SCRIPT_SECRET, realm, SCRIPT_WALL, reliable,
							  mono_add(s->now, SCRIPT_DEADLINE), SCRIPT_RELEASE },
			       &s->rng, s->now);
}

/* Virtual time until it is over. Whether it was. */
static inline bool script_run(struct script *s)
{
	for (int i = 0; i < SCRIPT_STEPS; i++) {
		script_flush(s);
		if (s->p.step == TURN_PROBE_DONE)
			return true;
		s->now = turn_probe_next(&s->p);
		turn_probe_tick(&s->p, s->now);
	}
	return false;
}

#endif

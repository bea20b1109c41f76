/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/probe/sfu_probe.h"

#include "base/base64.h"
#include "base/secret.h"
#include "wire/jwt.h"

#define PRIORITY ((UINT32_C(110) << 24) | (UINT32_C(65535) << 8) | 255) /* RFC 8445 7.1.1: peer-reflexive, component 1 */
#define TOKENS 512
#define CLOSE_NORMAL 1000

/* --- to the stream ------------------------------------------------------------------------------------------------ */

static struct wr out_begin(struct sfu_probe *p)
{
	return wr_from(p->out + p->out_n, sizeof(p->out) - p->out_n);
}

/* All or nothing: half a frame would be worse. */
static bool out_end(struct sfu_probe *p, const struct wr *w)
{
	if (!w->bad)
		p->out_n += wr_len(w);
	return !w->bad;
}

static void say(struct sfu_probe *p, enum ws_opcode op, struct span body)
{
	struct wr w = out_begin(p);

	ws_client_put(&w, op, body, p->rng);
	(void)out_end(p, &w);
}

static void send_close(struct sfu_probe *p)
{
	struct wr w = out_begin(p);

	if (p->closed)
		return;
	p->closed = true;
	ws_client_put_close(&w, CLOSE_NORMAL, p->rng);
	(void)out_end(p, &w);
}

/* --- states ------------------------------------------------------------------------------------------------------- */

static void finish(struct sfu_probe *p, enum probe_why why, uint16_t code, mono_t now)
{
	bool open = p->step == SFU_PROBE_ANSWER || p->step == SFU_PROBE_CHECK;

	if (p->step >= SFU_PROBE_CLOSE)
		return;
	p->end = (struct probe_end){ .why = why, .code = code, .step = (uint8_t)p->step };
	stun_tx_stop(&p->tx);
	p->step = open ? SFU_PROBE_CLOSE : SFU_PROBE_DONE;
	p->deadline = mono_add(now, p->close_us);
	if (open)
		send_close(p);
}

static void enter_answer(struct sfu_probe *p, mono_t now)
{
	uint8_t text[2048], fingerprint[SFU_SDP_FINGERPRINT];
	struct wr w = wr_from(text, sizeof(text));

	p->step = SFU_PROBE_ANSWER;
	rng_bytes(p->rng, fingerprint, sizeof(fingerprint));
	sfu_sdp_offer(&w, p->ufrag, p->pwd, fingerprint, rng_u32(p->rng));
	if (w.bad)
		finish(p, PROBE_GARBAGE, 0, now);
	else
		say(p, WS_OP_TEXT, wr_span_of(&w));
}

static void enter_check(struct sfu_probe *p, mono_t now)
{
	struct wr w = stun_tx_begin(&p->tx, STUN_REQUEST, STUN_BINDING, p->rng);
	uint8_t name[2 * SFU_SDP_ICE_MAX + 1], tie_breaker[8], priority[4];
	struct wr n = wr_from(name, sizeof(name));

	p->step = SFU_PROBE_CHECK;
	rng_bytes(p->rng, tie_breaker, sizeof(tie_breaker));
	put_be32(priority, PRIORITY);
	wr_str(&n, p->their_ufrag);
	wr_str(&n, ":");
	wr_str(&n, p->ufrag);
	stun_put(&w, STUN_ATTR_USERNAME, wr_span_of(&n));
	stun_put(&w, STUN_ATTR_PRIORITY, span_of(priority, sizeof(priority)));
	stun_put(&w, STUN_ATTR_ICE_CONTROLLING, span_of(tie_breaker, sizeof(tie_breaker)));
	stun_put_integrity(&w, span_str(p->their_pwd));
	stun_put_fingerprint(&w);
	(void)stun_tx_start(&p->tx, &w, false, now); /* with the longest names it fits */
}

static void on_answer(struct sfu_probe *p, const struct json *j, mono_t now)
{
	struct sfu_sdp_answer a;
	size_t n;

	if (json_get_str(j, 0, "sdp", p->sdp, sizeof(p->sdp), &n) < 0 || sfu_sdp_read(span_of(p->sdp, n), &a) < 0) {
		finish(p, PROBE_GARBAGE, 0, now);
		return;
	}
	memcpy(p->their_ufrag, a.ufrag.p, a.ufrag.n);
	memcpy(p->their_pwd, a.pwd.p, a.pwd.n);
	p->check_at = addr_is_unset(&p->media) ? a.candidate : p->media;
	if (addr_is_unset(&p->check_at))
		finish(p, PROBE_NO_ADDRESS, 0, now);
	else
		enter_check(p, now);
}

/* Messages that are no answer are not ours to judge: sfud says more than that. */
static void on_text(struct sfu_probe *p, struct span text, mono_t now)
{
	struct json_tok tok[TOKENS];
	struct json j;
	char kind[16];

	if (p->step != SFU_PROBE_ANSWER)
		return;
	if (json_parse(text, tok, TOKENS, &j) < 0)
		p->strange = true;
	else if (json_get_str(&j, 0, "kind", kind, sizeof(kind), NULL) == 0 && strcmp(kind, "answer") == 0)
		on_answer(p, &j, now);
}

static void on_frame(struct sfu_probe *p, const struct ws_frame *f, mono_t now)
{
	if (f->op == WS_OP_TEXT) {
		on_text(p, f->body, now);
	} else if (f->op == WS_OP_PING && !p->closed) {
		say(p, WS_OP_PONG, f->body);
	} else if (f->op == WS_OP_CLOSE) {
		finish(p, PROBE_CLOSED, f->close, now);
		p->step = SFU_PROBE_DONE;
	}
}

/* --- input -------------------------------------------------------------------------------------------------------- */

static size_t on_head(struct sfu_probe *p, struct span in, mono_t now)
{
	struct ws_response r;
	int err = ws_client_response(in, p->key, &r);

	if (err == ERR_SHORT)
		return 0;
	if (err < 0) {
		finish(p, PROBE_GARBAGE, 0, now);
		return in.n;
	}
	if (r.accepted)
		enter_answer(p, now);
	else if (r.status == 101)
		finish(p, PROBE_GARBAGE, 0, now);
	else
		finish(p, r.status == 401 ? PROBE_AUTH : PROBE_CODE, r.status, now);
	return r.len;
}

static size_t on_frames(struct sfu_probe *p, struct span in, mono_t now)
{
	size_t used = 0;
	struct ws_frame f;
	int err;

	while (p->step != SFU_PROBE_DONE) {
		err = ws_client_next(&p->ws, span_of(in.p + used, in.n - used), &f);
		if (err == ERR_SHORT)
			break;
		if (err < 0) {
			finish(p, PROBE_GARBAGE, 0, now);
			p->step = SFU_PROBE_DONE;
			break;
		}
		used += f.len;
		on_frame(p, &f, now);
	}
	return p->step == SFU_PROBE_DONE ? in.n : used;
}

size_t sfu_probe_stream(struct sfu_probe *p, struct span in, mono_t now)
{
	size_t used = 0;

	if (p->step == SFU_PROBE_UPGRADE)
		used = on_head(p, in, now);
	if (p->step == SFU_PROBE_UPGRADE)
		return used;
	return used + on_frames(p, span_of(in.p + used, in.n - used), now);
}

void sfu_probe_stream_end(struct sfu_probe *p, mono_t now)
{
	p->closed = true; /* there is nobody to tell */
	finish(p, PROBE_CLOSED, 0, now);
	p->step = SFU_PROBE_DONE;
}

void sfu_probe_dgram(struct sfu_probe *p, const struct addr *from, struct span dgram, mono_t now)
{
	struct stun_msg m;

	if (p->step != SFU_PROBE_CHECK)
		return;
	/* What is not vouched for may be anybody's. */
	if (!addr_eq(from, &p->check_at) || stun_parse(dgram, &m) < 0 || !stun_tx_is_answer(&p->tx, &m) ||
	    stun_check_integrity(&m, span_str(p->their_pwd)) < 0) {
		p->strange = true;
		return;
	}
	p->us = mono_since(now, p->tx.first);
	if (m.cls == STUN_ERROR)
		finish(p, PROBE_CODE, m.error, now);
	else
		finish(p, addr_is_unset(&m.mapped) ? PROBE_GARBAGE : PROBE_OK, 0, now);
}

struct span sfu_probe_tick(struct sfu_probe *p, mono_t now)
{
	if (p->step < SFU_PROBE_DONE && mono_reached(now, p->deadline)) {
		if (p->step == SFU_PROBE_CLOSE)
			p->step = SFU_PROBE_DONE;
		finish(p, p->strange ? PROBE_GARBAGE : PROBE_TIMEOUT, 0, now);
	}
	return stun_tx_due(&p->tx, now);
}

mono_t sfu_probe_next(const struct sfu_probe *p)
{
	return p->step == SFU_PROBE_DONE ? MONO_NEVER : mono_min(p->deadline, stun_tx_next(&p->tx));
}

void sfu_probe_abandon(struct sfu_probe *p, mono_t now)
{
	finish(p, PROBE_TIMEOUT, 0, now);
	p->step = SFU_PROBE_DONE;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void write_claims(struct wr *w, struct span room, uint32_t sub, wall_t wall)
{
	struct json_out o = json_out(w);

	jo_obj(&o);
	jo_key(&o, "sub");
	jo_u64(&o, sub);
	jo_key(&o, "room");
	jo_str(&o, room);
	jo_key(&o, "iat");
	jo_u64(&o, wall.us / US_PER_SEC);
	jo_key(&o, "exp");
	jo_u64(&o, (wall.us + SFU_PROBE_LIFE) / US_PER_SEC);
	jo_obj_end(&o);
}

static void write_upgrade(struct sfu_probe *p, const struct sfu_probe_conf *c, struct wr *w)
{
	char path[64] = "/sfu/ws/" SFU_PROBE_ROOM, claims[256], protocols[1024], host[ADDR_TEXT_MAX];
	const size_t head = sizeof("/sfu/ws/") - 1, prefix = strlen(path);
	struct wr at = wr_from(path + prefix, sizeof(path) - prefix);
	struct wr cl = wr_from(claims, sizeof(claims)), pr = wr_from(protocols, sizeof(protocols));
	uint8_t random[8];
	struct span room;

	rng_bytes(p->rng, random, sizeof(random));
	wr_hex(&at, span_of(random, sizeof(random)));
	room = span_of(path + head, prefix - head + wr_len(&at));
	write_claims(&cl, room, rng_u32(p->rng), c->wall);
	wr_str(&pr, "oxpulse-sfu-v1, bearer.");
	jwt_sign_hs256(&pr, wr_span_of(&cl), c->secret);
	ws_client_key(p->rng, p->key);
	ws_client_request(w, span_str(addr_fmt(&c->signal, host)), span_of(path, prefix + wr_len(&at)), p->key, wr_span_of(&pr));
	w->bad |= pr.bad;
	wipe(protocols, sizeof(protocols));
}

/* n bytes of randomness in ice-chars, which are those of base64. */
static void random_text(struct rng *rng, char *ret, size_t n)
{
	uint8_t bytes[24];
	struct wr w = wr_from(ret, n / 3 * 4);

	rng_bytes(rng, bytes, n);
	base64_write(&w, span_of(bytes, n));
	*w.p = '\0';
}

int sfu_probe_init(struct sfu_probe *p, const struct sfu_probe_conf *c, struct rng *rng)
{
	struct wr w;

	memset(p, 0, sizeof(*p));
	p->rng = rng;
	p->media = c->media;
	p->deadline = c->deadline;
	p->close_us = c->close_us;
	random_text(rng, p->ufrag, 6);
	random_text(rng, p->pwd, 18);
	w = out_begin(p);
	write_upgrade(p, c, &w);
	return out_end(p, &w) ? 0 : ERR_LIMIT;
}

void sfu_probe_done(struct sfu_probe *p)
{
	wipe(p, sizeof(*p));
}

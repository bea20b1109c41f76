/* SPDX-License-Identifier: AGPL-3.0-only */
/* The signalling endpoint: who may open a WebSocket for which room, and which member it speaks for. */
#include <stdlib.h>

#include "sfud/sfud.h"
#include "sys/log.h"

#define ENDPOINT "/sfu/ws/"
#define PROTOCOL "oxpulse-sfu-v1"

struct ws_session {
	struct sfud *d;
	struct ws *ws;
	struct handle member; /* none: refused room, or already closed */
	bool mismatch;
	uint64_t sub;
	char room[ROOM_NAME_MAX];
	mono_t since;
};

/* "bearer.<jwt>" is a legal header token; "Bearer <jwt>" is what the first clients sent. */
static struct span bearer_of(const struct http_head *h, bool *ret_protocol)
{
	static const char *const prefixes[] = { "bearer.", "Bearer " };
	struct span item, token = { 0 };

	*ret_protocol = false;
	for (uint32_t pos = 0; http_head_list(h, "Sec-WebSocket-Protocol", &pos, &item);) {
		if (span_is(item, PROTOCOL))
			*ret_protocol = true;
		for (size_t i = 0; i < ARRAY_LEN(prefixes) && token.n == 0; i++) {
			size_t n = strlen(prefixes[i]);

			if (item.n > n && memcmp(item.p, prefixes[i], n) == 0)
				token = span_of(item.p + n, item.n - n);
		}
	}
	return token;
}

static bool room_of(struct span path, struct span *ret)
{
	const size_t n = sizeof(ENDPOINT) - 1;

	if (path.n <= n || memcmp(path.p, ENDPOINT, n) != 0 || path.n - n >= ROOM_NAME_MAX)
		return false;
	*ret = span_of(path.p + n, path.n - n);
	return memchr(ret->p, '/', ret->n) == NULL;
}

static unsigned refuse(struct sfud *d, enum ws_refusal why)
{
	d->signal.refused[why]++;
	return 401;
}

static unsigned verify(struct sfud *d, struct span token, struct room_claims *ret)
{
	struct jwt_keys keys = sfud_conf_keys(&d->conf);

	if (token.n == 0)
		return refuse(d, WS_MISSING_TOKEN);
	switch (jwt_room(token, &keys, loop_wall(d->loop), ret)) {
	case JWT_OK:
		d->signal.verified[ret->alg]++;
		return 101;
	case JWT_EXPIRED:
		return refuse(d, WS_EXPIRED_TOKEN);
	case JWT_MALFORMED:
	case JWT_BAD_SIGNATURE:
	case JWT_VERDICT_MAX_:
		break;
	}
	return refuse(d, WS_INVALID_TOKEN);
}

static unsigned admit(struct sfud *d)
{
	if (d->stopping || !mono_is_never(d->drain_by)) {
		d->signal.draining++;
		return 503;
	}
	if (d->sessions >= d->conf.max_participants) {
		d->signal.at_capacity++;
		return 503;
	}
	return 101;
}

static void on_upgrade(const struct http_head *h, void *arg, struct ws_verdict *ret)
{
	struct sfud *d = arg;
	struct room_claims claims;
	struct span room, token;
	struct ws_session *s;
	bool protocol;

	if (!room_of(h->path, &room)) {
		ret->status = 404;
		return;
	}
	token = bearer_of(h, &protocol);
	ret->status = verify(d, token, &claims);
	if (ret->status == 101)
		ret->status = admit(d);
	if (ret->status != 101)
		return;
	s = calloc(1, sizeof(*s));
	if (!s) {
		ret->status = 503;
		return;
	}
	s->d = d;
	s->sub = claims.sub;
	s->mismatch = !span_is(room, claims.room);
	memcpy(s->room, room.p, room.n);
	s->since = loop_now(d->loop);
	d->sessions++;
	ret->protocol = protocol ? PROTOCOL : NULL;
	ret->arg = s;
}

static void on_open(struct ws *ws, void *arg)
{
	struct ws_session *s = arg;
	struct sfud *d = s->d;

	s->ws = ws;
	if (s->mismatch) {
		d->signal.refused[WS_ROOM_MISMATCH]++;
		ws_close(ws, SIG_CLOSE_ROOM_MISMATCH, "room mismatch");
		return;
	}
	d->signal.started++;
	if (sfu_join(&d->sfu, s->room, s->sub, loop_now(d->loop), &s->member) < 0) {
		ws_close(ws, SIG_CLOSE_INTERNAL, "internal");
		return;
	}
	if (d->sig.n)
		signal_deliver(&d->sig); /* the close of whom this session replaces, while the slot is still theirs */
	d->by_slot[s->member.slot] = s;
}

static void on_text(struct ws *ws, void *arg, struct span text)
{
	struct ws_session *s = arg;

	(void)ws;
	if (!handle_is_none(s->member))
		sfu_text(&s->d->sfu, s->member, text, loop_now(s->d->loop));
}

static void count_end(struct sfud *d, const struct ws_session *s, unsigned code)
{
	static const unsigned codes[] = { SIG_CLOSE_ENDED, SIG_CLOSE_SHUTDOWN, SIG_CLOSE_ROOM_MISMATCH,
					  SIG_CLOSE_BAD_OFFER, SIG_CLOSE_INTERNAL, SIG_CLOSE_REPLACED };
	size_t i = 0;

	while (i < ARRAY_LEN(codes) && codes[i] != code)
		i++;
	d->signal.ended[i]++;
	hist_add(&d->signal.duration, &hist_session, mono_since(loop_now(d->loop), s->since), 1);
}

static void on_closed(struct ws *ws, void *arg, unsigned code)
{
	struct ws_session *s = arg;
	struct sfud *d = s->d;

	(void)ws;
	d->sessions--;
	count_end(d, s, code);
	if (!handle_is_none(s->member) && d->by_slot[s->member.slot] == s) {
		d->by_slot[s->member.slot] = NULL;
		sfu_gone(&d->sfu, s->member, loop_now(d->loop));
	}
	free(s);
}

void signal_deliver(struct sigbox *sb)
{
	struct sfud *d = sb->owner;

	for (uint32_t i = 0; i < sb->n; i++) {
		const struct sig_out *o = &sb->out[i];
		struct ws_session *s = d->by_slot ? d->by_slot[o->member.slot] : NULL;

		if (!s || !handle_eq(s->member, o->member))
			continue;
		if (o->close == SIG_CLOSE_NONE) {
			ws_send(s->ws, span_of(sb->mem + o->at, o->n));
			continue;
		}
		d->by_slot[o->member.slot] = NULL;
		s->member = (struct handle){ 0 };
		ws_close(s->ws, o->close, o->reason);
	}
	sigbox_clear(sb);
}

int signal_open(struct sfud *d)
{
	static const struct ws_ops ops = { on_upgrade, on_open, on_text, on_closed };
	const struct ws_conf c = { .listen = d->conf.signal_bind, .max_conns = d->conf.max_participants * 2 + 64,
				   .max_message = d->conf.max_message, .ping = d->conf.ping, .ops = &ops, .arg = d };
	char text[ADDR_TEXT_MAX];
	int r;

	if (d->conf.secret.n == 0 && !d->conf.has_ed25519) {
		log_warn("no key for room tokens: nobody can join; set Signal.SecretFile= (or SIGNALING_SFU_SECRET)");
		return 0;
	}
	d->by_slot = calloc(d->conf.sfu.max_members, sizeof(struct ws_session *));
	if (!d->by_slot)
		return log_err(ERR_NOMEM, "signalling");
	r = ws_server_open(d->loop, &c, &d->ws);
	if (r < 0)
		return log_err(r, "signalling on %s (another process on this port?)", addr_fmt(&c.listen, text));
	return 0;
}

void signal_close(struct sfud *d)
{
	ws_server_close(d->ws);
	free(d->by_slot);
}

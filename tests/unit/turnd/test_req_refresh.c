/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sim/turn_rig.h"
#include "t.h"
#include "turnd/req.h"

#define ME addr_v4(7, 7, 7, 7, 1111)
#define PEER addr_v4(8, 8, 8, 8, 5000)

struct world {
	struct turn_rig r;
	struct rig_client c;
	uint8_t ticket[64];
	size_t ticket_n;
	struct addr peer;
};

enum { W_DUAL = 1, W_MOBILE = 2 };

static void keep_ticket(struct world *w, const struct rig_client *c)
{
	w->ticket_n = c->a.ticket.n;
	if (w->ticket_n)
		memcpy(w->ticket, c->a.ticket.p, w->ticket_n);
}

static void begin(struct world *w, enum via via, unsigned what)
{
	rig_init(&w->r);
	rig_start(&w->r);
	rig_client(&w->c, &w->r, via, ME);
	w->peer = PEER;
	(void)rig_nonce(&w->c);
	rig_begin(&w->c, TURN_ALLOCATE);
	rig_put_transport(&w->c, TURN_UDP);
	if (what & W_DUAL)
		turn_put_u8(&w->c.w, TURN_ATTR_ADDITIONAL_ADDRESS_FAMILY, TURN_FAMILY_V6);
	if (what & W_MOBILE)
		stun_put(&w->c.w, TURN_ATTR_MOBILITY_TICKET, (struct span){ 0 });
	EQ(rig_call(&w->c), 0);
	EQ(w->c.a.has_ticket, (what & W_MOBILE) != 0);
	keep_ticket(w, &w->c);
}

/* RFC 8656 8.2: longer, shorter, gone. */
static void refresh_sets_the_lifetime(void)
{
	struct world w;

	begin(&w, VIA_UDP, 0);
	rig_tick(&w.r, DUR_SEC(500));
	EQ(rig_refresh(&w.c, 1000), 0);
	EQ(w.c.a.lifetime, 1000);
	EQ(rig_refresh(&w.c, 9999), 0);
	EQ(w.c.a.lifetime, 3100);
	EQ(rig_refresh(&w.c, 1), 0);
	EQ(w.c.a.lifetime, 600);
	EQ(turn_next(&w.r.t).us, mono_add(w.r.now, DUR_SEC(600)).us);
	rig_begin(&w.c, TURN_REFRESH);
	EQ(rig_call(&w.c), 0);
	EQ(w.c.a.lifetime, 600);
	EQ(rig_refresh(&w.c, 0), 0);
	EQ(w.c.a.lifetime, 0);
	OK(w.c.a.has_lifetime && w.c.ans_signed);
	EQ(w.r.t.allocs.live, 0);
	EQ(w.r.n_relays, 0);
	EQ(w.r.t.stats.ended, 1);
	EQ(w.r.t.stats.expired, 0);
	t_row = "its retransmission: ";
	EQ(rig_again(&w.c), 437);
	rig_done(&w.r);
}

static int refresh_family(struct rig_client *c, uint8_t family, uint32_t life)
{
	rig_begin(c, TURN_REFRESH);
	turn_put_u32(&c->w, TURN_ATTR_LIFETIME, life);
	turn_put_u8(&c->w, TURN_ATTR_REQUESTED_ADDRESS_FAMILY, family);
	return rig_call(c);
}

/* RFC 8656 8.2: 443 for a family that the allocation has not; of two, one may go alone. */
static void family_is_respected(void)
{
	struct world w;

	begin(&w, VIA_UDP, 0);
	EQ(refresh_family(&w.c, TURN_FAMILY_V6, 600), 443);
	EQ(refresh_family(&w.c, 9, 600), 443);
	EQ(refresh_family(&w.c, TURN_FAMILY_V4, 600), 0);
	rig_done(&w.r);

	begin(&w, VIA_UDP, W_DUAL);
	EQ(w.r.n_relays, 2);
	EQ(rig_bind(&w.c, 0x4000, &w.peer), 0);
	EQ(refresh_family(&w.c, TURN_FAMILY_V4, 0), 0);
	EQ(w.r.n_relays, 1);
	EQ(w.r.t.allocs.live, 1);
	EQ(rig_channel_data(&w.c, 0x4000, SPAN_LIT("data")), DROP_PEER_FAMILY);
	EQ(refresh_family(&w.c, TURN_FAMILY_V4, 600), 443);
	EQ(refresh_family(&w.c, TURN_FAMILY_V6, 0), 0);
	EQ(w.r.t.allocs.live, 0);
	EQ(w.r.n_relays, 0);
	rig_done(&w.r);
}

/* The client `c` has a new address: it gets itself a nonce, then shows the ticket. */
static int move_to(struct world *w, struct rig_client *d, enum via via, uint16_t port)
{
	rig_client(d, &w->r, via, addr_v4(6, 6, 6, 6, port));
	memcpy(d->user, w->c.user, sizeof(d->user));
	(void)rig_nonce(d);
	rig_begin(d, TURN_REFRESH);
	turn_put_u32(&d->w, TURN_ATTR_LIFETIME, 600);
	stun_put(&d->w, TURN_ATTR_MOBILITY_TICKET, span_of(w->ticket, w->ticket_n));
	return rig_call(d);
}

static bool went_to(const struct turn_rig *r, const struct rig_client *c)
{
	const struct rig_sent *s = rig_last((struct turn_rig *)r);

	return s && addr_eq(&s->path.remote, &c->c.path.remote);
}

/* RFC 8016 3.2.2: data goes to the former address until something comes from the new one; both are heard meanwhile. */
static void client_moves(void)
{
	struct world w;
	struct rig_client d;

	begin(&w, VIA_UDP, W_MOBILE);
	EQ(rig_bind(&w.c, 0x4000, &w.peer), 0);
	EQ(move_to(&w, &d, VIA_UDP, 1), 0);
	OK(d.ans_signed && d.a.ticket.n == TICKET_LEN);
	OK(!span_eq(d.a.ticket, span_of(w.ticket, w.ticket_n)));
	EQ(w.r.t.stats.moved, 1);
	EQ(rig_from_peer(&d, &w.peer, SPAN_LIT("data")), DROP_NONE);
	OK(went_to(&w.r, &w.c));
	EQ(rig_channel_data(&w.c, 0x4000, SPAN_LIT("data")), DROP_NONE);
	EQ(rig_from_peer(&d, &w.peer, SPAN_LIT("data")), DROP_NONE);
	OK(went_to(&w.r, &w.c));
	EQ(rig_channel_data(&d, 0x4000, SPAN_LIT("data")), DROP_NONE);
	EQ(rig_from_peer(&d, &w.peer, SPAN_LIT("data")), DROP_NONE);
	OK(went_to(&w.r, &d));
	EQ(rig_channel_data(&w.c, 0x4000, SPAN_LIT("data")), DROP_CLIENT_UNKNOWN);
	EQ(w.r.t.allocs.live, 1);
	EQ(w.r.t.clients.n, 1);
	rig_done(&w.r);
	EQ(w.r.n_relays, 0);
}

/* What ends the time of two addresses: a request, a Send, or ALLOC_SETTLE. */
static void move_settles(void)
{
	for (int how = 0; how < 3; how++) {
		struct world w;
		struct rig_client d;

		begin(&w, VIA_UDP, W_MOBILE);
		EQ(rig_permit(&w.c, &w.peer), 0);
		EQ(move_to(&w, &d, VIA_UDP, 1), 0);
		EQ(w.r.t.clients.n, 2);
		if (how == 0)
			EQ(rig_permit(&d, &w.peer), 0);
		else if (how == 1)
			EQ(rig_send(&d, &w.peer, SPAN_LIT("data"), false), DROP_NONE);
		else
			rig_tick(&w.r, ALLOC_SETTLE);
		EQ(w.r.t.clients.n, 1);
		EQ(turn_next(&w.r.t).us, rig_alloc(&d)->expires.us);
		OK(!rig_alloc(&w.c));
		rig_done(&w.r);
	}
}

/* The answer to a move may be lost: the same ticket works again until the client has shown its new address. */
static void lost_answers_do_no_harm(void)
{
	struct world w;
	struct rig_client d, e, f;

	begin(&w, VIA_UDP, W_MOBILE);
	EQ(move_to(&w, &d, VIA_UDP, 1), 0);
	t_row = "from yet another address: ";
	EQ(move_to(&w, &e, VIA_UDP, 2), 0);
	OK(!rig_alloc(&w.c) && rig_alloc(&d) && rig_alloc(&e));
	t_row = "two moves old: ";
	EQ(move_to(&w, &f, VIA_UDP, 3), 437);
	rig_done(&w.r);
	begin(&w, VIA_UDP, W_MOBILE);
	EQ(move_to(&w, &d, VIA_UDP, 1), 0);
	t_row = "retransmitted: ";
	EQ(rig_again(&d), 0);
	EQ(d.a.ticket.n, TICKET_LEN);
	keep_ticket(&w, &d);
	EQ(move_to(&w, &f, VIA_UDP, 3), 0);
	OK(rig_alloc(&f) && w.r.t.allocs.live == 1);
	rig_done(&w.r);
}

/* Who may not move. */
static void moves_are_checked(void)
{
	struct world w;
	struct rig_client d, e;

	begin(&w, VIA_UDP, W_MOBILE);
	w.ticket[20] ^= 1;
	t_row = "forged: ";
	EQ(move_to(&w, &d, VIA_UDP, 1), 437);
	w.ticket[20] ^= 1;
	t_row = "stolen: ";
	rig_client(&e, &w.r, VIA_UDP, addr_v4(6, 6, 6, 6, 9));
	rig_credential(&e, 3600, "mallory");
	(void)rig_nonce(&e);
	rig_begin(&e, TURN_REFRESH);
	stun_put(&e.w, TURN_ATTR_MOBILITY_TICKET, span_of(w.ticket, w.ticket_n));
	EQ(rig_call(&e), 441);
	t_row = "old: ";
	EQ(move_to(&w, &d, VIA_UDP, 2), 0);
	EQ(rig_refresh(&d, 600), 0);
	EQ(move_to(&w, &d, VIA_UDP, 3), 437);
	t_row = "the allocation is gone: ";
	rig_tick(&w.r, DUR_SEC(700));
	EQ(move_to(&w, &d, VIA_UDP, 4), 437);
	rig_done(&w.r);
}

/* A ticket names its worker; the handover happens after the bearer has proved that it has a password. */
static void ticket_of_another_worker_is_handed_over(void)
{
	struct world w;
	struct rig_client d;

	begin(&w, VIA_UDP, W_MOBILE);
	w.r.t.conf.worker = 4;
	EQ(move_to(&w, &d, VIA_UDP, 1), -1);
	EQ(d.drop, DROP_OTHER_WORKER);
	EQ(w.r.t.other, 3);
	memcpy(d.secret, "west", 5);
	rig_begin(&d, TURN_REFRESH);
	stun_put(&d.w, TURN_ATTR_MOBILITY_TICKET, span_of(w.ticket, w.ticket_n));
	EQ(rig_call(&d), 401);
	rig_done(&w.r);
}

/* A mobile allocation outlives its stream; a client may even change its transport. */
static void mobile_allocation_outlives_its_stream(void)
{
	struct world w;
	struct rig_client d;

	begin(&w, VIA_TLS, W_MOBILE);
	EQ(rig_permit(&w.c, &w.peer), 0);
	turn_client_gone(&w.r.t, &w.c.c);
	EQ(w.r.t.allocs.live, 1);
	EQ(move_to(&w, &d, VIA_UDP, 1), 0);
	EQ(rig_send(&d, &w.peer, SPAN_LIT("data"), false), DROP_NONE);
	EQ(rig_from_peer(&d, &w.peer, SPAN_LIT("data")), DROP_NONE);
	OK(went_to(&w.r, &d));
	rig_done(&w.r);
}

T_MAIN(T(refresh_sets_the_lifetime), T(family_is_respected), T(client_moves), T(move_settles), T(lost_answers_do_no_harm),
       T(moves_are_checked), T(ticket_of_another_worker_is_handed_over), T(mobile_allocation_outlives_its_stream))

/* SPDX-License-Identifier: AGPL-3.0-only */
/* One server's day again and again, each time with another allocation failing. */
#include "base/slab.h"
#include "sim/turn_rig.h"
#include "t.h"
#include "turnd/req.h"

#define SWEEP_MAX 2000
#define SILENCE (-1)
#define ALICE 0  /* UDP, both families, permissions and channels */
#define BOB 1    /* TCP, RFC 6062 */
#define STREAM 2 /* the connection that is joined to a peer's */
#define CAROL 3  /* mobile */
#define MOVED 4  /* the same at another address */
#define EVEN 5   /* with the next port reserved */
#define ODD 6    /* who comes for that */
#define CLIENTS 7

struct day {
	struct turn_rig r;
	struct rig_client c[CLIENTS];
	uint8_t ticket[TICKET_LEN], token[TURN_TOKEN_LEN];
	uint32_t stream;
	size_t made; /* allocations */
	uint32_t refused, half, stuck, wrong; /* what was refused; left something; was refused again; got another answer */
};

static struct addr peer(uint8_t i)
{
	return addr_v4(1, 1, 1, i, 53);
}

/* --- what is asked for: 0, the error code, or SILENCE -------------------------------------------------------------- */

static int allocate(struct day *d, uint32_t who, uint8_t transport)
{
	rig_begin(&d->c[who], TURN_ALLOCATE);
	rig_put_transport(&d->c[who], transport);
	if (who == ALICE)
		turn_put_u8(&d->c[who].w, TURN_ATTR_ADDITIONAL_ADDRESS_FAMILY, TURN_FAMILY_V6);
	if (who == CAROL)
		stun_put(&d->c[who].w, TURN_ATTR_MOBILITY_TICKET, (struct span){ 0 });
	if (who == EVEN)
		turn_put_u8(&d->c[who].w, TURN_ATTR_EVEN_PORT, 0x80);
	if (who == ODD)
		stun_put(&d->c[who].w, TURN_ATTR_RESERVATION_TOKEN, span_of(d->token, sizeof(d->token)));
	return rig_call(&d->c[who]);
}

static int alice_comes(struct day *d)
{
	return allocate(d, ALICE, TURN_UDP);
}

static int alice_permits(struct day *d)
{
	struct rig_client *c = &d->c[ALICE];

	rig_begin(c, TURN_CREATE_PERMISSION);
	for (uint8_t i = 1; i <= 3; i++) {
		struct addr p = peer(i);

		stun_put_xor_addr(&c->w, TURN_ATTR_XOR_PEER_ADDRESS, &p, c->mem + 8);
	}
	return rig_call(c);
}

static int alice_binds(struct day *d)
{
	struct addr p = peer(1);

	return rig_bind(&d->c[ALICE], TURN_CHANNEL_MIN, &p);
}

static int alice_binds_more(struct day *d)
{
	struct addr p = peer(4);

	return rig_bind(&d->c[ALICE], TURN_CHANNEL_MIN + 1, &p);
}

static int alice_talks(struct day *d)
{
	struct addr p = peer(1);
	bool both = rig_channel_data(&d->c[ALICE], TURN_CHANNEL_MIN, SPAN_LIT("hello")) == DROP_NONE &&
		    rig_from_peer(&d->c[ALICE], &p, SPAN_LIT("hello")) == DROP_NONE;

	return both ? 0 : SILENCE;
}

static int alice_refreshes(struct day *d)
{
	return rig_refresh(&d->c[ALICE], 600);
}

static int bob_comes(struct day *d)
{
	return allocate(d, BOB, TURN_TCP);
}

static int bob_permits(struct day *d)
{
	struct addr p = peer(1);

	return rig_permit(&d->c[BOB], &p);
}

/* It is answered when the peer has answered. */
static int bob_connects(struct day *d)
{
	struct addr p = peer(1);
	int code;

	rig_begin(&d->c[BOB], TURN_CONNECT);
	stun_put_xor_addr(&d->c[BOB].w, TURN_ATTR_XOR_PEER_ADDRESS, &p, d->c[BOB].mem + 8);
	d->r.connecting = 0;
	code = rig_call(&d->c[BOB]);
	if (d->r.connecting == 0 || code != SILENCE)
		return code;
	d->stream = d->r.connecting;
	turn_peer_connected(&d->r.t, d->stream, 0, d->r.now);
	d->r.ob.full(&d->r.ob);
	return d->r.n_sent == 1 ? 0 : SILENCE;
}

static int bob_joins(struct day *d)
{
	rig_begin(&d->c[STREAM], TURN_CONNECTION_BIND);
	turn_put_u32(&d->c[STREAM].w, TURN_ATTR_CONNECTION_ID, d->stream);
	return rig_call(&d->c[STREAM]);
}

static int bob_is_called(struct day *d)
{
	struct addr p = peer(1);
	const struct alloc *a = rig_alloc(&d->c[BOB]);

	rig_clear(&d->r);
	return a && turn_peer_accepted(&d->r.t, a->self, REL_V4, &p, d->r.now) ? 0 : SILENCE;
}

static int keep_ticket(struct day *d, struct rig_client *c, int code)
{
	if (code == 0 && c->a.ticket.n == TICKET_LEN)
		memcpy(d->ticket, c->a.ticket.p, TICKET_LEN);
	return code;
}

static int carol_comes(struct day *d)
{
	return keep_ticket(d, &d->c[CAROL], allocate(d, CAROL, TURN_UDP));
}

static int carol_moves(struct day *d)
{
	struct rig_client *c = &d->c[MOVED];

	rig_begin(c, TURN_REFRESH);
	stun_put(&c->w, TURN_ATTR_MOBILITY_TICKET, span_of(d->ticket, TICKET_LEN));
	return keep_ticket(d, c, rig_call(c));
}

/* What comes by the new address ends the former's time, whatever it asks for. */
static int carol_settles(struct day *d)
{
	return rig_refresh(&d->c[MOVED], 600);
}

static int carol_permits(struct day *d)
{
	struct addr p = peer(1);

	return rig_permit(&d->c[MOVED], &p);
}

static int even_comes(struct day *d)
{
	struct rig_client *c = &d->c[EVEN];
	int code = allocate(d, EVEN, TURN_UDP);

	if (code == 0 && c->a.reservation.n)
		memcpy(d->token, c->a.reservation.p, sizeof(d->token));
	return code;
}

static int odd_comes(struct day *d)
{
	return allocate(d, ODD, TURN_UDP);
}

static int alice_leaves(struct day *d)
{
	return rig_refresh(&d->c[ALICE], 0);
}

/* --- the day ----------------------------------------------------------------------------------------------------- */

static uint32_t ports(const struct turn *t)
{
	uint32_t slot = 0, n = t->held.live;
	const struct alloc *a;
	struct handle h;

	while ((a = slab_next(&t->allocs, &slot, &h)))
		n += (a->port[REL_V4] != 0) + (uint32_t)(a->port[REL_V6] != 0);
	return n;
}

static bool is_sound(const struct day *d)
{
	const struct turn *t = &d->r.t;

	return d->r.n_relays == ports(t) && d->r.quota.used == t->allocs.live && t->due.n == t->allocs.live &&
	       t->held_due.n == t->held.live && t->stream_ids.n == t->streams.live && t->streams_due.n <= t->streams.live;
}

static uint32_t things(const struct day *d)
{
	const struct turn *t = &d->r.t;

	return t->allocs.live + t->held.live + t->streams.live + t->clients.n + d->r.n_relays + d->r.quota.slab.live;
}

/* What is refused has left nothing, and is granted when it is asked for again. */
static void ask(struct day *d, int (*fn)(struct day *))
{
	uint32_t before = things(d);
	int code = fn(d);

	d->half += !is_sound(d);
	if (code == 0)
		return;
	d->refused++;
	d->wrong += code != SILENCE && code != TURN_ERR_CAPACITY;
	d->half += things(d) != before;
	d->stuck += fn(d) != 0;
	d->half += !is_sound(d);
}

static void clients(struct day *d)
{
	static const enum via via[CLIENTS] = { [BOB] = VIA_TCP, [STREAM] = VIA_TCP, [EVEN] = VIA_DTLS };
	static const char *const id[CLIENTS] = { "alice", "bob", "bob", "carol", "carol", "even", "odd" };

	for (uint8_t i = 0; i < CLIENTS; i++) {
		rig_client(&d->c[i], &d->r, via[i], addr_v4(11, 0, i, 1, 1000));
		rig_credential(&d->c[i], 3600, id[i]);
		(void)rig_nonce(&d->c[i]);
	}
}

/* False: there was not even a server. */
static bool start(struct day *d)
{
	rig_init(&d->r);
	rig_start(&d->r);
	return d->r.t.challenge.slot != NULL;
}

static void run(struct day *d, size_t nth)
{
	static int (*const all[])(struct day *) = {
		alice_comes, alice_permits, alice_binds, alice_binds_more, alice_talks, bob_comes, bob_permits, bob_connects,
		bob_joins, bob_is_called, carol_comes, carol_moves, carol_settles, carol_permits, even_comes, odd_comes,
		alice_talks, alice_refreshes, alice_leaves,
	};

	*d = (struct day){ 0 };
	(void)mem_fail_at(nth);
	if (!start(d)) {
		d->refused++;
		rig_done(&d->r);
		d->stuck += !start(d);
	}
	clients(d);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		ask(d, all[i]);
	d->half += d->r.t.stats.moved != 1 || d->r.t.stats.streams != 1;
	rig_tick(&d->r, DUR_SEC(3600));
	d->half += things(d) != 0;
	rig_done(&d->r);
	d->half += d->r.n_relays != 0;
	d->made = mem_fail_at(SIZE_MAX);
}

/* The house rule for memory: an allocation that fails is a refusal of what asked for it, by 508 or by silence. Nothing half-made
 * is left, and the next try works. */
static void every_failing_allocation_is_a_refusal(void)
{
	static struct day d;
	size_t made, refused = 0, n;
	char row[32];

	run(&d, SIZE_MAX);
	made = d.made;
	EQ(d.refused + d.half + d.stuck + d.wrong, 0);
	for (n = 0; n < SWEEP_MAX; n++) {
		snprintf(row, sizeof(row), "allocation %zu: ", n);
		t_row = row;
		run(&d, n);
		if (d.made <= n)
			break; /* it made fewer: none failed */
		EQ(d.half, 0);
		EQ(d.stuck, 0);
		EQ(d.wrong, 0);
		OK(d.refused <= 1);
		refused += d.refused;
	}
	t_row = "";
	EQ(n, made);
	OK(refused > n / 2);
	run(&d, SIZE_MAX);
	EQ(d.made, made);
	printf("# %zu allocations, of which %zu were refusals\n", n, refused);
}

T_MAIN(T(every_failing_allocation_is_a_refusal))

/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sim/turn_rig.h"
#include "t.h"
#include "turnd/req.h"

#define ME addr_v4(7, 7, 7, 7, 1111)

static bool has_software(const struct rig_client *c)
{
	size_t at = STUN_HDR_LEN;
	uint16_t type;
	struct span v;

	while (stun_next_attr(&c->m, &at, &type, &v))
		if (type == STUN_ATTR_SOFTWARE)
			return span_is(v, TURN_SOFTWARE);
	return false;
}

/* SOFTWARE is for those who proved who they are, and only when it was asked for. */
static void software_only_in_signed_answers(void)
{
	for (int software = 0; software < 2; software++) {
		struct turn_rig r;
		struct rig_client c;

		rig_init(&r);
		r.conf.software = software;
		rig_start(&r);
		rig_client(&c, &r, VIA_UDP, ME);
		EQ(rig_nonce(&c), 401);
		OK(!has_software(&c));
		EQ(rig_allocate(&c), 0);
		EQ(has_software(&c), software);
		EQ(rig_permit(&c, &(struct addr){ .ip = { 0x26, 0x20 } }), 443);
		EQ(has_software(&c), software);
		rig_begin(&c, STUN_BINDING);
		EQ(rig_call_unsigned(&c), 0);
		OK(!has_software(&c));
		rig_done(&r);
	}
}

/* RFC 8489 6.3.1: all of the unknown attributes are named. */
static void names_what_was_unknown(void)
{
	struct turn_rig r;
	struct rig_client c;
	static const uint8_t want[] = { 0x7a, 1, 0x7a, 2 };
	size_t at = STUN_HDR_LEN;
	uint16_t type = 0;
	struct span v = { 0 };

	rig_init(&r);
	rig_start(&r);
	rig_client(&c, &r, VIA_UDP, ME);
	rig_begin(&c, STUN_BINDING);
	stun_put(&c.w, 0x7a01, SPAN_LIT("1234"));
	stun_put(&c.w, 0x7a02, SPAN_LIT("1234"));
	stun_put(&c.w, 0x8a02, SPAN_LIT("1234"));
	EQ(rig_call_unsigned(&c), 420);
	while (type != STUN_ATTR_UNKNOWN_ATTRIBUTES && stun_next_attr(&c.m, &at, &type, &v))
		;
	EQ(type, STUN_ATTR_UNKNOWN_ATTRIBUTES);
	EQ_SPAN(v, span_of(want, sizeof(want)));
	rig_done(&r);
}

/* A spoofed prefix gets a small burst, then nothing beyond what it sends. */
static void unsigned_answers_are_limited(void)
{
	struct turn_rig r;
	struct rig_client c;
	size_t in = 0, out = 0;
	uint32_t dropped = 0;

	rig_init(&r);
	rig_start(&r);
	for (uint32_t i = 0; i < 2000; i++) {
		rig_client(&c, &r, VIA_UDP, addr_v4(7, 7, 7, (uint8_t)i, (uint16_t)(1000 + i)));
		(void)rig_nonce(&c);
		in += wr_len(&c.w);
		out += c.answered ? c.ans_n : 0;
		dropped += c.drop == DROP_CHALLENGE_LIMIT;
	}
	OK(dropped > 1000);
	OK(out <= in + CHALLENGE_BURST);
	EQ(r.t.stats.drops[DROP_CHALLENGE_LIMIT], dropped);
	EQ(r.t.stats.errors[401 - 300], 2000 - dropped);
	t_row = "elsewhere: ";
	rig_client(&c, &r, VIA_UDP, addr_v4(7, 7, 8, 1, 1));
	EQ(rig_nonce(&c), 401);
	t_row = "who cannot be spoofed: ";
	rig_client(&c, &r, VIA_DTLS, ME);
	EQ(rig_nonce(&c), 401);
	rig_client(&c, &r, VIA_TCP, ME);
	EQ(rig_nonce(&c), 401);
	rig_done(&r);
}

/* Keeping a mapping alive costs a client of ours no budget. */
static void binding_is_free_for_clients(void)
{
	struct turn_rig r;
	struct rig_client c, d;

	rig_init(&r);
	rig_start(&r);
	rig_client(&c, &r, VIA_UDP, ME);
	rig_client(&d, &r, VIA_UDP, addr_v4(7, 7, 7, 9, 1));
	EQ(rig_allocate(&c), 0);
	for (int i = 0; i < 500; i++) {
		rig_begin(&d, STUN_BINDING);
		(void)rig_call_unsigned(&d);
	}
	OK(r.t.stats.drops[DROP_CHALLENGE_LIMIT] > 100);
	for (int i = 0; i < 500; i++) {
		rig_begin(&c, STUN_BINDING);
		EQ(rig_call_unsigned(&c), 0);
	}
	rig_done(&r);
}

/* A stream that takes nothing loses its answer, and is counted. */
static void blocked_stream_is_counted(void)
{
	struct turn_rig r;
	struct rig_client c;

	rig_init(&r);
	rig_start(&r);
	rig_client(&c, &r, VIA_TLS, ME);
	r.blocked = true;
	EQ(rig_nonce(&c), -1);
	EQ(c.drop, DROP_BLOCKED);
	EQ(r.t.stats.drops[DROP_BLOCKED], 1);
	EQ(r.t.stats.answered[TURN_ALLOCATE][1], 0);
	rig_done(&r);
}

T_MAIN(T(software_only_in_signed_answers), T(names_what_was_unknown), T(unsigned_answers_are_limited),
       T(binding_is_free_for_clients), T(blocked_stream_is_counted))

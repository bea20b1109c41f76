/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sim/turn_rig.h"
#include "t.h"

#define ME addr_v4(7, 7, 7, 7, 1111)

/* RFC 8489 2: any client learns its address, by any transport, in either family. */
static void tells_the_mapped_address(void)
{
	static const uint8_t v6[16] = { 0x2a, 0x00, [15] = 9 };
	const struct addr from[] = { ME, addr_from_v6(v6, 2222) };

	for (int via = 0; via < VIA_MAX_; via++) {
		for (size_t i = 0; i < ARRAY_LEN(from); i++) {
			struct turn_rig r;
			struct rig_client c;

			t_row = via_str((enum via)via);
			rig_init(&r);
			rig_start(&r);
			rig_client(&c, &r, (enum via)via, from[i]);
			rig_begin(&c, STUN_BINDING);
			EQ(rig_call_unsigned(&c), 0);
			OK(addr_eq(&c.m.mapped, &from[i]));
			EQ(c.ans_n, i ? 44 : 32);
			EQ(r.t.stats.answered[STUN_BINDING][0], 1);
			rig_done(&r);
		}
	}
}

static struct addr find_addr(const struct rig_client *c, uint16_t want)
{
	size_t at = STUN_HDR_LEN;
	struct addr a = { 0 };
	uint16_t type;
	struct span v;

	while (stun_next_attr(&c->m, &at, &type, &v))
		if (type == want)
			(void)stun_read_addr(v, &a);
	return a;
}

static struct addr corner(bool ip, bool port)
{
	return addr_v4(192, 0, 2, ip ? 2 : 1, port ? 3479 : 3478);
}

/* RFC 5780 7.2: from each of the four addresses, to each of the four. */
static void answers_from_the_address_asked_for(void)
{
	struct turn_rig r;
	struct rig_client c;

	rig_init(&r);
	r.conf.first = corner(false, false);
	r.conf.other = corner(true, true);
	rig_start(&r);
	for (unsigned i = 0; i < 16; i++) {
		struct addr at = corner(i & 1, i & 2), origin = corner((i & 1) != (i >> 2 & 1), !(i & 2) != !(i & 8));
		struct addr other = corner(!(i & 1), !(i & 2)), seen;

		rig_client(&c, &r, VIA_UDP, addr_v4(7, 7, (uint8_t)i, 7, 1111));
		c.c.path.local = at;
		rig_begin(&c, STUN_BINDING);
		turn_put_u32(&c.w, STUN_ATTR_CHANGE_REQUEST, (i & 4) | (i & 8 ? 2 : 0));
		EQ(rig_call_unsigned(&c), 0);
		OK(addr_eq(&rig_last(&r)->path.local, &origin));
		seen = find_addr(&c, STUN_ATTR_RESPONSE_ORIGIN);
		OK(addr_eq(&seen, &origin));
		seen = find_addr(&c, STUN_ATTR_OTHER_ADDRESS);
		OK(addr_eq(&seen, &other));
	}
	rig_done(&r);
}

/* RFC 5780 7.5: to another port of the same address, no other. */
static void answers_to_the_port_asked_for(void)
{
	struct turn_rig r;
	struct rig_client c;

	rig_init(&r);
	r.conf.first = corner(false, false);
	r.conf.other = corner(true, true);
	rig_start(&r);
	rig_client(&c, &r, VIA_UDP, ME);
	rig_begin(&c, STUN_BINDING);
	stun_put(&c.w, STUN_ATTR_RESPONSE_PORT, SPAN_LIT("\x1f\x90"));
	EQ(rig_call_unsigned(&c), -1);
	OK(addr_same_ip(&rig_last(&r)->path.remote, &c.c.path.remote));
	EQ(rig_last(&r)->path.remote.port, 8080);
	rig_done(&r);
}

/* Where there is no discovery its attributes are unknown, and PADDING is everywhere: it would make us amplify. */
static void discovery_is_refused_elsewhere(void)
{
	const struct {
		const char *row;
		enum via via;
		bool configured;
		uint16_t port, attr, n;
		int want;
	} row[] = {
		{ "not configured, change: ", VIA_UDP, false, 3478, STUN_ATTR_CHANGE_REQUEST, 4, 420 },
		{ "not configured, port: ", VIA_UDP, false, 3478, STUN_ATTR_RESPONSE_PORT, 2, 420 },
		{ "stream: ", VIA_TCP, true, 3478, STUN_ATTR_CHANGE_REQUEST, 4, 420 },
		{ "DTLS: ", VIA_DTLS, true, 3478, STUN_ATTR_CHANGE_REQUEST, 4, 420 },
		{ "another socket: ", VIA_UDP, true, 5349, STUN_ATTR_CHANGE_REQUEST, 4, 420 },
		{ "padding: ", VIA_UDP, true, 3478, STUN_ATTR_PADDING, 64, 420 },
		{ "all is well: ", VIA_UDP, true, 3479, STUN_ATTR_CHANGE_REQUEST, 4, 0 },
	};
	static const uint8_t zeros[64] = { 0, 1 };

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct turn_rig r;
		struct rig_client c;
		struct addr none = { 0 }, seen;

		t_row = row[i].row;
		rig_init(&r);
		if (row[i].configured) {
			r.conf.first = corner(false, false);
			r.conf.other = corner(true, true);
		}
		rig_start(&r);
		rig_client(&c, &r, row[i].via, ME);
		c.c.path.local.port = row[i].port;
		rig_begin(&c, STUN_BINDING);
		stun_put(&c.w, row[i].attr, span_of(zeros, row[i].n));
		EQ(rig_call_unsigned(&c), row[i].want);
		seen = find_addr(&c, STUN_ATTR_OTHER_ADDRESS);
		EQ(addr_eq(&seen, &none), row[i].want != 0);
		rig_done(&r);
	}
}

T_MAIN(T(tells_the_mapped_address), T(answers_from_the_address_asked_for), T(answers_to_the_port_asked_for),
       T(discovery_is_refused_elsewhere))

/* SPDX-License-Identifier: AGPL-3.0-only */
#include "wire/stun.h"

#include "t.h"

#define PASSWORD SPAN_LIT("VOkJxbRl1RmTxUk/WvJxBt")

static const uint8_t tid[STUN_TID_LEN] = { 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae };

/* RFC 5769 2.1. */
static const uint8_t request[] = {
	0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87,
	0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73, 0x74, 0x20, 0x63, 0x6c,
	0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff, 0x80, 0x29, 0x00, 0x08, 0x93, 0x2f,
	0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09, 0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76,
	0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14, 0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e,
	0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49, 0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
};

/* RFC 5769 2.2. */
static const uint8_t response_v4[] = {
	0x01, 0x01, 0x00, 0x3c, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
	0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
	0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
	0x00, 0x08, 0x00, 0x14, 0x2b, 0x91, 0xf5, 0x99, 0xfd, 0x9e, 0x90, 0xc3, 0x8c, 0x74, 0x89, 0xf9,
	0x2a, 0xf9, 0xba, 0x53, 0xf0, 0x6b, 0xe7, 0xd7, 0x80, 0x28, 0x00, 0x04, 0xc0, 0x7d, 0x4c, 0x96,
};

/* RFC 5769 2.3. */
static const uint8_t response_v6[] = {
	0x01, 0x01, 0x00, 0x48, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf,
	0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63, 0x74, 0x6f, 0x72, 0x20, 0x00, 0x20,
	0x00, 0x14, 0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe,
	0xd2, 0xb9, 0xd9, 0x00, 0x08, 0x00, 0x14, 0xa3, 0x82, 0x95, 0x4e, 0x4b, 0xe6, 0x7b, 0xf1, 0x17, 0x84, 0xc9, 0x7c,
	0x82, 0x92, 0xc2, 0x75, 0xbf, 0xe3, 0xed, 0x41, 0x80, 0x28, 0x00, 0x04, 0xc8, 0xfb, 0x0b, 0x4c,
};

/* RFC 5769 2.1: an ICE request with padding of spaces. */
static void rfc5769_request_is_read(void)
{
	struct stun_msg m;

	EQ(stun_parse(span_of(request, sizeof(request)), &m), 0);
	EQ(m.cls, STUN_REQUEST);
	EQ(m.method, STUN_BINDING);
	EQ_SPAN(span_of(m.tid, STUN_TID_LEN), span_of(tid, sizeof(tid)));
	EQ_SPAN(m.username, SPAN_LIT("evtj:h6vY"));
	EQ(m.priority, 0x6e0001ff);
	OK(m.tie_breaker == UINT64_C(0x932ff9b151263b36));
	OK(m.controlled && !m.controlling && !m.use_candidate);
	OK(m.has_integrity && m.has_fingerprint && m.fingerprint_ok);
	EQ(m.n_unknown, 0);
	OK(addr_is_unset(&m.mapped));
	EQ(stun_check_integrity(&m, PASSWORD), 0);
	EQ(stun_check_integrity(&m, SPAN_LIT("VOkJxbRl1RmTxUk/WvJxBu")), ERR_AUTH);
	EQ(stun_check_integrity(&m, SPAN_LIT("")), ERR_AUTH);
}

/* RFC 5769 2.2 and 2.3: the XORed address of either family. */
static void rfc5769_responses_are_read(void)
{
	const struct {
		const char *row;
		struct span msg;
		const char *mapped;
	} rows[] = {
		{ "v4: ", { response_v4, sizeof(response_v4) }, "192.0.2.1:32853" },
		{ "v6: ", { response_v6, sizeof(response_v6) }, "[2001:db8:1234:5678:11:2233:4455:6677]:32853" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[ADDR_TEXT_MAX];
		struct stun_msg m;

		t_row = rows[i].row;
		EQ(stun_parse(rows[i].msg, &m), 0);
		EQ(m.cls, STUN_SUCCESS);
		EQ(m.method, STUN_BINDING);
		EQ_STR(addr_fmt(&m.mapped, text), rows[i].mapped);
		OK(m.fingerprint_ok);
		EQ(stun_check_integrity(&m, PASSWORD), 0);
	}
}

/* A changed bit anywhere in front of MESSAGE-INTEGRITY, or in it, is noticed. */
static void every_changed_bit_fails_integrity(void)
{
	for (size_t i = 0; i < (sizeof(request) - 8) * 8; i++) {
		uint8_t msg[sizeof(request)];
		struct stun_msg m;

		memcpy(msg, request, sizeof(msg));
		msg[i / 8] ^= (uint8_t)(1u << i % 8);
		if (stun_parse(span_of(msg, sizeof(msg)), &m) == 0) {
			OK(stun_check_integrity(&m, PASSWORD) < 0);
			OK(!m.fingerprint_ok);
		}
	}
}

/* The writer's answer is the RFC's, but for the padding (zeros here; RFC 8489 14 leaves it open). */
static void builder_is_read_back(void)
{
	const char *addrs[] = { "192.0.2.1:32853", "[2001:db8:1234:5678:11:2233:4455:6677]:32853" };

	for (size_t i = 0; i < ARRAY_LEN(addrs); i++) {
		uint8_t buf[256];
		struct wr w = wr_from(buf, sizeof(buf));
		struct stun_msg m;
		struct addr a;

		EQ(addr_parse(span_str(addrs[i]), &a), 0);
		stun_begin(&w, STUN_SUCCESS, STUN_BINDING, tid);
		stun_put(&w, STUN_ATTR_SOFTWARE, SPAN_LIT("test vector"));
		stun_put_xor_addr(&w, STUN_ATTR_XOR_MAPPED_ADDRESS, &a, tid);
		stun_put_integrity(&w, PASSWORD);
		stun_put_fingerprint(&w);
		OK(!w.bad);
		EQ(wr_len(&w), i == 0 ? sizeof(response_v4) : sizeof(response_v6));
		EQ_SPAN(span_of(buf, 35), span_of(i == 0 ? response_v4 : response_v6, 35));
		EQ(stun_parse(wr_span_of(&w), &m), 0);
		OK(addr_eq(&m.mapped, &a));
		OK(m.fingerprint_ok);
		EQ(stun_check_integrity(&m, PASSWORD), 0);
	}
}

/* RFC 8489 5: the class bits interleave with the method's twelve. */
static void every_type_survives(void)
{
	for (unsigned c = STUN_REQUEST; c <= STUN_ERROR; c++) {
		for (unsigned method = 0; method < 0x1000; method++) {
			uint8_t buf[STUN_HDR_LEN];
			struct wr w = wr_from(buf, sizeof(buf));
			struct stun_msg m = { 0 };

			stun_begin(&w, (enum stun_class)c, (uint16_t)method, tid);
			stun_end(&w);
			EQ(stun_parse(wr_span_of(&w), &m), 0);
			EQ(m.cls, c);
			EQ(m.method, method);
		}
	}
}

/* RFC 8489 6.3 and 14: a message that contradicts itself is refused, and nothing is written. */
static void malformed_messages_are_refused(void)
{
	static const uint8_t long_name[764];
	const struct {
		const char *row;
		uint16_t attr;
		struct span value;
		int want;
	} rows[] = {
		{ "PRIORITY of 3: ", STUN_ATTR_PRIORITY, { tid, 3 }, ERR_MALFORMED },
		{ "PRIORITY of 8: ", STUN_ATTR_PRIORITY, { tid, 8 }, ERR_MALFORMED },
		{ "USE-CANDIDATE with a value: ", STUN_ATTR_USE_CANDIDATE, { tid, 4 }, ERR_MALFORMED },
		{ "USE-CANDIDATE: ", STUN_ATTR_USE_CANDIDATE, { tid, 0 }, 0 },
		{ "ICE-CONTROLLING of 4: ", STUN_ATTR_ICE_CONTROLLING, { tid, 4 }, ERR_MALFORMED },
		{ "ICE-CONTROLLED of 12: ", STUN_ATTR_ICE_CONTROLLED, { tid, 12 }, ERR_MALFORMED },
		{ "MESSAGE-INTEGRITY of 12: ", STUN_ATTR_MESSAGE_INTEGRITY, { tid, 12 }, ERR_MALFORMED },
		{ "FINGERPRINT of 8: ", STUN_ATTR_FINGERPRINT, { tid, 8 }, ERR_MALFORMED },
		{ "address of 4: ", STUN_ATTR_XOR_MAPPED_ADDRESS, { tid, 4 }, ERR_MALFORMED },
		{ "address of 12: ", STUN_ATTR_XOR_MAPPED_ADDRESS, { tid, 12 }, ERR_MALFORMED },
		{ "v6 in 8: ", STUN_ATTR_XOR_MAPPED_ADDRESS, SPAN_LIT("\0\2\0\0\0\0\0\0"), ERR_MALFORMED },
		{ "v4 in 20: ", STUN_ATTR_MAPPED_ADDRESS, SPAN_LIT("\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), ERR_MALFORMED },
		{ "family 3: ", STUN_ATTR_MAPPED_ADDRESS, SPAN_LIT("\0\3\0\0\0\0\0\0"), ERR_MALFORMED },
		{ "ERROR-CODE 487: ", STUN_ATTR_ERROR_CODE, SPAN_LIT("\0\0\4\127Role Conflict"), 0 },
		{ "ERROR-CODE 2xx: ", STUN_ATTR_ERROR_CODE, SPAN_LIT("\0\0\2\0"), ERR_MALFORMED },
		{ "ERROR-CODE 7xx: ", STUN_ATTR_ERROR_CODE, SPAN_LIT("\0\0\7\0"), ERR_MALFORMED },
		{ "ERROR-CODE 4-100: ", STUN_ATTR_ERROR_CODE, SPAN_LIT("\0\0\4\144"), ERR_MALFORMED },
		{ "ERROR-CODE of 3: ", STUN_ATTR_ERROR_CODE, { tid, 3 }, ERR_MALFORMED },
		{ "USERNAME at its bound: ", STUN_ATTR_USERNAME, { long_name, STUN_USERNAME_MAX }, 0 },
		{ "USERNAME beyond: ", STUN_ATTR_USERNAME, { long_name, STUN_USERNAME_MAX + 1 }, ERR_MALFORMED },
		{ "REALM at its bound: ", STUN_ATTR_REALM, { long_name, 763 }, 0 },
		{ "REALM beyond: ", STUN_ATTR_REALM, { long_name, 764 }, ERR_MALFORMED },
		{ "NONCE at its bound: ", STUN_ATTR_NONCE, { long_name, 763 }, 0 },
		{ "NONCE beyond: ", STUN_ATTR_NONCE, { long_name, 764 }, ERR_MALFORMED },
		{ "USERHASH: ", STUN_ATTR_USERHASH, { long_name, 32 }, 0 },
		{ "USERHASH of 31: ", STUN_ATTR_USERHASH, { long_name, 31 }, ERR_MALFORMED },
		{ "USERHASH of 33: ", STUN_ATTR_USERHASH, { long_name, 33 }, ERR_MALFORMED },
		{ "USERHASH of none: ", STUN_ATTR_USERHASH, { long_name, 0 }, ERR_MALFORMED },
		{ "MD5: ", STUN_ATTR_PASSWORD_ALGORITHM, SPAN_LIT("\0\1\0\0"), 0 },
		{ "MD5 with parameters: ", STUN_ATTR_PASSWORD_ALGORITHM, SPAN_LIT("\0\1\0\4abcd"), ERR_MALFORMED },
		{ "SHA-256 with parameters: ", STUN_ATTR_PASSWORD_ALGORITHM, SPAN_LIT("\0\2\0\1a"), ERR_MALFORMED },
		{ "MD5 with a tail: ", STUN_ATTR_PASSWORD_ALGORITHM, SPAN_LIT("\0\1\0\0abcd"), ERR_MALFORMED },
		{ "algorithm 0: ", STUN_ATTR_PASSWORD_ALGORITHM, SPAN_LIT("\0\0\0\0"), ERR_MALFORMED },
		{ "algorithm 3 with parameters: ", STUN_ATTR_PASSWORD_ALGORITHM, SPAN_LIT("\0\3\0\2ab"), 0 },
		{ "their padding counted: ", STUN_ATTR_PASSWORD_ALGORITHM, SPAN_LIT("\0\3\0\2ab\0\0"), 0 },
		{ "more than padding: ", STUN_ATTR_PASSWORD_ALGORITHM, SPAN_LIT("\0\3\0\4abcdefgh"), ERR_MALFORMED },
		{ "parameters cut: ", STUN_ATTR_PASSWORD_ALGORITHM, SPAN_LIT("\0\3\0\5abcd"), ERR_MALFORMED },
		{ "algorithm of 3: ", STUN_ATTR_PASSWORD_ALGORITHM, SPAN_LIT("\0\1\0"), ERR_MALFORMED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t buf[1024];
		struct wr w = wr_from(buf, sizeof(buf));
		struct stun_msg m = { .method = 77 };

		t_row = rows[i].row;
		stun_begin(&w, STUN_REQUEST, STUN_BINDING, tid);
		stun_put(&w, rows[i].attr, rows[i].value);
		stun_end(&w);
		EQ(stun_parse(wr_span_of(&w), &m), rows[i].want);
		EQ(m.method, rows[i].want ? 77 : STUN_BINDING);
	}
}

/* RFC 8489 6.3: two zero bits, the magic cookie, a length that is true and a multiple of four. */
static void header_lies_are_refused(void)
{
	const struct {
		const char *row;
		size_t at;
		uint8_t byte;
		size_t n;
		int want;
	} rows[] = {
		{ "whole: ", 0, 0x00, sizeof(request), 0 },
		{ "one byte missing: ", 0, 0x00, sizeof(request) - 1, ERR_SHORT },
		{ "header cut: ", 0, 0x00, STUN_HDR_LEN - 1, ERR_SHORT },
		{ "empty: ", 0, 0x00, 0, ERR_SHORT },
		{ "bit 0 set: ", 0, 0x80, sizeof(request), ERR_MALFORMED },
		{ "bit 1 set: ", 0, 0x40, sizeof(request), ERR_MALFORMED },
		{ "other cookie: ", 7, 0x43, sizeof(request), ERR_MALFORMED },
		{ "length too small: ", 3, 0x54, sizeof(request), ERR_MALFORMED },
		{ "length too large: ", 3, 0x5c, sizeof(request), ERR_SHORT },
		{ "length odd: ", 3, 0x59, sizeof(request), ERR_MALFORMED },
		{ "attribute reaches beyond the end: ", 23, 0x60, sizeof(request), ERR_MALFORMED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t msg[sizeof(request)];
		struct stun_msg m;

		t_row = rows[i].row;
		memcpy(msg, request, sizeof(msg));
		msg[rows[i].at] = rows[i].byte;
		EQ(stun_parse(span_of(msg, rows[i].n), &m), rows[i].want);
	}
}

/* RFC 8489 14.5: what stands behind MESSAGE-INTEGRITY is nobody's word; 14.7: FINGERPRINT is last. */
static void attributes_behind_integrity_do_not_count(void)
{
	uint8_t buf[256];
	struct wr w = wr_from(buf, sizeof(buf));
	struct stun_msg m;

	stun_begin(&w, STUN_REQUEST, STUN_BINDING, tid);
	stun_put_integrity(&w, PASSWORD);
	stun_put(&w, STUN_ATTR_USE_CANDIDATE, SPAN_LIT(""));
	stun_put(&w, STUN_ATTR_USERNAME, SPAN_LIT("mallory"));
	stun_put(&w, 0x7777, SPAN_LIT(""));
	stun_put_fingerprint(&w);
	EQ(stun_parse(wr_span_of(&w), &m), 0);
	OK(!m.use_candidate);
	EQ(m.username.n, 0);
	EQ(m.n_unknown, 0);
	OK(m.fingerprint_ok);
	EQ(stun_check_integrity(&m, PASSWORD), 0);

	stun_put(&w, STUN_ATTR_SOFTWARE, SPAN_LIT(""));
	stun_end(&w);
	EQ(stun_parse(wr_span_of(&w), &m), ERR_MALFORMED);
}

/* RFC 8489 6.3.1: unknown attributes below 0x8000 are listed for the 420 answer, others ignored; the list is
 * bounded. */
static void unknown_required_attributes_are_listed(void)
{
	uint8_t buf[256];
	struct wr w = wr_from(buf, sizeof(buf));
	struct stun_msg m;

	stun_begin(&w, STUN_REQUEST, STUN_BINDING, tid);
	stun_put(&w, 0x7ffe, SPAN_LIT("x"));
	stun_put(&w, 0xfffe, SPAN_LIT("x"));
	for (uint16_t i = 0; i < STUN_UNKNOWN_MAX; i++)
		stun_put(&w, (uint16_t)(0x7000 + i), SPAN_LIT(""));
	stun_end(&w);
	EQ(stun_parse(wr_span_of(&w), &m), 0);
	EQ(m.n_unknown, STUN_UNKNOWN_MAX);
	EQ(m.unknown[0], 0x7ffe);
	EQ(m.unknown[1], 0x7000);
	OK(!m.has_integrity);
	EQ(stun_check_integrity(&m, PASSWORD), ERR_MISSING);
}

/* The attributes of TURN and of RFC 5780 are known, whatever their size: turn_attrs_parse judges it. Optional ones never
 * count as unknown. */
static void attributes_of_turn_are_known(void)
{
	static const uint16_t known[] = {
		STUN_ATTR_CHANGE_REQUEST, TURN_ATTR_CHANNEL_NUMBER, TURN_ATTR_LIFETIME, TURN_ATTR_XOR_PEER_ADDRESS,
		TURN_ATTR_DATA, TURN_ATTR_XOR_RELAYED_ADDRESS, TURN_ATTR_REQUESTED_ADDRESS_FAMILY, TURN_ATTR_EVEN_PORT,
		TURN_ATTR_REQUESTED_TRANSPORT, TURN_ATTR_DONT_FRAGMENT, TURN_ATTR_RESERVATION_TOKEN, STUN_ATTR_PADDING,
		STUN_ATTR_RESPONSE_PORT, TURN_ATTR_CONNECTION_ID, STUN_ATTR_UNKNOWN_ATTRIBUTES,
	};
	uint8_t buf[256];
	struct wr w = wr_from(buf, sizeof(buf));
	struct stun_msg m;

	stun_begin(&w, STUN_REQUEST, TURN_ALLOCATE, tid);
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		stun_put(&w, known[i], SPAN_LIT("12345"));
	stun_end(&w);
	EQ(stun_parse(wr_span_of(&w), &m), 0);
	EQ(m.n_unknown, 0);
}

/* RFC 8489 18.3: between the known ones there are gaps; 0x0040 and 0x7fff are beyond them. */
static void every_unknown_required_type_is_listed(void)
{
	static const uint16_t unknown[] = { 0x0000, 0x0002, 0x0004, 0x0007, 0x000b, 0x001b, 0x001f, 0x0028, 0x003f,
					    0x0040, 0x0046, 0x1006, 0x4008, 0x7fff };

	for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
		uint8_t buf[64];
		struct wr w = wr_from(buf, sizeof(buf));
		struct stun_msg m;

		stun_begin(&w, STUN_REQUEST, STUN_BINDING, tid);
		stun_put(&w, unknown[i], SPAN_LIT(""));
		stun_put(&w, unknown[i] | 0x8000, SPAN_LIT(""));
		stun_end(&w);
		EQ(stun_parse(wr_span_of(&w), &m), unknown[i] == 0x0028 ? ERR_MALFORMED : 0);
		if (unknown[i] == 0x0028) /* its optional twin is a FINGERPRINT of no length */
			continue;
		EQ(m.n_unknown, 1);
		EQ(m.unknown[0], unknown[i]);
	}
}

/* Readers of other attributes see each in order, and none behind an integrity attribute. */
static void attributes_are_walked_up_to_integrity(void)
{
	uint8_t buf[256];
	struct wr w = wr_from(buf, sizeof(buf));
	uint16_t type;
	struct stun_msg m;
	struct span v;
	size_t at;

	stun_begin(&w, STUN_REQUEST, STUN_BINDING, tid);
	stun_put(&w, STUN_ATTR_SOFTWARE, SPAN_LIT("abc"));
	stun_put(&w, 0x7777, SPAN_LIT(""));
	stun_end(&w);
	for (int round = 0; round < 3; round++) {
		if (round == 1)
			stun_put_integrity256(&w, PASSWORD);
		if (round == 2)
			stun_put_fingerprint(&w);
		at = STUN_HDR_LEN;
		EQ(stun_parse(wr_span_of(&w), &m), 0);
		OK(stun_next_attr(&m, &at, &type, &v));
		EQ(type, STUN_ATTR_SOFTWARE);
		EQ_SPAN(v, SPAN_LIT("abc"));
		OK(stun_next_attr(&m, &at, &type, &v));
		EQ(type, 0x7777);
		EQ(v.n, 0);
		EQ(at, STUN_HDR_LEN + 12);
		OK(!stun_next_attr(&m, &at, &type, &v));
		OK(!stun_next_attr(&m, &at, &type, &v));
		EQ(at, STUN_HDR_LEN + 12);
	}
	at = 1000;
	OK(!stun_next_attr(&m, &at, &type, &v));
}

/* RFC 8489 14.1, 14.2: both forms of an address, of either family, are read as they were put. */
static void addresses_survive(void)
{
	const char *addrs[] = { "192.0.2.1:32853", "[2001:db8:1234:5678:11:2233:4455:6677]:1", "0.0.0.0", "[::]:65535" };

	for (size_t i = 0; i < ARRAY_LEN(addrs); i++) {
		uint8_t buf[256];
		struct wr w = wr_from(buf, sizeof(buf));
		struct addr a, b;
		struct stun_msg m;
		size_t at = STUN_HDR_LEN;
		uint16_t type;
		struct span v;

		t_row = addrs[i];
		EQ(addr_parse(span_str(addrs[i]), &a), 0);
		stun_begin(&w, STUN_SUCCESS, STUN_BINDING, tid);
		stun_put_xor_addr(&w, STUN_ATTR_XOR_MAPPED_ADDRESS, &a, tid);
		stun_put_addr(&w, STUN_ATTR_OTHER_ADDRESS, &a);
		stun_end(&w);
		EQ(stun_parse(wr_span_of(&w), &m), 0);
		OK(addr_eq(&m.mapped, &a));
		OK(stun_next_attr(&m, &at, &type, &v));
		EQ(stun_read_xor_addr(&m, v, &b), 0);
		OK(addr_eq(&a, &b));
		OK(stun_next_attr(&m, &at, &type, &v));
		EQ(stun_read_addr(v, &b), 0);
		OK(addr_eq(&a, &b));
		EQ(stun_read_addr(span_of(v.p, v.n - 1), &b), ERR_MALFORMED);
		EQ(stun_read_addr(span_of(v.p, 0), &b), ERR_MALFORMED);
	}
}

/* RFC 8489 14: of a repeated attribute the first one counts. */
static void first_of_repeated_attributes_counts(void)
{
	struct addr a = addr_v4(192, 0, 2, 1, 1), b = addr_v4(192, 0, 2, 2, 2);
	uint8_t buf[512];
	struct wr w = wr_from(buf, sizeof(buf));
	struct stun_msg m;

	stun_begin(&w, STUN_ERROR, STUN_BINDING, tid);
	stun_put_xor_addr(&w, STUN_ATTR_XOR_MAPPED_ADDRESS, &a, tid);
	stun_put_xor_addr(&w, STUN_ATTR_XOR_MAPPED_ADDRESS, &b, tid);
	stun_put(&w, STUN_ATTR_USERNAME, SPAN_LIT("alice"));
	stun_put(&w, STUN_ATTR_USERNAME, SPAN_LIT("bob"));
	stun_put_error(&w, 487, "Role Conflict");
	stun_put_error(&w, 400, "");
	stun_put(&w, STUN_ATTR_REALM, SPAN_LIT("here"));
	stun_put(&w, STUN_ATTR_REALM, SPAN_LIT("there"));
	stun_put(&w, STUN_ATTR_NONCE, SPAN_LIT("now"));
	stun_put(&w, STUN_ATTR_NONCE, SPAN_LIT("then"));
	stun_put(&w, STUN_ATTR_USERHASH, SPAN_LIT("0123456789abcdef0123456789abcdef"));
	stun_put(&w, STUN_ATTR_USERHASH, SPAN_LIT("fedcba9876543210fedcba9876543210"));
	stun_put(&w, STUN_ATTR_PASSWORD_ALGORITHM, SPAN_LIT("\0\2\0\0"));
	stun_put(&w, STUN_ATTR_PASSWORD_ALGORITHM, SPAN_LIT("\0\1\0\0"));
	stun_put(&w, STUN_ATTR_PASSWORD_ALGORITHMS, SPAN_LIT("\0\2\0\0\0\1\0\0"));
	stun_put(&w, STUN_ATTR_PASSWORD_ALGORITHMS, SPAN_LIT("\0\1\0\0"));
	stun_end(&w);
	OK(!w.bad);
	EQ(stun_parse(wr_span_of(&w), &m), 0);
	EQ_SPAN(m.realm, SPAN_LIT("here"));
	EQ_SPAN(m.nonce, SPAN_LIT("now"));
	EQ_SPAN(m.userhash, SPAN_LIT("0123456789abcdef0123456789abcdef"));
	EQ(m.algorithm, STUN_ALG_SHA256);
	EQ_SPAN(m.algorithms, SPAN_LIT("\0\2\0\0\0\1\0\0"));
	OK(addr_eq(&m.mapped, &a));
	EQ_SPAN(m.username, SPAN_LIT("alice"));
	EQ(m.error, 487);
}

/* A buffer one byte too small fails the writer and never writes behind it. */
static void short_buffers_fail_the_writer(void)
{
	struct addr a = addr_v4(192, 0, 2, 1, 1);
	uint8_t buf[128];
	size_t full = 0;

	for (size_t n = sizeof(buf); n-- > 0;) {
		struct wr w = wr_from(buf, n);

		memset(buf, 0x5a, sizeof(buf));
		stun_begin(&w, STUN_SUCCESS, STUN_BINDING, tid);
		stun_put_xor_addr(&w, STUN_ATTR_XOR_MAPPED_ADDRESS, &a, tid);
		stun_put_integrity(&w, PASSWORD);
		stun_put_fingerprint(&w);
		if (!w.bad)
			full = wr_len(&w);
		EQ(w.bad, n < full);
		EQ(buf[n], 0x5a);
	}
	EQ(full, 20 + 12 + 24 + 8);
}

/* The check value of CRC-32/ISO-HDLC. */
static void crc32_has_its_check_value(void)
{
	EQ(crc32_ieee(SPAN_LIT("123456789")), 0xcbf43926);
	EQ(crc32_ieee(SPAN_LIT("")), 0);
}

T_MAIN(T(rfc5769_request_is_read), T(rfc5769_responses_are_read), T(every_changed_bit_fails_integrity),
       T(builder_is_read_back), T(every_type_survives), T(malformed_messages_are_refused), T(header_lies_are_refused),
       T(attributes_behind_integrity_do_not_count), T(unknown_required_attributes_are_listed),
       T(attributes_of_turn_are_known), T(every_unknown_required_type_is_listed), T(attributes_are_walked_up_to_integrity),
       T(addresses_survive), T(first_of_repeated_attributes_counts), T(short_buffers_fail_the_writer),
       T(crc32_has_its_check_value))

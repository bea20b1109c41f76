/* SPDX-License-Identifier: AGPL-3.0-only */
#include "wire/turn.h"

#include "t.h"
#include "turn_rig.h"
#include "wire/turn_cred.h"

#define NAME SPAN_LIT("1700000000:alice")
#define REALM SPAN_LIT("example.org")

static const uint8_t tid[STUN_TID_LEN] = { 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae };

/* Made by a second implementation (Python's hmac and zlib). */
static const struct message {
	const char *row;
	unsigned cls, method;
	const char *reason;
	const char *hex;
} messages[] = {
	{ "allocate: ", STUN_REQUEST, TURN_ALLOCATE, "",
	  "000300802112a442b7e7a701bc34d686fa87dfae00060010313730303030303030303a616c6963650014000b6578616d706c652e"
	  "6f7267000015001c662f2f3439396b39353464364f4c33346f4c39465354767936347341000d000400000e100019000411000000"
	  "00170004020000000018000180000000001a000000080014b8239fe1df01ddeccdc1801bad96190404b76343" },
	{ "both families, mobile: ", STUN_REQUEST, TURN_ALLOCATE, "",
	  "000300702112a442b7e7a701bc34d686fa87dfae00060010313730303030303030303a616c6963650014000b6578616d706c652e"
	  "6f7267000015001c662f2f3439396b39353464364f4c33346f4c3946535476793634734100190004110000008000000402000000"
	  "8030000000080014d70565bd733fabacf6cce78e442d124fb80a8570" },
	{ "with a reservation: ", STUN_REQUEST, TURN_ALLOCATE, "",
	  "000300702112a442b7e7a701bc34d686fa87dfae00060010313730303030303030303a616c6963650014000b6578616d706c652e"
	  "6f7267000015001c662f2f3439396b39353464364f4c33346f4c3946535476793634734100190004110000000022000801020304"
	  "05060708000800144941522a39d6a1ddf13f40c30314c0320a348e3b" },
	{ "allocated: ", STUN_SUCCESS, TURN_ALLOCATE, "",
	  "010300682112a442b7e7a701bc34d686fa87dfae000d000400000258002200080102030405060708001600080001e242e112a64d"
	  "001600140002e2420113a9fab7e7a701bc34d686fa87dfbb002000080001a147e721c045803000067469636b6574000000080014"
	  "5fbcd640bb7184469dd1b04b5d7ed15b97b7a479" },
	{ "unauthorized: ", STUN_ERROR, TURN_ALLOCATE, "Unauthorized",
	  "011300302112a442b7e7a701bc34d686fa87dfae0014000b6578616d706c652e6f726700001500056e6f6e636500000000090010"
	  "00000401556e617574686f72697a6564" },
	{ "only one family: ", STUN_SUCCESS, TURN_ALLOCATE, "no IPv6",
	  "0103003c2112a442b7e7a701bc34d686fa87dfae000d000400000258001600080001e242e112a64d8001000b020004286e6f2049"
	  "5076360000080014d2a6cc94f65011b5ce76817114ffbc33d957ed93" },
	{ "refresh: ", STUN_REQUEST, TURN_REFRESH, "",
	  "000400642112a442b7e7a701bc34d686fa87dfae00060010313730303030303030303a616c6963650014000b6578616d706c652e"
	  "6f7267000015001c662f2f3439396b39353464364f4c33346f4c39465354767936347341000d00040000000000080014d34f40dd"
	  "7654862bd64091f85c5e5e214367e1d0" },
	{ "permissions: ", STUN_REQUEST, TURN_CREATE_PERMISSION, "",
	  "000800802112a442b7e7a701bc34d686fa87dfae00060010313730303030303030303a616c6963650014000b6578616d706c652e"
	  "6f7267000015001c662f2f3439396b39353464364f4c33346f4c394653547679363473410012000800012112e112a6d400120014"
	  "000221120113a9fab7e7a701bc34d686fa87df380008001468db6ce828c7463a91b9b9b55ca33a1e581705c4" },
	{ "channel bind: ", STUN_REQUEST, TURN_CHANNEL_BIND, "",
	  "000900702112a442b7e7a701bc34d686fa87dfae00060010313730303030303030303a616c6963650014000b6578616d706c652e"
	  "6f7267000015001c662f2f3439396b39353464364f4c33346f4c39465354767936347341000c000440000000001200080001a147"
	  "e112a6d4000800148f7013f45b78b2787dd1e72e9a4bafcf697cad0d" },
	{ "send: ", STUN_INDICATION, TURN_SEND, "",
	  "0016001c2112a442b7e7a701bc34d686fa87dfae001a0000001200080001a147e112a6d40013000568656c6c6f000000" },
	{ "send nothing: ", STUN_INDICATION, TURN_SEND, "",
	  "001600102112a442b7e7a701bc34d686fa87dfae001200080001a147e112a6d400130000" },
	{ "data: ", STUN_INDICATION, TURN_DATA, "",
	  "001700282112a442b7e7a701bc34d686fa87dfae001200140002a1470113a9fab7e7a701bc34d686fa87df380013000c68656c6c"
	  "6f2c20776f726c64" },
	{ "connect: ", STUN_REQUEST, TURN_CONNECT, "",
	  "000a00682112a442b7e7a701bc34d686fa87dfae00060010313730303030303030303a616c6963650014000b6578616d706c652e"
	  "6f7267000015001c662f2f3439396b39353464364f4c33346f4c39465354767936347341001200080001a147e112a6d400080014"
	  "e62c56881dbce98d262e93e8ba516d23c41fde7d" },
	{ "connected: ", STUN_SUCCESS, TURN_CONNECT, "",
	  "010a00202112a442b7e7a701bc34d686fa87dfae002a0004deadbeef000800141ededbf7fc1e9aea35091ac882d5c93064fb3e1e" },
	{ "connection bind: ", STUN_REQUEST, TURN_CONNECTION_BIND, "",
	  "000b00642112a442b7e7a701bc34d686fa87dfae00060010313730303030303030303a616c6963650014000b6578616d706c652e"
	  "6f7267000015001c662f2f3439396b39353464364f4c33346f4c39465354767936347341002a0004deadbeef0008001470348b1a"
	  "33f6f7aafa6028c2fd47a9eb745ecb22" },
	{ "attempt: ", STUN_INDICATION, TURN_CONNECTION_ATTEMPT, "",
	  "001c00142112a442b7e7a701bc34d686fa87dfae002a000400000000001200080001a147e112a6d4" },
	{ "discovery: ", STUN_REQUEST, STUN_BINDING, "",
	  "000100282112a442b7e7a701bc34d686fa87dfae000300040000000600270004805500000026000c000000000000000000000000"
	  "80280004054f44bc" },
};

static struct span unhex(const char *text, uint8_t *buf)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = strlen(text) / 2;

	for (size_t i = 0; i < n; i++)
		buf[i] = (uint8_t)((strchr(digits, text[2 * i]) - digits) << 4 | (strchr(digits, text[2 * i + 1]) - digits));
	return span_of(buf, n);
}

static const char *hex_of(const char *row)
{
	for (size_t i = 0; i < ARRAY_LEN(messages); i++)
		if (strcmp(messages[i].row, row) == 0)
			return messages[i].hex;
	return "";
}

static void take(const char *row, uint8_t *buf, struct stun_msg *m, struct turn_attrs *a)
{
	t_row = row;
	EQ(stun_parse(unhex(hex_of(row), buf), m), 0);
	EQ(turn_attrs_parse(m, a), 0);
}

static void is_addr(const struct addr *a, const char *want)
{
	char text[ADDR_TEXT_MAX];

	EQ_STR(addr_fmt(a, text), want);
}

/* The key as a client makes it: the password of the name, and the long-term key of both. */
static size_t client_key(uint8_t key[STUN_KEY_MAX])
{
	char password[TURN_PASSWORD_LEN + 1];

	EQ(turn_cred_password(SPAN_LIT("north"), NAME, password), 0);
	return stun_longterm_key(STUN_ALG_MD5, NAME, REALM, span_str(password), key);
}

/* Each message of RFC 8656, 6062, 8016 and 5780, read and written again, is the same. */
static void messages_are_rebuilt_byte_for_byte(void)
{
	uint8_t key_bytes[STUN_KEY_MAX];
	struct span key = span_of(key_bytes, client_key(key_bytes));

	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		uint8_t in[256], out[256];
		struct wr w = wr_from(out, sizeof(out));
		struct turn_attrs a;
		struct stun_msg m;

		take(messages[i].row, in, &m, &a);
		EQ(m.cls, messages[i].cls);
		EQ(m.method, messages[i].method);
		EQ(m.n_unknown, 0);
		if (m.has_integrity)
			EQ(stun_check_integrity(&m, key), 0);
		EQ_SPAN(rig_rebuild(&w, &m, &a, messages[i].reason, key), m.raw);
	}
}

/* RFC 8656 7.1. */
static void allocate_requests_are_read(void)
{
	struct turn_attrs a;
	struct stun_msg m;
	uint8_t buf[256];

	take("allocate: ", buf, &m, &a);
	EQ_SPAN(m.username, NAME);
	OK(a.has_lifetime && a.has_even_port && a.reserve_next && a.dont_fragment);
	EQ(a.lifetime, 3600);
	EQ(a.transport, TURN_UDP);
	EQ(a.family, TURN_FAMILY_V6);
	EQ(a.more_family, 0);
	OK(!a.has_data && !a.has_ticket && !a.has_connection && !a.has_change && !a.has_padding);
	EQ(a.channel, 0);
	EQ(a.n_peers + a.n_relayed, 0);
	EQ(a.reservation.n, 0);

	take("both families, mobile: ", buf, &m, &a);
	EQ(a.more_family, TURN_FAMILY_V6);
	EQ(a.family, 0);
	OK(a.has_ticket && !a.has_lifetime && !a.has_even_port && !a.reserve_next && !a.dont_fragment);
	EQ(a.ticket.n, 0);

	take("with a reservation: ", buf, &m, &a);
	EQ_SPAN(a.reservation, SPAN_LIT("\1\2\3\4\5\6\7\10"));
}

/* RFC 8656 7.3. */
static void allocate_responses_are_read(void)
{
	struct turn_attrs a;
	struct stun_msg m;
	uint8_t buf[256];

	take("allocated: ", buf, &m, &a);
	EQ(a.lifetime, 600);
	EQ(a.n_relayed, 2);
	is_addr(&a.relayed[0], "192.0.2.15:50000");
	is_addr(&a.relayed[1], "[2001:db8::15]:50000");
	is_addr(&m.mapped, "198.51.100.7:32853");
	EQ_SPAN(a.ticket, SPAN_LIT("ticket"));

	take("only one family: ", buf, &m, &a);
	EQ(a.n_relayed, 1);
	EQ(a.address_error, TURN_ERR_FAMILY);

	take("unauthorized: ", buf, &m, &a);
	EQ(m.error, TURN_ERR_UNAUTHORIZED);
	EQ_SPAN(m.realm, REALM);
	EQ_SPAN(m.nonce, SPAN_LIT("nonce"));
}

/* RFC 8656 8 to 12, RFC 6062 4. */
static void what_moves_data_is_read(void)
{
	struct turn_attrs a;
	struct stun_msg m;
	uint8_t buf[256];

	take("refresh: ", buf, &m, &a);
	OK(a.has_lifetime);
	EQ(a.lifetime, 0);
	take("permissions: ", buf, &m, &a);
	EQ(a.n_peers, 2);
	is_addr(&a.peer[0], "192.0.2.150");
	is_addr(&a.peer[1], "2001:db8::96");
	take("channel bind: ", buf, &m, &a);
	EQ(a.channel, 0x4000);
	is_addr(&a.peer[0], "192.0.2.150:32853");
	take("send: ", buf, &m, &a);
	EQ_SPAN(a.data, SPAN_LIT("hello"));
	OK(a.dont_fragment && a.has_data);
	take("send nothing: ", buf, &m, &a);
	OK(a.has_data && a.data.n == 0);
	take("connection bind: ", buf, &m, &a);
	OK(a.has_connection);
	EQ(a.connection, 0xdeadbeef);
	take("attempt: ", buf, &m, &a);
	OK(a.has_connection);
	EQ(a.connection, 0);
}

/* RFC 5780 7. */
static void discovery_is_read(void)
{
	struct turn_attrs a;
	struct stun_msg m;
	uint8_t buf[256];

	take("discovery: ", buf, &m, &a);
	OK(a.has_change && a.change_ip && a.change_port && a.has_padding);
	EQ(a.response_port, 0x8055);
}

/* One attribute in a request, read into *ret. */
static int one(uint16_t attr, struct span value, struct turn_attrs *ret)
{
	static uint8_t buf[1024];
	struct wr w = wr_from(buf, sizeof(buf));
	struct stun_msg m;

	stun_begin(&w, STUN_REQUEST, TURN_ALLOCATE, tid);
	stun_put(&w, attr, value);
	stun_end(&w);
	EQ(stun_parse(wr_span_of(&w), &m), 0);
	return turn_attrs_parse(&m, ret);
}

/* Every size of every attribute: those of its RFC are good, all others malformed; nothing is written then. */
static void wrong_sizes_are_refused(void)
{
	static const uint8_t value[800] = { 0x40, 1, 4 }; /* a channel, an address family, an error class */
	const struct {
		const char *row;
		uint16_t attr;
		size_t good[2]; /* sizes; with `range` all between them, too */
		bool range;
	} rows[] = {
		{ "CHANNEL-NUMBER: ", TURN_ATTR_CHANNEL_NUMBER, { 4, 4 }, false },
		{ "LIFETIME: ", TURN_ATTR_LIFETIME, { 4, 4 }, false },
		{ "XOR-PEER-ADDRESS: ", TURN_ATTR_XOR_PEER_ADDRESS, { 8, 8 }, false },
		{ "XOR-RELAYED-ADDRESS: ", TURN_ATTR_XOR_RELAYED_ADDRESS, { 8, 8 }, false },
		{ "DATA: ", TURN_ATTR_DATA, { 0, 800 }, true },
		{ "REQUESTED-ADDRESS-FAMILY: ", TURN_ATTR_REQUESTED_ADDRESS_FAMILY, { 4, 4 }, false },
		{ "ADDITIONAL-ADDRESS-FAMILY: ", TURN_ATTR_ADDITIONAL_ADDRESS_FAMILY, { 4, 4 }, false },
		{ "the same of a draft: ", TURN_ATTR_ADDITIONAL_ADDRESS_FAMILY_DRAFT, { 4, 4 }, false },
		{ "EVEN-PORT: ", TURN_ATTR_EVEN_PORT, { 1, 1 }, false },
		{ "REQUESTED-TRANSPORT: ", TURN_ATTR_REQUESTED_TRANSPORT, { 4, 4 }, false },
		{ "DONT-FRAGMENT: ", TURN_ATTR_DONT_FRAGMENT, { 0, 0 }, false },
		{ "RESERVATION-TOKEN: ", TURN_ATTR_RESERVATION_TOKEN, { 8, 8 }, false },
		{ "CONNECTION-ID: ", TURN_ATTR_CONNECTION_ID, { 4, 4 }, false },
		{ "MOBILITY-TICKET: ", TURN_ATTR_MOBILITY_TICKET, { 0, 800 }, true },
		{ "ADDRESS-ERROR-CODE: ", TURN_ATTR_ADDRESS_ERROR_CODE, { 4, 767 }, true },
		{ "CHANGE-REQUEST: ", STUN_ATTR_CHANGE_REQUEST, { 4, 4 }, false },
		{ "RESPONSE-PORT: ", STUN_ATTR_RESPONSE_PORT, { 2, 4 }, false },
		{ "PADDING: ", STUN_ATTR_PADDING, { 0, 800 }, true },
		{ "of no concern: ", STUN_ATTR_SOFTWARE, { 0, 800 }, true },
		{ "unknown: ", 0x7777, { 0, 800 }, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		for (size_t n = 0; n <= sizeof(value); n++) {
			bool between = rows[i].range && n >= rows[i].good[0] && n <= rows[i].good[1];
			bool good = between || n == rows[i].good[0] || n == rows[i].good[1];
			struct turn_attrs a = { .n_peers = 77 };

			EQ(one(rows[i].attr, span_of(value, n), &a), good ? 0 : ERR_MALFORMED);
			EQ(a.n_peers, !good ? 77 : rows[i].attr == TURN_ATTR_XOR_PEER_ADDRESS);
		}
	}
}

static void contents_are_judged(void)
{
	const struct {
		const char *row;
		uint16_t attr;
		struct span value;
		int want;
	} rows[] = {
		{ "lowest channel: ", TURN_ATTR_CHANNEL_NUMBER, SPAN_LIT("\x40\x00\0\0"), 0 },
		{ "highest channel: ", TURN_ATTR_CHANNEL_NUMBER, SPAN_LIT("\x7f\xff\0\0"), 0 },
		{ "RFFU is not looked at: ", TURN_ATTR_CHANNEL_NUMBER, SPAN_LIT("\x4f\xff\1\2"), 0 },
		{ "channel 0: ", TURN_ATTR_CHANNEL_NUMBER, SPAN_LIT("\0\0\0\0"), ERR_MALFORMED },
		{ "below channels: ", TURN_ATTR_CHANNEL_NUMBER, SPAN_LIT("\x3f\xff\0\0"), ERR_MALFORMED },
		{ "channel of RFC 5766: ", TURN_ATTR_CHANNEL_NUMBER, SPAN_LIT("\x50\x00\0\0"), 0 },
		{ "above channels: ", TURN_ATTR_CHANNEL_NUMBER, SPAN_LIT("\x80\x00\0\0"), ERR_MALFORMED },
		{ "transport nobody knows: ", TURN_ATTR_REQUESTED_TRANSPORT, SPAN_LIT("\xff\0\0\0"), 0 },
		{ "family 3: ", TURN_ATTR_REQUESTED_ADDRESS_FAMILY, SPAN_LIT("\3\0\0\0"), 0 },
		{ "v6 peer in 8: ", TURN_ATTR_XOR_PEER_ADDRESS, SPAN_LIT("\0\2\0\0\0\0\0\0"), ERR_MALFORMED },
		{ "v4 relayed in 20: ", TURN_ATTR_XOR_RELAYED_ADDRESS,
		  SPAN_LIT("\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), ERR_MALFORMED },
		{ "peer of family 0: ", TURN_ATTR_XOR_PEER_ADDRESS, SPAN_LIT("\0\0\0\0\0\0\0\0"), ERR_MALFORMED },
		{ "address error 2xx: ", TURN_ATTR_ADDRESS_ERROR_CODE, SPAN_LIT("\2\0\2\0"), ERR_MALFORMED },
		{ "address error 7xx: ", TURN_ATTR_ADDRESS_ERROR_CODE, SPAN_LIT("\2\0\7\0"), ERR_MALFORMED },
		{ "address error 4-100: ", TURN_ATTR_ADDRESS_ERROR_CODE, SPAN_LIT("\2\0\4\144"), ERR_MALFORMED },
		{ "address error 508: ", TURN_ATTR_ADDRESS_ERROR_CODE, SPAN_LIT("\2\0\5\10full"), 0 },
		{ "even port, other bits: ", TURN_ATTR_EVEN_PORT, SPAN_LIT("\x7f"), 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct turn_attrs a = { 0 };

		t_row = rows[i].row;
		EQ(one(rows[i].attr, rows[i].value, &a), rows[i].want);
		OK(!a.reserve_next);
	}
}

/* RFC 5780 7.2: bit by bit; 7.5: with the padding counted or not. */
static void discovery_bits(void)
{
	struct turn_attrs a;

	EQ(one(STUN_ATTR_CHANGE_REQUEST, SPAN_LIT("\0\0\0\4"), &a), 0);
	OK(a.has_change && a.change_ip && !a.change_port);
	EQ(one(STUN_ATTR_CHANGE_REQUEST, SPAN_LIT("\0\0\0\2"), &a), 0);
	OK(a.has_change && !a.change_ip && a.change_port);
	EQ(one(STUN_ATTR_CHANGE_REQUEST, SPAN_LIT("\xff\xff\xff\xf9"), &a), 0);
	OK(a.has_change && !a.change_ip && !a.change_port);
	EQ(one(STUN_ATTR_RESPONSE_PORT, SPAN_LIT("\x12\x34"), &a), 0);
	EQ(a.response_port, 0x1234);
	EQ(one(STUN_ATTR_RESPONSE_PORT, SPAN_LIT("\x12\x34\xff\xff"), &a), 0);
	EQ(a.response_port, 0x1234);
}

/* RFC 8489 14: of a repeated attribute the first counts, were it 0; the others have no say, but their size. */
static void first_of_repeated_attributes_counts(void)
{
	const struct addr p = addr_v4(192, 0, 2, 1, 1);
	uint8_t buf[512];
	struct wr w = wr_from(buf, sizeof(buf));
	struct turn_attrs a;
	struct stun_msg m;

	stun_begin(&w, STUN_REQUEST, TURN_ALLOCATE, tid);
	for (uint32_t i = 0; i < 3; i++) {
		turn_put_u32(&w, TURN_ATTR_LIFETIME, i);
		turn_put_u32(&w, TURN_ATTR_CONNECTION_ID, i);
		turn_put_u8(&w, TURN_ATTR_REQUESTED_TRANSPORT, (uint8_t)(TURN_UDP - i));
		turn_put_u8(&w, TURN_ATTR_REQUESTED_ADDRESS_FAMILY, (uint8_t)i);
		turn_put_u8(&w, TURN_ATTR_EVEN_PORT, i ? 0x80 : 0);
		turn_put_channel(&w, i == 0 ? 0x4abc : 0xffff);
		stun_put(&w, TURN_ATTR_DATA, i == 0 ? SPAN_LIT("") : SPAN_LIT("later"));
		stun_put(&w, TURN_ATTR_MOBILITY_TICKET, i == 0 ? SPAN_LIT("") : SPAN_LIT("later"));
		turn_put_address_error(&w, TURN_FAMILY_V4, i == 0 ? 440 : 999, "");
		stun_put_xor_addr(&w, TURN_ATTR_XOR_RELAYED_ADDRESS, &p, tid);
		stun_put_xor_addr(&w, TURN_ATTR_XOR_PEER_ADDRESS, &p, tid);
	}
	stun_end(&w);
	OK(!w.bad);
	EQ(stun_parse(wr_span_of(&w), &m), 0);
	EQ(turn_attrs_parse(&m, &a), 0);
	EQ(a.lifetime, 0);
	EQ(a.connection, 0);
	EQ(a.transport, TURN_UDP);
	EQ(a.family, 0);
	OK(!a.reserve_next);
	EQ(a.channel, 0x4abc);
	EQ(a.data.n, 0);
	EQ(a.ticket.n, 0);
	EQ(a.address_error, 440);
	EQ(a.n_relayed, 2);
	EQ(a.n_peers, 3);

	stun_put(&w, TURN_ATTR_LIFETIME, SPAN_LIT("12345"));
	stun_end(&w);
	EQ(stun_parse(wr_span_of(&w), &m), 0);
	EQ(turn_attrs_parse(&m, &a), ERR_MALFORMED);
}

/* A request that names more peers than there is room for is refused, not cut. */
static void peers_are_bounded(void)
{
	uint8_t buf[1024];
	struct wr w = wr_from(buf, sizeof(buf));
	struct turn_attrs a;
	struct stun_msg m;

	stun_begin(&w, STUN_REQUEST, TURN_CREATE_PERMISSION, tid);
	for (uint8_t i = 0; i <= TURN_PEERS_MAX; i++) {
		struct addr p = addr_v4(192, 0, 2, i, i);

		stun_put_xor_addr(&w, TURN_ATTR_XOR_PEER_ADDRESS, &p, tid);
		stun_end(&w);
		EQ(stun_parse(wr_span_of(&w), &m), 0);
		EQ(turn_attrs_parse(&m, &a), i < TURN_PEERS_MAX ? 0 : ERR_LIMIT);
		EQ(a.n_peers, i < TURN_PEERS_MAX ? i + 1 : TURN_PEERS_MAX);
		OK(i == TURN_PEERS_MAX || addr_eq(&a.peer[i], &p));
	}
}

/* RFC 8489 14.5: what stands behind the integrity was not said by who signed. */
static void attributes_behind_integrity_do_not_count(void)
{
	const struct addr p = addr_v4(192, 0, 2, 1, 1);
	uint8_t buf[256];

	for (int sha256 = 0; sha256 < 2; sha256++) {
		struct wr w = wr_from(buf, sizeof(buf));
		struct turn_attrs a;
		struct stun_msg m;

		stun_begin(&w, STUN_REQUEST, TURN_REFRESH, tid);
		turn_put_u32(&w, TURN_ATTR_LIFETIME, 600);
		if (sha256)
			stun_put_integrity256(&w, SPAN_LIT("key"));
		else
			stun_put_integrity(&w, SPAN_LIT("key"));
		stun_put_xor_addr(&w, TURN_ATTR_XOR_PEER_ADDRESS, &p, tid);
		stun_put(&w, TURN_ATTR_DATA, SPAN_LIT("forged"));
		stun_put(&w, TURN_ATTR_CHANNEL_NUMBER, SPAN_LIT("of a wrong size"));
		stun_end(&w);
		EQ(stun_parse(wr_span_of(&w), &m), 0);
		EQ(turn_attrs_parse(&m, &a), 0);
		EQ(a.lifetime, 600);
		EQ(a.n_peers, 0);
		OK(!a.has_data);
	}
}

/* RFC 8656 12.4: over datagrams. */
static void channel_data_is_read(void)
{
	const struct {
		const char *row;
		struct span msg;
		int want;
		uint16_t channel;
		size_t n;
	} rows[] = {
		{ "data: ", SPAN_LIT("\x40\x01\0\5hello"), 0, 0x4001, 5 },
		{ "with padding: ", SPAN_LIT("\x40\x01\0\5hello\0\0\0"), 0, 0x4001, 5 },
		{ "no data: ", SPAN_LIT("\x4f\xff\0\0"), 0, 0x4fff, 0 },
		{ "one byte missing: ", SPAN_LIT("\x40\x01\0\5hell"), ERR_SHORT, 0, 0 },
		{ "length of 64k: ", SPAN_LIT("\x40\x01\xff\xffhello"), ERR_SHORT, 0, 0 },
		{ "half a length: ", SPAN_LIT("\x40\x01\0"), ERR_SHORT, 0, 0 },
		{ "half a number: ", SPAN_LIT("\x40"), ERR_SHORT, 0, 0 },
		{ "empty: ", SPAN_LIT(""), ERR_SHORT, 0, 0 },
		{ "STUN: ", SPAN_LIT("\0\1\0\0\x21\x12\xa4\x42"), ERR_MALFORMED, 0, 0 },
		{ "below: ", SPAN_LIT("\x3f\xff\0\0"), ERR_MALFORMED, 0, 0 },
		{ "of RFC 5766: ", SPAN_LIT("\x7f\xff\0\0"), 0, 0x7fff, 0 },
		{ "RTP: ", SPAN_LIT("\x80\x60\0\0"), ERR_MALFORMED, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint16_t channel = 0;
		struct span data = { NULL, 0 };

		t_row = rows[i].row;
		EQ(turn_channel_parse(rows[i].msg, &channel, &data), rows[i].want);
		EQ(channel, rows[i].channel);
		EQ(data.n, rows[i].n);
		EQ(data.p != NULL, rows[i].want == 0);
		OK(rows[i].want < 0 || turn_is_channel(rows[i].msg));
	}
}

static void channel_headers_survive(void)
{
	static uint8_t msg[TURN_CHANNEL_HDR_LEN + UINT16_MAX];
	const uint16_t sizes[] = { 0, 1, 2, 3, 4, 1200, UINT16_MAX };
	const size_t pads[] = { 0, 3, 2, 1, 0, 0, 1 };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		uint16_t channel;
		struct span data;

		turn_channel_put(msg, 0x4123, sizes[i]);
		EQ(turn_channel_parse(span_of(msg, TURN_CHANNEL_HDR_LEN + sizes[i]), &channel, &data), 0);
		EQ(channel, 0x4123);
		EQ(data.n, sizes[i]);
		OK(data.p == msg + TURN_CHANNEL_HDR_LEN);
		EQ(turn_pad(sizes[i]), pads[i]);
	}
}

/* RFC 8656 3.1, 12.5: on a stream STUN ends where its length says, ChannelData at the next multiple of four. */
static void streams_are_cut(void)
{
	const struct {
		const char *row;
		struct span stream;
		int want;
		size_t n;
	} rows[] = {
		{ "empty: ", SPAN_LIT(""), ERR_SHORT, 0 },
		{ "length not there: ", SPAN_LIT("\0\1\0"), ERR_SHORT, 0 },
		{ "length there: ", SPAN_LIT("\0\1\0\4"), ERR_SHORT, 24 },
		{ "half a cookie: ", SPAN_LIT("\0\1\0\4\x21\x12\xa4"), ERR_SHORT, 24 },
		{ "cookie: ", SPAN_LIT("\0\1\0\4\x21\x12\xa4\x42"), ERR_SHORT, 24 },
		{ "whole: ", SPAN_LIT("\0\1\0\0\x21\x12\xa4\x42transaction!"), 0, 20 },
		{ "and more: ", SPAN_LIT("\0\1\0\0\x21\x12\xa4\x42transaction!\xff"), 0, 20 },
		{ "largest: ", SPAN_LIT("\0\1\xff\xfc"), ERR_SHORT, 65552 },
		{ "odd length: ", SPAN_LIT("\0\1\0\2"), ERR_MALFORMED, 77 },
		{ "length 0xffff: ", SPAN_LIT("\0\1\xff\xff"), ERR_MALFORMED, 77 },
		{ "other cookie: ", SPAN_LIT("\0\1\0\4\x21\x12\xa4\x43"), ERR_MALFORMED, 77 },
		{ "no cookie, all there: ", SPAN_LIT("\0\1\0\0\0\0\0\0transaction!"), ERR_MALFORMED, 77 },
		{ "first byte of RTP: ", SPAN_LIT("\x80"), ERR_MALFORMED, 77 },
		{ "top bits 11: ", SPAN_LIT("\xc0"), ERR_MALFORMED, 77 },
		{ "channel: ", SPAN_LIT("\x40\x00\0\0"), 0, 4 },
		{ "channel, padding to come: ", SPAN_LIT("\x40\x00\0\1x\0\0"), ERR_SHORT, 8 },
		{ "channel with padding: ", SPAN_LIT("\x40\x00\0\1x\0\0\0"), 0, 8 },
		{ "channel, next one behind: ", SPAN_LIT("\x4f\xff\0\4abcd\x40"), 0, 8 },
		{ "largest channel data: ", SPAN_LIT("\x40\x00\xff\xff"), ERR_SHORT, 65540 },
		{ "channel of RFC 5766: ", SPAN_LIT("\x7f\xff\0\0"), 0, 4 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = 77;

		t_row = rows[i].row;
		EQ(turn_frame(rows[i].stream, &n), rows[i].want);
		EQ(n, rows[i].n);
		OK(n <= TURN_FRAME_MAX);
	}
}

/* A stream of all messages with channel data between them: cut anywhere, each is found once, whole, in order. */
static void streams_in_pieces_are_the_same(void)
{
	static uint8_t stream[8192], msg[256];
	size_t ends[2 * ARRAY_LEN(messages)], n_ends = 0;
	struct wr w = wr_from(stream, sizeof(stream));

	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		wr_span(&w, unhex(messages[i].hex, msg));
		ends[n_ends++] = wr_len(&w);
		wr_be16(&w, (uint16_t)(0x4000 + i));
		wr_be16(&w, (uint16_t)i);
		wr_zero(&w, i + turn_pad(i));
		ends[n_ends++] = wr_len(&w);
	}
	OK(!w.bad);
	for (size_t i = 0, from = 0; i < n_ends; from = ends[i++]) {
		for (size_t cut = from; cut <= ends[n_ends - 1]; cut++) {
			size_t n;
			int r = turn_frame(span_of(stream + from, cut - from), &n);

			EQ(r, cut < ends[i] ? ERR_SHORT : 0);
			EQ(n, cut < from + 4 ? 0 : ends[i] - from);
		}
	}
}

/* RFC 8656 18.12: a family in front of the code. */
static void address_errors_are_put(void)
{
	uint8_t buf[64];
	struct wr w = wr_from(buf, sizeof(buf));

	turn_put_address_error(&w, TURN_FAMILY_V6, TURN_ERR_CAPACITY, "full!");
	EQ_SPAN(wr_span_of(&w), SPAN_LIT("\x80\x01\0\x09\2\0\5\10full!\0\0\0"));
	w = wr_from(buf, 15);
	turn_put_address_error(&w, TURN_FAMILY_V6, TURN_ERR_CAPACITY, "full!");
	OK(w.bad);
}

T_MAIN(T(messages_are_rebuilt_byte_for_byte), T(allocate_requests_are_read), T(allocate_responses_are_read),
       T(what_moves_data_is_read), T(discovery_is_read), T(wrong_sizes_are_refused), T(contents_are_judged),
       T(discovery_bits), T(first_of_repeated_attributes_counts), T(peers_are_bounded),
       T(attributes_behind_integrity_do_not_count), T(channel_data_is_read), T(channel_headers_survive),
       T(streams_are_cut), T(streams_in_pieces_are_the_same), T(address_errors_are_put))

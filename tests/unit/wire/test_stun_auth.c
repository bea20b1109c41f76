/* SPDX-License-Identifier: AGPL-3.0-only */
#include "t.h"
#include "wire/stun.h"

#define PASSWORD SPAN_LIT("VOkJxbRl1RmTxUk/WvJxBt")
#define USER SPAN_LIT("\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9") /* "Matrix" in Katakana */
#define REALM SPAN_LIT("example.org")
#define LONGTERM_PASSWORD SPAN_LIT("TheMatrIX")
#define INTEGRITY_LEN 24
#define INTEGRITY256_LEN 36

static const uint8_t tid[STUN_TID_LEN] = { 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae };

/* RFC 5769 2.4. */
static const uint8_t longterm_sha1[] = {
	0x00, 0x01, 0x00, 0x60, 0x21, 0x12, 0xa4, 0x42, 0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, 0x72, 0xc0, 0x29, 0xda,
	0x41, 0x2e, 0x00, 0x06, 0x00, 0x12, 0xe3, 0x83, 0x9e, 0xe3, 0x83, 0x88, 0xe3, 0x83, 0xaa, 0xe3, 0x83, 0x83,
	0xe3, 0x82, 0xaf, 0xe3, 0x82, 0xb9, 0x00, 0x00, 0x00, 0x15, 0x00, 0x1c, 0x66, 0x2f, 0x2f, 0x34, 0x39, 0x39,
	0x6b, 0x39, 0x35, 0x34, 0x64, 0x36, 0x4f, 0x4c, 0x33, 0x34, 0x6f, 0x4c, 0x39, 0x46, 0x53, 0x54, 0x76, 0x79,
	0x36, 0x34, 0x73, 0x41, 0x00, 0x14, 0x00, 0x0b, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72,
	0x67, 0x00, 0x00, 0x08, 0x00, 0x14, 0xf6, 0x70, 0x24, 0x65, 0x6d, 0xd6, 0x4a, 0x3e, 0x02, 0xb8, 0xe0, 0x71,
	0x2e, 0x85, 0xc9, 0xa2, 0x8c, 0xa8, 0x96, 0x66,
};

/* RFC 8489 B.1, with the MESSAGE-INTEGRITY-SHA256 of erratum 6268. */
static const uint8_t longterm_sha256[] = {
	0x00, 0x01, 0x00, 0x90, 0x21, 0x12, 0xa4, 0x42, 0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, 0x72, 0xc0, 0x29, 0xda,
	0x41, 0x2e, 0x00, 0x1e, 0x00, 0x20, 0x4a, 0x3c, 0xf3, 0x8f, 0xef, 0x69, 0x92, 0xbd, 0xa9, 0x52, 0xc6, 0x78,
	0x04, 0x17, 0xda, 0x0f, 0x24, 0x81, 0x94, 0x15, 0x56, 0x9e, 0x60, 0xb2, 0x05, 0xc4, 0x6e, 0x41, 0x40, 0x7f,
	0x17, 0x04, 0x00, 0x15, 0x00, 0x29, 0x6f, 0x62, 0x4d, 0x61, 0x74, 0x4a, 0x6f, 0x73, 0x32, 0x41, 0x41, 0x41,
	0x43, 0x66, 0x2f, 0x2f, 0x34, 0x39, 0x39, 0x6b, 0x39, 0x35, 0x34, 0x64, 0x36, 0x4f, 0x4c, 0x33, 0x34, 0x6f,
	0x4c, 0x39, 0x46, 0x53, 0x54, 0x76, 0x79, 0x36, 0x34, 0x73, 0x41, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x0b,
	0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67, 0x00, 0x00, 0x1d, 0x00, 0x04, 0x00, 0x02,
	0x00, 0x00, 0x00, 0x1c, 0x00, 0x20, 0xb5, 0xc7, 0xbf, 0x00, 0x5b, 0x6c, 0x52, 0xa2, 0x1c, 0x51, 0xc5, 0xe8,
	0x92, 0xf8, 0x19, 0x24, 0x13, 0x62, 0x96, 0xcb, 0x92, 0x7c, 0x43, 0x14, 0x93, 0x09, 0x27, 0x8c, 0xc6, 0x51,
	0x8e, 0x65,
};

static struct span unhex(const char *text, uint8_t *buf)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = strlen(text) / 2;

	for (size_t i = 0; i < n; i++)
		buf[i] = (uint8_t)((strchr(digits, text[2 * i]) - digits) << 4 | (strchr(digits, text[2 * i + 1]) - digits));
	return span_of(buf, n);
}

static struct span longterm(enum stun_algorithm alg, uint8_t key[STUN_KEY_MAX])
{
	return span_of(key, stun_longterm_key(alg, USER, REALM, LONGTERM_PASSWORD, key));
}

/* RFC 5769 2.4: a request of the long-term mechanism; written again it is the same. */
static void rfc5769_longterm_request(void)
{
	uint8_t buf[256], key_bytes[STUN_KEY_MAX];
	struct span key = longterm(STUN_ALG_MD5, key_bytes);
	struct wr w = wr_from(buf, sizeof(buf));
	struct stun_msg m;

	EQ(stun_parse(span_of(longterm_sha1, sizeof(longterm_sha1)), &m), 0);
	EQ_SPAN(m.username, USER);
	EQ_SPAN(m.realm, REALM);
	EQ_SPAN(m.nonce, SPAN_LIT("f//499k954d6OL34oL9FSTvy64sA"));
	OK(m.has_integrity && !m.has_integrity256 && !m.has_fingerprint);
	EQ(key.n, 16);
	EQ(stun_check_integrity(&m, key), 0);
	EQ(stun_check_integrity(&m, span_of(key.p, 15)), ERR_AUTH);
	EQ(stun_check_integrity(&m, LONGTERM_PASSWORD), ERR_AUTH);
	EQ(stun_check_integrity256(&m, key), ERR_MISSING);

	stun_begin(&w, m.cls, m.method, m.tid);
	stun_put(&w, STUN_ATTR_USERNAME, m.username);
	stun_put(&w, STUN_ATTR_NONCE, m.nonce);
	stun_put(&w, STUN_ATTR_REALM, m.realm);
	stun_put_integrity(&w, key);
	EQ_SPAN(wr_span_of(&w), span_of(longterm_sha1, sizeof(longterm_sha1)));
}

/* RFC 8489 B.1: the same with SHA-256, and a hash in place of the name. */
static void rfc8489_longterm_request(void)
{
	uint8_t buf[256], key_bytes[STUN_KEY_MAX], hash[STUN_USERHASH_LEN];
	struct span key = longterm(STUN_ALG_SHA256, key_bytes);
	struct wr w = wr_from(buf, sizeof(buf));
	struct stun_msg m;

	EQ(stun_parse(span_of(longterm_sha256, sizeof(longterm_sha256)), &m), 0);
	stun_userhash(USER, REALM, hash);
	EQ_SPAN(m.userhash, span_of(hash, sizeof(hash)));
	EQ_SPAN(m.realm, REALM);
	EQ_SPAN(m.nonce, SPAN_LIT("obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"));
	EQ(m.algorithm, STUN_ALG_SHA256);
	EQ(m.username.n, 0);
	OK(m.has_integrity256 && !m.has_integrity);
	EQ(m.integrity256_n, 32);
	EQ(key.n, 32);
	EQ(stun_check_integrity256(&m, key), 0);
	EQ(stun_check_integrity256(&m, span_of(key.p, 31)), ERR_AUTH);
	EQ(stun_check_integrity(&m, key), ERR_MISSING);

	stun_begin(&w, m.cls, m.method, m.tid);
	stun_put(&w, STUN_ATTR_USERHASH, m.userhash);
	stun_put(&w, STUN_ATTR_NONCE, m.nonce);
	stun_put(&w, STUN_ATTR_REALM, m.realm);
	stun_put(&w, STUN_ATTR_PASSWORD_ALGORITHM, SPAN_LIT("\0\2\0\0"));
	stun_put_integrity256(&w, key);
	EQ_SPAN(wr_span_of(&w), span_of(longterm_sha256, sizeof(longterm_sha256)));
}

/* RFC 8489 9.2.2: the key is the digest of "name:realm:password". */
static void longterm_keys(void)
{
	const struct {
		const char *row;
		enum stun_algorithm alg;
		struct span user, realm, password;
		const char *want;
	} rows[] = {
		{ "MD5: ", STUN_ALG_MD5, SPAN_LIT("user"), SPAN_LIT("realm"), SPAN_LIT("pass"),
		  "8493fbc53ba582fb4c044c456bdc40eb" },
		{ "SHA-256: ", STUN_ALG_SHA256, SPAN_LIT("user"), SPAN_LIT("realm"), SPAN_LIT("pass"),
		  "07e934117abd40836e7c6329b54731b2b2d2a5f9a71f544922d75e0730d8251b" },
		{ "colons are not escaped: ", STUN_ALG_MD5, SPAN_LIT("user:realm"), SPAN_LIT("pass"), { NULL, 0 },
		  "c4e2dcd9585b2883ff9816da8b851e88" },
		{ "two colons: ", STUN_ALG_MD5, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, "4501c091b0366d76ea3218b6cfdd8097" },
		{ "no algorithm: ", STUN_ALG_NONE, SPAN_LIT("user"), SPAN_LIT("realm"), SPAN_LIT("pass"), "" },
		{ "one nobody knows: ", (enum stun_algorithm)3, SPAN_LIT("user"), SPAN_LIT("realm"), SPAN_LIT("pass"), "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t key[STUN_KEY_MAX], want[STUN_KEY_MAX];
		size_t n = stun_longterm_key(rows[i].alg, rows[i].user, rows[i].realm, rows[i].password, key);

		t_row = rows[i].row;
		EQ_SPAN(span_of(key, n), unhex(rows[i].want, want));
	}
}

/* RFC 8489 14.6: the value may be cut to any multiple of four from 16 on, and the length that is hashed is the cut one's.
 * Expected values: Python's hmac. */
static void truncated_sha256_is_checked(void)
{
	const char *const macs[] = {
		"a46e37ef2852de80e9a92b5d44d738f4",
		"e9cb480687c6911d0d83ef8ef0e3f8ccb8d96be9",
		"ebbdb72937e570fa38b73253e348153441572701b50d7188",
		"04e6480e93a68f003486d14b8269b5b5bcf38f73a473de5ef243b02a",
		"97982adb48a1c25f1c8f68ea53f5aad681b35bfa59aec1b7a0ed1195d1bc9296",
	};

	for (size_t i = 0; i < ARRAY_LEN(macs); i++) {
		uint8_t buf[64], mac[32];
		struct wr w = wr_from(buf, sizeof(buf));
		struct stun_msg m;

		t_row = macs[i];
		stun_begin(&w, STUN_REQUEST, STUN_BINDING, tid);
		stun_put(&w, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, unhex(macs[i], mac));
		stun_end(&w);
		EQ(stun_parse(wr_span_of(&w), &m), 0);
		EQ(m.integrity256_n, 16 + 4 * i);
		EQ(stun_check_integrity256(&m, PASSWORD), 0);
		EQ(stun_check_integrity256(&m, SPAN_LIT("")), ERR_AUTH);
		w.p[-1] ^= 1;
		EQ(stun_check_integrity256(&m, PASSWORD), ERR_AUTH);
	}
}

static void sha256_of_a_wrong_size_is_refused(void)
{
	static const uint8_t zeros[64];

	for (size_t n = 0; n <= sizeof(zeros); n++) {
		uint8_t buf[128];
		struct wr w = wr_from(buf, sizeof(buf));
		struct stun_msg m;

		stun_begin(&w, STUN_REQUEST, STUN_BINDING, tid);
		stun_put(&w, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, span_of(zeros, n));
		stun_end(&w);
		EQ(stun_parse(wr_span_of(&w), &m), n >= 16 && n <= 32 && n % 4 == 0 ? 0 : ERR_MALFORMED);
	}
}

/* RFC 8489 14.6: a message for servers of either age has both, SHA-1 in front. */
static void both_integrities_hold(void)
{
	uint8_t buf[256];
	struct wr w = wr_from(buf, sizeof(buf));
	struct stun_msg m;

	stun_begin(&w, STUN_REQUEST, STUN_BINDING, tid);
	stun_put(&w, STUN_ATTR_USERNAME, SPAN_LIT("alice"));
	stun_put_integrity(&w, PASSWORD);
	stun_put_integrity256(&w, PASSWORD);
	stun_put_fingerprint(&w);
	EQ(stun_parse(wr_span_of(&w), &m), 0);
	OK(m.has_integrity && m.has_integrity256 && m.fingerprint_ok);
	EQ(m.integrity_at, 20 + 12);
	EQ(m.integrity256_at, 20 + 12 + INTEGRITY_LEN);
	EQ(stun_check_integrity(&m, PASSWORD), 0);
	EQ(stun_check_integrity256(&m, PASSWORD), 0);
	buf[m.integrity_at + 4] ^= 1;
	EQ(stun_check_integrity(&m, PASSWORD), ERR_AUTH);
	EQ(stun_check_integrity256(&m, PASSWORD), ERR_AUTH);
}

/* One letter an attribute: 1 and 2 the integrities, u a name, ? an unknown required one, f the fingerprint. */
static void put_letters(struct wr *w, const char *letters)
{
	for (; *letters; letters++) {
		if (*letters == '1')
			stun_put_integrity(w, PASSWORD);
		else if (*letters == '2')
			stun_put_integrity256(w, PASSWORD);
		else if (*letters == 'f')
			stun_put_fingerprint(w);
		else if (*letters == 'u')
			stun_put(w, STUN_ATTR_USERNAME, SPAN_LIT("mallory"));
		else
			stun_put(w, 0x7777, SPAN_LIT(""));
	}
	stun_end(w);
}

/* RFC 8489 14.5: behind MESSAGE-INTEGRITY only MESSAGE-INTEGRITY-SHA256 and FINGERPRINT count; 14.6: behind the latter
 * only FINGERPRINT; 14.7: nothing is behind that. */
static void order_of_the_last_attributes(void)
{
	const struct {
		const char *letters;
		int want;
		bool sha1, sha256, fingerprint, name, unknown;
	} rows[] = {
		{ "u?", 0, false, false, false, true, true },
		{ "1u?", 0, true, false, false, false, false },
		{ "2u?", 0, false, true, false, false, false },
		{ "12u?", 0, true, true, false, false, false },
		{ "1u2?f", 0, true, true, true, false, false },
		{ "21f", 0, false, true, true, false, false },
		{ "u11", 0, true, false, false, true, false },
		{ "u22f", 0, false, true, true, true, false },
		{ "?1?2?f", 0, true, true, true, false, true },
		{ "f1", ERR_MALFORMED, false, false, false, false, false },
		{ "f2", ERR_MALFORMED, false, false, false, false, false },
		{ "12fu", ERR_MALFORMED, false, false, false, false, false },
		{ "2ff", ERR_MALFORMED, false, false, false, false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t buf[256];
		struct wr w = wr_from(buf, sizeof(buf));
		struct stun_msg m = { .method = 77 };

		t_row = rows[i].letters;
		stun_begin(&w, STUN_REQUEST, STUN_BINDING, tid);
		put_letters(&w, rows[i].letters);
		OK(!w.bad);
		EQ(stun_parse(wr_span_of(&w), &m), rows[i].want);
		EQ(m.method, rows[i].want ? 77 : STUN_BINDING);
		if (rows[i].want)
			continue;
		EQ(m.has_integrity, rows[i].sha1);
		EQ(m.has_integrity256, rows[i].sha256);
		EQ(m.has_fingerprint, rows[i].fingerprint);
		EQ(m.fingerprint_ok, rows[i].fingerprint);
		EQ(m.username.n != 0, rows[i].name);
		EQ(m.n_unknown != 0, rows[i].unknown);
		EQ(stun_check_integrity(&m, PASSWORD), rows[i].sha1 ? 0 : ERR_MISSING);
		EQ(stun_check_integrity256(&m, PASSWORD), rows[i].sha256 ? 0 : ERR_MISSING);
	}
}

/* A second one of either kind stands behind the first, so it does not count, were it right. */
static void a_second_integrity_does_not_replace_the_first(void)
{
	const char *rows[] = { "11", "22", "121", "122" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool both = rows[i][2] != '\0';
		uint8_t buf[256];
		struct wr w = wr_from(buf, sizeof(buf));
		struct stun_msg m;

		t_row = rows[i];
		stun_begin(&w, STUN_REQUEST, STUN_BINDING, tid);
		put_letters(&w, rows[i]);
		EQ(stun_parse(wr_span_of(&w), &m), 0);
		EQ(m.integrity_at, rows[i][0] == '1' ? STUN_HDR_LEN : 0);
		EQ(m.integrity256_at, both ? STUN_HDR_LEN + INTEGRITY_LEN : rows[i][0] == '2' ? STUN_HDR_LEN : 0);
	}
}

/* A changed bit anywhere in front of MESSAGE-INTEGRITY-SHA256, or in it, is noticed. */
static void every_changed_bit_fails_sha256(void)
{
	uint8_t key_bytes[STUN_KEY_MAX];
	struct span key = longterm(STUN_ALG_SHA256, key_bytes);

	for (size_t i = 0; i < sizeof(longterm_sha256) * 8; i++) {
		uint8_t msg[sizeof(longterm_sha256)];
		struct stun_msg m;

		memcpy(msg, longterm_sha256, sizeof(msg));
		msg[i / 8] ^= (uint8_t)(1u << i % 8);
		if (stun_parse(span_of(msg, sizeof(msg)), &m) == 0)
			OK(stun_check_integrity256(&m, key) < 0);
	}
}

/* A message larger than the copy on the stack has the same integrity, up to the largest one that its length field can tell. */
static void large_messages_are_hashed_alike(void)
{
	static uint8_t buf[STUN_HDR_LEN + UINT16_MAX], fill[UINT16_MAX];
	const size_t most = (UINT16_MAX & ~3u) - 4 - INTEGRITY256_LEN - INTEGRITY_LEN - 8;
	const size_t sizes[] = { 1200, 1232, 1236, 1240, 1256, 1260, 1264, 2000, 60000, most };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct wr w = wr_from(buf, sizeof(buf));
		struct stun_msg m;

		stun_begin(&w, STUN_INDICATION, TURN_SEND, tid);
		stun_put(&w, TURN_ATTR_DATA, span_of(fill, sizes[i]));
		stun_put_integrity(&w, PASSWORD);
		stun_put_integrity256(&w, PASSWORD);
		stun_put_fingerprint(&w);
		OK(!w.bad);
		EQ(stun_parse(wr_span_of(&w), &m), 0);
		OK(m.fingerprint_ok);
		EQ(stun_check_integrity(&m, PASSWORD), 0);
		EQ(stun_check_integrity256(&m, PASSWORD), 0);
		buf[100] ^= 1;
		EQ(stun_check_integrity256(&m, PASSWORD), ERR_AUTH);
	}
}

/* Beyond that the writer fails. */
static void messages_beyond_the_length_field_fail_the_writer(void)
{
	static uint8_t buf[2 * UINT16_MAX], fill[UINT16_MAX];
	struct wr w = wr_from(buf, sizeof(buf));

	stun_begin(&w, STUN_INDICATION, TURN_SEND, tid);
	stun_put(&w, TURN_ATTR_DATA, span_of(fill, UINT16_MAX - 3 - INTEGRITY256_LEN));
	stun_put_integrity256(&w, PASSWORD);
	OK(w.bad);
}

/* A key of any length, also none, is a key. */
static void keys_of_any_length(void)
{
	static const uint8_t long_key[1000];
	const struct span keys[] = { { NULL, 0 }, { long_key, 1 }, { long_key, 64 }, { long_key, 65 }, { long_key, 1000 } };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		uint8_t buf[128];
		struct wr w = wr_from(buf, sizeof(buf));
		struct stun_msg m;

		stun_begin(&w, STUN_REQUEST, STUN_BINDING, tid);
		stun_put_integrity(&w, keys[i]);
		stun_put_integrity256(&w, keys[i]);
		EQ(stun_parse(wr_span_of(&w), &m), 0);
		EQ(stun_check_integrity(&m, keys[i]), 0);
		EQ(stun_check_integrity256(&m, keys[i]), 0);
		EQ(stun_check_integrity256(&m, PASSWORD), ERR_AUTH);
	}
}

T_MAIN(T(rfc5769_longterm_request), T(rfc8489_longterm_request), T(longterm_keys), T(truncated_sha256_is_checked),
       T(sha256_of_a_wrong_size_is_refused), T(both_integrities_hold), T(order_of_the_last_attributes),
       T(a_second_integrity_does_not_replace_the_first), T(every_changed_bit_fails_sha256),
       T(large_messages_are_hashed_alike),
       T(messages_beyond_the_length_field_fail_the_writer), T(keys_of_any_length))

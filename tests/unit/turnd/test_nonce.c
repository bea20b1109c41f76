/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turnd/nonce.h"

#include "base/base64.h"
#include "t.h"

#define AGE DUR_SEC(600)

static const uint8_t key[NONCE_KEY_LEN] = { 1, 2, 3 }, other_key[NONCE_KEY_LEN] = { 1, 2, 4 };

static mono_t sec(uint64_t s)
{
	return (mono_t){ DUR_SEC(s) };
}

static struct client alice(void)
{
	return (struct client){ .path = { addr_v4(192, 0, 2, 1, 5000), addr_v4(198, 51, 100, 1, 3478) }, .via = VIA_UDP };
}

static enum nonce_state check(const struct client *c, const char *nonce, mono_t now)
{
	return nonce_check(key, c, span_of(nonce, NONCE_LEN), now, AGE);
}

/* RFC 8489 9.2: the cookie, then 24 feature bits in base64. B.1 has bit 1 set as "AAAC"; ours is bit 0. */
static void begins_with_cookie_and_features(void)
{
	const struct client c = alice();
	char nonce[NONCE_LEN];
	uint8_t tail[18];
	struct wr w = wr_from(tail, sizeof(tail));

	nonce_make(key, &c, sec(0x01020304), nonce);
	EQ_SPAN(span_of(nonce, 13), SPAN_LIT("obMatJos2AAAB"));
	EQ(base64_read(span_of(nonce + 13, 24), &w), 0);
	EQ(be32_at(tail), 0x01020304);
}

/* HMAC-SHA256 of time, transport, address, port, scope and our port, by an implementation not ours (Python's hmac). */
static void is_the_documented_hmac(void)
{
	const struct client c = alice();
	char nonce[NONCE_LEN];

	nonce_make(key, &c, sec(1000), nonce);
	EQ_SPAN(span_of(nonce, NONCE_LEN), SPAN_LIT("obMatJos2AAABAAAD6M0QRyXtuqJ8sRY4cRXw"));
}

/* A nonce lives for max_age; then it is old to its owner, not foreign. A worker whose turn began before that of the nonce's
 * maker takes it. */
static void grows_old(void)
{
	const struct client c = alice();
	const struct {
		const char *row;
		mono_t at;
		enum nonce_state want;
	} rows[] = {
		{ "at once: ", sec(1000), NONCE_GOOD },
		{ "an earlier turn: ", sec(999), NONCE_GOOD },
		{ "last instant: ", sec(1600), NONCE_GOOD },
		{ "one more: ", { DUR_SEC(1600) + 1 }, NONCE_OLD },
		{ "much later: ", sec(100000), NONCE_OLD },
	};
	char nonce[NONCE_LEN];

	nonce_make(key, &c, sec(1000), nonce);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		EQ(check(&c, nonce, rows[i].at), rows[i].want);
	}
}

/* It proves the address: from any other one, by another transport, at another of our ports or under another key it is
 * foreign. Which of our addresses was reached does not matter. */
static void belongs_to_one_client(void)
{
	const struct client a = alice();
	struct client b;
	char nonce[NONCE_LEN];

	nonce_make(key, &a, sec(1000), nonce);
	EQ(check(&a, nonce, sec(1000)), NONCE_GOOD);
	b = a;
	b.path.remote.ip[15]++;
	EQ(check(&b, nonce, sec(1000)), NONCE_FOREIGN);
	b = a;
	b.path.remote.port++;
	EQ(check(&b, nonce, sec(1000)), NONCE_FOREIGN);
	b = a;
	b.path.remote.scope = 2;
	EQ(check(&b, nonce, sec(1000)), NONCE_FOREIGN);
	b = a;
	b.via = VIA_TCP;
	EQ(check(&b, nonce, sec(1000)), NONCE_FOREIGN);
	b = a;
	b.path.local.port++;
	EQ(check(&b, nonce, sec(1000)), NONCE_FOREIGN);
	b = a;
	b.path.local.ip[15]++;
	EQ(check(&b, nonce, sec(1000)), NONCE_GOOD);
	EQ(nonce_check(other_key, &a, span_of(nonce, NONCE_LEN), sec(1000), AGE), NONCE_FOREIGN);
}

/* No byte of it can be changed, none left out and none added: RFC 8489 9.2 lets nobody take features away either. */
static void any_change_makes_it_foreign(void)
{
	const struct client c = alice();
	char nonce[NONCE_LEN + 1] = { 0 };

	nonce_make(key, &c, sec(1000), nonce);
	for (size_t i = 0; i < NONCE_LEN; i++) {
		const char good = nonce[i];

		for (int bad = 0; bad < 256; bad++) {
			nonce[i] = (char)bad;
			if (nonce[i] != good)
				EQ(check(&c, nonce, sec(1000)), NONCE_FOREIGN);
		}
		nonce[i] = good;
	}
	for (size_t n = 0; n <= NONCE_LEN + 1; n++)
		EQ(nonce_check(key, &c, span_of(nonce, n), sec(1000), AGE), n == NONCE_LEN ? NONCE_GOOD : NONCE_FOREIGN);
	EQ(nonce_check(key, &c, (struct span){ 0 }, sec(1000), AGE), NONCE_FOREIGN);
}

T_MAIN(T(begins_with_cookie_and_features), T(is_the_documented_hmac), T(grows_old), T(belongs_to_one_client),
       T(any_change_makes_it_foreign))

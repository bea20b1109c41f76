/* SPDX-License-Identifier: AGPL-3.0-only */
/* SRTP and SRTCP against the RFCs' vectors and, both ways, against libsrtp2. */
#include "sfud/transport/srtp_impl.h"

#include <srtp2/srtp.h>

#include "base/slab.h"
#include "t.h"

#define PAYLOAD 100
#define ROOM 512

static const enum srtp_suite suites[] = { SRTP_AEAD_AES_128_GCM, SRTP_AES128_CM_HMAC_SHA1_80 };

static size_t unhex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	unsigned v;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		sscanf(hex++, "%2x", &v);
		out[n++] = (uint8_t)v;
	}
	return n;
}

static void master(uint8_t out[SRTP_MASTER_MAX])
{
	for (int i = 0; i < SRTP_MASTER_MAX; i++)
		out[i] = (uint8_t)(7 * i + 3);
}

struct pair {
	struct srtp_tx tx;
	struct srtp_rx rx;
};

static void pair_init(struct pair *p, enum srtp_suite s)
{
	uint8_t m[SRTP_MASTER_MAX];

	master(m);
	t_row = s == SRTP_AEAD_AES_128_GCM ? "GCM: " : "CM: ";
	EQ(srtp_tx_init(&p->tx, s, span_of(m, srtp_master_len(s))), 0);
	EQ(srtp_rx_init(&p->rx, s, span_of(m, srtp_master_len(s))), 0);
}

static void pair_done(struct pair *p)
{
	srtp_tx_done(&p->tx);
	srtp_rx_done(&p->rx);
}

/* form 0: bare header; 1: two CSRCs; 2: an extension; 3: both. */
static size_t rtp_make(uint8_t *p, uint32_t ssrc, uint16_t seq, int form, size_t payload, size_t *hdr)
{
	struct wr w = wr_from(p, ROOM);

	wr_u8(&w, (uint8_t)(0x80 | (form & 1 ? 2 : 0) | (form & 2 ? 0x10 : 0)));
	wr_u8(&w, 96);
	wr_be16(&w, seq);
	wr_be32(&w, 0x01020304);
	wr_be32(&w, ssrc);
	if (form & 1)
		wr_be64(&w, 0x1111111122222222);
	if (form & 2)
		wr_be64(&w, 0xbede000110aa0000);
	*hdr = wr_len(&w);
	for (size_t i = 0; i < payload; i++)
		wr_u8(&w, (uint8_t)(i + seq));
	return wr_len(&w);
}

static size_t rtcp_make(uint8_t *p, size_t n)
{
	struct wr w = wr_from(p, ROOM);

	wr_be16(&w, 0x80c8);
	wr_be16(&w, (uint16_t)(n / 4 - 1));
	wr_be32(&w, 0xcafe0001);
	while (wr_len(&w) < n)
		wr_u8(&w, (uint8_t)wr_len(&w));
	return n;
}

static enum drop pass(struct pair *p, uint32_t ssrc, uint64_t index)
{
	uint8_t b[ROOM];
	size_t hdr, n = rtp_make(b, ssrc, (uint16_t)index, 0, PAYLOAD, &hdr);

	n = srtp_seal(&p->tx, b, hdr, n, index);
	return srtp_open(&p->rx, b, &n);
}

/* RFC 3711 B.3: key derivation. */
static void kdf_gives_the_vectors_of_rfc_3711(void)
{
	uint8_t key[16], salt[14], want[96], got[96];
	const struct { const char *row; uint8_t label; const char *hex; } rows[] = {
		{ "key: ", SRTP_LABEL_KEY, "C61E7A93744F39EE10734AFE3FF7A087" },
		{ "salt: ", SRTP_LABEL_SALT, "30CBBC08863D8C85D49DB34A9AE1" },
		{ "auth: ", SRTP_LABEL_AUTH,
		  "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCEE049646C43D9327AD175578EF72270986371C10C9A36"
		  "9AC2F94A8C5FBCDDDC256D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2DC68" },
	};

	unhex("E1F97A0D3E018BE0D64FA32C06DE4139", key);
	unhex("0EC675AD498AFEEBB6960B3AABE6", salt);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = unhex(rows[i].hex, want);

		t_row = rows[i].row;
		OK(srtp_kdf(span_of(key, 16), span_of(salt, 14), rows[i].label, got, n));
		EQ_SPAN(span_of(got, n), span_of(want, n));
	}
}

/* The vectors of RFC 7714 give session keys, so derivation is passed by. */
static void session(struct srtp_keys *k, bool seal)
{
	uint8_t key[16];

	*k = (struct srtp_keys){ .suite = SRTP_AEAD_AES_128_GCM };
	unhex("000102030405060708090a0b0c0d0e0f", key);
	unhex("51756964 2070726f 2071756f", k->rtp.salt);
	unhex("51756964 2070726f 2071756f", k->rtcp.salt);
	OK(srtp_gcm_init(&k->rtp, key, seal));
	OK(srtp_gcm_init(&k->rtcp, key, seal));
}

static void session_done(struct srtp_keys *k)
{
	EVP_CIPHER_CTX_free(k->rtp.aes);
	EVP_CIPHER_CTX_free(k->rtcp.aes);
}

/* RFC 7714 16.1: SRTP AEAD_AES_128_GCM encryption and decryption. */
static void gcm_rtp_gives_the_vector_of_rfc_7714(void)
{
	uint8_t plain[ROOM], want[ROOM], got[ROOM];
	struct srtp_keys k;
	struct srtp_rx rx;
	size_t n = unhex("8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465"
			 "73207472 6573", plain);
	size_t want_n = unhex("8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a"
			      "51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce", want);
	size_t got_n;

	session(&k, true);
	memcpy(got, plain, n);
	got_n = srtp_seal(&(struct srtp_tx){ .keys = &k }, got, 12, n, 0xf17b);
	EQ_SPAN(span_of(got, got_n), span_of(want, want_n));
	session_done(&k);

	session(&k, false);
	rx = (struct srtp_rx){ .keys = &k };
	EQ(srtp_open(&rx, got, &got_n), DROP_NONE);
	mem_free(rx.streams);
	EQ_SPAN(span_of(got, got_n), span_of(plain, n));
	session_done(&k);
}

/* RFC 7714 17.1: SRTCP AEAD_AES_128_GCM encryption and decryption. */
static void gcm_rtcp_gives_the_vector_of_rfc_7714(void)
{
	uint8_t plain[ROOM], want[ROOM], got[ROOM];
	struct srtp_keys k;
	struct srtp_rx rx;
	size_t n = unhex("81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef"
			 "deadbeef deadbeef", plain);
	size_t want_n = unhex("81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda"
			      "4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4", want);
	size_t got_n;

	session(&k, true);
	memcpy(got, plain, n);
	got_n = srtcp_seal(&(struct srtp_tx){ .keys = &k, .rtcp_index = 0x5d4 }, got, n);
	EQ_SPAN(span_of(got, got_n), span_of(want, want_n));
	session_done(&k);

	session(&k, false);
	rx = (struct srtp_rx){ .keys = &k };
	EQ(srtcp_open(&rx, got, &got_n), DROP_NONE);
	mem_free(rx.senders);
	EQ_SPAN(span_of(got, got_n), span_of(plain, n));
	session_done(&k);
}

static srtp_t oracle(enum srtp_suite s, bool inbound)
{
	static bool started;
	srtp_policy_t policy = { 0 };
	uint8_t m[SRTP_MASTER_MAX];
	srtp_t ret = NULL;

	if (!started)
		EQ(srtp_init(), srtp_err_status_ok);
	started = true;
	master(m);
	if (s == SRTP_AEAD_AES_128_GCM) {
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
	} else {
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
	}
	policy.ssrc.type = inbound ? ssrc_any_inbound : ssrc_any_outbound;
	policy.key = m;
	policy.window_size = 1024;
	EQ(srtp_create(&ret, &policy), srtp_err_status_ok);
	return ret;
}

/* libsrtp2 must open what we seal and we what it seals: every header form, empty payloads, two roll-overs. */
static void agrees_with_libsrtp_on_rtp(void)
{
	for (size_t s = 0; s < ARRAY_LEN(suites); s++) {
		srtp_t in = oracle(suites[s], true), out = oracle(suites[s], false);
		struct pair p;

		pair_init(&p, suites[s]);
		for (uint64_t index = 60000; index < 210000; index += 501) {
			uint8_t plain[ROOM], b[ROOM];
			int form = (int)(index & 3), n_int;
			size_t hdr, n = rtp_make(plain, 0xabcd, (uint16_t)index, form, index % 7 ? PAYLOAD : 0, &hdr), got;

			memcpy(b, plain, n);
			n_int = (int)srtp_seal(&p.tx, b, hdr, n, index);
			EQ(srtp_unprotect(in, b, &n_int), srtp_err_status_ok);
			EQ_SPAN(span_of(b, (size_t)n_int), span_of(plain, n));

			memcpy(b, plain, n);
			n_int = (int)n;
			EQ(srtp_protect(out, b, &n_int), srtp_err_status_ok);
			got = (size_t)n_int;
			EQ(srtp_open(&p.rx, b, &got), DROP_NONE);
			EQ_SPAN(span_of(b, got), span_of(plain, n));
		}
		pair_done(&p);
		srtp_dealloc(in);
		srtp_dealloc(out);
	}
}

/* The same for SRTCP. */
static void agrees_with_libsrtp_on_rtcp(void)
{
	for (size_t s = 0; s < ARRAY_LEN(suites); s++) {
		srtp_t in = oracle(suites[s], true), out = oracle(suites[s], false);
		struct pair p;

		pair_init(&p, suites[s]);
		for (size_t n = 8; n < 200; n += 4) {
			uint8_t plain[ROOM], b[ROOM];
			int n_int;
			size_t got;

			rtcp_make(plain, n);
			memcpy(b, plain, n);
			n_int = (int)srtcp_seal(&p.tx, b, n);
			EQ(srtp_unprotect_rtcp(in, b, &n_int), srtp_err_status_ok);
			EQ_SPAN(span_of(b, (size_t)n_int), span_of(plain, n));

			memcpy(b, plain, n);
			n_int = (int)n;
			EQ(srtp_protect_rtcp(out, b, &n_int), srtp_err_status_ok);
			got = (size_t)n_int;
			EQ(srtcp_open(&p.rx, b, &got), DROP_NONE);
			EQ_SPAN(span_of(b, got), span_of(plain, n));
		}
		pair_done(&p);
		srtp_dealloc(in);
		srtp_dealloc(out);
	}
}

/* RFC 3711 3.3.2: a packet is taken once, and not at all when it is older than the window. */
static void replayed_and_old_packets_are_dropped(void)
{
	const struct { uint64_t index; enum drop want; } rows[] = {
		{ 1000, DROP_NONE }, { 1000, DROP_SRTP_REPLAY }, { 999, DROP_NONE }, { 999, DROP_SRTP_REPLAY },
		{ 3000, DROP_NONE }, { 3000 - REPLAY_WINDOW, DROP_SRTP_REPLAY }, { 3001 - REPLAY_WINDOW, DROP_NONE },
		{ 1001, DROP_SRTP_REPLAY },
	};

	for (size_t s = 0; s < ARRAY_LEN(suites); s++) {
		struct pair p;
		uint8_t b[ROOM], again[ROOM];
		size_t n, m;

		pair_init(&p, suites[s]);
		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			EQ(pass(&p, 1, rows[i].index), rows[i].want);
		n = m = srtcp_seal(&p.tx, b, rtcp_make(b, 60));
		memcpy(again, b, n);
		EQ(srtcp_open(&p.rx, b, &n), DROP_NONE);
		EQ(srtcp_open(&p.rx, again, &m), DROP_SRTP_REPLAY);
		pair_done(&p);
	}
}

/* RFC 3711 3.3.1: late packets of the old roll-over count open while the new one is already running. */
static void reordering_across_a_roll_over_is_understood(void)
{
	static const uint64_t index[] = { 65530, 65536, 65533, 65535, 65540, 65534, 65537, 98305, 131072, 131070, 131073 };

	for (size_t s = 0; s < ARRAY_LEN(suites); s++) {
		struct pair p;

		pair_init(&p, suites[s]);
		for (size_t i = 0; i < ARRAY_LEN(index); i++)
			EQ(pass(&p, 1, index[i]), DROP_NONE);
		EQ(p.rx.streams[0].top, 131073);
		pair_done(&p);
	}
}

/* A number before a stream's very first packet has no roll-over count; it must not wrap to a huge one. */
static void packets_before_the_first_are_old(void)
{
	struct pair p;

	pair_init(&p, suites[0]);
	EQ(pass(&p, 1, 3), DROP_NONE);
	EQ(pass(&p, 1, 65530), DROP_SRTP_REPLAY);
	EQ(pass(&p, 1, 2), DROP_NONE);
	EQ(p.rx.streams[0].top, 3);
	pair_done(&p);
}

/* Every byte of a packet is authenticated: header, extension, ciphertext, tag, SRTCP index. */
static void one_changed_bit_anywhere_is_noticed(void)
{
	for (size_t s = 0; s < ARRAY_LEN(suites); s++) {
		uint8_t rtp[ROOM], rtcp[ROOM], b[ROOM];
		size_t hdr, n, m;
		struct pair p;

		pair_init(&p, suites[s]);
		n = rtp_make(rtp, 5, 77, 3, PAYLOAD, &hdr);
		n = srtp_seal(&p.tx, rtp, hdr, n, 77);
		m = srtcp_seal(&p.tx, rtcp, rtcp_make(rtcp, 60));
		for (size_t bit = 0; bit < 8 * n; bit++) {
			size_t len = n;

			memcpy(b, rtp, n);
			b[bit / 8] ^= (uint8_t)(1 << bit % 8);
			OK(srtp_open(&p.rx, b, &len) != DROP_NONE);
			if (bit / 8 >= hdr)
				EQ(p.rx.n_streams, 0);
		}
		for (size_t bit = 0; bit < 8 * m; bit++) {
			size_t len = m;

			memcpy(b, rtcp, m);
			b[bit / 8] ^= (uint8_t)(1 << bit % 8);
			OK(srtcp_open(&p.rx, b, &len) != DROP_NONE);
		}
		EQ(p.rx.n_streams, 0);
		EQ(srtp_open(&p.rx, rtp, &n), DROP_NONE);
		EQ(srtcp_open(&p.rx, rtcp, &m), DROP_NONE);
		pair_done(&p);
	}
}

/* Any truncation is malformed or unauthentic, never accepted and never read past the end. */
static void truncated_packets_are_dropped(void)
{
	for (size_t s = 0; s < ARRAY_LEN(suites); s++) {
		uint8_t rtp[ROOM], rtcp[ROOM], b[ROOM];
		size_t hdr, n, m;
		struct pair p;

		pair_init(&p, suites[s]);
		n = rtp_make(rtp, 5, 77, 3, PAYLOAD, &hdr);
		n = srtp_seal(&p.tx, rtp, hdr, n, 77);
		m = srtcp_seal(&p.tx, rtcp, rtcp_make(rtcp, 60));
		for (size_t i = 0; i < n; i++) {
			size_t len = i;

			memcpy(b, rtp, i);
			OK(srtp_open(&p.rx, b, &len) != DROP_NONE);
		}
		for (size_t i = 0; i < m; i++) {
			size_t len = i;

			memcpy(b, rtcp, i);
			OK(srtcp_open(&p.rx, b, &len) != DROP_NONE);
		}
		pair_done(&p);
	}
}

/* A peer's SSRCs are bounded; a packet that does not authenticate takes no place; forgetting one makes room. */
static void streams_are_limited(void)
{
	uint8_t b[ROOM];
	size_t hdr, n;
	struct pair p;

	pair_init(&p, suites[0]);
	for (uint32_t i = 0; i < 100; i++) {
		n = rtp_make(b, 1000 + i, 1, 0, PAYLOAD, &hdr);
		EQ(srtp_open(&p.rx, b, &n), DROP_SRTP_AUTH);
	}
	for (uint32_t i = 0; i < SRTP_STREAMS_MAX; i++)
		EQ(pass(&p, i, 1), DROP_NONE);
	EQ(pass(&p, 99, 1), DROP_SRTP_STREAMS);
	EQ(pass(&p, 0, 2), DROP_NONE);
	srtp_rx_forget(&p.rx, 7);
	srtp_rx_forget(&p.rx, 7);
	EQ(pass(&p, 99, 1), DROP_NONE);
	EQ(pass(&p, 31, 1), DROP_SRTP_REPLAY);
	EQ(pass(&p, 98, 1), DROP_SRTP_STREAMS);
	pair_done(&p);
}

/* RFC 3711 3.2.3, 3.4: the index belongs to one SSRC's context, so two senders behind one key may use the same. */
static void each_rtcp_sender_counts_its_own_index(void)
{
	struct pair p;
	uint8_t first[ROOM], second[ROOM];
	size_t n, m;

	pair_init(&p, suites[0]);
	n = srtcp_seal(&p.tx, first, rtcp_make(first, 60));
	p.tx.rtcp_index--;
	m = rtcp_make(second, 60);
	second[7] ^= 1; /* another SSRC */
	m = srtcp_seal(&p.tx, second, m);
	EQ(srtcp_open(&p.rx, first, &n), DROP_NONE);
	EQ(srtcp_open(&p.rx, second, &m), DROP_NONE);
	EQ(p.rx.n_senders, 2);
	pair_done(&p);
}

/* RFC 3711 9.2: an SRTCP index is never used twice, so a used up key seals nothing more. */
static void srtcp_stops_at_its_last_index(void)
{
	struct pair p;
	uint8_t b[ROOM];
	size_t n;

	pair_init(&p, suites[0]);
	p.tx.rtcp_index = 0x7fffffff;
	n = srtcp_seal(&p.tx, b, rtcp_make(b, 60));
	OK(n > 60);
	EQ(srtcp_open(&p.rx, b, &n), DROP_NONE);
	EQ(srtcp_seal(&p.tx, b, rtcp_make(b, 60)), 0);
	pair_done(&p);
}

/* A master of the wrong length or no suite is refused, and what was not initialised can be ended. */
static void bad_masters_are_refused(void)
{
	uint8_t m[SRTP_MASTER_MAX] = { 0 };
	struct srtp_rx rx = { 0 };
	struct srtp_tx tx = { 0 };

	OK(srtp_rx_init(&rx, SRTP_AEAD_AES_128_GCM, span_of(m, 30)) < 0);
	OK(srtp_tx_init(&tx, SRTP_AES128_CM_HMAC_SHA1_80, span_of(m, 28)) < 0);
	OK(srtp_tx_init(&tx, SRTP_NONE, span_of(m, 0)) < 0);
	srtp_rx_done(&rx);
	srtp_tx_done(&tx);
	EQ_STR(srtp_suite_str(SRTP_AES128_CM_HMAC_SHA1_80), "AES_CM_128_HMAC_SHA1_80");
}

T_MAIN(T(kdf_gives_the_vectors_of_rfc_3711), T(gcm_rtp_gives_the_vector_of_rfc_7714),
       T(gcm_rtcp_gives_the_vector_of_rfc_7714), T(agrees_with_libsrtp_on_rtp), T(agrees_with_libsrtp_on_rtcp),
       T(replayed_and_old_packets_are_dropped), T(reordering_across_a_roll_over_is_understood),
       T(packets_before_the_first_are_old), T(one_changed_bit_anywhere_is_noticed), T(truncated_packets_are_dropped),
       T(streams_are_limited), T(each_rtcp_sender_counts_its_own_index),
       T(srtcp_stops_at_its_last_index), T(bad_masters_are_refused))

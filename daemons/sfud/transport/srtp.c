/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/transport/srtp.h"

#include "base/secret.h"
#include "base/seqno.h"
#include "base/slab.h"
#include "sfud/transport/srtp_impl.h"

#define RTP_HDR_LEN 12
#define RTCP_HDR_LEN 8 /* the part of the first packet that stays in the clear */
#define RTCP_INDEX_LEN 4
#define RTCP_E UINT32_C(0x80000000)
#define INDEX_END (UINT64_C(1) << 48)

const char *srtp_suite_str(enum srtp_suite s)
{
	switch (s) {
	case SRTP_AEAD_AES_128_GCM:
		return "AEAD_AES_128_GCM";
	case SRTP_AES128_CM_HMAC_SHA1_80:
		return "AES_CM_128_HMAC_SHA1_80";
	case SRTP_NONE:
		break;
	}
	return "none";
}

static size_t salt_len(enum srtp_suite s)
{
	return s == SRTP_AEAD_AES_128_GCM ? 12 : SRTP_SALT_MAX;
}

size_t srtp_master_len(enum srtp_suite s)
{
	return s == SRTP_NONE ? 0 : SRTP_KEY_LEN + salt_len(s);
}

static size_t tag_len(const struct srtp_keys *k)
{
	return k->suite == SRTP_AEAD_AES_128_GCM ? SRTP_GCM_TAG_LEN : SRTP_CM_TAG_LEN;
}

static bool half_init(struct srtp_half *h, enum srtp_suite suite, struct span master, uint8_t base, bool seal)
{
	struct span key = span_of(master.p, SRTP_KEY_LEN);
	struct span salt = span_of(master.p + SRTP_KEY_LEN, salt_len(suite));
	uint8_t k[SRTP_KEY_LEN], auth[SRTP_HMAC_KEY_LEN];
	bool ok;

	ok = srtp_kdf(key, salt, base + SRTP_LABEL_KEY, k, sizeof(k)) &&
	     srtp_kdf(key, salt, base + SRTP_LABEL_SALT, h->salt, salt.n);
	if (suite == SRTP_AEAD_AES_128_GCM)
		ok = ok && srtp_gcm_init(h, k, seal);
	else
		ok = ok && srtp_kdf(key, salt, base + SRTP_LABEL_AUTH, auth, sizeof(auth)) && srtp_cm_init(h, k, auth);
	wipe(k, sizeof(k));
	wipe(auth, sizeof(auth));
	return ok;
}

static void keys_free(struct srtp_keys *k)
{
	if (!k)
		return;
	EVP_CIPHER_CTX_free(k->rtp.aes); /* cleanses the schedule */
	EVP_CIPHER_CTX_free(k->rtcp.aes);
	wipe(k, sizeof(*k));
	mem_free(k);
}

static struct srtp_keys *keys_new(enum srtp_suite suite, struct span master, bool seal)
{
	struct srtp_keys *k;

	if (suite == SRTP_NONE || master.n != srtp_master_len(suite))
		return NULL;
	k = mem_alloc(sizeof(*k));
	if (!k)
		return NULL;
	k->suite = suite;
	if (!half_init(&k->rtp, suite, master, 0, seal) || !half_init(&k->rtcp, suite, master, SRTP_LABEL_RTCP, seal)) {
		keys_free(k);
		return NULL;
	}
	return k;
}

int srtp_rx_init(struct srtp_rx *rx, enum srtp_suite suite, struct span master)
{
	struct srtp_keys *keys = keys_new(suite, master, false);

	if (!keys)
		return ERR_NOMEM;
	*rx = (struct srtp_rx){ .keys = keys };
	return 0;
}

int srtp_tx_init(struct srtp_tx *tx, enum srtp_suite suite, struct span master)
{
	struct srtp_keys *keys = keys_new(suite, master, true);

	if (!keys)
		return ERR_NOMEM;
	*tx = (struct srtp_tx){ .keys = keys };
	return 0;
}

void srtp_rx_done(struct srtp_rx *rx)
{
	keys_free(rx->keys);
	mem_free(rx->streams);
	mem_free(rx->senders);
	*rx = (struct srtp_rx){ 0 };
}

void srtp_tx_done(struct srtp_tx *tx)
{
	keys_free(tx->keys);
	*tx = (struct srtp_tx){ 0 };
}

/* Fixed header, CSRCs and extension; 0 when they do not fit or the version is not 2. */
static size_t rtp_hdr_len(const uint8_t *p, size_t n)
{
	size_t len;

	if (n < RTP_HDR_LEN || p[0] >> 6 != 2)
		return 0;
	len = RTP_HDR_LEN + (size_t)(p[0] & 15) * 4;
	if (p[0] & 0x10) {
		if (n < len + 4)
			return 0;
		len += 4 + (size_t)be16_at(p + len + 2) * 4;
	}
	return len <= n ? len : 0;
}

/* RFC 7714 8.1 and 9.1: both forms are salt XOR (0^16 | SSRC | 48 bits). */
static void gcm_iv(const struct srtp_half *h, uint32_t ssrc, uint64_t index, uint8_t iv[SRTP_GCM_IV_LEN])
{
	memcpy(iv, h->salt, 2);
	put_be32(iv + 2, be32_at(h->salt + 2) ^ ssrc);
	put_be32(iv + 6, be32_at(h->salt + 6) ^ (uint32_t)(index >> 16));
	put_be16(iv + 10, (uint16_t)(be16_at(h->salt + 10) ^ (uint16_t)index));
}

static bool rtp_open(struct srtp_half *h, enum srtp_suite suite, uint8_t *pkt, size_t hdr, size_t end, uint64_t index)
{
	uint8_t iv[SRTP_GCM_IV_LEN], roc[4], mac[SRTP_SHA1_LEN];
	uint32_t ssrc = be32_at(pkt + 8);

	if (suite == SRTP_AEAD_AES_128_GCM) {
		gcm_iv(h, ssrc, index, iv);
		return srtp_gcm_open(h, iv, span_of(pkt, hdr), span_of(NULL, 0), pkt + hdr, end - hdr);
	}
	put_be32(roc, (uint32_t)(index >> 16));
	srtp_cm_mac(h, span_of(pkt, end), span_of(roc, sizeof(roc)), mac);
	return ct_eq(mac, pkt + end, SRTP_CM_TAG_LEN) && srtp_cm_crypt(h, ssrc, index, pkt + hdr, end - hdr);
}

static struct srtp_stream *stream_find(struct srtp_rx *rx, uint32_t ssrc)
{
	for (uint32_t i = 0; i < rx->n_streams; i++) {
		if (rx->streams[i].ssrc == ssrc)
			return &rx->streams[i];
	}
	return NULL;
}

static bool room_for_stream(struct srtp_rx *rx)
{
	void *t = mem_room(rx->streams, rx->n_streams, &rx->cap_streams, SRTP_STREAMS_MAX, sizeof(*rx->streams));

	rx->streams = t ? t : rx->streams;
	return t != NULL;
}

static bool room_for_sender(struct srtp_rx *rx)
{
	void *t = mem_room(rx->senders, rx->n_senders, &rx->cap_senders, SRTCP_SENDERS_MAX, sizeof(*rx->senders));

	rx->senders = t ? t : rx->senders;
	return t != NULL;
}

/* RFC 3711 3.3.1. False when the number lies before the stream's first or behind its last possible packet. */
static bool index_guess(const struct srtp_stream *s, uint16_t seq, uint64_t *ret)
{
	if (!s) {
		*ret = seq; /* ROC starts at 0 */
		return true;
	}
	*ret = seq16_extend(s->top, seq);
	return *ret < INDEX_END;
}

void srtp_rx_forget(struct srtp_rx *rx, uint32_t ssrc)
{
	struct srtp_stream *s = stream_find(rx, ssrc);

	if (!s)
		return;
	*s = rx->streams[--rx->n_streams];
	rx->streams[rx->n_streams] = (struct srtp_stream){ 0 };
}

enum drop srtp_open(struct srtp_rx *rx, uint8_t *pkt, size_t *n)
{
	size_t hdr = rtp_hdr_len(pkt, *n), tag = tag_len(rx->keys);
	struct srtp_stream *s;
	uint64_t index;
	size_t end;

	if (hdr == 0 || *n < hdr + tag)
		return DROP_RTP_MALFORMED;
	end = *n - tag;
	s = stream_find(rx, be32_at(pkt + 8));
	if (!s && !room_for_stream(rx))
		return DROP_SRTP_STREAMS;
	if (!index_guess(s, be16_at(pkt + 2), &index) || (s && !replay_fresh(&s->seen, index)))
		return DROP_SRTP_REPLAY;
	if (!rtp_open(&rx->keys->rtp, rx->keys->suite, pkt, hdr, end, index))
		return DROP_SRTP_AUTH;
	if (!s) {
		s = &rx->streams[rx->n_streams++];
		*s = (struct srtp_stream){ .ssrc = be32_at(pkt + 8), .used = true, .top = index };
	}
	if (index > s->top)
		s->top = index;
	replay_mark(&s->seen, index);
	*n = end;
	return DROP_NONE;
}

size_t srtp_seal(struct srtp_tx *tx, uint8_t *pkt, size_t hdr, size_t n, uint64_t index)
{
	struct srtp_half *h = &tx->keys->rtp;
	uint8_t iv[SRTP_GCM_IV_LEN], roc[4], mac[SRTP_SHA1_LEN];
	uint32_t ssrc = be32_at(pkt + 8);

	if (tx->keys->suite == SRTP_AEAD_AES_128_GCM) {
		gcm_iv(h, ssrc, index, iv);
		if (!srtp_gcm_seal(h, iv, span_of(pkt, hdr), span_of(NULL, 0), pkt + hdr, n - hdr))
			return 0;
		return n + SRTP_GCM_TAG_LEN;
	}
	if (!srtp_cm_crypt(h, ssrc, index, pkt + hdr, n - hdr))
		return 0;
	put_be32(roc, (uint32_t)(index >> 16));
	srtp_cm_mac(h, span_of(pkt, n), span_of(roc, sizeof(roc)), mac);
	memcpy(pkt + n, mac, SRTP_CM_TAG_LEN);
	return n + SRTP_CM_TAG_LEN;
}

static bool rtcp_open(struct srtp_rx *rx, uint8_t *pkt, size_t end, uint32_t index)
{
	struct srtp_half *h = &rx->keys->rtcp;
	uint8_t iv[SRTP_GCM_IV_LEN], mac[SRTP_SHA1_LEN];
	uint32_t ssrc = be32_at(pkt + 4);

	if (rx->keys->suite == SRTP_AEAD_AES_128_GCM) {
		gcm_iv(h, ssrc, index, iv);
		return srtp_gcm_open(h, iv, span_of(pkt, RTCP_HDR_LEN),
				     span_of(pkt + end + SRTP_GCM_TAG_LEN, RTCP_INDEX_LEN), pkt + RTCP_HDR_LEN,
				     end - RTCP_HDR_LEN);
	}
	srtp_cm_mac(h, span_of(pkt, end + RTCP_INDEX_LEN), span_of(NULL, 0), mac);
	return ct_eq(mac, pkt + end + RTCP_INDEX_LEN, SRTP_CM_TAG_LEN) &&
	       srtp_cm_crypt(h, ssrc, index, pkt + RTCP_HDR_LEN, end - RTCP_HDR_LEN);
}

static struct srtcp_sender *sender_find(struct srtp_rx *rx, uint32_t ssrc)
{
	for (uint32_t i = 0; i < rx->n_senders; i++)
		if (rx->senders[i].ssrc == ssrc)
			return &rx->senders[i];
	return NULL;
}

static bool sender_fresh(const struct srtcp_sender *s, uint32_t index)
{
	if (index > s->top)
		return true;
	return s->top - index < 64 && (s->seen >> (s->top - index) & 1) == 0;
}

static void sender_mark(struct srtcp_sender *s, uint32_t index)
{
	if (index > s->top) {
		s->seen = index - s->top < 64 ? s->seen << (index - s->top) : 0;
		s->top = index;
	}
	s->seen |= UINT64_C(1) << (s->top - index);
}

enum drop srtcp_open(struct srtp_rx *rx, uint8_t *pkt, size_t *n)
{
	size_t tag = tag_len(rx->keys), end;
	struct srtcp_sender *from;
	uint32_t word;

	if (*n < RTCP_HDR_LEN + RTCP_INDEX_LEN + tag || pkt[0] >> 6 != 2)
		return DROP_RTCP_MALFORMED;
	end = *n - RTCP_INDEX_LEN - tag;
	word = be32_at(rx->keys->suite == SRTP_AEAD_AES_128_GCM ? pkt + *n - RTCP_INDEX_LEN : pkt + end);
	/* Encryption is not optional in the DTLS profiles, so a clear E bit was not set by our peer. */
	if ((word & RTCP_E) == 0)
		return DROP_SRTP_AUTH;
	word &= ~RTCP_E;
	from = sender_find(rx, be32_at(pkt + 4));
	if (!from && !room_for_sender(rx))
		return DROP_SRTP_STREAMS;
	if (from && !sender_fresh(from, word))
		return DROP_SRTP_REPLAY;
	if (!rtcp_open(rx, pkt, end, word))
		return DROP_SRTP_AUTH;
	if (!from) {
		from = &rx->senders[rx->n_senders++];
		*from = (struct srtcp_sender){ .ssrc = be32_at(pkt + 4), .top = word };
	}
	sender_mark(from, word);
	*n = end;
	return DROP_NONE;
}

size_t srtcp_seal(struct srtp_tx *tx, uint8_t *pkt, size_t n)
{
	struct srtp_half *h = &tx->keys->rtcp;
	uint8_t iv[SRTP_GCM_IV_LEN], word[RTCP_INDEX_LEN], mac[SRTP_SHA1_LEN];
	uint32_t ssrc = be32_at(pkt + 4), index = tx->rtcp_index;

	if (n < RTCP_HDR_LEN || index >= RTCP_E)
		return 0; /* RFC 3711 9.2: an index is never used twice */
	tx->rtcp_index++;
	put_be32(word, index | RTCP_E);
	if (tx->keys->suite == SRTP_AEAD_AES_128_GCM) {
		gcm_iv(h, ssrc, index, iv);
		if (!srtp_gcm_seal(h, iv, span_of(pkt, RTCP_HDR_LEN), span_of(word, sizeof(word)), pkt + RTCP_HDR_LEN,
				   n - RTCP_HDR_LEN))
			return 0;
		memcpy(pkt + n + SRTP_GCM_TAG_LEN, word, sizeof(word));
		return n + SRTP_GCM_TAG_LEN + sizeof(word);
	}
	if (!srtp_cm_crypt(h, ssrc, index, pkt + RTCP_HDR_LEN, n - RTCP_HDR_LEN))
		return 0;
	memcpy(pkt + n, word, sizeof(word));
	srtp_cm_mac(h, span_of(pkt, n + sizeof(word)), span_of(NULL, 0), mac);
	memcpy(pkt + n + sizeof(word), mac, SRTP_CM_TAG_LEN);
	return n + sizeof(word) + SRTP_CM_TAG_LEN;
}

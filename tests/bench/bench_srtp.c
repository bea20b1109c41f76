/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Nanoseconds to seal and open one 1200-byte packet: ours beside libsrtp2 and beside the bare cipher calls, in one
 * run. "fan-out" seals one packet for 300 receivers in turn, so that every key schedule comes from farther away.
 */
#include "sfud/transport/srtp_impl.h"

#include <openssl/core_names.h>
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SIZE 1200
#define HDR 12
#define RING 256
#define ROUNDS 301
#define FANOUT 300

static uint8_t ring[RING][SIZE + 32];
static const uint8_t key[SRTP_MASTER_MAX] = "0123456789abcdef0123456789abcd";

static double clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof(*v), by_value);
	return v[ROUNDS / 2];
}

static void fill(uint64_t index)
{
	for (size_t i = 0; i < RING; i++) {
		memset(ring[i], (int)i, SIZE);
		memset(ring[i], 0, HDR);
		ring[i][0] = 0x80;
		put_be16(ring[i] + 2, (uint16_t)(index + i));
	}
}

static void must(bool ok)
{
	if (!ok)
		abort();
}

struct result {
	double seal, open;
};

static struct result ours(enum srtp_suite suite)
{
	static double seal[ROUNDS], open[ROUNDS];
	struct span master = span_of(key, srtp_master_len(suite));
	struct srtp_tx tx = { 0 };
	struct srtp_rx rx = { 0 };
	uint64_t index = 0;

	must(srtp_tx_init(&tx, suite, master) == 0 && srtp_rx_init(&rx, suite, master) == 0);
	for (size_t r = 0; r < ROUNDS; r++, index += RING) {
		size_t n = 0, got;
		double t;

		fill(index);
		t = clock_ns();
		for (size_t i = 0; i < RING; i++)
			n = srtp_seal(&tx, ring[i], HDR, SIZE, index + i);
		seal[r] = (clock_ns() - t) / RING;
		t = clock_ns();
		for (size_t i = 0; i < RING; i++) {
			got = n;
			must(srtp_open(&rx, ring[i], &got) == DROP_NONE);
		}
		open[r] = (clock_ns() - t) / RING;
	}
	srtp_tx_done(&tx);
	srtp_rx_done(&rx);
	return (struct result){ median(seal), median(open) };
}

static srtp_t peer_new(enum srtp_suite suite, bool inbound)
{
	srtp_policy_t p = { 0 };
	srtp_t s;

	if (suite == SRTP_AEAD_AES_128_GCM) {
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&p.rtp);
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&p.rtcp);
	} else {
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&p.rtp);
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&p.rtcp);
	}
	p.ssrc.type = inbound ? ssrc_any_inbound : ssrc_any_outbound;
	p.key = (unsigned char *)(uintptr_t)key;
	must(srtp_create(&s, &p) == srtp_err_status_ok);
	return s;
}

static struct result peers(enum srtp_suite suite)
{
	static double seal[ROUNDS], open[ROUNDS];
	srtp_t out = peer_new(suite, false), in = peer_new(suite, true);
	uint64_t index = 0;

	for (size_t r = 0; r < ROUNDS; r++, index += RING) {
		int n = 0, got;
		double t;

		fill(index);
		t = clock_ns();
		for (size_t i = 0; i < RING; i++) {
			n = SIZE;
			must(srtp_protect(out, ring[i], &n) == srtp_err_status_ok);
		}
		seal[r] = (clock_ns() - t) / RING;
		t = clock_ns();
		for (size_t i = 0; i < RING; i++) {
			got = n;
			must(srtp_unprotect(in, ring[i], &got) == srtp_err_status_ok);
		}
		open[r] = (clock_ns() - t) / RING;
	}
	srtp_dealloc(out);
	srtp_dealloc(in);
	return (struct result){ median(seal), median(open) };
}

/* The calls no GCM packet can do without: IV, header, body, tag. */
static double bare_gcm(void)
{
	static double ns[ROUNDS];
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t iv[12] = { 0 };
	int len;

	must(c && EVP_EncryptInit_ex2(c, EVP_aes_128_gcm(), key, iv, NULL) == 1);
	for (size_t r = 0; r < ROUNDS; r++) {
		double t;

		fill(r);
		t = clock_ns();
		for (size_t i = 0; i < RING; i++) {
			OSSL_PARAM tag[2] = { { OSSL_CIPHER_PARAM_AEAD_TAG, OSSL_PARAM_OCTET_STRING, ring[i] + SIZE, 16, 0 },
					      { 0 } };

			iv[11]++;
			EVP_EncryptInit_ex2(c, NULL, NULL, iv, NULL);
			EVP_EncryptUpdate(c, NULL, &len, ring[i], HDR);
			EVP_EncryptUpdate(c, ring[i] + HDR, &len, ring[i] + HDR, SIZE - HDR);
			EVP_EncryptFinal_ex(c, ring[i] + SIZE, &len);
			EVP_CIPHER_CTX_get_params(c, tag);
		}
		ns[r] = (clock_ns() - t) / RING;
	}
	EVP_CIPHER_CTX_free(c);
	return median(ns);
}

static double fanout_ours(enum srtp_suite suite)
{
	static double ns[ROUNDS];
	static struct srtp_tx tx[FANOUT];

	for (size_t k = 0; k < FANOUT; k++)
		must(srtp_tx_init(&tx[k], suite, span_of(key, srtp_master_len(suite))) == 0);
	for (size_t r = 0; r < ROUNDS; r++) {
		double t;

		fill(r);
		t = clock_ns();
		for (size_t k = 0; k < FANOUT; k++)
			srtp_seal(&tx[k], ring[k % RING], HDR, SIZE, r);
		ns[r] = (clock_ns() - t) / FANOUT;
	}
	for (size_t k = 0; k < FANOUT; k++)
		srtp_tx_done(&tx[k]);
	return median(ns);
}

static double fanout_peer(enum srtp_suite suite)
{
	static double ns[ROUNDS];
	static srtp_t tx[FANOUT];

	for (size_t k = 0; k < FANOUT; k++)
		tx[k] = peer_new(suite, false);
	for (size_t r = 0; r < ROUNDS; r++) {
		double t;

		fill(r * RING);
		t = clock_ns();
		for (size_t k = 0; k < FANOUT; k++) {
			int n = SIZE;

			put_be16(ring[k % RING] + 2, (uint16_t)r);
			must(srtp_protect(tx[k], ring[k % RING], &n) == srtp_err_status_ok);
		}
		ns[r] = (clock_ns() - t) / FANOUT;
	}
	for (size_t k = 0; k < FANOUT; k++)
		srtp_dealloc(tx[k]);
	return median(ns);
}

static void row(const char *what, double a, double b)
{
	printf("%-28s %8.0f %10.0f %9.2f\n", what, a, b, b / a);
}

int main(void)
{
	struct result gcm, cm, gcm_peer, cm_peer;

	must(srtp_init() == srtp_err_status_ok);
	gcm = ours(SRTP_AEAD_AES_128_GCM);
	gcm_peer = peers(SRTP_AEAD_AES_128_GCM);
	cm = ours(SRTP_AES128_CM_HMAC_SHA1_80);
	cm_peer = peers(SRTP_AES128_CM_HMAC_SHA1_80);
	printf("%-28s %8s %10s %9s\n", "ns per 1200-byte packet", "ours", "libsrtp2", "ratio");
	row("AEAD_AES_128_GCM seal", gcm.seal, gcm_peer.seal);
	row("AEAD_AES_128_GCM open", gcm.open, gcm_peer.open);
	row("AES_CM_128_HMAC_SHA1_80 seal", cm.seal, cm_peer.seal);
	row("AES_CM_128_HMAC_SHA1_80 open", cm.open, cm_peer.open);
	row("GCM fan-out to 300", fanout_ours(SRTP_AEAD_AES_128_GCM), fanout_peer(SRTP_AEAD_AES_128_GCM));
	row("CM fan-out to 300", fanout_ours(SRTP_AES128_CM_HMAC_SHA1_80), fanout_peer(SRTP_AES128_CM_HMAC_SHA1_80));
	printf("%-28s %8.0f %10s %9.2f (bare/ours)\n", "bare EVP GCM calls", bare_gcm(), "", bare_gcm() / gcm.seal);
	return 0;
}

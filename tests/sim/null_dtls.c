/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sim/null_dtls.h"

#include "base/slab.h"

struct dtls {
	uint8_t fingerprint[DTLS_FINGERPRINT_LEN];
	enum dtls_state state;
	bool keys_taken;
};

size_t null_dtls_record(uint8_t b[NULL_DTLS_RECORD], char what)
{
	static const uint8_t hdr[13] = { 22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };

	memcpy(b, hdr, sizeof(hdr));
	b[13] = (uint8_t)what;
	return NULL_DTLS_RECORD;
}

struct dtls_keys null_dtls_keys(const uint8_t fingerprint[DTLS_FINGERPRINT_LEN])
{
	struct dtls_keys k = { .suite = SRTP_AEAD_AES_128_GCM };

	for (size_t i = 0; i < SRTP_MASTER_MAX; i++) {
		k.rx[i] = (uint8_t)(fingerprint[i % DTLS_FINGERPRINT_LEN] + i);
		k.tx[i] = (uint8_t)(fingerprint[i % DTLS_FINGERPRINT_LEN] ^ (0x80 + i));
	}
	return k;
}

static void put_record(const struct path *path, char what, struct outbox *out)
{
	outbox_commit(out, path, null_dtls_record(outbox_reserve(out, NULL_DTLS_RECORD), what));
}

static struct dtls *null_open(struct dtls_ctx *ctx, const uint8_t fingerprint[DTLS_FINGERPRINT_LEN])
{
	struct dtls *d = mem_alloc(sizeof(*d));

	(void)ctx;
	if (d)
		memcpy(d->fingerprint, fingerprint, DTLS_FINGERPRINT_LEN);
	return d;
}

static void null_free(struct dtls *d)
{
	mem_free(d);
}

static enum dtls_state null_input(struct dtls *d, struct span dgram, const struct path *path, mono_t now, struct outbox *out)
{
	(void)now;
	if (dgram.n < NULL_DTLS_RECORD || d->state >= DTLS_CLOSED)
		return d->state;
	if (dgram.p[13] == NULL_DTLS_CLOSE) {
		d->state = DTLS_CLOSED;
	} else if (dgram.p[13] == NULL_DTLS_HELLO) {
		d->state = DTLS_OPEN;
		put_record(path, NULL_DTLS_HELLO, out);
	}
	return d->state;
}

static enum dtls_state null_tick(struct dtls *d, const struct path *path, mono_t now, struct outbox *out)
{
	(void)path;
	(void)now;
	(void)out;
	return d->state;
}

static mono_t null_next(const struct dtls *d)
{
	(void)d;
	return MONO_NEVER;
}

static int null_keys(struct dtls *d, struct dtls_keys *ret)
{
	if (d->state != DTLS_OPEN || d->keys_taken)
		return ERR_UNEXPECTED;
	d->keys_taken = true;
	*ret = null_dtls_keys(d->fingerprint);
	return 0;
}

static void null_close(struct dtls *d, const struct path *path, mono_t now, struct outbox *out)
{
	(void)now;
	d->state = DTLS_CLOSED;
	put_record(path, NULL_DTLS_CLOSE, out);
}

const struct dtls_ops null_dtls_ops = {
	.open = null_open,
	.free = null_free,
	.input = null_input,
	.tick = null_tick,
	.next = null_next,
	.keys = null_keys,
	.close = null_close,
};

/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Arbitrary datagrams, each behind a 16-bit length, into a fresh server: it never opens, an end is final and silent,
 * and a deadline exists only during a handshake. What counts as records is never longer than the datagram.
 */
#include "fuzz.h"
#include "sfud/transport/dtls_mem.h"
#include "wire/dtls_records.h"

static uint8_t mem[8 * OUTBOX_DGRAM_MAX];

static void discard(struct outbox *ob)
{
	outbox_clear(ob);
}

static void one(struct dtls *d, struct span dgram, mono_t now, struct outbox *out)
{
	static const struct path path;
	enum dtls_state before, after;
	uint64_t sent;

	MUST(dtls_records(dgram) <= dgram.n);
	before = dtls_mem_ops.tick(d, &path, now, out);
	sent = out->dgrams;
	after = dtls_mem_ops.input(d, dgram, &path, now, out);
	MUST(after != DTLS_OPEN);
	MUST(before == DTLS_HANDSHAKE || (after == before && out->dgrams == sent));
	MUST(after == DTLS_HANDSHAKE || mono_is_never(dtls_mem_ops.next(d)));
	MUST(dtls_mem_ops.keys(d, &(struct dtls_keys){ 0 }) == ERR_UNEXPECTED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint8_t fingerprint[DTLS_FINGERPRINT_LEN];
	static struct dtls_ctx *ctx;
	struct rd r = rd_from(span_of(data, n));
	struct out_msg msg[4];
	struct outbox out;
	mono_t now = { 0 };
	struct dtls *d;

	if (!ctx)
		ctx = dtls_ctx_new();
	MUST(ctx);
	outbox_init(&out, msg, ARRAY_LEN(msg), mem, sizeof(mem), discard, NULL);
	d = dtls_mem_ops.open(ctx, fingerprint);
	MUST(d);
	while (rd_left(&r)) {
		size_t len = rd_be16(&r);

		one(d, rd_span(&r, len < rd_left(&r) ? len : rd_left(&r)), now, &out);
		now = mono_add(now, DUR_MS(300));
	}
	dtls_mem_ops.free(d);
	return 0;
}

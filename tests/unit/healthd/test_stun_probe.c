/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/probe/stun_probe.h"

#include "t.h"

#define DEADLINE DUR_SEC(5)

static struct stun_probe p;
static struct rng rng;
static uint8_t out[4096];

static struct addr server(void)
{
	return addr_v4(192, 0, 2, 1, 3478);
}

static void start(bool reliable)
{
	struct addr at = server();

	rng_seed(&rng, 3);
	stun_probe_init(&p, &at, reliable, (mono_t){ DEADLINE }, &rng, (mono_t){ 0 });
	OK(stun_probe_tick(&p, (mono_t){ 0 }).n > 0);
}

static struct wr answer(enum stun_class cls)
{
	struct wr w = wr_from(out, sizeof(out));

	stun_begin(&w, cls, STUN_BINDING, stun_tx_tid(&p.tx));
	return w;
}

static struct wr good(void)
{
	struct addr mapped = addr_v4(198, 51, 100, 7, 4000);
	struct wr w = answer(STUN_SUCCESS);

	stun_put_xor_addr(&w, STUN_ATTR_XOR_MAPPED_ADDRESS, &mapped, stun_tx_tid(&p.tx));
	return w;
}

static void hear(const struct addr *from, struct wr *w)
{
	stun_end(w);
	stun_probe_input(&p, from, wr_span_of(w), (mono_t){ DUR_MS(30) });
}

static void a_binding_is_answered(void)
{
	struct addr from = server();
	struct wr w;

	start(false);
	w = good();
	hear(&from, &w);
	EQ(p.end.why, PROBE_OK);
	EQ(p.us, DUR_MS(30));
	OK(mono_is_never(stun_probe_next(&p)));
	EQ(stun_probe_tick(&p, (mono_t){ DEADLINE }).n, 0);
	EQ(p.end.why, PROBE_OK);
}

static void what_is_no_answer_does_not_count(void)
{
	struct addr from = server(), other = addr_v4(192, 0, 2, 2, 3478);
	struct wr w;

	start(false);
	w = good();
	hear(&other, &w);
	EQ(p.end.why, PROBE_GOING);
	stun_probe_input(&p, &from, SPAN_LIT("HTTP/1.1 400 Bad Request\r\n\r\n"), (mono_t){ 1 });
	stun_probe_input(&p, &from, span_of(out, 0), (mono_t){ 1 });
	stun_probe_input(&p, &from, span_of(p.tx.msg, p.tx.n), (mono_t){ 1 }); /* our own */
	w = good();
	stun_end(&w);
	out[10] ^= 1;
	stun_probe_input(&p, &from, wr_span_of(&w), (mono_t){ 1 });
	for (size_t n = 0; n < wr_len(&w); n++) {
		w = good();
		stun_end(&w);
		stun_probe_input(&p, &from, span_of(out, n), (mono_t){ 1 });
	}
	memset(out, 0, sizeof(out));
	stun_probe_input(&p, &from, span_of(out, sizeof(out)), (mono_t){ 1 });
	EQ(p.end.why, PROBE_GOING);
	(void)stun_probe_tick(&p, (mono_t){ DEADLINE });
	EQ(p.end.why, PROBE_GARBAGE);
}

static void an_answer_without_an_address_is_garbage(void)
{
	struct addr from = server();
	struct wr w;

	start(true);
	w = answer(STUN_SUCCESS);
	hear(&from, &w);
	EQ(p.end.why, PROBE_GARBAGE);
}

static void an_error_has_its_code(void)
{
	struct addr from = server();
	struct wr w;

	start(false);
	w = answer(STUN_ERROR);
	stun_put_error(&w, 420, "Unknown Attribute");
	hear(&from, &w);
	EQ(p.end.why, PROBE_CODE);
	EQ(p.end.code, 420);
}

static void silence_is_a_timeout(void)
{
	uint32_t sent = 1;

	start(false);
	while (p.end.why == PROBE_GOING)
		sent += stun_probe_tick(&p, stun_probe_next(&p)).n > 0;
	EQ(p.end.why, PROBE_TIMEOUT);
	EQ(sent, 4); /* at 0, 0.5, 1.5, 3.5 s */
	start(true);
	EQ(stun_probe_next(&p).us, DEADLINE);
}

T_MAIN(T(a_binding_is_answered), T(what_is_no_answer_does_not_count), T(an_answer_without_an_address_is_garbage),
       T(an_error_has_its_code), T(silence_is_a_timeout))

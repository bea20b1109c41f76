/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/probe/stun_tx.h"

#include "t.h"

static struct stun_tx tx;
static struct rng rng;

static void start(bool reliable)
{
	struct wr w;

	memset(&tx, 0, sizeof(tx));
	rng_seed(&rng, 7);
	w = stun_tx_begin(&tx, STUN_REQUEST, STUN_BINDING, &rng);
	EQ(stun_tx_start(&tx, &w, reliable, (mono_t){ 0 }), 0);
}

/* RFC 8489 6.2.1, row by row of the timer table. */
static void it_is_sent_seven_times_further_and_further_apart(void)
{
	static const uint64_t at[] = { 0, 500, 1500, 3500, 7500, 15500, 31500 };
	mono_t now;

	start(false);
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		now = stun_tx_next(&tx);
		EQ(now.us, DUR_MS(at[i]));
		EQ(stun_tx_due(&tx, now).n, STUN_HDR_LEN);
		EQ(stun_tx_due(&tx, now).n, 0);
	}
	OK(mono_is_never(stun_tx_next(&tx)));
	EQ(tx.sent, STUN_TX_SENDS);
	EQ(tx.first.us, 0);
}

static void over_a_stream_it_is_sent_once(void)
{
	start(true);
	EQ(stun_tx_due(&tx, (mono_t){ 0 }).n, STUN_HDR_LEN);
	OK(mono_is_never(stun_tx_next(&tx)));
}

static void late_ticks_do_no_harm(void)
{
	start(false);
	EQ(stun_tx_due(&tx, (mono_t){ DUR_SEC(9) }).n, STUN_HDR_LEN);
	EQ(stun_tx_next(&tx).us, DUR_MS(9500));
	stun_tx_stop(&tx);
	EQ(stun_tx_due(&tx, (mono_t){ DUR_SEC(99) }).n, 0);
	OK(mono_is_never(stun_tx_next(&tx)));
}

static bool answered_by(enum stun_class cls, uint16_t method, int bad_byte)
{
	uint8_t buf[64], tid[STUN_TID_LEN];
	struct wr w = wr_from(buf, sizeof(buf));
	struct stun_msg m;

	memcpy(tid, stun_tx_tid(&tx), sizeof(tid));
	if (bad_byte >= 0)
		tid[bad_byte] ^= 1;
	stun_begin(&w, cls, method, tid);
	stun_end(&w);
	return stun_parse(wr_span_of(&w), &m) == 0 && stun_tx_is_answer(&tx, &m);
}

static void an_answer_is_of_the_same_transaction_and_method(void)
{
	start(false);
	OK(!answered_by(STUN_SUCCESS, STUN_BINDING, -1)); /* not yet sent */
	(void)stun_tx_due(&tx, (mono_t){ 0 });
	OK(answered_by(STUN_SUCCESS, STUN_BINDING, -1));
	OK(answered_by(STUN_ERROR, STUN_BINDING, -1));
	OK(!answered_by(STUN_REQUEST, STUN_BINDING, -1)); /* our own, reflected */
	OK(!answered_by(STUN_INDICATION, STUN_BINDING, -1));
	OK(!answered_by(STUN_SUCCESS, TURN_ALLOCATE, -1));
	for (int i = 0; i < STUN_TID_LEN; i++)
		OK(!answered_by(STUN_SUCCESS, STUN_BINDING, i));
	stun_tx_stop(&tx);
	OK(!answered_by(STUN_SUCCESS, STUN_BINDING, -1));
}

static void what_does_not_fit_is_not_sent(void)
{
	static const uint8_t large[STUN_TX_BYTES];
	struct wr w;

	rng_seed(&rng, 7);
	w = stun_tx_begin(&tx, STUN_REQUEST, STUN_BINDING, &rng);
	stun_put(&w, STUN_ATTR_SOFTWARE, span_of(large, sizeof(large)));
	EQ(stun_tx_start(&tx, &w, false, (mono_t){ 0 }), ERR_LIMIT);
	EQ(stun_tx_due(&tx, (mono_t){ 0 }).n, 0);
}

T_MAIN(T(it_is_sent_seven_times_further_and_further_apart), T(over_a_stream_it_is_sent_once), T(late_ticks_do_no_harm),
       T(an_answer_is_of_the_same_transaction_and_method), T(what_does_not_fit_is_not_sent))

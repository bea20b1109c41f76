/* SPDX-License-Identifier: AGPL-3.0-only */
#include "tunneld/pool.h"

#include "t.h"

#define AT(s) ((mono_t){ DUR_SEC(100) + (uint64_t)((s) * 1e6) })

static const struct pool_conf conf = { .interval = DUR_SEC(10), .passes = 2, .fails = 3 };

static struct pool with(uint32_t channels)
{
	struct pool_list all = { 0 };
	struct pool p;

	pool_init(&p, &conf);
	for (uint32_t i = 0; i < channels; i++)
		all.slot[all.n++] = (uint8_t)pool_add(&p, AT(0));
	pool_set_order(&p, ORDER_WEB, &all);
	pool_set_order(&p, ORDER_WS, &all);
	return p;
}

/* A probe that begins and ends at once. */
static enum pool_change probe(struct pool *p, uint32_t slot, enum why why, mono_t now)
{
	p->ch[slot].probing = true;
	p->ch[slot].probe_at = MONO_NEVER;
	return pool_probed(p, slot, why, 1000, now);
}

static void make(struct pool *p, uint32_t slot, enum pool_state s)
{
	for (int i = 0; s != POOL_UNKNOWN && i < 3; i++)
		probe(p, slot, s == POOL_UP ? WHY_NONE : WHY_REFUSED, AT(0));
}

/* "021": the slots of the list, in order. */
static const char *listed(const struct pool *p, enum order o)
{
	static char text[POOL_CHANNELS + 1];
	struct pool_list l;

	pool_choose(p, o, &l);
	for (uint32_t i = 0; i < l.n; i++)
		text[i] = (char)('0' + l.slot[i]);
	text[l.n] = '\0';
	return text;
}

static void changes_state_after_so_many_probes_in_a_row(void)
{
	static const struct {
		const char *row;
		enum why why;
		enum pool_change want;
		enum pool_state state;
		double next; /* seconds until the next probe */
	} rows[] = {
		{ "could not try: ", WHY_LOCAL, POOL_SAME, POOL_UNKNOWN, 1 },
		{ "first pass: ", WHY_NONE, POOL_SAME, POOL_UNKNOWN, 1 },
		{ "a fail between: ", WHY_TIMEOUT, POOL_SAME, POOL_UNKNOWN, 1 },
		{ "one again: ", WHY_NONE, POOL_SAME, POOL_UNKNOWN, 1 },
		{ "two in a row: ", WHY_NONE, POOL_WENT_UP, POOL_UP, 10 },
		{ "three: ", WHY_NONE, POOL_SAME, POOL_UP, 10 },
		{ "one fail: ", WHY_REFUSED, POOL_SAME, POOL_UP, 10 },
		{ "two: ", WHY_STATUS, POOL_SAME, POOL_UP, 10 },
		{ "a pass forgives both: ", WHY_NONE, POOL_SAME, POOL_UP, 10 },
		{ "fails anew: ", WHY_REFUSED, POOL_SAME, POOL_UP, 10 },
		{ "second: ", WHY_GARBAGE, POOL_SAME, POOL_UP, 10 },
		{ "no descriptor is no fail: ", WHY_LOCAL, POOL_SAME, POOL_UP, 1 },
		{ "nor are many: ", WHY_LOCAL, POOL_SAME, POOL_UP, 1 },
		{ "third: ", WHY_TIMEOUT, POOL_WENT_DOWN, POOL_DOWN, 10 },
		{ "fourth: ", WHY_TIMEOUT, POOL_SAME, POOL_DOWN, 10 },
		{ "a pass: ", WHY_NONE, POOL_SAME, POOL_DOWN, 10 },
		{ "not in a row: ", WHY_CUT, POOL_SAME, POOL_DOWN, 10 },
		{ "a pass again: ", WHY_NONE, POOL_SAME, POOL_DOWN, 10 },
		{ "and does not part two passes: ", WHY_LOCAL, POOL_SAME, POOL_DOWN, 1 },
		{ "and the next: ", WHY_NONE, POOL_WENT_UP, POOL_UP, 10 },
	};
	struct pool p = with(1);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		mono_t now = AT(20.0 * (double)i);

		t_row = rows[i].row;
		EQ(pool_tick(&p, now), 0);
		EQ(pool_tick(&p, now), -1);
		EQ(pool_probed(&p, 0, rows[i].why, 700, now), rows[i].want);
		EQ(p.ch[0].state, rows[i].state);
		EQ(mono_since(pool_next(&p), now), (uint64_t)(rows[i].next * 1e6));
		EQ(p.ch[0].error, rows[i].why == WHY_NONE ? p.ch[0].error : rows[i].why);
	}
	EQ(p.ch[0].n.probes[WHY_NONE], 8);
	EQ(p.ch[0].n.probes[WHY_TIMEOUT], 3);
}

static void goes_down_without_ever_being_up(void)
{
	struct pool p = with(1);

	EQ(probe(&p, 0, WHY_REFUSED, AT(0)), POOL_SAME);
	EQ(probe(&p, 0, WHY_REFUSED, AT(1)), POOL_SAME);
	EQ(probe(&p, 0, WHY_REFUSED, AT(2)), POOL_WENT_DOWN);
	EQ(p.ch[0].since.us, AT(2).us);
	EQ_STR(listed(&p, ORDER_WEB), "");
}

static void chooses_by_state_then_by_order(void)
{
	static const struct {
		const char *row;
		enum pool_state state[3];
		bool suspect[3];
		const char *want;
	} rows[] = {
		{ "nothing known: ", { POOL_UNKNOWN, POOL_UNKNOWN, POOL_UNKNOWN }, { 0 }, "012" },
		{ "all up: ", { POOL_UP, POOL_UP, POOL_UP }, { 0 }, "012" },
		{ "one up: ", { POOL_UNKNOWN, POOL_UNKNOWN, POOL_UP }, { 0 }, "201" },
		{ "one down: ", { POOL_DOWN, POOL_UP, POOL_UNKNOWN }, { 0 }, "12" },
		{ "all down: ", { POOL_DOWN, POOL_DOWN, POOL_DOWN }, { 0 }, "" },
		{ "a suspect: ", { POOL_UP, POOL_UP, POOL_UP }, { true }, "120" },
		{ "a suspect is better than one unknown: ", { POOL_UP, POOL_UNKNOWN, POOL_UNKNOWN }, { true }, "012" },
		{ "suspects of both kinds: ", { POOL_UNKNOWN, POOL_UP, POOL_UNKNOWN }, { true, true, false }, "120" },
		{ "all suspect: ", { POOL_UP, POOL_UP, POOL_UP }, { true, true, true }, "012" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pool p = with(3);

		t_row = rows[i].row;
		for (uint32_t k = 0; k < 3; k++) {
			make(&p, k, rows[i].state[k]);
			p.ch[k].suspect = rows[i].suspect[k];
		}
		EQ_STR(listed(&p, ORDER_WEB), rows[i].want);
	}
}

static void has_an_order_for_each_socket(void)
{
	const struct pool_list web = { 2, { 2, 0 } }, ws = { 3, { 1, 2, 0 } };
	struct pool p = with(3);

	pool_set_order(&p, ORDER_WEB, &web);
	pool_set_order(&p, ORDER_WS, &ws);
	EQ_STR(listed(&p, ORDER_WEB), "20");
	EQ_STR(listed(&p, ORDER_WS), "120");
}

static void suspects_what_could_not_be_connected(void)
{
	static const struct {
		const char *row;
		enum why why;
		const char *want;
	} rows[] = {
		{ "refused: ", WHY_REFUSED, "10" },   { "timeout: ", WHY_TIMEOUT, "10" }, { "reset: ", WHY_RESET, "10" },
		{ "too slow: ", WHY_SLOW, "10" },     { "no route: ", WHY_UNREACHABLE, "10" },
		{ "our own fault: ", WHY_LOCAL, "01" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pool p = with(2);

		t_row = rows[i].row;
		make(&p, 0, POOL_UP);
		make(&p, 1, POOL_UP);
		pool_failed(&p, 0, rows[i].why, AT(1));
		EQ_STR(listed(&p, ORDER_WEB), rows[i].want);
		EQ(p.ch[0].state, POOL_UP);
		EQ(p.ch[0].n.connect_failed[rows[i].why], 1);
		probe(&p, 0, WHY_NONE, AT(2));
		EQ_STR(listed(&p, ORDER_WEB), "01");
		pool_failed(&p, 0, rows[i].why, AT(3));
		pool_connected(&p, 0, false, 10);
		EQ_STR(listed(&p, ORDER_WEB), "01");
	}
}

/* A channel that accepts everything and answers nothing must not go on taking streams until it is down. */
static void suspects_what_a_probe_failed_through(void)
{
	static const struct {
		const char *row;
		enum why why;
		bool connects; /* a stream, then */
		const char *want;
	} rows[] = {
		{ "a fail: ", WHY_TIMEOUT, false, "10" },
		{ "connecting is not being well: ", WHY_TIMEOUT, true, "10" },
		{ "a pass: ", WHY_NONE, false, "01" },
		{ "and a stream: ", WHY_NONE, true, "01" },
		{ "no descriptor: ", WHY_LOCAL, false, "01" },
		{ "another fail: ", WHY_STATUS, false, "10" },
		{ "no descriptor after it: ", WHY_LOCAL, true, "10" },
	};
	struct pool p = with(2);

	make(&p, 0, POOL_UP);
	make(&p, 1, POOL_UP);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		probe(&p, 0, rows[i].why, AT((double)i));
		if (rows[i].connects)
			pool_connected(&p, 0, false, 10);
		EQ_STR(listed(&p, ORDER_WEB), rows[i].want);
		EQ(p.ch[0].state, POOL_UP);
	}
}

static void asks_at_once_when_a_carrier_breaks(void)
{
	struct pool p = with(2);

	make(&p, 0, POOL_UP);
	make(&p, 1, POOL_UP);
	EQ(pool_tick(&p, AT(5)), -1);
	pool_broken(&p, 0, WHY_RESET, AT(5));
	EQ(pool_next(&p).us, AT(5).us);
	EQ_STR(listed(&p, ORDER_WEB), "10");
	EQ(pool_tick(&p, AT(5)), 0);
	pool_broken(&p, 0, WHY_RESET, AT(6)); /* while it is asked already */
	EQ(pool_tick(&p, AT(6)), -1);
	EQ(p.ch[0].error, WHY_RESET);
}

static void counts_connections_and_streams(void)
{
	struct pool p = with(2);

	pool_opened(&p, 0, ORDER_WEB);
	pool_opened(&p, 0, ORDER_WS);
	pool_opened(&p, 0, ORDER_MAX_);
	EQ(pool_open(&p, 0), 3);
	EQ(pool_open(&p, 1), 0);
	pool_connected(&p, 0, false, 500);
	pool_connected(&p, 0, true, 900);
	pool_connected(&p, 0, true, 200);
	EQ(p.ch[0].n.streams, 3);
	EQ(p.ch[0].n.failovers, 2);
	EQ(p.ch[0].n.connect_us_max, 900);
	OK(!pool_closed(&p, 0, ORDER_WS));
	EQ(p.ch[0].open[ORDER_WS], 0);
	EQ(pool_open(&p, 0), 2);
}

static void smooths_the_round_trip(void)
{
	static const struct {
		const char *row;
		uint64_t rtt, smooth;
	} rows[] = {
		{ "the first counts whole: ", 8000, 8000 },
		{ "the next one eighth: ", 16000, 9000 },
		{ "and so on: ", 1000, 8000 },
	};
	struct pool p = with(1);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		p.ch[0].probing = true;
		pool_probed(&p, 0, WHY_NONE, rows[i].rtt, AT(1));
		EQ(p.ch[0].rtt, rows[i].rtt);
		EQ(p.ch[0].rtt_smooth, rows[i].smooth);
	}
	probe(&p, 0, WHY_REFUSED, AT(2));
	EQ(p.ch[0].rtt, 1000); /* a fail has none */
}

static void retires_when_the_last_stream_is_gone(void)
{
	struct pool p = with(3);

	pool_opened(&p, 0, ORDER_WEB);
	pool_opened(&p, 0, ORDER_WS);
	OK(!pool_retire(&p, 0));
	EQ_STR(listed(&p, ORDER_WEB), "12");
	EQ(pool_tick(&p, AT(0)), 0); /* still asked */
	OK(!pool_closed(&p, 0, ORDER_WEB));
	OK(p.ch[0].used);
	OK(pool_closed(&p, 0, ORDER_WS));
	OK(!p.ch[0].used);
	OK(pool_retire(&p, 1)); /* without streams: at once */
	EQ_STR(listed(&p, ORDER_WEB), "2");
	EQ(pool_add(&p, AT(9)), 0);
	EQ(pool_probed(&p, 0, WHY_NONE, 1, AT(9)), POOL_SAME); /* of its predecessor */
	EQ(p.ch[0].passes, 0);
}

static void has_a_bound(void)
{
	struct pool p = with(0);

	for (int i = 0; i < POOL_SLOTS; i++)
		EQ(pool_add(&p, AT(0)), i);
	EQ(pool_add(&p, AT(0)), ERR_LIMIT);
	pool_drop(&p, 4);
	EQ(pool_add(&p, AT(0)), 4);
	for (int i = 0; i < POOL_SLOTS; i++)
		EQ(pool_tick(&p, AT(0)), i);
	OK(mono_is_never(pool_next(&p)));
}

static void an_answer_nobody_asked_for_changes_nothing(void)
{
	struct pool p = with(1);

	EQ(pool_probed(&p, 0, WHY_REFUSED, 0, AT(1)), POOL_SAME);
	EQ(pool_probed(&p, 3, WHY_REFUSED, 0, AT(1)), POOL_SAME);
	EQ(p.ch[0].fails, 0);
	pool_broken(&p, 3, WHY_RESET, AT(1));
	pool_failed(&p, 3, WHY_RESET, AT(1));
	OK(!p.ch[3].used && !p.ch[3].suspect);
}

T_MAIN(T(changes_state_after_so_many_probes_in_a_row), T(goes_down_without_ever_being_up), T(chooses_by_state_then_by_order),
       T(has_an_order_for_each_socket), T(suspects_what_could_not_be_connected),
       T(suspects_what_a_probe_failed_through), T(asks_at_once_when_a_carrier_breaks),
       T(counts_connections_and_streams), T(smooths_the_round_trip), T(retires_when_the_last_stream_is_gone), T(has_a_bound),
       T(an_answer_nobody_asked_for_changes_nothing))

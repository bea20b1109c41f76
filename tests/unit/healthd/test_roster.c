/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/verdict/roster.h"

#include "base/slab.h"
#include "t.h"

static struct roster r;

static int parse(const char *text)
{
	return roster_parse(span_str(text), &r);
}

static void reads_peers(void)
{
	EQ(parse("[{\"node_id\":\"a-1\",\"turns_host\":\"api-x.peer.example\",\"turns_port\":8443,\"udp_port\":3479,"
		 "\"later\":[1]},"
		 " {\"turns_host\":\"b.example\",\"node_id\":\"b-2\"}]"),
	   0);
	EQ(r.n, 2);
	EQ(r.refused, 0);
	EQ_STR(r.peer[0].id, "a-1");
	EQ_STR(r.peer[0].host, "api-x.peer.example");
	EQ(r.peer[0].turns_port, 8443);
	EQ(r.peer[0].udp_port, 3479);
	EQ(r.peer[1].turns_port, 443);
	EQ(r.peer[1].udp_port, 3478);
	EQ(parse("[]"), 0);
	EQ(r.n, 0);
}

/* What is no list is refused; what is no peer is left out and counted. */
static void garbage(void)
{
	static const struct {
		const char *row, *text;
		int want;
		uint32_t n, refused;
	} rows[] = {
		{ "empty: ", "", ERR_MALFORMED, 0, 0 },
		{ "an object: ", "{}", ERR_MALFORMED, 0, 0 },
		{ "cut: ", "[{\"node_id\":\"a\"", ERR_MALFORMED, 0, 0 },
		{ "two keys alike: ", "[{\"node_id\":\"a\",\"node_id\":\"b\",\"turns_host\":\"a.b\"}]", ERR_MALFORMED, 0, 0 },
		{ "no object: ", "[1,null,\"x\",[]]", 0, 0, 4 },
		{ "no host: ", "[{\"node_id\":\"a\"}]", 0, 0, 1 },
		{ "no id: ", "[{\"turns_host\":\"a.b\"}]", 0, 0, 1 },
		{ "empty id: ", "[{\"node_id\":\"\",\"turns_host\":\"a.b\"}]", 0, 0, 1 },
		{ "id with a line end: ", "[{\"node_id\":\"a\\n\",\"turns_host\":\"a.b\"}]", 0, 0, 1 },
		{ "an address: ", "[{\"node_id\":\"a\",\"turns_host\":\"10.0.0.1\"}]", 0, 0, 1 },
		{ "an IPv6 address: ", "[{\"node_id\":\"a\",\"turns_host\":\"::1\"}]", 0, 0, 1 },
		{ "a local name: ", "[{\"node_id\":\"a\",\"turns_host\":\"localhost\"}]", 0, 0, 1 },
		{ "a number: ", "[{\"node_id\":\"a\",\"turns_host\":\"2130706433\"}]", 0, 0, 1 },
		{ "a port in it: ", "[{\"node_id\":\"a\",\"turns_host\":\"a.b:25\"}]", 0, 0, 1 },
		{ "a path in it: ", "[{\"node_id\":\"a\",\"turns_host\":\"a.b/c\"}]", 0, 0, 1 },
		{ "dots: ", "[{\"node_id\":\"a\",\"turns_host\":\"a..b\"}]", 0, 0, 1 },
		{ "a dot at the end: ", "[{\"node_id\":\"a\",\"turns_host\":\"a.b.\"}]", 0, 0, 1 },
		{ "a dash at the end: ", "[{\"node_id\":\"a\",\"turns_host\":\"a-.b\"}]", 0, 0, 1 },
		{ "a dash at the start: ", "[{\"node_id\":\"a\",\"turns_host\":\"-a.b\"}]", 0, 0, 1 },
		{ "not ASCII: ", "[{\"node_id\":\"a\",\"turns_host\":\"\\u0430.b\"}]", 0, 0, 1 },
		{ "a port of words: ", "[{\"node_id\":\"a\",\"turns_host\":\"a.b\",\"turns_port\":\"no\"}]", 0, 1, 0 },
		{ "a port too large: ", "[{\"node_id\":\"a\",\"turns_host\":\"a.b\",\"turns_port\":65536}]", 0, 1, 0 },
		{ "good among bad: ", "[7,{\"node_id\":\"a\",\"turns_host\":\"a.b\"},{}]", 0, 1, 2 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		r.n = r.refused = 0;
		EQ(parse(rows[i].text), rows[i].want);
		EQ(r.n, rows[i].n);
		EQ(r.refused, rows[i].refused);
		if (r.n)
			EQ(r.peer[0].turns_port, 443);
	}
}

static void many(uint32_t n)
{
	static char text[ROSTER_TEXT_MAX];
	struct wr w = wr_from(text, sizeof(text) - 1);

	wr_str(&w, "[");
	for (uint32_t i = 0; i < n; i++) {
		wr_str(&w, i ? ",{\"node_id\":\"n" : "{\"node_id\":\"n");
		wr_dec(&w, i);
		wr_str(&w, "\",\"turns_host\":\"h.example\"}");
	}
	wr_str(&w, "]");
	text[wr_len(&w)] = '\0';
	EQ(parse(text), 0);
}

static void bounds(void)
{
	static char label[70 + 8];

	many(ROSTER_PEERS_MAX + 3);
	EQ(r.n, ROSTER_PEERS_MAX);
	EQ(r.refused, 3);
	memset(label, 'a', 63);
	memcpy(label + 63, ".b", 3);
	char text[160];
	snprintf(text, sizeof(text), "[{\"node_id\":\"x\",\"turns_host\":\"%s\"}]", label);
	EQ(parse(text), 0);
	EQ(r.n, 1);
	memset(label, 'a', 64);
	memcpy(label + 64, ".b", 3);
	snprintf(text, sizeof(text), "[{\"node_id\":\"x\",\"turns_host\":\"%s\"}]", label);
	EQ(parse(text), 0);
	EQ(r.n, 0);
	mem_fail_at(0);
	EQ(parse("[]"), ERR_NOMEM);
	mem_fail_at(SIZE_MAX);
}

/* At most two a run, the next ones in the next run, never oneself. */
static void takes_turns(void)
{
	const struct roster_peer *p[ROSTER_PICK];
	uint32_t offset = 3, seen[5] = { 0 };

	many(5);
	for (int run = 0; run < 20; run++) {
		uint32_t n = roster_pick(&r, "n2", &offset, p);

		EQ(n, 2);
		OK(offset < 5);
		for (uint32_t i = 0; i < n; i++)
			seen[p[i] - r.peer]++;
		OK(p[0] != p[1]);
	}
	EQ(seen[2], 0);
	for (int i = 0; i < 5; i++)
		OK(i == 2 || seen[i] >= 9);
}

static void picks_from_few(void)
{
	static const struct {
		const char *row, *own;
		uint32_t n, want;
	} rows[] = {
		{ "none: ", "n0", 0, 0}, {"only oneself: ", "n0", 1, 0}, {"one other: ", "n0", 2, 1 },
		{ "one: ", "x", 1, 1},   {"two: ", "x", 2, 2 },
	};
	const struct roster_peer *p[ROSTER_PICK];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t offset = UINT32_MAX;

		t_row = rows[i].row;
		many(rows[i].n);
		EQ(roster_pick(&r, rows[i].own, &offset, p), rows[i].want);
	}
}

T_MAIN(T(reads_peers), T(garbage), T(bounds), T(takes_turns), T(picks_from_few))
